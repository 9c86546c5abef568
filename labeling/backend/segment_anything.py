"""Regions from clicks and boxes by a Segment Anything model (SAM) in two ONNX files.

Kirillov et al. 2023, "Segment Anything". The decoder is the file that segment-anything's
``scripts/export_onnx_model.py`` writes; the encoder takes the picture with its longest side scaled
to 1024 and padded to a square. The decoder's ``masks`` are not used: in files of segment-anything
1.0 they are cut for the shape of the picture that the file was made with (its issue 56). The masks
are enlarged from ``low_res_masks`` here, by the same steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.errors import BodyshopError, MissingPartError, UsageError
from labeling.backend.growing import Box, Click, part_inside, pixel_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.catalog import BlobRef

SIDE = 1024
"""Side of the encoder's square, in pixels."""

EMBEDDING = (1, 256, 64, 64)

LOW_RES = 256
"""Side of the decoder's own masks, in pixels of four pixels of the square."""

KEPT_EMBEDDINGS = 16
"""Pictures whose embedding is kept: 4 MiB each."""

MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of red, green and blue, 0 to 255: how SAM was trained."""

BACKGROUND, FOREGROUND, TOP_LEFT, BOTTOM_RIGHT, PADDING = 0, 1, 2, 3, -1
"""Labels of the decoder's points."""

INPUTS = {
    "image_embeddings": EMBEDDING,
    "point_coords": (1, None, 2),
    "point_labels": (1, None),
    "mask_input": (1, 1, LOW_RES, LOW_RES),
    "has_mask_input": (1,),
    "orig_im_size": (2,),
}
"""The decoder's inputs -> their shapes."""

SCORES, MASKS = "iou_predictions", "low_res_masks"
"""The decoder's outputs that are used."""

PAIR = (
    "give the encoder first and then the decoder of SAM 1 or MobileSAM; SAM 2 and EfficientSAM "
    "have other inputs (docs/labeling.md)"
)


class SegmentAnythingError(BodyshopError):
    """The model gave no answer for one picture."""


