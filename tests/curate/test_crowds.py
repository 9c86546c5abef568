"""In a crowd of copies the one that the others were made from is kept, and no other paint joins."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import photos
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from bodyshop_core.imaging import load_rgb
from curate.duplicates.checks import _recoloured_between_letters
from curate.duplicates.consensus import distance, small, source_of_crowd
from curate.duplicates.copies import CopyFacts, lowest_quality
from curate.duplicates.crowds import with_sources, with_wholes
from curate.duplicates.extent import FIRST, SECOND, has_detail
from curate.duplicates.pairs import DuplicatePair
from curate.duplicates.pixels import compare, says_same, view
from curate.duplicates.rounding import LESS, is_rounded
from curate.verdicts.better_copy import preferences
from curate.verdicts.clusters import clusters_of
from curate.verdicts.screen import Facts

LANCZOS = Image.Resampling.LANCZOS
SIZE = (480, 320)


def noisy(picture):
    noise = np.random.default_rng(1).normal(0, 4, (*picture.size[::-1], 3))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def lettered(picture):
    marked = picture.copy()
    ImageDraw.Draw(marked).text((120, 130), "SOLD 2026", fill="yellow", font_size=60)
    return marked


def larger(picture, factor=1.4):
    return picture.resize((round(picture.width * factor), round(picture.height * factor)), LANCZOS)


CHANGES = {
    "noise": (noisy, 97),
    "sharpened": (lambda each: each.filter(ImageFilter.UnsharpMask(1.5, 100, 2)), 96),
    "more colour": (lambda each: ImageEnhance.Color(each).enhance(1.4), 96),
    "more contrast": (lambda each: ImageEnhance.Contrast(each).enhance(1.25), 96),
    "gamma": (
        lambda each: each.point([round(255 * (i / 255) ** 0.85) for i in range(256)] * 3),
        95,
    ),
    "letters": (lettered, 96),
    "mirrored": (ImageOps.mirror, 96),
    "on its head": (lambda each: each.transpose(Image.Transpose.ROTATE_180), 93),
    "larger": (larger, 95),
    "grey": (lambda each: each.convert("L"), 95),
    "at 50": (lambda each: each, 50),
    "at 80": (lambda each: each, 80),
}


@pytest.mark.parametrize("name", photos.NAMES)
def test_of_twelve_copies_of_each_kind_the_third_ones_tell_the_original(name):
    first = photos.jpeg(ImageOps.fit(photos.photo(name), SIZE, LANCZOS), 85)
    picture = Image.fromarray(load_rgb(first))
    crowd = {"original": first}
    crowd |= {kind: photos.jpeg(make(picture), at) for kind, (make, at) in CHANGES.items()}
    members = {kind: small(load_rgb(data)) for kind, data in crowd.items()}
    apart = {
        (one, other): found
        for one, other in combinations(sorted(members), 2)
        if (found := distance(members[one], members[other])) is not None
    }
    worst_first = sorted(members, key=lambda kind: kind == "original")
    source, others = source_of_crowd(worst_first, worst_first, apart)
    assert source == "original"
    assert others >= CHANGES.keys() - {"grey"}


def test_few_copies_are_no_crowd_and_equal_ones_have_one_vote():
    apart = {("a", "b"): 2.0, ("a", "c"): 1.0, ("b", "c"): 3.0}
    assert source_of_crowd("abc", "abc", apart) is None
    twins = "defgh"  # all of them one picture, saved from b: no majority against a
    apart = dict.fromkeys(combinations(twins, 2), 0.0) | {("a", "b"): 2.0}
    apart |= {(one, twin): near for twin in twins for one, near in (("a", 2.0), ("b", 0.5))}
    assert source_of_crowd("ab", "ab" + twins, apart) is None


@pytest.mark.parametrize("factor", [1.3, 1.6, 2.0])
@pytest.mark.parametrize("name", photos.NAMES)
def test_an_enlarged_picture_has_no_finer_details_and_a_larger_one_has(name, factor):
    whole = ImageOps.fit(photos.photo(name), SIZE, LANCZOS)
    grey = [np.asarray(whole.convert("L"))]
    less = larger(whole, 1 / factor)
    for blurred in (less.resize(SIZE, LANCZOS), less.resize(SIZE, Image.Resampling.BILINEAR)):
        sharpened = blurred.filter(ImageFilter.UnsharpMask(2, 100, 2))
        grey += [
            np.asarray(Image.fromarray(load_rgb(photos.jpeg(each, 95))).convert("L"))
            for each in (blurred, sharpened)
        ]
    assert [has_detail(each, factor) for each in grey] == [True] + [False] * 4


CROWD = dict.fromkeys(combinations("cdefg", 2), 3.0) | {
    (x, y): near for y in "cdefg" for x, near in (("a", 2.0), ("b", 1.0))
}
CROWD |= {("a", "b"): 1.5}


@pytest.mark.parametrize(
    ("more", "camera", "marked"),
    [(0, False, True), (FIRST, False, False), (SECOND, False, True), (0, True, False)],
    ids=["a copy", "with more of the scene", "with less of it", "with a camera's name"],
)
def test_what_a_copy_can_not_have_is_no_copys(more, camera, marked):
    facts = {name: CopyFacts() for name in "abcdefg"} | {"a": CopyFacts(camera=camera)}
    found = with_sources(
        facts,
        sorted,
        dict.fromkeys(facts, "x"),
        distances=lambda pairs: CROWD,
        extents=lambda pairs: dict.fromkeys(pairs, 0.0) | {("a", "b"): float(more)},
        roundings=lambda pairs: {},
        descents=lambda pairs: {},
    )
    assert not found["b"].derived
    assert (found["a"].derived, found["a"].made_from) == ((True, "b") if marked else (False, None))


def test_the_member_of_which_the_crowds_source_was_saved_is_no_copy_of_it():
    facts = {name: CopyFacts() for name in "abcdefg"}
    found = with_sources(
        facts,
        sorted,
        dict.fromkeys(facts, "x"),
        distances=lambda pairs: CROWD,
        extents=lambda pairs: dict.fromkeys(pairs, 0.0),
        roundings=lambda pairs: {},
        descents=lambda pairs: {("a", "b"): 0.9},
    )
    assert not found["a"].derived
    assert (found["b"].derived, found["b"].made_from) == (True, "a")


@pytest.mark.parametrize(
    ("more", "content", "crops", "marked"),
    [
        (SECOND, 1.0, [("a", "b")], True),
        (FIRST, 1.0, [("a", "b")], False),
        (FIRST + SECOND, 1.0, [("a", "b")], False),
        (SECOND, 0.8, [("a", "b")], False),
        (SECOND, 1.0, [], False),
    ],
    ids=["a part", "the whole", "a finer part", "bars around it", "of the same extent"],
)
def test_a_part_of_another_member_was_made_of_it(more, content, crops, marked):
    found = with_wholes(
        {"a": CopyFacts(), "b": CopyFacts(content=content)},
        sorted,
        dict.fromkeys("ab", "x"),
        crops,
        extents=lambda pairs: dict.fromkeys(pairs, float(more)),
    )
    assert (found["a"].derived, found["a"].made_from) == ((True, "b") if marked else (False, None))
    assert not found["b"].derived


KINDS = ("noise", "letters", "more colour", "more contrast", "at 80")


def changed(kind, data, quality):
    picture = Image.fromarray(load_rgb(data))
    return photos.jpeg(picture if kind == "saved" else CHANGES[kind][0](picture), quality)


def sources_in(crowd):
    """Return the facts of a crowd, all comparisons but that of the extent made on its pictures."""
    rgb = {name: load_rgb(data) for name, data in crowd.items()}
    members = {name: small(each) for name, each in rgb.items()}
    quality = {
        name: lowest_quality(np.asarray(Image.fromarray(each).convert("L")))
        for name, each in rgb.items()
    }

    def distances(pairs):
        found = {pair: distance(*(members[name] for name in pair)) for pair in pairs}
        return {pair: apart for pair, apart in found.items() if apart is not None}

    def rounded(copy, source):
        finer = quality[source] - quality[copy] >= LESS
        return finer and is_rounded(rgb[copy], rgb[source], quality[copy])

    return with_sources(
        {name: CopyFacts(quality=quality[name]) for name in crowd},
        lambda known: sorted(known, key=lambda name: (-known[name].quality, name)),
        dict.fromkeys(crowd, "x"),
        distances=distances,
        extents=lambda pairs: dict.fromkeys(pairs, 0.0),
        roundings=lambda pairs: {
            (one, other): float(rounded(other, one)) - float(rounded(one, other))
            for one, other in pairs
        },
        descents=lambda pairs: {},
    )


@pytest.mark.parametrize(("kind", "at"), [("gamma", 60), ("sharpened", 70), ("saved", 50)])
@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
def test_an_original_is_no_copy_of_its_own_copy_that_a_crowd_was_made_from(name, kind, at):
    original = photos.jpeg(ImageOps.fit(photos.photo(name), SIZE, LANCZOS), 95)
    hub = changed(kind, original, at)
    crowd = {"original": original, "hub": hub}
    crowd |= {each: changed(each, hub, CHANGES[each][1]) for each in KINDS}
    facts = sources_in(crowd)
    assert not facts["original"].derived
    assert (facts["hub"].derived, facts["hub"].made_from) == (True, "original")


@pytest.mark.parametrize("at", [60, 85])
def test_an_original_saved_coarser_than_its_copies_is_still_their_source(at):
    original = photos.jpeg(ImageOps.fit(photos.photo("chelsea"), SIZE, LANCZOS), at)
    kinds = (*KINDS, "gamma", "sharpened", "mirrored")
    crowd = {each: changed(each, original, CHANGES[each][1]) for each in kinds}
    facts = sources_in(crowd | {"original": original})
    assert {name for name, each in facts.items() if not each.derived} == {"original"}


def test_an_enlarged_copy_counts_as_large_as_what_a_crowd_says_it_was_made_from():
    measured = {"width": 640, "height": 480, "sharpness": 0.7, "colourfulness": 30.0}
    large = measured | {"width": 960, "height": 720}
    members = [
        Facts("a", measured=large, derived=True, made_from="b", size_bytes=9),
        Facts("b", measured=measured, size_bytes=5),
    ]
    keys = preferences(members, dict.fromkeys("ab", "x"))
    assert keys["b"] < keys["a"]


def test_an_enlarged_copy_of_what_looks_enlarged_itself_loses_in_any_order():
    """The original is soft: it has the traces of an enlargement to twice its size."""
    soft = {"width": 472, "height": 144, "sharpness": 0.7, "colourfulness": 30.0}
    members = [
        Facts("a", measured=soft | {"width": 944, "height": 288}, resampled=0.25, size_bytes=9),
        Facts("b", measured=soft, resampled=0.5, copy_quality=80, size_bytes=5),
        Facts("c", measured=soft | {"width": 236, "height": 72}, derived=True, made_from="b"),
    ]
    found = [preferences(each, dict.fromkeys("abc", "x")) for each in permutations(members)]
    assert all(keys == found[0] for keys in found)
    assert found[0]["b"] == min(found[0].values())


def test_of_two_with_bars_the_one_with_fewer_is_better_though_it_is_smaller():
    measured = {"width": 259, "height": 194, "sharpness": 0.7, "colourfulness": 30.0}
    square = measured | {"height": 259}
    members = [
        Facts("a", measured=square, content=0.6, copy_quality=95, size_bytes=9),
        Facts("b", measured=measured, content=0.8, copy_quality=80, size_bytes=5),
    ]
    keys = preferences(members, dict.fromkeys("ab", "x"))
    assert keys["b"] < keys["a"]


def test_a_copy_of_an_enlarged_copy_counts_no_larger_than_the_first_source_in_any_order():
    measured = {"width": 640, "height": 480, "sharpness": 0.7, "colourfulness": 30.0}
    large = measured | {"width": 960, "height": 720}
    members = [
        Facts("a", measured=large, derived=True, made_from="b", size_bytes=9),
        Facts("b", measured=large, derived=True, made_from="c", size_bytes=8),
        Facts("c", measured=measured, size_bytes=5),
    ]
    found = [preferences(each, dict.fromkeys("abc", "x")) for each in permutations(members)]
    assert all(keys == found[0] for keys in found)
    assert found[0]["c"] == min(found[0].values())


def test_a_grey_copy_joins_the_photo_or_its_recoloured_copy_but_never_the_two():
    pairs = [
        DuplicatePair("grey", "photo", "near", 2),
        DuplicatePair("grey", "red", "near", 4),
        DuplicatePair("photo", "smaller", "near", 0),
        DuplicatePair("red", "red too", "flip", 6),
    ]
    colours = {"photo": 30.0, "smaller": 29.0, "red": 33.0, "red too": 33.0, "grey": 0.0}
    clusters = clusters_of(pairs, colours=colours)
    assert clusters["photo"] == clusters["smaller"] == clusters["grey"]
    assert clusters["red"] == clusters["red too"] != clusters["photo"]
    assert len(set(clusters_of(pairs).values())) == 1  # without colours nothing tells


def test_a_photo_that_grey_copies_alone_connect_keeps_its_cluster():
    pairs = [DuplicatePair("a", "b", "near", 2), DuplicatePair("b", "c", "near", 2)]
    colours = {"a": 0.0, "b": 0.0, "c": 20.0}
    assert len(set(clusters_of(pairs, colours=colours).values())) == 1


def test_of_two_grey_copies_none_counts_as_coloured_and_both_join_the_photo():
    pairs = [DuplicatePair("a", "g", "near", 10), DuplicatePair("g", "h", "near", 2)]
    for colours in ({"a": 40.0, "g": 0.0, "h": 0.4}, {"a": 40.0, "g": 0.4, "h": 0.0}):
        assert len(set(clusters_of(pairs, colours=colours).values())) == 1
        assert clusters_of(pairs, colours=colours).keys() == {"a", "g", "h"}


def test_a_grey_copy_that_a_person_placed_does_not_join_another_paint_to_it():
    pairs = [DuplicatePair("a", "g", "near", 10), DuplicatePair("b", "g", "near", 2)]
    colours = {"a": 40.0, "b": 42.0, "g": 0.0}
    assert clusters_of(pairs, {"a": "c", "g": "c"}, colours=colours) == {"a": "a", "g": "a"}
    assert clusters_of(pairs, colours=colours) == {"b": "b", "g": "b"}


@pytest.mark.parametrize("name", photos.NAMES)
def test_bright_letters_across_do_not_hide_that_the_rest_was_recoloured(name):
    pale = ImageEnhance.Color(ImageOps.fit(photos.photo(name), SIZE, LANCZOS)).enhance(0.12)
    hue, saturation, value = pale.convert("HSV").split()
    turned = hue.point(lambda level: (level + 90) % 256)
    other = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
    written, plain = (view(photos.jpeg(each, 95)) for each in (lettered(pale), pale))
    assert not says_same(compare(written, view(photos.jpeg(other, 95))))
    assert compare(written, plain).outliers < 0.3  # nothing is said of colours there


@pytest.mark.parametrize("name", photos.NAMES)
def test_yellow_letters_are_not_taken_for_the_colours_of_a_nearly_grey_photo(name):
    pale = ImageEnhance.Color(ImageOps.fit(photos.photo(name), (480, 320))).enhance(0.12)
    hue, saturation, value = pale.convert("HSV").split()
    turned = hue.point(lambda level: (level + 90) % 256)
    other = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
    letters = pale.copy()
    style = {"font_size": 62, "anchor": "mm", "stroke_width": 2, "stroke_fill": "black"}
    ImageDraw.Draw(letters).text((240, 160), "FOR SALE 2026", "yellow", **style)
    written, plain, recoloured = (
        load_rgb(photos.jpeg(each, 92)) for each in (letters, pale, other)
    )
    assert _recoloured_between_letters(written, recoloured)
    assert not _recoloured_between_letters(written, plain)


@pytest.mark.parametrize("name", photos.NAMES)
def test_between_letters_hues_are_compared(name):
    picture = ImageOps.fit(photos.photo(name), SIZE, LANCZOS)
    hue, saturation, value = picture.convert("HSV").split()
    turned = hue.point(lambda level: (level + 90) % 256)
    other = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
    written, again, recoloured = (
        load_rgb(photos.jpeg(each, 90)) for each in (lettered(picture), picture, other)
    )
    assert not _recoloured_between_letters(written, again)
    assert _recoloured_between_letters(written, recoloured)
