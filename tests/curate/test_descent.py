"""Which of two copies was made from the other is told by saving again what the other one is."""

from __future__ import annotations

import io

import photos
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from bodyshop_core.catalog import register_image
from bodyshop_core.imaging import read_header
from curate.duplicates.copy_stage import measure_cluster_copies
from curate.duplicates.descent import MIN_DESCENT, descent, stored_picture
from curate.duplicates.pairs import DuplicatePair
from curate.duplicates.sources import made_from_others

TURN = Image.Transpose


def first_save(name, quality=88):
    """Return a photo as a camera or site has saved it, and as programs then decode it."""
    data = photos.jpeg(photos.scaled(photos.photo(name), 0.8), quality)
    return data, Image.open(io.BytesIO(data)).convert("RGB")


COPIES = {
    "saved at 97": lambda each: photos.jpeg(each, 97),
    "saved at 60": lambda each: photos.jpeg(each, 60),
    "mirrored": lambda each: photos.jpeg(each.transpose(TURN.FLIP_LEFT_RIGHT)),
    "turned by 90 degrees": lambda each: photos.jpeg(each.transpose(TURN.ROTATE_90), 95),
    "turned by 180 degrees": lambda each: photos.jpeg(each.transpose(TURN.ROTATE_180)),
    "transposed": lambda each: photos.jpeg(each.transpose(TURN.TRANSPOSE), 80),
    "brighter": lambda each: photos.jpeg(ImageEnhance.Brightness(each).enhance(1.15), 95),
    "darker": lambda each: photos.jpeg(ImageEnhance.Brightness(each).enhance(0.85), 92),
    "PNG": photos.png,
    "PNG, turned": lambda each: photos.png(each.transpose(TURN.ROTATE_270)),
}


@pytest.mark.parametrize("name", photos.NAMES)
@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_is_told_from_what_it_was_made_of(name, copy):
    data, picture = first_save(name)
    original, other = stored_picture(data), stored_picture(COPIES[copy](picture))
    score = descent(original, other)
    assert score >= MIN_DESCENT
    assert descent(other, original) == -score


@pytest.mark.parametrize(
    ("name", "gain", "quality"),
    [("chelsea", 1.018, 92), ("chelsea", 1.036, 87), ("chelsea", 1.044, 75), ("coffee", 1.018, 92)],
)
def test_a_small_copy_a_few_thousandths_brighter_is_told(name, gain, quality):
    """Of so few pixels the gain is estimated to a thousandth or two, which moves many levels."""
    data = photos.jpeg(photos.photo(name).resize((137, 92)), 72)
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    copy = photos.jpeg(ImageEnhance.Brightness(picture).enhance(gain), quality)
    assert descent(stored_picture(data), stored_picture(copy)) >= MIN_DESCENT


def test_a_phones_file_with_a_second_picture_is_compared_as_the_jpeg_it_is():
    picture, stream = photos.scaled(photos.photo("coffee"), 0.8), io.BytesIO()
    second = picture.resize((60, 40))
    picture.save(stream, "MPO", save_all=True, append_images=[second], quality=88)
    data = stream.getvalue()
    with Image.open(io.BytesIO(data)) as first:
        assert first.format == "MPO"
        copy = photos.jpeg(first.convert("RGB").transpose(TURN.ROTATE_90), 95)
    original, turned = stored_picture(data), stored_picture(copy)
    assert descent(original, turned) >= MIN_DESCENT
    assert descent(turned, original) <= -MIN_DESCENT


def test_steps_too_coarse_for_plain_jpeg_are_compared_without_a_word_on_stderr(capfd):
    data, picture = first_save("coffee")
    stream = io.BytesIO()
    picture.save(stream, "JPEG", qtables=[[40 + 8 * step for step in range(64)]] * 2)
    assert max(Image.open(io.BytesIO(stream.getvalue())).quantization[0]) > 255
    capfd.readouterr()  # libjpeg has warned of this one
    assert descent(stored_picture(data), stored_picture(stream.getvalue())) >= MIN_DESCENT
    assert capfd.readouterr().err == ""


def test_a_jpeg_made_of_a_png_is_the_copy():
    picture = photos.photo("coffee")
    png, jpeg = stored_picture(photos.png(picture)), stored_picture(photos.jpeg(picture, 90))
    assert descent(png, jpeg) >= MIN_DESCENT


def test_different_pictures_and_equal_ones_descend_from_nothing():
    data, picture = first_save("coffee")
    one = stored_picture(data)
    assert descent(one, stored_picture(data)) == 0
    other = photos.photo("chelsea").resize(picture.size)
    assert descent(one, stored_picture(photos.jpeg(other))) == 0
    assert descent(one, stored_picture(photos.jpeg(photos.scaled(picture, 0.5)))) == 0


def lossy(picture, kind, quality):
    stream = io.BytesIO()
    picture.save(stream, kind, quality=quality)
    return stored_picture(stream.getvalue())


