"""One decode: every format has a defined outcome, and the numbers mean what they say."""

from __future__ import annotations

import io

import imagehash
import numpy as np
import photos
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bodyshop_core.catalog import BlobRef
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import load_rgb
from curate.duplicates.signatures import turned_by_a_quarter, turned_by_half
from curate.measure.hashes import as_integers, as_words, distances, picture_hashes
from curate.measure.picture import measure_picture, measure_pictures

CHELSEA = photos.photo("chelsea")


def saved(picture, format, **options):
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def bits_apart(a, b):
    return int(distances(as_integers([a["phash"]]), as_integers([b["phash"]]))[0])


def sixteen_bit():
    return Image.fromarray(np.asarray(CHELSEA.convert("L")).astype(np.uint16) * 257)


def with_alpha(mode):
    picture = CHELSEA.convert(mode)
    picture.putalpha(255)
    return picture


FORMATS = {
    "CMYK JPEG": lambda: saved(CHELSEA.convert("CMYK"), "JPEG", quality=92),
    "grey JPEG": lambda: saved(CHELSEA.convert("L"), "JPEG", quality=92),
    "progressive JPEG": lambda: saved(CHELSEA, "JPEG", quality=92, progressive=True),
    "PNG": lambda: saved(CHELSEA, "PNG"),
    "16-bit PNG": lambda: saved(sixteen_bit(), "PNG"),
    "palette PNG": lambda: saved(CHELSEA.quantize(200), "PNG"),
    "RGBA PNG": lambda: saved(with_alpha("RGB"), "PNG"),
    "grey-alpha PNG": lambda: saved(with_alpha("L"), "PNG"),
    "GIF": lambda: saved(CHELSEA.quantize(200), "GIF"),
    "WebP": lambda: saved(CHELSEA, "WEBP", quality=92),
    "TIFF": lambda: saved(CHELSEA, "TIFF"),
    "BMP": lambda: saved(CHELSEA, "BMP"),
    "AVIF": lambda: saved(CHELSEA, "AVIF", quality=85),
    "MPO": lambda: saved(
        CHELSEA, "MPO", save_all=True, append_images=[photos.photo("coffee")], quality=92
    ),
    "animated GIF": lambda: saved(
        CHELSEA.quantize(200), "GIF", save_all=True, append_images=[Image.new("P", CHELSEA.size)]
    ),
    "animated WebP": lambda: saved(
        CHELSEA, "WEBP", save_all=True, append_images=[Image.new("RGB", CHELSEA.size)], quality=92
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_picture_has_the_same_hash_in_every_format(name):
    """Of animations and MPO the first frame counts."""
    measured = measure_picture(FORMATS[name]())
    assert (measured["width"], measured["height"]) == CHELSEA.size
    assert bits_apart(measured, measure_picture(saved(CHELSEA, "JPEG", quality=95))) <= 2
    assert 0.6 < measured["sharpness"] <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied_before_anything_is_measured(orientation):
    flat = CHELSEA.crop((0, 0, 400, 300))
    upright = measure_picture(saved(flat, "PNG"))
    turn = {
        1: (),
        2: (Image.Transpose.FLIP_LEFT_RIGHT,),
        3: (Image.Transpose.ROTATE_180,),
        4: (Image.Transpose.FLIP_TOP_BOTTOM,),
        5: (Image.Transpose.TRANSPOSE,),
        6: (Image.Transpose.ROTATE_90,),
        7: (Image.Transpose.TRANSVERSE,),
        8: (Image.Transpose.ROTATE_270,),
    }[orientation]
    stored = flat
    for step in turn:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = measure_picture(saved(stored, "PNG", exif=exif))
    assert (turned["width"], turned["height"]) == (400, 300)
    assert turned["phash"] == upright["phash"]
    assert turned["pixel_digest"] == upright["pixel_digest"]


def test_a_large_jpeg_is_decoded_small_and_hashes_hardly_drift():
    large = photos.photo("astronaut").resize((2400, 2400), Image.Resampling.LANCZOS)
    data = photos.jpeg(large, 90)
    measured = measure_picture(data)
    assert (measured["width"], measured["height"]) == (2400, 2400)
    full = Image.fromarray(load_rgb(data)).convert("L")
    drift = distances(as_integers([measured["phash"]]), as_integers([str(imagehash.phash(full))]))
    assert drift[0] <= 4
    long = str(imagehash.phash(full, hash_size=16))
    assert (
        distances(as_words([measured["phash256"]], bits=256), as_words([long], bits=256))[0] <= 16
    )


def test_hashes_of_a_small_picture_are_imagehashs_own():
    small = photos.scaled(CHELSEA, 0.5)
    measured = measure_picture(saved(small, "PNG"))
    grey = small.convert("L")
    assert measured["phash"] == str(imagehash.phash(grey))
    assert measured["phash256"] == str(imagehash.phash(grey, hash_size=16))
    assert measured["dhash"] == str(imagehash.dhash(grey))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=st.integers(20, 255), height=st.integers(20, 255))
def test_every_hash_is_the_one_imagehash_computes(seed, width, height):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 7), dtype=np.uint8)
    grey = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    mirrored = grey.resize((32, 32), Image.Resampling.LANCZOS).transpose(
        Image.Transpose.FLIP_LEFT_RIGHT
    )
    assert {k: v for k, v in picture_hashes(grey).items() if k != "ac_energy"} == {
        "phash": str(imagehash.phash(grey)),
        "phash_mirror": str(imagehash.phash(mirrored)),
        "phash256": str(imagehash.phash(grey, hash_size=16)),
        "dhash": str(imagehash.dhash(grey)),
    }


