"""Which pictures are one: copies of every kind are, different cars on one background are not."""

from __future__ import annotations

import hashlib
import io
from itertools import combinations

import numpy as np
import photos
import pytest
from PIL import Image, ImageOps

from bodyshop_core.catalog import BlobRef, register_image, schema
from bodyshop_core.errors import TransientError, UnreadableImageError
from curate.duplicates import find_pairs, pixel_check
from curate.duplicates.checks import compare_pairs, kind_of_row
from curate.duplicates.lighting import hues_turned, relight
from curate.duplicates.memory import NeighbourMemory
from curate.duplicates.pixels import compare, kind_of, view
from curate.duplicates.stage import stored_row
from curate.measure.picture import measure_picture

COPIES = {
    "re-saved": lambda p: photos.jpeg(p, 40),
    "half size": lambda p: photos.jpeg(photos.scaled(p, 0.5)),
    "2 % crop": lambda p: photos.jpeg(photos.cropped(p, 0.02)),
    "brighter": lambda p: photos.jpeg(photos.brighter(p)),
    "grey": lambda p: photos.jpeg(p.convert("L")),
    "darker": lambda p: photos.jpeg(photos.brighter(p, 0.7)),
}
FAR_COPIES = {
    "5 % crop": (lambda p: photos.jpeg(photos.cropped(p, 0.05)), {"near", "crop"}),
    "10 % crop": (lambda p: photos.jpeg(photos.cropped(p, 0.10)), {"near", "crop"}),
    "20 % crop": (lambda p: photos.jpeg(photos.cropped(p, 0.20)), {"crop"}),
    "border": (lambda p: photos.jpeg(photos.bordered(p)), {"near", "crop"}),
    "logo": (lambda p: photos.jpeg(photos.with_logo(p)), {"near"}),
    "text across": (lambda p: photos.jpeg(photos.with_text(p)), {"near"}),
    "turned left": (
        lambda p: photos.jpeg(p.transpose(Image.Transpose.ROTATE_90)),
        {"near", "crop"},
    ),
    "upside down": (
        lambda p: photos.jpeg(p.transpose(Image.Transpose.ROTATE_180)),
        {"near", "crop"},
    ),
    "turned right": (
        lambda p: photos.jpeg(p.transpose(Image.Transpose.ROTATE_270)),
        {"near", "crop"},
    ),
    "mirrored": (lambda p: photos.jpeg(ImageOps.mirror(p)), {"flip"}),
    "brighter by half, much of it clipped": (
        lambda p: photos.jpeg(photos.brighter(p, 1.5)),
        {"near"},
    ),
}


def look(workspace):
    """The pixel check without processes and cache, which have their own tests below."""

    def check(pairs):
        items = [
            {
                "key": f"{a}-{b}",
                "first": workspace.blobs.ref(a, "jpg"),
                "second": workspace.blobs.ref(b, "jpg"),
            }
            for a, b in pairs
        ]
        rows = [stored_row(row) for row in compare_pairs(items)]
        return {(row["first"], row["second"]): kind_of_row(row) for row in rows}

    return check


def put(workspace, data, extension="jpg"):
    blob = workspace.blobs.put_bytes(data, extension)
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension=extension, facts={})
    return blob.sha256


def row(data, **more):
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "error": None,
        **measure_picture(data),
        **more,
    }


def names_of(found):
    return {(pair.first, pair.second): pair.kind for pair in found.pairs}


def key(a, b):
    return tuple(sorted((a["sha256"], b["sha256"])))


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_is_found(workspace, copy):
    rows, expected = [], set()
    for name in photos.NAMES:
        original, copied = photos.jpeg(photos.photo(name)), COPIES[copy](photos.photo(name))
        put(workspace, original)
        put(workspace, copied)
        rows += [row(original), row(copied)]
        expected.add(key(rows[-2], rows[-1]))
    found = find_pairs(rows, radius=8, check=look(workspace))
    assert names_of(found).keys() == expected