@pytest.mark.parametrize(("kind", "quality"), [("WEBP", 80), ("WEBP", 95), ("AVIF", 70)])
@pytest.mark.parametrize("name", photos.NAMES)
def test_of_a_jpeg_and_a_lossy_picture_the_one_that_was_made_of_the_other_is_told(
    name, kind, quality
):
    data, picture = first_save(name)
    original, copy = stored_picture(data), lossy(picture, kind, quality)
    assert descent(original, copy) == 1
    assert descent(copy, original) == -1
    again = Image.fromarray(copy.rgb)
    for made in (photos.jpeg(again, 75), photos.jpeg(ImageEnhance.Brightness(again).enhance(1.1))):
        assert descent(copy, stored_picture(made)) == 1
        assert descent(stored_picture(made), copy) == -1


def test_a_lossy_picture_is_not_called_a_copy_of_one_that_was_written_on_or_saved_coarsely():
    _, picture = first_save("coffee")
    copy = lossy(picture, "WEBP", 95)
    other = ImageEnhance.Contrast(Image.fromarray(copy.rgb).filter(ImageFilter.BLUR)).enhance(1.4)
    assert descent(copy, stored_picture(photos.jpeg(other))) == 0
    coarse = photos.jpeg(picture, 30)
    again = lossy(Image.open(io.BytesIO(coarse)).convert("RGB"), "WEBP", 95)
    assert descent(stored_picture(coarse), again) >= 0


def test_what_cannot_be_saved_again_as_it_was_is_not_compared():
    picture = photos.photo("coffee")
    cmyk = io.BytesIO()
    picture.convert("CMYK").save(cmyk, "JPEG")
    assert stored_picture(cmyk.getvalue()) is None


def test_a_grey_jpeg_that_can_be_had_back_descends_from_nothing():
    """What the finer save changed, the coarser one undoes: its lowest quality has to tell."""
    grey = photos.photo("coffee").convert("L")
    first, again = io.BytesIO(), io.BytesIO()
    grey.save(first, "JPEG", quality=85)
    Image.open(first).save(again, "JPEG", quality=95)
    assert descent(stored_picture(first.getvalue()), stored_picture(again.getvalue())) == 0
    coarser = io.BytesIO()
    Image.open(first).save(coarser, "JPEG", quality=60)
    pair = stored_picture(first.getvalue()), stored_picture(coarser.getvalue())
    assert descent(*pair) >= MIN_DESCENT


SIZES = dict.fromkeys("abcd", (480, 640))


def test_all_that_were_made_from_the_source_are_found_whoever_looks_best():
    made = {("a", "b"): -0.9, ("b", "c"): 0.8, ("a", "c"): 0.0, ("b", "d"): 0.1}
    derived = made_from_others(
        ["a", "b", "c", "d"], dict.fromkeys("abcd", "x"), SIZES, lambda pairs: made
    )
    assert derived == {"a", "c"}  # b is the source; of d nothing is known


def test_other_sizes_other_clusters_and_lone_pictures_are_not_compared():
    asked = []

    def scores(pairs):
        asked.extend(pairs)
        return {}

    sizes = {"a": (480, 640), "b": (480, 640), "c": (300, 400), "d": (480, 640)}
    clusters = {"a": "x", "b": "x", "c": "x", "d": "y", "e": "x"}
    assert made_from_others(list("abcde"), clusters, sizes, scores) == set()
    assert asked == [("a", "b")]


def test_two_that_each_look_made_from_the_other_end_the_search():
    scores = {("a", "b"): -0.9, ("b", "c"): -0.9, ("a", "c"): 0.9}
    derived = made_from_others(
        ["a", "b", "c"], dict.fromkeys("abc", "x"), SIZES, lambda pairs: scores
    )
    assert derived == {"a", "c"}  # all three look made from another; b is left as the source


def put(workspace, data):
    blob = workspace.blobs.put_bytes(data, "jpg")
    with workspace.catalog.begin() as connection:
        facts = read_header(data)
        register_image(connection, blob, extension="jpg", facts=facts)
    return blob.sha256


def test_members_of_a_cluster_are_compared_once_and_the_copies_are_marked(workspace, monkeypatch):
    data, picture = first_save("coffee")
    original = put(workspace, data)
    turned = put(workspace, photos.jpeg(picture.transpose(TURN.ROTATE_90), 95))
    mirrored = put(workspace, photos.jpeg(picture.transpose(TURN.FLIP_LEFT_RIGHT), 97))
    smaller = put(workspace, photos.jpeg(photos.scaled(picture, 0.5)))
    names = sorted([original, turned, mirrored, smaller])
    pairs = [DuplicatePair(names[0], each, "near", 0) for each in names[1:]]

    def rank(copies, clusters):  # the worst first: by this alone the original would lose
        return {name: (facts.derived, name == original) for name, facts in copies.items()}

    found = measure_cluster_copies(workspace, pairs, dict.fromkeys(names, "c"), rank)
    derived = {name for name, facts in found.items() if facts.derived}
    assert derived == {turned, mirrored}

    def computed(*_):
        raise AssertionError("compared again")

    monkeypatch.setattr("curate.duplicates.descent.compare_descent", computed)
    assert measure_cluster_copies(workspace, pairs, dict.fromkeys(names, "c"), rank) == found
