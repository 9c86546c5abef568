"""Outlines of damage from the log-odds of cells, and the network that gives them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from train.windows import grid
from train.windows.cells import CellHead
from train.windows.classifier import DamageClassifier, shipped_folder
from train.windows.regions import LIKELY, MOST, damage_regions, mask_regions


def judged(*spots: tuple[slice, slice, float]) -> np.ndarray:
    cells = np.full((grid.FINE, grid.FINE), -4, np.float32)
    for rows, columns, value in spots:
        cells[rows, columns] = value
    return cells


def test_each_connected_part_is_one_region_the_surest_first() -> None:
    first, second = damage_regions(
        judged((slice(4, 12), slice(30, 50), 3), (slice(30, 50), slice(8, 20), 4))
    )
    assert first.score > second.score > 0.5
    x, y = np.array(second.polygon).T * grid.FINE
    assert (x.min(), x.max()) == pytest.approx((30, 50), abs=0.6)
    assert (y.min(), y.max()) == pytest.approx((4, 12), abs=0.6)


def test_a_picture_without_damage_has_no_region_and_a_single_cell_is_noise() -> None:
    assert damage_regions(judged()) == ()
    assert damage_regions(judged((slice(5, 6), slice(5, 6), 4))) == ()


@given(
    arrays(np.float32, (grid.FINE // 4, grid.FINE // 4), elements=st.floats(-9, 9, width=32)),
    st.floats(-2, 2),
)
def test_outlines_cover_what_is_likely_and_nothing_far_from_it(
    coarse: np.ndarray, shift: float
) -> None:
    cells = coarse.repeat(4, axis=0).repeat(4, axis=1) + np.float32(shift)
    regions = damage_regions(cells)
    assert len(regions) <= MOST
    assert [region.score for region in regions] == sorted(
        (region.score for region in regions), reverse=True
    )
    canvas = Image.new("1", (grid.FINE, grid.FINE))
    for region in regions:
        assert 0.6 < region.score <= 1 and len(region.polygon) >= 3
        points = np.array(region.polygon)
        assert (points >= 0).all() and (points <= 1).all()
        ImageDraw.Draw(canvas).polygon([tuple(p) for p in (points * grid.FINE).tolist()], fill=1)
    if len(regions) < MOST:
        heart = _middles(coarse + np.float32(shift) > LIKELY + 0.1)
        assert np.asarray(canvas)[heart].all()


def test_each_part_of_a_segmenters_masks_is_a_region_with_its_class() -> None:
    dent, scratch = np.zeros((300, 600), np.float32), np.zeros((300, 600), np.float32)
    dent[30:90, 60:180] = 0.7
    scratch[150:180, 300:540] = 0.9
    scratch[0, 0] = 0.95  # a single pixel is noise
    maps = {"dent": dent, "scratch": scratch}
    found = mask_regions({name: each > 0.5 for name, each in maps.items()}, maps)
    assert [(each.label, each.score) for each in found] == [("scratch", 0.9), ("dent", 0.7)]
    x, y = np.array(found[1].polygon).T
    assert (x.min(), x.max()) == pytest.approx((0.1, 0.3), abs=0.003)
    assert (y.min(), y.max()) == pytest.approx((0.1, 0.3), abs=0.006)
    assert mask_regions({}, maps) == ()


def test_a_scratch_thinner_than_an_outline_may_be_off_is_a_region() -> None:
    straight, slanted, bent, arc, wave = (np.zeros((1000, 1500), np.uint8) for _ in range(5))
    straight[400:410, 100:1400] = 1
    cv2.line(slanted, (100, 100), (1100, 900), 1, 8)
    cv2.polylines(bent, [np.array([(100, 100), (700, 900), (1300, 100)])], False, 1, 9)
    cv2.ellipse(arc, (750, 900), (600, 700), 0, 190, 350, 1, 5)
    along = np.arange(100, 1400)
    wave_points = np.stack([along, 500 + 200 * np.sin(along / 100)], axis=1).astype(np.int32)
    cv2.polylines(wave, [wave_points], False, 1, 5)
    for mask, least in ((straight, 0.9), (slanted, 0.9), (bent, 0.8), (arc, 0.75), (wave, 0.75)):
        assert _shared(mask) > least


def test_a_scratch_of_one_pixel_has_an_outline_around_it() -> None:
    mask = np.zeros((1000, 1500), np.uint8)
    cv2.polylines(mask, [np.array([(100, 100), (700, 900), (1300, 100)])], False, 1, 1)
    (region,) = mask_regions({"scratch": mask > 0}, {"scratch": mask.astype(np.float32)})
    assert len(region.polygon) < 100
    points = (np.array(region.polygon) * (1500, 1000)).astype(np.int32)
    drawn = cv2.fillPoly(np.zeros_like(mask), [points], 1)
    assert mask[drawn > 0].sum() > 0.95 * mask.sum()
    assert drawn.sum() < 6 * mask.sum()


def test_a_hole_costs_no_points() -> None:
    whole, ring = (np.zeros((600, 600), np.uint8) for _ in range(2))
    cv2.circle(whole, (300, 300), 250, 1, -1)
    cv2.circle(ring, (300, 300), 250, 1, 20)
    ring &= whole
    sizes = []
    for mask in (whole, ring):
        (region,) = mask_regions({"dent": mask > 0}, {"dent": mask.astype(np.float32)})
        sizes.append(len(region.polygon))
    assert sizes[0] == sizes[1]


def _shared(mask: np.ndarray) -> float:
    """Return the part that the only region's outline and a mask share, of the larger of both."""
    (region,) = mask_regions({"scratch": mask > 0}, {"scratch": mask.astype(np.float32)})
    height, width = mask.shape
    canvas = Image.new("1", (width, height))
    corners = [(float(x), float(y)) for x, y in np.array(region.polygon) * (width, height)]
    ImageDraw.Draw(canvas).polygon(corners, fill=1)
    both = np.asarray(canvas) & (mask > 0)
    return float(both.sum() / max(np.asarray(canvas).sum(), mask.sum()))