@pytest.mark.parametrize("copy", FAR_COPIES)
def test_a_copy_that_hashes_lose_is_found_through_features(workspace, copy):
    make, kinds = FAR_COPIES[copy]
    rows, expected, vectors = [], set(), []
    for number, name in enumerate(photos.NAMES):
        original, copied = photos.jpeg(photos.photo(name)), make(photos.photo(name))
        put(workspace, original)
        put(workspace, copied)
        rows += [row(original), row(copied)]
        expected.add(key(rows[-2], rows[-1]))
        # what a network gives: near for a copy, and moderately near for every other car
        vectors += [np.eye(8)[number] + 0.5, np.eye(8)[number] * 0.9 + 0.55]
    features = [([r["sha256"] for r in rows], np.array(vectors, dtype=np.float16))]
    found = find_pairs(rows, radius=6, features=features, check=look(workspace))
    assert set(names_of(found)) == expected
    assert set(names_of(found).values()) <= kinds


def test_crops_are_found_in_a_crowd_of_copies(workspace, tmp_path):
    """Eight re-saves of a photo are its nearest neighbours; the crop stands out all the same."""
    rows, vectors, crops = [], [], []
    for number, name in enumerate(photos.NAMES):
        picture = photos.photo(name)
        direction = np.eye(8)[number] + 0.5
        for copy in range(8):
            data = photos.jpeg(picture, 60 + copy)
            put(workspace, data)
            rows.append(row(data))
            vectors.append(direction + 0.001 * np.eye(8)[copy % 8])
        data = photos.jpeg(photos.cropped(picture, 0.2))
        put(workspace, data)
        rows.append(row(data))
        crops.append(rows[-1]["sha256"])
        vectors.append(np.eye(8)[number] * 0.9 + 0.55)
    features = [([r["sha256"] for r in rows], np.array(vectors, dtype=np.float16))]
    found = find_pairs(rows, features=features, check=look(workspace))
    joined = {name for pair in found.pairs for name in (pair.first, pair.second)}
    assert set(crops) <= joined
    known = {}

    def once(pairs):
        known.update(look(workspace)([pair for pair in pairs if pair not in known]))
        return {pair: known[pair] for pair in pairs}

    for count in (len(rows) - 5, len(rows), len(rows)):  # some come later, then nothing is new
        names = sorted(one["sha256"] for one in rows[:count])
        memory = NeighbourMemory(tmp_path, names)
        later = find_pairs(rows[:count], features=features, memory=memory, check=once)
    assert later == found


def test_different_cars_on_the_same_background_are_not_one(workspace):
    cars = [
        photos.car_on_white((170, 20, 25)),
        photos.car_on_white((30, 60, 160)),
        photos.car_on_white((40, 42, 45)),
        photos.car_on_white((170, 20, 25), roof=False),
        photos.car_on_white((170, 20, 25), shift=25),
    ]
    rows = []
    for car in cars:
        data = photos.jpeg(car)
        put(workspace, data)
        rows.append(row(data))
    copy = photos.jpeg(photos.scaled(cars[0], 0.6), 60)
    put(workspace, copy)
    rows.append(row(copy))
    everything = [([r["sha256"] for r in rows], np.ones((len(rows), 4), dtype=np.float32))]
    found = find_pairs(rows, radius=8, features=everything, check=look(workspace))
    assert set(names_of(found)) == {key(rows[0], rows[5])}
    assert found.refuted > 0  # they were near enough to be looked at


@pytest.mark.parametrize("factor", [1.2, 1.5, 0.7])
def test_another_car_is_not_one_with_it_in_other_light(factor):
    """Clipped light excuses what it explains, not another colour, body or place."""
    car = photos.car_on_white((150, 152, 155))
    others = [
        photos.car_on_white((170, 20, 25)),
        photos.car_on_white((225, 226, 228)),
        photos.car_on_white((60, 62, 65)),
        photos.car_on_white((150, 152, 155), roof=False),
    ]
    same = compared(car, photos.brighter(car, factor))
    assert same == "near"
    for other in others:
        assert compared(car, photos.brighter(other, factor)) is None


def compared(first, second):
    views = (view(photos.jpeg(picture)) for picture in (first, second))
    return kind_of(compare(*views))


