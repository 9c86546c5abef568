"""A recoloured picture is another one, however little colour it has; a relit one is not."""

from __future__ import annotations

import numpy as np
import photos
import pytest
from PIL import Image, ImageEnhance

from curate.duplicates.pixels import compare, says_same, view
from curate.duplicates.signatures import Likeness, Signatures, likeness
from curate.measure.picture import measure_picture


def pale(name):
    """Return a photo with next to no colour, as one of a silver car has, saved once."""
    picture = ImageEnhance.Color(photos.photo(name)).enhance(0.12)
    return photos.scaled(picture, 480 / picture.width)


def turned(picture, degrees):
    hue, saturation, value = picture.convert("HSV").split()
    other = hue.point(lambda level: (level + round(degrees / 360 * 256)) % 256)
    return Image.merge("HSV", (other, saturation, value)).convert("RGB")


def exchanged(picture):
    return Image.fromarray(np.ascontiguousarray(np.asarray(picture)[..., ::-1]))


def warmer(picture):
    levels = np.asarray(picture) * np.array([1.08, 1.0, 0.92])
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


RECOLOURED = {
    "by 90 degrees": lambda each: photos.jpeg(turned(each, 90)),
    "by 135 degrees": lambda each: photos.jpeg(turned(each, 135)),
    "by 180 degrees": lambda each: photos.jpeg(turned(each, 180), 40),
    "red and blue exchanged": lambda each: photos.jpeg(exchanged(each)),
}
COPIES = {
    "saved at 10": lambda each: photos.jpeg(each, 10),
    "brighter": lambda each: photos.jpeg(photos.brighter(each)),
    "half": lambda each: photos.jpeg(photos.scaled(each, 0.5)),
    "warmer": lambda each: photos.jpeg(warmer(each)),
    "less colour": lambda each: photos.jpeg(ImageEnhance.Color(each).enhance(0.6)),
    "grey": lambda each: photos.jpeg(each.convert("L")),
}


@pytest.mark.parametrize("name", photos.NAMES)
@pytest.mark.parametrize("change", RECOLOURED)
def test_pixels_tell_what_was_recoloured(name, change):
    picture = pale(name)
    other = RECOLOURED[change](picture)
    assert not says_same(compare(view(photos.jpeg(picture)), view(other)))
    assert not says_same(compare(view(other), view(photos.jpeg(picture))))


@pytest.mark.parametrize("name", photos.NAMES)
@pytest.mark.parametrize("change", COPIES)
def test_pixels_still_join_copies_with_next_to_no_colour(name, change):
    picture = pale(name)
    assert says_same(compare(view(photos.jpeg(picture)), view(COPIES[change](picture))))


@pytest.mark.parametrize("name", photos.NAMES)
def test_hashes_alone_never_join_what_was_recoloured(name):
    picture = pale(name)
    others = [change(picture) for change in RECOLOURED.values()]
    files = [photos.jpeg(picture), photos.jpeg(picture, 75), *others]
    rows = [{"sha256": str(place), **measure_picture(each)} for place, each in enumerate(files)]
    signatures = Signatures.of(rows)
    second = np.arange(1, len(files))
    found = likeness(signatures, np.zeros(len(second), dtype=np.int64), second)
    assert found[0] == Likeness.SAME
    assert Likeness.SAME not in found[1:]


def test_pictures_without_any_colour_are_joined_by_hashes():
    grey = photos.photo("coffee").convert("L")
    files = [photos.jpeg(grey), photos.jpeg(grey, 70)]
    rows = [{"sha256": str(place), **measure_picture(each)} for place, each in enumerate(files)]
    found = likeness(Signatures.of(rows), np.array([0]), np.array([1]))
    assert found.tolist() == [Likeness.SAME]
