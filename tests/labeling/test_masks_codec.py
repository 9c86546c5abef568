"""The brush codec, polygons and regions: every mask comes back as it went in."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from label_studio_sdk.converter import brush

from labeling.configs.label_config import load_label_config
from labeling.formats import brush_rle as rle
from labeling.formats.polygons import ellipse, keyhole_polygons, outlines, rasterise, signed_area
from labeling.formats.shapes import MaskFormatError
from labeling.sync.results import read_result, write_result

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24))
LABEL_CONFIG = load_label_config("damage")


@given(MASKS)
def test_brush_rle_round_trips_every_mask(mask):
    assert np.array_equal(rle.decode_mask(rle.encode(mask), *mask.shape), mask)


@st.composite
def packed(draw):
    """(bytes, pixels): any rle-pack stream, runs and literals with any four bit counts."""
    counts = draw(st.lists(st.integers(2, 16), min_size=4, max_size=4))
    values = st.lists(st.integers(0, 255), min_size=1, max_size=12)
    chunks = draw(st.lists(st.tuples(st.booleans(), st.integers(0, 3), values), min_size=1))
    bits, words = "", 0
    for is_run, kind, chunk in [*chunks, (True, 0, [9, 9, 9, 9])]:
        length = min(len(chunk), 2 ** counts[kind])
        if (is_run, kind, chunk) == (True, 0, [9, 9, 9, 9]):
            length = 4 - words % 4  # four values per pixel
        bits += f"{is_run:d}{kind:02b}{length - 1:0{counts[kind]}b}"
        bits += "".join(f"{value:08b}" for value in chunk[: 1 if is_run else length])
        words += length
    bits = f"{words:032b}00111" + "".join(f"{count - 1:04b}" for count in counts) + bits
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)], words // 4


@given(packed())
def test_brush_rle_is_decoded_like_label_studios_own_sdk(stream):
    data, pixels = stream
    expected = brush.decode_rle(data).reshape(1, pixels, 4)[:, :, 3]
    assert np.array_equal(rle.decode(data, 1, pixels), expected)


def test_a_header_that_claims_four_gigabytes_is_refused_before_any_memory_is_allocated():
    bomb = [255, 255, 255, 252, *rle.encode(np.ones((2, 3), bool))[4:]]
    tracemalloc.start()
    with pytest.raises(MaskFormatError, match="pixels, but a picture of 3 x 2 has 6"):
        rle.decode(bomb, 2, 3)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("fill", [False, True])
def test_runs_longer_than_16_bits_round_trip(fill):
    mask = np.full((301, 467), fill)
    mask[150, 233] = not fill
    assert np.array_equal(rle.decode_mask(rle.encode(mask), 301, 467), mask)


def test_antialiased_strokes_are_cut_at_half_coverage():
    alpha = np.array([[0, 127, 128, 255]], np.uint8)
    rgba = np.zeros((1, 4, 4), np.uint8)
    rgba[..., 3] = alpha
    encoded = brush.encode_rle(rgba.ravel())
    assert np.array_equal(rle.decode(encoded, 1, 4), alpha)
    assert rle.decode_mask(encoded, 1, 4).tolist() == [[False, False, True, True]]


@given(st.lists(st.integers(0, 255), max_size=60), st.integers(1, 9), st.integers(1, 9))
def test_arbitrary_bytes_decode_or_raise_a_named_error(data, height, width):
    try:
        decoded = rle.decode(data, height, width)
    except MaskFormatError:
        return
    assert decoded.shape == (height, width)


@given(MASKS, st.data())
def test_a_truncated_rle_never_passes_for_a_mask(mask, data):
    encoded = rle.encode(mask)
    keep = data.draw(st.integers(0, max(0, len(encoded) - 3)))
    with pytest.raises(MaskFormatError):
        rle.decode(encoded[:keep], *mask.shape)


def test_swapped_width_and_height_of_another_area_are_refused():
    with pytest.raises(MaskFormatError, match="holds 6 pixels"):
        rle.decode(rle.encode(np.ones((2, 3), bool)), 3, 3)


@given(MASKS)
def test_outlines_and_rasterise_are_inverse(mask):
    assert np.array_equal(rasterise(outlines(mask), *mask.shape), mask)


@given(MASKS)
def test_keyhole_polygons_give_the_mask_with_simple_rings_only(mask):
    united = np.zeros_like(mask)
    for ring in keyhole_polygons(mask):
        part = rasterise([ring], *mask.shape)
        assert not (united & part).any()
        united |= part
    assert np.array_equal(united, mask)


@given(MASKS, st.integers(5, 9))
def test_polygons_survive_being_written_as_fractions_of_the_picture(mask, digits):
    height, width = mask.shape
    united = np.zeros_like(mask)
    for ring in keyhole_polygons(mask):
        fractions = np.round(ring / (width, height), digits)
        united |= rasterise([fractions * (width, height)], height, width)
    assert np.array_equal(united, mask)


def test_areas_of_outlines_add_up_to_the_pixels():
    mask = np.ones((7, 9), bool)
    mask[2:5, 3:6] = False
    assert sorted(signed_area(ring) for ring in outlines(mask)) == [-9, 63]


def test_a_polygon_covers_the_pixels_whose_centres_it_holds():
    triangle = [(0, 0), (4, 0), (0, 4)]
    expected = np.add.outer(np.arange(5) + 0.5, np.arange(5) + 0.5) < 4
    assert np.array_equal(rasterise([triangle], 5, 5), expected)


def test_a_polygon_beyond_the_border_is_cut_off():
    assert rasterise([[(-5, -5), (9, -5), (9, 9), (-5, 9)]], 3, 4).all()
    assert not rasterise([[(-5, -5), (-1, -5), (-1, 9), (-5, 9)]], 3, 4).any()


def test_an_ellipse_has_the_area_of_an_ellipse():
    mask = rasterise([ellipse(50, 40, 30, 20, 33)], 80, 100)
    assert mask.sum() == pytest.approx(np.pi * 30 * 20, rel=0.01)


@given(
    arrays(bool, st.tuples(st.just(3), st.integers(1, 30), st.integers(1, 30))),
    st.sampled_from(["damaged", "whole"]),
)
def test_masks_and_choices_round_trip_through_a_result(stack, state):
    masks = dict(zip(("dent", "scratch", "broken_lamp"), stack, strict=True))
    height, width = stack.shape[1:]
    result = write_result(masks, LABEL_CONFIG, choices={"state": state}, seed="x")
    parsed = read_result(result, LABEL_CONFIG, width=width, height=height)
    assert not parsed.problems
    assert parsed.choices == {"state": [state]}
    assert set(parsed.masks) == {label for label, mask in masks.items() if mask.any()}
    for label, mask in parsed.masks.items():
        assert np.array_equal(mask, masks[label])


def test_brush_and_polygon_of_one_class_are_united():
    brush = np.zeros((10, 20), bool)
    brush[:, :5] = True
    result = write_result({"dent": brush}, LABEL_CONFIG, seed="x")
    result.append(
        {
            "type": "polygonlabels", "from_name": "polygon", "to_name": "image",
            "original_width": 20, "original_height": 10, "image_rotation": 0,
            "value": {"points": [[75, 0], [100, 0], [100, 100], [75, 100]],
                      "polygonlabels": ["dent"]},
        }
    )  # fmt: skip
    parsed = read_result(result, LABEL_CONFIG, width=20, height=10)
    expected = brush.copy()
    expected[:, 15:] = True
    assert np.array_equal(parsed.masks["dent"], expected)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"original_width": 10}, "10 x 4 pixels, but the picture has 5 x 4"),
        ({"from_name": "pen"}, "unknown control 'pen'"),
        ({"value": {"rle": [1, 2], "brushlabels": ["dent"]}}, "no header"),
        ({"value": {"rle": [999], "brushlabels": ["dent"]}}, "bytes 0 to 255"),
        ({"value": {"rle": [], "brushlabels": ["rust"]}}, "no value 'rust'"),
        ({"value": {"rle": [], "brushlabels": []}}, "no damage class"),
        ({"value": None}, "no value"),
        (
            {
                "type": "rectanglelabels",
                "from_name": "rectangle",
                "value": {"x": 1e308, "y": 9, "width": 9, "height": 9, "rectanglelabels": ["dent"]},
            },
            "a corner lies more than",
        ),
    ],
)
def test_an_invalid_region_is_reported_and_left_out(change, problem):
    good = write_result({"scratch": np.ones((4, 5), bool)}, LABEL_CONFIG, seed="good")
    bad = write_result({"dent": np.ones((4, 5), bool)}, LABEL_CONFIG, seed="bad")[0] | change
    parsed = read_result([bad, *good], LABEL_CONFIG, width=5, height=4)
    assert list(parsed.masks) == ["scratch"]
    assert len(parsed.problems) == 1
    assert problem in parsed.problems[0]


def test_a_prediction_of_an_unknown_class_is_refused_before_it_is_sent():
    with pytest.raises(MaskFormatError, match="has no class 'rust'"):
        write_result({"rust": np.ones((2, 2), bool)}, LABEL_CONFIG)