def test_a_region_of_the_shipped_model_names_no_kind() -> None:
    assert damage_regions(judged((slice(4, 12), slice(30, 50), 3)))[0].label == "damage"


def _middles(blocks: np.ndarray) -> np.ndarray:
    """Return the middle cells of blocks of four."""
    middle = np.zeros((4, 4), bool)
    middle[1:3, 1:3] = True
    return np.kron(blocks, middle)


def test_the_network_judges_cells_as_the_head_does_and_adds_their_largest_to_the_windows() -> None:
    keras = pytest.importorskip("keras")
    from bodyshop_core.backbones.lite import build_lite0, lite0_weights
    from train.windows.network import build_window_network, fine_maps

    rng = np.random.default_rng(2)
    body = build_lite0(input_size=grid.SIDE, include_top=False, weights=lite0_weights())
    maps = fine_maps(body)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(scale=0.2, size=shape).astype(np.float32)

    head = CellHead(
        {block: drawn(each.shape[-1], 6) for block, each in maps.items()},
        drawn(6), drawn(6, 5), drawn(5), drawn(5, 1), drawn(1), 0.5, 2.0,
    )  # fmt: skip
    picture = rng.integers(0, 255, (1, grid.SIDE, grid.SIDE, 3)).astype(np.float32)
    seen = keras.Model(body.input, maps)(picture, training=False)
    total = np.zeros((grid.FINE, grid.FINE, 6), np.float32) + head.first_bias
    for block, weights in head.first.items():
        value = np.asarray(seen[block])[0]
        total += _enlarged((value - value.mean(axis=(0, 1))) @ weights)
    hidden = np.maximum(np.maximum(total, 0) @ head.second + head.second_bias, 0)
    expected = hidden @ head.last + head.last_bias
    found = build_window_network(head=head)(picture, training=False)
    cells, windows = np.asarray(found["cells"])[0], np.asarray(found["windows"])[0]
    assert np.abs(cells - expected[..., 0]).max() < 1e-3
    places = (grid.boxes() * grid.FINE).round().astype(int)
    largest = [cells[top:low, left:right].max() for left, top, right, low in places]
    assert np.abs(windows[:, -1] - (np.array(largest) - 0.5) / 2.0).max() < 1e-4


def _enlarged(values: np.ndarray) -> np.ndarray:
    """Return values at the finest size, bilinear between centres."""
    size = len(values)
    place = ((np.arange(grid.FINE) + 0.5) * size / grid.FINE - 0.5).clip(0, size - 1)
    low = np.minimum(np.floor(place).astype(int), max(size - 2, 0))
    share = (place - low)[:, None, None]
    rows = values[low] * (1 - share) + values[np.minimum(low + 1, size - 1)] * share
    share = (place - low)[None, :, None]
    return np.asarray(
        rows[:, low] * (1 - share) + rows[:, np.minimum(low + 1, size - 1)] * share, np.float32
    )


def test_the_shipped_model_gives_windows_and_cells() -> None:
    model = DamageClassifier(shipped_folder())
    squares = np.zeros((1, grid.SIDE, grid.SIDE, 3), np.uint8)
    windows, cells = model.look(squares)
    assert windows.shape == (1, len(grid.boxes()), len(model.model.weights))
    assert cells is not None and cells.shape == (1, grid.FINE, grid.FINE)