def test_the_mirror_hash_is_the_hash_of_the_mirrored_picture():
    mirrored = CHELSEA.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    a, b = (measure_picture(saved(picture, "PNG")) for picture in (CHELSEA, mirrored))
    apart = distances(as_integers([a["phash_mirror"]]), as_integers([b["phash"]]))
    assert apart[0] <= 2


@pytest.mark.parametrize("quality", [5, 25, 49, 50, 60, 75, 85, 90, 95, 99])
def test_the_jpeg_quality_is_read_from_the_tables(quality):
    assert measure_picture(photos.jpeg(CHELSEA, quality))["jpeg_quality"] == quality


def test_a_picture_that_is_no_jpeg_has_no_jpeg_quality():
    assert measure_picture(saved(CHELSEA, "PNG"))["jpeg_quality"] is None


def test_camera_and_time_come_from_exif_without_control_characters():
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Samsung\x00", "SM-G991B\x07"
    exif[0x0132] = "2021:05:06 07:08:09"
    measured = measure_picture(photos.jpeg(CHELSEA, exif=exif))
    assert measured["exif_camera"] == "Samsung SM-G991B"
    assert measured["exif_time"] == "2021-05-06T07:08:09"


@pytest.mark.parametrize(
    "taken", ["0000:00:00 00:00:00", "2004:00:00 00:00:00", "yesterday", "", "2021:05"]
)
def test_a_broken_time_is_no_time(taken):
    exif = Image.Exif()
    exif[0x0132] = taken
    assert measure_picture(photos.jpeg(CHELSEA, exif=exif))["exif_time"] is None


def test_exposure_and_colour_of_plain_pictures():
    black, white, red = (
        measure_picture(saved(Image.new("RGB", (90, 60), colour), "PNG"))
        for colour in ("black", "white", "red")
    )
    assert (black["brightness"], black["dark_fraction"], black["bright_fraction"]) == (0, 1, 0)
    assert (white["brightness"], white["dark_fraction"], white["bright_fraction"]) == (1, 0, 1)
    assert black["contrast"] == 0 and black["entropy"] == 0 and white["colourfulness"] == 0
    assert red["colourfulness"] > 60
    assert red["colour"] == "ff0000" * 16
    assert max(black["ac_energy"], white["ac_energy"], red["ac_energy"]) < 1e-6


