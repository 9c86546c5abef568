"""A screenshot and a photo of a screen are copies of what they show, and nothing else is."""

from __future__ import annotations

import hashlib

import numpy as np
import photos
import pytest
from PIL import Image, ImageDraw, ImageOps

from bodyshop_core.catalog import BlobRef
from curate.duplicates import find_pairs
from curate.duplicates.borders import is_framed_in
from curate.duplicates.checks import compare_pairs, kind_of_row
from curate.duplicates.pixels import view
from curate.duplicates.stage import stored_row
from curate.measure.hashes import short_hash
from curate.measure.inner import inner_pictures
from curate.measure.picture import measure_picture


def phone(picture):
    screen = Image.new("RGB", (540, 1100), (20, 20, 22))
    shown = picture.resize((540, round(picture.height * 540 / picture.width)))
    screen.paste(shown, (0, (1100 - shown.height) // 2))
    ImageDraw.Draw(screen).text((20, 20), "12:41   Gallery   Share", fill="white", font_size=28)
    return screen


def page(picture):
    screen = Image.new("RGB", (1200, 700), (246, 247, 248))
    screen.paste(picture.resize((480, 360)), (60, 150))
    draw = ImageDraw.Draw(screen)
    draw.rectangle([0, 0, 1200, 80], fill=(222, 225, 230))
    for line in range(10):
        draw.text((640, 160 + 34 * line), "Mileage, year, price ....", fill=0, font_size=18)
    return screen


def photo_of_a_screen(picture):
    scene = ImageOps.expand(picture, picture.width // 8, (28, 27, 30))
    w, h = scene.size
    corners = (0.03 * w, 0.05 * h, 0.06 * w, 0.98 * h, 0.97 * w, 0.93 * h, 0.94 * w, 0.02 * h)
    scene = scene.transform((w, h), Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
    noise = np.random.default_rng(3).normal(0, 3, (h, w, 3))
    return Image.fromarray((np.asarray(scene) * 0.85 + 18 + noise).clip(0, 255).astype(np.uint8))


PLAIN_ROW = {
    "error": None,
    "phash_mirror": "f" * 16,
    "dhash": "0" * 16,
    "phash256": "0" * 64,
    "colour": "00" * 48,
    "ac_energy": 500.0,
    "pixel_digest": "",
    "inner": "",
}

SHOWN = {"phone": phone, "page": page, "photo of a screen": photo_of_a_screen}


@pytest.fixture
def check(tmp_path):
    """Compare stored pictures as the workers do."""

    def compared(pairs):
        items = [
            {
                "key": "-".join(pair),
                "first": BlobRef(tmp_path / pair[0], pair[0]),
                "second": BlobRef(tmp_path / pair[1], pair[1]),
            }
            for pair in pairs
        ]
        stored = [stored_row(row) for row in compare_pairs(items)]
        compared.rows += stored
        return {(row["first"], row["second"]): kind_of_row(row) for row in stored}

    compared.rows = []
    compared.folder = tmp_path
    return compared


def row(check, data):
    name = hashlib.sha256(data).hexdigest()
    (check.folder / name).write_bytes(data)
    return {"sha256": name, "error": None, **measure_picture(data)}


def test_a_picture_with_dark_edges_is_told_from_the_dark_bezel_around_it():
    """With moiré no bin of colours holds the bezel, and the dark corners of the photo join it."""
    picture = photos.photo("coffee")
    picture = picture.resize((480, round(picture.height * 480 / picture.width)))
    scene = np.asarray(photo_of_a_screen(picture), dtype=np.float32)
    rows, columns = np.mgrid[: scene.shape[0], : scene.shape[1]]
    moire = 6 * np.sin(rows / 2.7 + columns / 31) + 5 * np.sin(columns / 3.1)
    screen = Image.fromarray((scene + moire[..., None]).clip(0, 255).astype(np.uint8))
    own = short_hash(picture.convert("L"))[0]
    found = [short_hash(inner.convert("L"))[0] for inner, _ in inner_pictures(screen)]
    assert min((int(each, 16) ^ int(own, 16)).bit_count() for each in found) <= 8


def test_what_lost_a_part_to_a_bezel_is_compared_with_the_nearest_whole_pictures_only():
    chance = np.random.default_rng(5)
    rows = [
        {
            **PLAIN_ROW,
            "sha256": f"{place:03d}",
            "pixel_digest": str(place),
            "phash": f"{int(chance.integers(1 << 63)):016x}",
        }
        for place in range(300)
    ]
    own = int(rows[7]["phash"], 16)
    rows[200]["inner"] = f"{own ^ 0b11111111111111:016x}"  # 14 bits away
    asked = []
    find_pairs(rows, check=lambda pairs: asked.extend(pairs) or {})
    assert ("007", "200") in asked
    assert len(asked) <= 3


@pytest.mark.parametrize("shown", SHOWN)
def test_what_shows_a_picture_is_found_with_it_and_with_nothing_else(check, shown):
    rows, expected = [], set()
    for name in photos.NAMES[:3]:
        picture = photos.photo(name)
        pair = [row(check, photos.jpeg(each)) for each in (picture, SHOWN[shown](picture))]
        rows += pair
        expected.add(tuple(sorted(each["sha256"] for each in pair)))
    found = find_pairs(rows, check=check)
    assert {(pair.first, pair.second) for pair in found.pairs} == expected
    frames = {rows[at]["sha256"] for at in (1, 3, 5)}
    framed = {
        each["first"] if each["framed"] == 1 else each["second"]
        for each in check.rows
        if each["framed"]
    }
    assert framed == frames


def test_two_screenshots_of_one_picture_are_found_and_of_two_pictures_are_not(check):
    picture, other = photos.photo("chelsea"), photos.photo("coffee")
    rows = [row(check, photos.png(each)) for each in (phone(picture), page(picture), page(other))]
    found = find_pairs(rows, check=check)
    expected = tuple(sorted(each["sha256"] for each in rows[:2]))
    assert [(pair.first, pair.second) for pair in found.pairs] == [expected]


@pytest.mark.parametrize("name", photos.NAMES)
def test_the_inner_picture_is_cut_out_where_it_is(name):
    (inner, share), *_ = inner_pictures(page(photos.photo(name)))
    assert share == pytest.approx(480 * 360 / (1200 * 700), abs=0.02)
    assert inner.size == pytest.approx((480, 360), abs=8)


def test_a_blank_or_tiny_picture_shows_nothing():
    assert inner_pictures(Image.new("RGB", (400, 300), "white")) == []
    assert inner_pictures(Image.new("RGB", (9, 300), "white")) == []


def on_a_page(picture):
    page = Image.new("RGB", (picture.width * 3 // 2, picture.height * 3 // 2), (245, 246, 248))
    page.paste(picture, (picture.width // 5, picture.height // 4))
    return page


FRAMES = {
    "page": on_a_page,
    "border": lambda each: ImageOps.expand(each, each.width // 10, (255, 255, 255)),
    "bars": lambda each: ImageOps.expand(each, (0, each.height // 5, 0, each.height // 5)),
}


@pytest.mark.parametrize("name", photos.NAMES[:3])  # the other is not joined with its page
@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_begins_with_a_jump_and_is_plain(name, frame):
    picture = photos.photo(name)
    inner, outer = (view(photos.jpeg(each)) for each in (picture, FRAMES[frame](picture)))
    assert is_framed_in(outer, inner)
    assert not is_framed_in(inner, outer)


@pytest.mark.parametrize("name", photos.NAMES)
@pytest.mark.parametrize("share", [0.2, 0.3, 0.4])
def test_a_crop_is_not_framed_by_what_it_was_cut_out_of(name, share):
    picture = photos.photo(name)
    whole, crop = (view(photos.jpeg(each)) for each in (picture, photos.cropped(picture, share)))
    assert not is_framed_in(whole, crop)
    assert not is_framed_in(crop, whole)


@pytest.mark.parametrize("name", photos.NAMES)
def test_a_thin_border_of_any_colour_makes_a_frame_and_a_narrow_crop_none(check, name):
    picture = photos.scaled(photos.photo(name), 480 / photos.photo(name).width)
    bordered = ImageOps.expand(picture, 14, (90, 20, 20))
    crop = photos.cropped(picture, 0.06)
    first = row(check, photos.jpeg(picture))["sha256"]
    for other, framed in ((bordered, True), (crop, False)):
        second = row(check, photos.jpeg(other))["sha256"]
        assert check([tuple(sorted((first, second)))]).popitem()[1] == "near"
        assert bool(check.rows[-1]["framed"]) == framed