class SegmentAnything:
    """Two ONNX files that answer clicks and boxes.

    Parameters
    ----------
    encoder, decoder : Path
        The encoder has one input, either normalised float of shape (1, 3, 1024, 1024) or RGB from
        0 to 255 of shape (height, width, 3), and the output (1, 256, 64, 64).

    Raises
    ------
    MissingPartError
        ONNX Runtime is not installed.
    UsageError
        A file can't be opened, or has other inputs or outputs.
    """

    def __init__(self, encoder: Path, decoder: Path) -> None:
        self._encoder, self._decoder = _opened(encoder), _opened(decoder)
        self._planar = _check_encoder(encoder, self._encoder)
        _check_decoder(decoder, self._decoder)
        self._embedded = lru_cache(maxsize=KEPT_EMBEDDINGS)(self._embed)

    def region(
        self, picture: BlobRef, clicks: Sequence[Click] = (), box: Box | None = None
    ) -> NDArray[np.bool_]:
        """Return the region that clicks and a box mean.

        Parameters
        ----------
        picture : BlobRef
            Decoded and encoded when it is asked about for the first time.
        clicks : sequence of Click
            In pixels of the upright picture; at least one that is positive, unless there is a box.
        box : (left, top, right, bottom), optional
            The damage lies in it.

        Returns
        -------
        ndarray of bool, shape (height, width)
            The mask of the best predicted IoU. Without a box only the 8-connected parts on which a
            positive click lies, if it lies on any. Empty when there is neither a box nor a positive
            click.

        Raises
        ------
        SegmentAnythingError
            The model failed on it.
        UnreadableImageError, TransientError
            The picture can't be read.
        """
        embedding, (height, width) = self._embedded(picture)
        inner = None if box is None else part_inside(box, width, height)
        positive = [click for click in clicks if click.positive]
        if inner is None and (box is not None or not positive):
            return np.zeros((height, width), np.bool_)
        mask = _enlarged(self._best_mask(embedding, (height, width), clicks, inner), height, width)
        return mask if inner else _parts_under(mask, positive)

    def _embed(self, picture: BlobRef) -> tuple[NDArray[np.float32], tuple[int, int]]:
        from PIL import Image

        from bodyshop_core.imaging import load_rgb

        rgb = load_rgb(picture)
        height, width = rgb.shape[:2]
        high, wide = _scaled(height, width)
        small = Image.fromarray(rgb).resize((wide, high), Image.Resampling.BILINEAR)
        # Padded with the mean, which is 0 once it is normalised, by the file or here.
        square = np.tile(np.array(MEAN, np.float32), (SIDE, SIDE, 1))
        square[:high, :wide] = np.asarray(small)
        if self._planar:
            normalised = (square - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
            square = np.ascontiguousarray(normalised.transpose(2, 0, 1)[None])
        name = self._encoder.get_inputs()[0].name
        output = self._encoder.get_outputs()[0].name
        (embedding,) = _run(self._encoder, [output], {name: square})
        _check_answer(embedding, EMBEDDING)
        return embedding, (height, width)

    def _best_mask(
        self,
        embedding: NDArray[np.float32],
        size: tuple[int, int],
        clicks: Sequence[Click],
        box: Box | None,
    ) -> NDArray[np.float32]:
        """Return the logits of the best mask, of shape (256, 256)."""
        height, width = size
        points = [(click.x, click.y) for click in clicks]
        labels = [FOREGROUND if click.positive else BACKGROUND for click in clicks]
        if box:
            points += [box[:2], box[2:]]
            labels += [TOP_LEFT, BOTTOM_RIGHT]
        else:
            points.append((0, 0))
            labels.append(PADDING)
        high, wide = _scaled(height, width)
        within = np.clip(np.array(points, np.float64), 0, (width, height))
        given = {
            "image_embeddings": embedding,
            "point_coords": within[None] * (wide / width, high / height),
            "point_labels": [labels],
            "mask_input": np.zeros((1, 1, LOW_RES, LOW_RES)),
            "has_mask_input": [0],
            "orig_im_size": [high, wide],  # the size of masks that are not used
        }
        scores, masks = _run(
            self._decoder,
            [SCORES, MASKS],
            {name: np.asarray(each, np.float32) for name, each in given.items()},
        )
        _check_answer(masks, (1, None, LOW_RES, LOW_RES))
        _check_answer(scores, masks.shape[:2])
        return np.asarray(masks[0, scores[0].argmax()])


def _opened(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPartError(
            f"Segment Anything needs the package {error.name}",
            hint="pip install 'bodyshop[onnx]'",
        ) from error
    if not path.is_file():
        raise UsageError(f"{path} is no file", hint=PAIR)
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4  # errors are raised, and need not be printed as well
    try:
        return onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # the errors of ONNX Runtime have no common base
        raise UsageError(f"{path} can't be opened as ONNX: {error}", hint=PAIR) from error


def _check_encoder(path: Path, session: Any) -> bool:
    """Return whether it wants normalised planes, or else RGB that it normalises itself."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    planar = len(inputs) == 1 and _fits(inputs[0], (1, 3, SIDE, SIDE))
    packed = len(inputs) == 1 and _fits(inputs[0], (SIDE, SIDE, 3))
    if not (planar or packed) or not _fits(outputs[0], EMBEDDING):
        raise UsageError(
            f"{path} is no encoder of Segment Anything: expected one input float 1x3x{SIDE}x{SIDE} "
            f"or HxWx3, and the output float {_shape(EMBEDDING)}; it has {_described(session)}",
            hint=PAIR,
        )
    return planar


def _check_decoder(path: Path, session: Any) -> None:
    inputs = {each.name: each for each in session.get_inputs()}
    outputs = {each.name: each for each in session.get_outputs()}
    if (
        inputs.keys() != INPUTS.keys()
        or not all(_fits(inputs[name], shape) for name, shape in INPUTS.items())
        or not {SCORES, MASKS} <= outputs.keys()
    ):
        expected = ", ".join(f"{name} {_shape(shape)}" for name, shape in INPUTS.items())
        raise UsageError(
            f"{path} is no decoder of Segment Anything: expected the float inputs {expected}, and "
            f"the outputs {SCORES} and {MASKS}; it has {_described(session)}",
            hint=PAIR,
        )


def _fits(stated: Any, wanted: Sequence[int | None]) -> bool:
    """Tell whether an input or output may have a shape; sizes without a number may be anything."""
    return (
        stated.type == "tensor(float)"
        and len(stated.shape) == len(wanted)
        and all(
            size == want or not isinstance(size, int) or want is None
            for size, want in zip(stated.shape, wanted, strict=True)
        )
    )


def _described(session: Any) -> str:
    def listed(each: Any) -> str:
        kind = each.type.removeprefix("tensor(").removesuffix(")")
        return f"{each.name} ({kind} {_shape(each.shape)})"

    inputs, outputs = (
        ", ".join(map(listed, side)) for side in (session.get_inputs(), session.get_outputs())
    )
    return f"{inputs or 'no inputs'} -> {outputs}"


def _shape(sizes: Sequence[object]) -> str:
    return "x".join("N" if size is None else str(size) for size in sizes)


def _run(session: Any, outputs: list[str], given: dict[str, Any]) -> list[Any]:
    try:
        return list(session.run(outputs, given))
    except Exception as error:  # the errors of ONNX Runtime have no common base
        raise SegmentAnythingError(f"Segment Anything failed: {error}") from error


def _check_answer(answer: NDArray[np.float32], wanted: Sequence[int | None]) -> None:
    if len(answer.shape) != len(wanted) or any(
        want not in (None, size) for size, want in zip(answer.shape, wanted, strict=True)
    ):
        raise SegmentAnythingError(
            f"Segment Anything returned {_shape(answer.shape)} in place of {_shape(wanted)}"
        )
    if not answer.size or not np.isfinite(answer).all():
        raise SegmentAnythingError("Segment Anything returned values that are no numbers")


def _scaled(height: int, width: int) -> tuple[int, int]:
    """Return the size of a picture in the encoder's square."""
    scale = SIDE / max(height, width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def _enlarged(logits: NDArray[np.float32], height: int, width: int) -> NDArray[np.bool_]:
    """Enlarge to the square, take the padding away, and return what is above 0."""
    import cv2

    high, wide = _scaled(height, width)
    square = cv2.resize(logits, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(
        cv2.resize(square[:high, :wide], (width, height), interpolation=cv2.INTER_LINEAR) > 0
    )


def _parts_under(mask: NDArray[np.bool_], clicks: Sequence[Click]) -> NDArray[np.bool_]:
    import cv2

    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    pixels = [pixel_of(click, mask.shape[1], mask.shape[0]) for click in clicks]
    wanted = np.zeros(count, np.bool_)
    wanted[[parts[y, x] for x, y in pixels]] = True
    wanted[0] = False
    return wanted[parts] if wanted.any() else mask
