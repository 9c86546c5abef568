"""Of several copies the better one stays: colour before grey, no bars, no text, less compressed."""

from __future__ import annotations

import io
from itertools import permutations

import numpy as np
import photos
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from bodyshop_core.catalog import EffectiveLabel, Origin
from bodyshop_core.imaging import load_rgb
from curate.duplicates.copies import content_share, lowest_quality
from curate.duplicates.overlays import MIN_ADDED, added_strokes, is_written_over
from curate.duplicates.traces import clipped_share, explains, interpolation
from curate.verdicts.better_copy import preferences
from curate.verdicts.screen import Facts


def member(name, *, width=640, height=480, label=None, **facts):
    measured = {"width": width, "height": height, "sharpness": 0.7, "colourfulness": 30.0}
    measured |= {key: facts.pop(key) for key in ("colourfulness", "jpeg_quality") if key in facts}
    return Facts(name, measured=measured, label=label, **facts)


def label(origin):
    return EffectiveLabel("damaged", origin)


BETTER_FIRST = {
    "a person's choice": (member("b", decision="keep"), member("a", size_bytes=9)),
    "a label": (member("b", label=label(Origin.QUERY)), member("a", size_bytes=9)),
    "a person's label": (
        member("b", label=label(Origin.IMPORT)),
        member("a", label=label(Origin.QUERY), size_bytes=9),
    ),
    "colour": (member("b"), member("a", colourfulness=0.0, width=800, size_bytes=9)),
    "a silver car": (
        member("b", colourfulness=3.8, size_bytes=9),
        member("a", colourfulness=4.5, size_bytes=8),
    ),
    "content": (member("b"), member("a", height=600, content=0.7, size_bytes=9)),
    "no bars": (member("b"), member("a", height=640, content=0.76, size_bytes=9)),
    "a little more": (member("b"), member("a", width=630, copy_quality=100, size_bytes=9)),
    "no screenshot": (member("b"), member("a", framed=True, width=1200, height=900)),
    "what was enlarged": (
        member("b"),
        member("a", width=960, height=720, resampled=1 / 3, size_bytes=9),
    ),
    "what is larger": (member("b", width=960, height=720), member("a", size_bytes=9)),
    "enlarged from something else": (
        member("b", width=960, height=720, resampled=0.21),
        member("a", size_bytes=9),
    ),
    "light that is not clipped": (
        member("b", clipped=0.01),
        member("a", clipped=0.03, copy_quality=100, size_bytes=9),
    ),
    "no text": (member("b"), member("a", overlaid=True, size_bytes=9)),
    "compression": (member("b", copy_quality=75), member("a", copy_quality=10, size_bytes=9)),
    "first save": (
        member("b", copy_quality=75, jpeg_quality=75),
        member("a", copy_quality=74, jpeg_quality=97, size_bytes=9),
    ),
    "the file's own quality": (member("b"), member("a", jpeg_quality=10, size_bytes=9)),
    "what the other was made from": (
        member("b", copy_quality=60),
        member("a", derived=True, copy_quality=90, size_bytes=9),
    ),
    "what the other was made from, though dark edges look like bars": (
        member("b", content=0.9),
        member("a", derived=True, copy_quality=90, size_bytes=9),
    ),
    "a copy of what is out of the choice": (
        member("b", width=4000, height=3000, derived=True, copy_quality=60),
        member("a", width=400, height=300, size_bytes=9),
    ),
    "what was not saved without loss after it was compressed": (
        member("b", copy_quality=74, jpeg_quality=88),
        member("a", copy_quality=74, size_bytes=9),
    ),
    "the camera's own file": (member("b", camera=True), member("a", size_bytes=9)),
    "bytes": (member("b", size_bytes=9), member("a", size_bytes=8)),
}


@pytest.mark.parametrize("pair", BETTER_FIRST.values(), ids=BETTER_FIRST)
def test_the_better_copy_comes_first_in_any_order(pair):
    for order in permutations(pair):
        keys = preferences(order, {"a": "c", "b": "c"})
        assert min(keys, key=keys.__getitem__) == "b"


def test_a_labelled_copy_of_an_unlabelled_source_is_better_than_a_small_one():
    members = (
        member("c", width=4000, height=3000),
        member("b", width=3000, height=4000, derived=True, label=label(Origin.IMPORT)),
        member("a", width=400, height=300, label=label(Origin.IMPORT)),
    )
    keys = preferences(members, dict.fromkeys("abc", "x"))
    assert sorted(keys, key=keys.__getitem__) == ["b", "a", "c"]