def test_contrast_and_entropy_of_a_half_black_half_white_picture():
    halves = Image.new("L", (100, 50))
    halves.paste(255, (50, 0, 100, 50))
    measured = measure_picture(saved(halves, "PNG"))
    assert measured["contrast"] == pytest.approx(0.5)
    assert measured["entropy"] == pytest.approx(1.0)


def test_formats_off_the_list_are_refused_by_name_of_the_fault(tmp_path):
    """HEIC needs a decoder that Pillow has not; a portable greymap is not on the list."""
    heic = tmp_path / "phone.heic"
    heic.write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1" + bytes(400))
    greymap = tmp_path / "scan.pgm"
    CHELSEA.convert("L").save(greymap)
    rows = measure_pictures([{"key": path.name, "blob": BlobRef(path)} for path in (heic, greymap)])
    assert [row["key"] for row in rows] == ["phone.heic", "scan.pgm"]
    assert all("not a picture we can decode" in row["error"] for row in rows)


def test_a_file_cut_short_is_unreadable_and_costs_only_its_own_row(tmp_path):
    whole, cut = tmp_path / "whole.jpg", tmp_path / "cut.jpg"
    whole.write_bytes(photos.jpeg(CHELSEA))
    cut.write_bytes(photos.jpeg(CHELSEA)[:9000])
    rows = measure_pictures([{"key": p.name, "blob": BlobRef(p)} for p in (cut, whole)])
    assert "can't be decoded" in rows[0]["error"]
    assert "error" not in rows[1] and rows[1]["sharpness"] > 0.6


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (3, 2), (4000, 3)])
def test_odd_sizes_are_measured(size):
    measured = measure_picture(saved(Image.new("RGB", size, "navy"), "PNG"))
    assert (measured["width"], measured["height"]) == size


@settings(max_examples=150, deadline=None)
@given(
    cut=st.integers(0, 4000),
    noise=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=20),
    format=st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"]),
)
def test_damaged_files_are_measured_or_refused_but_nothing_else(cut, noise, format):
    data = bytearray(saved(photos.scaled(CHELSEA, 0.12).convert("RGB"), format))
    for place, value in noise:
        data[place % len(data)] = value
    try:
        measured = measure_picture(bytes(data[: len(data) - cut]))
    except UnreadableImageError:
        return
    assert len(measured["phash"]) == 16 and 0 <= measured["sharpness"] <= 1


@pytest.mark.slow
def test_drift_of_the_scaled_decode_on_real_photos(real_data):
    drifts = []
    for file in sorted((real_data / "damage" / "validation" / "whole").iterdir())[::3]:
        full = Image.fromarray(load_rgb(file)).convert("L")
        hashes = as_integers([measure_picture(file)["phash"], str(imagehash.phash(full))])
        drifts.append(int(distances(hashes[:1], hashes[1:])[0]))
    assert np.mean(drifts) < 0.3 and max(drifts) <= 4


@pytest.mark.parametrize("name", photos.NAMES)
def test_the_hash_of_a_turned_picture_follows_from_those_of_the_picture(name):
    """By a quarter from its mirror image's but for what saving changes, by half about."""
    picture = photos.scaled(photos.photo(name), 0.5)
    of = measure_picture(photos.jpeg(picture, 95))
    turns = {}
    for way in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180):
        measured = measure_picture(photos.jpeg(picture.transpose(way), 95))
        turns[way] = as_integers([measured["phash"]])
    quarter = turned_by_a_quarter(as_integers([of["phash_mirror"]]))
    half = turned_by_half(as_integers([of["phash"]]))
    assert distances(quarter, turns[Image.Transpose.ROTATE_90]) <= 2
    assert distances(half, turns[Image.Transpose.ROTATE_180]) <= 8
