"""Two small ONNX networks with the inputs and outputs of Segment Anything, without weights.

Their answer is known: the dark parts of the picture, or discs around the clicks and what is in the
box. A black picture makes the encoder fail, a white one makes it answer NaN.
"""

from __future__ import annotations

from pathlib import Path

RADIUS = 100
"""Of the disc around a click, in pixels of the square of 1024."""

INPUTS = (
    "float[1,256,64,64] image_embeddings, float[1,n,2] point_coords, float[1,n] point_labels, "
    "float[1,1,256,256] mask_input, float[1] has_mask_input, float[2] orig_im_size"
)

_ENCODE = """
  size = Constant<value_ints=[16, 16]>()
  mean = ReduceMean<keepdims=0>(planes)
  low = Constant<value=float {-1.3}>()
  black = Less(mean, low)
  place = Cast<to=7>(black)
  far = Constant<value=int64 {9}>()
  index = Mul(place, far)
  one = Constant<value_floats=[1.0]>()
  fine = Gather(one, index)
  high = Constant<value=float {2.2}>()
  room = Sub(high, mean)
  root = Sqrt(room)
  nan = Sub(root, root)
  colours = AveragePool<kernel_shape=[16, 16], strides=[16, 16]>(planes)
  scaled = Mul(colours, fine)
  marked = Add(scaled, nan)
  rest = Constant<value_ints=[0, 0, 0, 0, 0, 253, 0, 0]>()
  image_embeddings = Pad(marked, rest)
"""

_PREPARE = """
  channel_mean = Constant<value_floats=[123.675, 116.28, 103.53]>()
  deviation = Constant<value_floats=[58.395, 57.12, 57.375]>()
  centred = Sub(input_image, channel_mean)
  normal = Div(centred, deviation)
  flat = Transpose<perm=[2, 0, 1]>(normal)
  first = Constant<value_ints=[0]>()
  planes = Unsqueeze(flat, first)
"""

_DECODE = """
  zero = Constant<value=float {0.0}>()
  none = Constant<value=float {-1000000.0}>()
  all = Constant<value=float {1000000.0}>()
  start = Constant<value=float {0.0}>()
  end = Constant<value=float {256.0}>()
  step = Constant<value=float {1.0}>()
  count = Range(start, end, step)
  four = Constant<value=float {4.0}>()
  half = Constant<value=float {1.5}>()
  wide = Mul(count, four)
  along = Add(wide, half)
  row = Constant<value_ints=[1, 1, 1, 256]>()
  column = Constant<value_ints=[1, 1, 256, 1]>()
  gx = Reshape(along, row)
  gy = Reshape(along, column)
  two = Constant<value_ints=[1, 1]>()
  x0, y0 = Split<axis=2>(point_coords, two)
  each = Constant<value_ints=[1, -1, 1, 1]>()
  x = Reshape(x0, each)
  y = Reshape(y0, each)
  labels = Reshape(point_labels, each)
  l0 = Constant<value=float {0.0}>()
  l1 = Constant<value=float {1.0}>()
  l2 = Constant<value=float {2.0}>()
  l3 = Constant<value=float {3.0}>()
  l4 = Constant<value=float {-1.0}>()
  is0 = Equal(labels, l0)
  is1 = Equal(labels, l1)
  is2 = Equal(labels, l2)
  is3 = Equal(labels, l3)
  is4 = Equal(labels, l4)
  dx = Sub(gx, x)
  dy = Sub(gy, y)
  dx2 = Mul(dx, dx)
  dy2 = Mul(dy, dy)
  d2 = Add(dx2, dy2)
  r2 = Constant<value=float {RADIUS2}>()
  within = Sub(r2, d2)
  without = Neg(within)
  on = Where(is1, within, none)
  off = Where(is0, without, all)
  clicked = ReduceMax<axes=[1], keepdims=1>(on)
  kept = ReduceMin<axes=[1], keepdims=1>(off)
  xl = Where(is2, x, none)
  yt = Where(is2, y, none)
  xr = Where(is3, x, none)
  yb = Where(is3, y, none)
  left = ReduceMax<axes=[1], keepdims=1>(xl)
  top = ReduceMax<axes=[1], keepdims=1>(yt)
  right = ReduceMax<axes=[1], keepdims=1>(xr)
  bottom = ReduceMax<axes=[1], keepdims=1>(yb)
  from_left = Sub(gx, left)
  from_top = Sub(gy, top)
  to_right = Sub(right, gx)
  to_bottom = Sub(bottom, gy)
  boxed = Min(from_left, from_top, to_right, to_bottom)
  meant = Max(clicked, boxed)
  prompted = Min(meant, kept)
  corners = Cast<to=1>(is2)
  paddings = Cast<to=1>(is4)
  ends = Add(corners, paddings)
  ended = ReduceSum<keepdims=0>(ends)
  odd0 = Sub(ended, l1)
  odd1 = Mul(odd0, odd0)
  drawn0 = ReduceMax<keepdims=0>(mask_input)
  drawn1 = ReduceMax<keepdims=0>(has_mask_input)
  odd2 = Add(drawn0, drawn1)
  odd3 = Add(odd1, odd2)
  odd = Mul(odd3, all)
  first = Constant<value_ints=[0]>()
  second = Constant<value_ints=[1]>()
  red0 = Slice(image_embeddings, first, second, second)
  sizes = Constant<value_ints=[1, 1, 256, 256]>()
  red = Resize<mode="linear">(red0, , , sizes)
  dark = Neg(red)
  whole = Sub(all, dark)
  masks0 = Concat<axis=1>(whole, dark, prompted)
  low_res_masks = Sub(masks0, odd)
  iou_predictions = Constant<value=float[1,3] {SCORES}>()
  cut0 = Constant<value_ints=[0, 0]>()
  cut1 = Constant<value_ints=[170, 256]>()
  cut2 = Constant<value_ints=[2, 3]>()
  masks = Slice(low_res_masks, cut0, cut1, cut2)
"""


def write_encoder(path: Path, *, packed: bool = False) -> Path:
    """Average colours of 16 x 16 pixels; `packed`: of RGB that is normalised in the file."""
    given = "float[h,w,3] input_image" if packed else "float[1,3,1024,1024] planes"
    body = (_PREPARE if packed else "") + _ENCODE
    return _write(path, f"({given}) => (float[1,256,64,64] image_embeddings) {{{body}}}")


def write_decoder(path: Path, *, best: str = "prompted", given: str = INPUTS) -> Path:
    """Three masks, of which `best` ("dark" or "prompted") has the best predicted IoU.

    Its `masks` are those of a picture of 3 : 2, whatever `orig_im_size` says, as in files of
    segment-anything 1.0.
    """
    scores = {"dark": "0.2, 0.9, 0.5", "prompted": "0.2, 0.5, 0.9"}[best]
    body = _DECODE.replace("RADIUS2", f"{RADIUS**2}.0").replace("SCORES", scores)
    outputs = (
        "float[1,3,high,wide] masks, float[1,3] iou_predictions, float[1,3,256,256] low_res_masks"
    )
    return _write(path, f"({given}) => ({outputs}) {{{body}}}")


def _write(path: Path, graph: str) -> Path:
    import onnx
    import onnx.parser

    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> toy {graph}')
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