@pytest.mark.parametrize("name", photos.NAMES)
def test_the_lowest_quality_is_seen_through_later_saves(name):
    picture = photos.photo(name)
    qualities = [lowest_quality(grey(photos.jpeg(picture, each))) for each in (10, 40, 75)]
    assert qualities == sorted(qualities) and qualities[2] - qualities[0] >= 40
    for first, seen in zip((10, 40, 75), qualities, strict=True):
        again = photos.jpeg(Image.fromarray(load_rgb(photos.jpeg(picture, first))), 95)
        assert abs(lowest_quality(grey(again)) - seen) <= 5


def grey(data):
    return np.asarray(Image.fromarray(load_rgb(data)).convert("L"))


def written(picture):
    marked = picture.copy()
    font = ImageFont.load_default(picture.width * 0.06)
    ImageDraw.Draw(marked).text(
        (picture.width * 0.5, picture.height * 0.9), "cars.example", fill="white",
        stroke_fill="black", stroke_width=2, font=font, anchor="mm",
    )  # fmt: skip
    return marked


@pytest.mark.parametrize("name", photos.NAMES)
def test_text_is_seen_on_the_copy_that_carries_it(name):
    picture = photos.photo(name)
    first, second = (load_rgb(photos.jpeg(each, 92)) for each in (picture, written(picture)))
    assert added_strokes(second, first) >= MIN_ADDED
    assert added_strokes(first, second) <= -MIN_ADDED
    saved = load_rgb(photos.jpeg(photos.scaled(photos.brighter(picture), 0.7), 30))
    assert abs(added_strokes(saved, first)) < MIN_ADDED


@pytest.mark.parametrize("fill", [(0, 0, 0), (255, 255, 255)])
def test_bars_are_no_content(fill):
    picture = photos.photo("chelsea")
    barred = ImageOps.expand(picture, (0, 60, 0, 60), fill=fill)
    share = picture.height / barred.height
    assert content_share(grey(photos.jpeg(barred, 85))) == pytest.approx(share, abs=0.03)
    assert content_share(grey(photos.jpeg(picture))) == 1.0
    assert content_share(np.zeros((64, 64), np.uint8)) == 1.0


@pytest.mark.parametrize("factor", [1.25, 1.5, 2, 3])
@pytest.mark.parametrize("name", ["astronaut", "coffee", "rocket"])
def test_enlarging_is_seen_and_fits_the_size_of_the_original(name, factor):
    picture = photos.photo(name)
    assert interpolation(grey(photos.jpeg(picture))) is None
    assert interpolation(grey(photos.jpeg(photos.scaled(picture, 0.5)))) is None
    seen = interpolation(grey(photos.jpeg(photos.scaled(picture, factor))))
    assert seen is not None and explains(seen, 1 / factor)
    assert not explains(seen, 0.93 / factor)


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_brightening_clips_light_and_darkening_does_not(name):
    picture = photos.photo(name)
    share = clipped_share(grey(photos.jpeg(picture)))
    assert clipped_share(grey(photos.jpeg(photos.brighter(picture, 1.4), 95))) > share + 0.01
    assert clipped_share(grey(photos.jpeg(photos.brighter(picture, 0.7), 95))) < share + 0.01


def test_io_is_not_needed_for_a_plain_picture():
    assert lowest_quality(np.full((64, 64), 128, np.uint8)) == 100
    stream = io.BytesIO()
    Image.new("L", (16, 16)).save(stream, "PNG")
    assert lowest_quality(grey(stream.getvalue())) == 100


@pytest.mark.parametrize("name", photos.NAMES)
def test_text_across_is_told_from_other_paint_and_the_next_frame(name):
    picture = photos.photo(name)
    hue, *rest = picture.convert("HSV").split()
    repainted = Image.merge("HSV", (hue.point(lambda level: (level + 96) % 256), *rest))
    frame = picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, 3, 0, 1, 1))
    written_on = load_rgb(photos.jpeg(photos.with_text(picture)))
    assert is_written_over(load_rgb(photos.jpeg(picture)), written_on)
    stranger = photos.photo("rocket" if name == "chelsea" else "chelsea").resize(picture.size)
    for other in (repainted.convert("RGB"), frame, stranger):
        assert not is_written_over(load_rgb(photos.jpeg(picture)), load_rgb(photos.jpeg(other)))


@pytest.mark.parametrize("name", photos.NAMES)
def test_lines_of_small_outlined_letters_are_text_across(name):
    picture = photos.photo(name)
    written = picture.copy()
    font = ImageFont.load_default(0.07 * picture.width)
    for line, text in enumerate(("One owner, full history", "84 000 km", "9 990 EUR")):
        place = (0.05 * picture.width, (0.3 + 0.17 * line) * picture.height)
        ImageDraw.Draw(written).text(
            place, text, font=font, fill="yellow", stroke_width=1, stroke_fill="black"
        )
    assert is_written_over(load_rgb(photos.jpeg(picture)), load_rgb(photos.jpeg(written)))
