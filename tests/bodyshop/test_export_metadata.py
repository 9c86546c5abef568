"""Exported bytes tell nothing of the camera and keep every pixel; folder names are safe."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from export_photos import GPS, SECRET, encoded, exif, jpeg, noise
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from bodyshop.export.metadata import without_metadata
from bodyshop.export.selection import folder_names
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import load_rgb, sniff


def pictures() -> Iterator[tuple[str, bytes, int]]:
    yield "jpeg", jpeg(1), 1
    yield "jpeg on its side", jpeg(2, 6), 6
    yield "progressive", jpeg(3, 3, progressive=True), 3
    yield "restarts", jpeg(4, restart_marker_blocks=1), 1
    yield "two in one", jpeg(5) + jpeg(6), 1
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", SECRET.decode())
    text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    yield "png", encoded(noise(7), "PNG", exif=exif(8), pnginfo=text), 8
    yield "webp", encoded(noise(8), "WEBP", exif=exif(6), xmp=SECRET), 6
    yield "webp lossless", encoded(noise(9), "WEBP", lossless=True, exif=exif(), xmp=SECRET), 1
    yield "gif", encoded(noise(10).convert("P"), "GIF", comment=SECRET), 1
    frames = {"save_all": True, "append_images": [noise(12).convert("P")], "loop": 0}
    yield "animation", encoded(noise(11).convert("P"), "GIF", comment=SECRET, **frames), 1
    yield "tiff", encoded(noise(13), "TIFF", exif=exif()), 1
    yield "bmp", encoded(noise(14), "BMP"), 1


@pytest.mark.parametrize(
    ("data", "orientation"), [p[1:] for p in pictures()], ids=[p[0] for p in pictures()]
)
def test_metadata_go_and_pixels_and_orientation_stay(data: bytes, orientation: int) -> None:
    kind = sniff(data)
    assert kind is not None
    assert SECRET in data or kind == "bmp"
    clean, extension = without_metadata(data, kind, orientation)
    assert SECRET not in clean
    assert sniff(clean) == extension
    assert np.array_equal(load_rgb(clean), load_rgb(data))
    with Image.open(io.BytesIO(clean)) as image:
        assert not image.getexif().get_ifd(GPS)
        assert image.getexif().get(0x010F) is None
        assert not image.info.get("comment")
        if kind not in ("tif", "bmp"):
            assert image.getexif().get(0x0112, 1) == orientation
    assert without_metadata(clean, extension, orientation)[0] == clean


def test_the_colour_profile_stays() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for format, kind in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp")):
        data = encoded(noise(1), format, icc_profile=profile, exif=exif())
        with Image.open(io.BytesIO(without_metadata(data, kind)[0])) as image:
            assert image.info["icc_profile"] == profile


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([p[1] for p in pictures()][:10]), st.data())
def test_a_damaged_file_is_cleaned_or_refused_and_raises_nothing_else(
    data: bytes, draw: st.DataObject
) -> None:
    kind = sniff(data) or ""
    place = draw.draw(st.integers(12, len(data) - 1))
    broken = data[:place] + draw.draw(st.binary(max_size=4)) + data[place + 3 :]
    try:
        clean, _ = without_metadata(broken, kind)
    except UnreadableImageError:
        return
    assert isinstance(clean, bytes)


@given(st.lists(st.text(max_size=12), max_size=6))
def test_folder_names_are_safe_and_distinct(labels: list[str]) -> None:
    names = folder_names(labels)
    assert set(names) == set(labels)
    folded = [name.casefold() for name in names.values()]
    assert len(set(folded)) == len(folded)
    for name in names.values():
        assert name not in ("", ".", "..")
        assert not set(name) & set('/\\:*?"<>|\x00\n')
        assert Path(name).name == name


def test_hangul_class_names_stay_and_are_composed() -> None:
    decomposed = "\u1111\u1161\u1109\u1169\u11ab"  # 파손 as macOS writes it
    assert folder_names([decomposed])[decomposed] == "파손"
    assert folder_names(["a/b", "a:b"]) == {"a/b": "a_b", "a:b": "a_b_2"}


@pytest.mark.parametrize("label", ["con", "Aux", "NUL.x", "com1", "LPT9.tar.gz"])
def test_no_folder_is_named_as_a_device_of_windows(label: str) -> None:
    assert folder_names([label])[label] == f"_{label}"


def test_a_folder_name_is_short_enough_for_every_file_system() -> None:
    long = {"파손" * 200 + end for end in "ab"}
    names = folder_names(long)
    assert len({name.casefold() for name in names.values()}) == 2
    assert all(len(name.encode()) <= 255 for name in names.values())
