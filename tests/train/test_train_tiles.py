"""Squares that cover whole pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_cases import draw

from bodyshop_core.errors import UnreadableImageError
from train.data.tiles import MAX_SQUARES, OVERLAP, Tiling, scale_maps, scale_mask

SIZES = st.integers(1, 700)
SIDES = st.sampled_from([32, 96, 224])


@given(SIZES, SIZES, SIDES, st.integers(1, 4))
def test_squares_cover_every_pixel_of_the_picture_and_nothing_else(
    height: int, width: int, side: int, rows: int
) -> None:
    tiling = Tiling(height, width, side, rows)
    tall, wide = tiling.canvas
    seen = np.zeros((tall, wide), int)
    for top, left in tiling.corners:
        assert 0 <= top <= tall - side
        assert 0 <= left <= wide - side
        seen[top : top + side, left : left + side] += 1
    assert seen.min() == 1
    assert min(tall, wide) >= side
    for starts in map(sorted, zip(*tiling.corners, strict=True)):
        gaps = np.diff(sorted(set(starts)))
        assert (gaps <= side - round(side * OVERLAP)).all()


@given(st.integers(40, 700), st.integers(40, 700), SIDES, st.integers(1, 4))
def test_a_picture_keeps_its_aspect_ratio_and_is_enlarged_for_one_row_only(
    height: int, width: int, side: int, rows: int
) -> None:
    tall, wide = Tiling(height, width, side, rows).canvas
    assert tall / height == pytest.approx(wide / width, rel=0.6 / min(tall, wide))
    if min(height, width) >= side:
        assert tall <= height
        assert wide <= width


@given(st.integers(20, 300), st.integers(20, 300), st.integers(1, 3), st.integers(0, 99))
def test_maps_that_are_cut_and_merged_are_what_they_were(
    height: int, width: int, rows: int, seed: int
) -> None:
    tiling = Tiling(height, width, 32, rows)
    picture = np.random.default_rng(seed).integers(0, 256, (*tiling.canvas, 3), np.uint8)
    squares = tiling.cut(picture)
    assert squares.shape == (len(tiling.corners), 32, 32, 3)
    merged = tiling.merge(squares.astype(np.float32))
    np.testing.assert_allclose(merged, picture, atol=1e-3)


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1)])
def test_a_picture_too_thin_for_the_limit_of_squares_is_refused_by_name(size) -> None:
    with pytest.raises(UnreadableImageError, match=r"line\.png is too thin") as caught:
        Tiling.of(size, 224, 1, name="line.png")
    assert f"{size[1]} x {size[0]}" in caught.value.message
    assert str(MAX_SQUARES) in caught.value.message


@given(SIZES, SIZES, SIDES, st.integers(1, 8))
def test_the_number_of_squares_is_known_before_they_are_made(
    height: int, width: int, side: int, rows: int
) -> None:
    tiling = Tiling(height, width, side, rows)
    assert tiling.count == len(tiling.corners)
    if max(height, width) <= 7 * min(height, width):
        assert tiling.count <= MAX_SQUARES


def test_a_mask_is_scaled_like_its_picture() -> None:
    picture = draw("damaged", 3, 120)
    tiling = Tiling.of(picture.shape, 60, 1, name="it")

    def red(rgb: np.ndarray) -> np.ndarray:
        return (rgb[..., 0] > 190) & (rgb[..., 1] < 40)

    small = tiling.cut_mask(red(picture)).astype(bool)
    seen = np.stack([red(square) for square in tiling.cut(picture)])
    assert small.shape == seen.shape
    assert (small & seen).sum() > 0.7 * seen.sum()


def test_masks_and_maps_take_any_size() -> None:
    mask = np.zeros((40, 90), bool)
    mask[:, :45] = True
    assert scale_mask(mask, (7, 10)).tolist() == [[1] * 5 + [0] * 5] * 7
    maps = np.stack([mask, ~mask], axis=-1).astype(np.float32)
    assert scale_maps(maps, (80, 180)).shape == (80, 180, 2)