def test_a_clipped_copy_agrees_to_the_edges_of_what_was_clipped():
    """Stripes that end between two pixels: their mean after clipping is below the clipped mean."""
    row = np.where(np.arange(600) // 6 % 2, 235, 90)
    stripes = np.broadcast_to(row[None, :, None], (400, 600, 3)).astype(np.uint8).copy()
    ramp = np.linspace(40, 150, 200).astype(np.uint8)
    stripes[80:] = np.repeat(ramp, 3)[None, :, None]  # most of it tells the gain
    base = np.asarray(Image.fromarray(stripes).resize((150, 100), Image.Resampling.BOX))
    lit = np.asarray(photos.brighter(Image.fromarray(stripes), 1.5))
    copy = np.asarray(Image.fromarray(lit).resize((150, 100), Image.Resampling.BOX))
    found = relight(base, copy, flat, flat)
    assert np.median(found.misfit) < 2
    assert (found.misfit < 12).mean() > 0.95
    other = relight(base, copy[:, ::-1], flat, flat)
    assert (other.misfit > 12).mean() > 0.3


def test_two_pictures_that_are_clipped_everywhere_are_compared_without_a_warning():
    picture = np.asarray(photos.photo("chelsea").resize((60, 40)))
    found = relight(picture, picture, flat, flat)
    assert not hues_turned(found, np.zeros(len(found.misfit), dtype=bool))


def flat(picture):
    return picture.reshape(-1, *picture.shape[2:])


def test_the_same_pixels_saved_again_are_exact():
    picture = photos.photo("chelsea")
    original, with_metadata = photos.jpeg(picture), photos.jpeg(picture, comment=b"again")
    lossless = photos.png(picture)
    bitmap = photos.png(Image.open(io.BytesIO(lossless)))
    rows = [row(original), row(with_metadata), row(lossless)]
    found = names_of(find_pairs(rows))
    assert found[key(rows[0], rows[1])] == "exact"
    assert found[key(rows[0], rows[2])] == "near"  # JPEG changed the pixels
    assert measure_picture(bitmap)["pixel_digest"] == rows[2]["pixel_digest"]


def test_frames_of_one_spinner_are_never_compared():
    data = photos.jpeg(photos.photo("coffee"))
    rows = [row(data, sha256=letter * 64) for letter in "abc"]
    spins = {"a" * 64: "spin 1", "b" * 64: "spin 1", "c" * 64: "spin 2"}
    exact_pairs = names_of(find_pairs([r | {"pixel_digest": r["sha256"]} for r in rows]))
    assert len(exact_pairs) == 3
    spun = find_pairs([r | {"pixel_digest": r["sha256"]} for r in rows], spin_groups=spins)
    assert ("a" * 64, "b" * 64) not in names_of(spun)
    assert len(spun.pairs) == 2


def test_plain_pictures_are_marked_and_only_matched_when_equal():
    rng = np.random.default_rng(0)
    plain = [
        Image.fromarray(np.clip(rng.normal(235, 2, (240, 320, 3)), 0, 255).astype(np.uint8))
        for _ in range(4)
    ]
    rows = [row(photos.png(p)) for p in plain]
    rows.append(row(photos.png(plain[0]), sha256="f" * 64))
    found = find_pairs(rows, radius=8)
    assert set(found.plain) == {r["sha256"] for r in rows}
    assert names_of(found) == {key(rows[0], rows[4]): "exact"}


def test_the_result_does_not_depend_on_the_order_and_failed_rows_are_left_out():
    rows = []
    for name in photos.NAMES:
        rows += [row(photos.jpeg(photos.photo(name))), row(photos.jpeg(photos.photo(name), 50))]
    rows.append({"sha256": "0" * 64, "error": "can't be decoded", "phash": None})
    forward, backward = find_pairs(rows), find_pairs(rows[::-1])
    assert forward == backward
    assert len(forward.pairs) == 4
    assert forward.as_dict()["near"] == 4


def test_no_pictures_no_pairs():
    assert find_pairs([]).pairs == ()


def test_pixels_are_compared_once_per_pair(workspace, monkeypatch):
    original = photos.jpeg(photos.photo("rocket"))
    mirrored = photos.jpeg(ImageOps.mirror(photos.photo("rocket")))
    pair = tuple(sorted(put(workspace, data) for data in (original, mirrored)))
    assert pixel_check(workspace, workers=1)([pair]) == {pair: "flip"}
    with workspace.catalog.read() as connection:
        (stored,) = connection.execute(schema.pair_checks.select()).mappings().all()
    assert stored["mirrored"] and stored["outliers"] < 0.05
    for how in ("compute_here", "compute_shards"):
        monkeypatch.setattr(f"curate.duplicates.stage.{how}", lambda *_, **__: pytest.fail("ran"))
    assert pixel_check(workspace, workers=1)([pair]) == {pair: "flip"}


def test_many_pairs_are_compared_by_workers_as_few_are_here(workspace, monkeypatch):
    rocket, coffee = photos.photo("rocket"), photos.photo("coffee")
    copies = (rocket, ImageOps.mirror(rocket), photos.cropped(rocket, 0.1), coffee)
    names = sorted(put(workspace, photos.jpeg(copy)) for copy in copies)
    pairs = list(combinations(names, 2))
    here = pixel_check(workspace)(pairs)
    with workspace.catalog.begin() as connection:
        few = connection.execute(schema.pair_checks.select()).all()
        connection.execute(schema.pair_checks.delete())
    monkeypatch.setattr("curate.duplicates.stage.FEW", 0)
    assert pixel_check(workspace, workers=1)(pairs) == here
    assert {"flip", None} <= set(here.values())
    with workspace.catalog.read() as connection:
        assert sorted(connection.execute(schema.pair_checks.select()).all()) == sorted(few)


def test_a_pair_of_which_a_picture_is_not_given_is_compared_when_it_is_back(workspace):
    one = put(workspace, photos.jpeg(photos.photo("rocket")))
    two = put(workspace, photos.jpeg(photos.photo("coffee")))
    pair = tuple(sorted((one, two)))
    path = workspace.image_path(one)
    path.rename(path.with_suffix(".away"))
    with pytest.raises(TransientError, match="left to do: 1"):
        pixel_check(workspace, workers=1)([pair])
    with workspace.catalog.read() as connection:
        assert connection.execute(schema.pair_checks.select()).all() == []
    path.with_suffix(".away").rename(path)
    assert pixel_check(workspace, workers=1)([pair]) == {pair: None}


def test_the_pictures_that_imagededup_tests_itself_with(real_data):
    """Flipped, resized, grey and format variants are found; ten different scenes are not joined."""
    files = {}
    for path in sorted((real_data / "near_duplicates" / "tests").rglob("*.*")):
        files.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
    rows, refused = [], set()
    for sha256, path in files.items():
        try:
            rows.append({"sha256": sha256, "error": None, **measure_picture(path)})
        except UnreadableImageError:
            refused.add(path.name)

    def check(pairs):
        items = [
            {"key": f"{a}-{b}", "first": BlobRef(files[a], a), "second": BlobRef(files[b], b)}
            for a, b in pairs
        ]
        found = [stored_row(row) for row in compare_pairs(items)]
        return {(row["first"], row["second"]): kind_of_row(row) for row in found}

    found = find_pairs(rows, check=check)
    named = {
        frozenset((files[pair.first].name, files[pair.second].name)): pair.kind
        for pair in found.pairs
    }
    assert refused == {
        "ukbench09268_corrupt.jpg",
        "Iggy.1024.ppm",
        "baboon.pgm",
        "marbles.pbm",
    }
    original = "ukbench00120.jpg"
    assert named[frozenset((original, "ukbench00120_hflip.jpg"))] == "flip"
    assert named[frozenset((original, "ukbench00120_resize.jpg"))] == "near"
    assert named[frozenset((original, "ukbench00120_gray.jpg"))] == "near"
    assert named[frozenset(("ukbench09380.jpg", "ukbench09380.webp"))] == "near"
    also = {"alpha_channel_image.png": original}
    scenes = [{also.get(name, name)[:12] for name in pair} for pair in named]
    assert all(len(scene) == 1 for scene in scenes), named


def test_two_pictures_are_the_same_whichever_is_laid_on_the_other(tmp_path):
    """Of a dim, noisy copy one direction alone may be told apart."""
    for name in photos.NAMES:
        for data in (
            photos.jpeg(photos.photo(name), 10),
            photos.jpeg(photos.photo(name).rotate(180)),
        ):
            blobs = []
            for each in (photos.jpeg(photos.photo(name)), data):
                digest = hashlib.sha256(each).hexdigest()
                (tmp_path / digest).write_bytes(each)
                blobs.append(BlobRef(tmp_path / digest, digest))
            there, back = compare_pairs(
                [
                    {"key": "there", "first": blobs[0], "second": blobs[1]},
                    {"key": "back", "first": blobs[1], "second": blobs[0]},
                ]
            )
            assert kind_of_row(there) is not None and kind_of_row(back) is not None
