from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bodyshop_core.imaging import Equalise
from train.data.affine import apply, distorter, draw
from train.data.pixels import View, squares, to_square
from train.recipes.recipe import AffineAugmentation


def _picture(height: int = 120, width: int = 160) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows % 256, columns % 256, (rows + columns) % 256], 2).astype(np.uint8)


def test_a_degradation_view_is_the_same_every_time_and_another_for_another_number() -> None:
    view, rgb = View(64), _picture()
    one = to_square(rgb, view, number=1, key="a")
    assert (to_square(rgb, view, number=1, key="a") == one).all()
    assert (to_square(rgb, view, number=2, key="a") != one).any()
    assert (to_square(rgb, view, number=1, key="b") != one).any()
    assert (to_square(rgb, view) != one).any()


def test_equalising_makes_two_sizes_of_one_picture_alike(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    small = random.integers(0, 255, (40, 60, 3)).astype(np.uint8)
    large = Image.fromarray(small).resize((480, 320), Image.Resampling.BICUBIC)
    shrunk = large.resize((120, 80), Image.Resampling.BICUBIC)
    raw = [to_square(np.asarray(image), View(64)).astype(int) for image in (large, shrunk)]
    even = [
        to_square(np.asarray(image), View(64, Equalise(60, 60))).astype(int)
        for image in (large, shrunk)
    ]
    assert np.abs(even[0] - even[1]).mean() < 12
    assert even[0].shape == raw[0].shape == (64, 64, 3)


def test_grey_has_three_equal_channels() -> None:
    square = to_square(_picture(), View(32, grey=True))
    assert (square[..., 0] == square[..., 1]).all()
    assert (square[..., 0] == square[..., 2]).all()


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    image = Image.fromarray(_picture())
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    turned = np.asarray(image.rotate(-90, expand=True))
    assert (to_square(tmp_path / "turned.png", View(32)) == to_square(turned, View(32))).all()


def test_squares_keep_the_order_of_the_sources() -> None:
    sources = [np.full((10, 10, 3), value, np.uint8) for value in range(40)]
    assert [int(square[0, 0, 0]) for square in squares(sources, View(8))] == list(range(40))


def test_the_distortion_is_that_of_keras_image_data_generator() -> None:
    legacy = pytest.importorskip("keras.src.legacy.preprocessing.image")
    random, picture = np.random.default_rng(3), _picture(64, 64).astype(np.float32)
    for _ in range(5):
        drawn = draw(
            AffineAugmentation(rotation=40, shift=0.2, shear=20, zoom=0.2, flip=True), random
        )
        expected = legacy.apply_affine_transform(
            picture.copy(),
            theta=drawn["theta"],
            tx=drawn["tx"] * 64,
            ty=drawn["ty"] * 64,
            shear=drawn["shear"],
            zx=drawn["zx"],
            zy=drawn["zy"],
            row_axis=0,
            col_axis=1,
            channel_axis=2,
            fill_mode="nearest",
            order=1,
        )
        if drawn["flip"]:
            expected = expected[:, ::-1]
        # OpenCV interpolates on a grid of 1/32 pixel.
        assert np.abs(apply(picture, drawn) - expected).mean() < 0.5


def test_distortions_hang_on_seed_picture_and_epoch_alone() -> None:
    affine = AffineAugmentation(rotation=40, shift=0.2, zoom=0.2, flip=True)
    pictures = np.stack([_picture(32, 32)] * 4)
    places = np.arange(4)
    once = distorter(affine, 7)(pictures, places, 2)
    part = distorter(affine, 7)(pictures[2:], places[2:], 2)
    assert (once[2:] == part).all()
    assert (distorter(affine, 7)(pictures, places, 3) != once).any()
    assert (once[0] != once[1]).any()
