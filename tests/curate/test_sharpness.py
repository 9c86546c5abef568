"""Sharpness tells blurred from sharp, whatever the size and however smooth the paint."""

from __future__ import annotations

import numpy as np
import photos
import pytest
from PIL import Image, ImageFilter

from curate.measure.picture import measure_picture
from curate.measure.sharpness import MIN_SHARPNESS, sharpness


def grey(picture):
    return np.asarray(picture.convert("L"))


def blurred(picture, pixels):
    """Blur by `pixels` as seen at the working size of 512."""
    return picture.filter(ImageFilter.GaussianBlur(pixels * max(1, max(picture.size) / 512)))


def smeared(picture, length, angle):
    import cv2

    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    centre = (length // 2, length // 2)
    kernel = cv2.warpAffine(kernel, cv2.getRotationMatrix2D(centre, angle, 1), (length, length))
    return cv2.filter2D(grey(picture), -1, kernel / kernel.sum())


@pytest.mark.parametrize("name", photos.NAMES)
def test_blur_lowers_it_and_more_blur_lowers_it_more(name):
    picture = photos.photo(name)
    values = [sharpness(grey(blurred(picture, pixels))) for pixels in (1, 1.5, 2, 3, 5)]
    values.insert(0, sharpness(grey(picture)))
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.6 > MIN_SHARPNESS > values[4]


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 120])
def test_motion_in_any_direction_lowers_it(angle):
    picture = photos.scaled(photos.photo("astronaut"), 0.8)
    assert sharpness(smeared(picture, 13, angle)) < sharpness(grey(picture)) - 0.2


def test_it_is_nearly_the_same_at_every_size():
    picture = photos.photo("astronaut")
    values = [sharpness(grey(photos.scaled(picture, f))) for f in (0.3, 0.5, 0.75, 1.0)]
    assert max(values) - min(values) < 0.12


def test_enlarging_a_thumbnail_does_not_make_it_sharp():
    picture = photos.photo("chelsea")
    thumbnail = photos.scaled(picture, 0.2)
    enlarged = thumbnail.resize(picture.size, Image.Resampling.BICUBIC)
    assert sharpness(grey(enlarged)) < MIN_SHARPNESS < sharpness(grey(picture))


def test_smooth_paint_is_not_blur():
    car = photos.car_on_white((180, 30, 30)).filter(ImageFilter.GaussianBlur(0.6))
    assert sharpness(grey(car)) > 0.6
    assert sharpness(grey(blurred(car, 3))) < MIN_SHARPNESS


def test_it_survives_strong_compression():
    picture = photos.photo("coffee")
    original = measure_picture(photos.jpeg(picture, 95))["sharpness"]
    compressed = measure_picture(photos.jpeg(picture, 35))["sharpness"]
    assert abs(original - compressed) < 0.05


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (3, 3), (40, 40)])
def test_pictures_without_an_edge_have_none(shape):
    assert sharpness(np.full(shape, 128, dtype=np.uint8)) == 0.0


def test_it_lies_between_0_and_1():
    noise = np.random.default_rng(0).integers(0, 256, (200, 300), dtype=np.uint8)
    assert 0.5 < sharpness(noise) <= 1.0


@pytest.mark.slow
def test_auc_on_real_photos_is_at_least_99_percent(real_data):
    """Gaussian, motion and down-up blur, as strong as 2 pixels at a size of 512."""
    files = [
        file
        for folder in ("damage/validation/damaged", "damage/validation/whole", "masks/images")
        for file in sorted((real_data / folder).iterdir())[::4]
    ]
    sharp, soft = [], {"gaussian": [], "motion": [], "down-up": []}
    for number, file in enumerate(files):
        with Image.open(file) as image:
            picture = image.convert("RGB")
        picture.thumbnail((512, 512))
        sharp.append(sharpness(grey(picture)))
        soft["gaussian"].append(sharpness(grey(blurred(picture, 2))))
        soft["motion"].append(sharpness(smeared(picture, 11, 37 * number % 180)))
        small = photos.scaled(picture, 1 / 4)
        soft["down-up"].append(sharpness(grey(small.resize(picture.size))))
    for kind, values in soft.items():
        wins = np.array(sharp)[:, None] > np.array(values)[None, :]
        assert wins.mean() >= 0.99, kind
