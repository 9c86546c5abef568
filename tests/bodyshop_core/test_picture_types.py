"""Phones', cameras' and editors' files: what is decoded, and what an unread one is called."""

from __future__ import annotations

import io
import struct

import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import load_rgb, open_image, read_header, sniff
from bodyshop_core.imaging.jxl import jxl_size
from bodyshop_core.imaging.types import is_raw_tiff

RAMP = Image.merge("RGB", [Image.linear_gradient("L").rotate(turn) for turn in (0, 90, 180)])


def saved(picture, kind, **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def heic(picture, **options):
    stream = io.BytesIO()
    pillow_heif.from_pillow(picture).save(stream, quality=90, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "options", "extension"),
    [
        ("AVIF", {"quality": 90}, "avif"),
        ("JPEG2000", {}, "jp2"),
        ("JPEG2000", {"no_jp2": True}, "jp2"),
        ("WEBP", {"quality": 95}, "webp"),
    ],
)
def test_formats_are_known_by_their_content_and_decoded(kind, options, extension):
    data = saved(RAMP, kind, **options)
    assert sniff(data[:64]) == extension
    assert np.abs(load_rgb(data).astype(int) - np.asarray(RAMP)).mean() < 4


def test_a_phones_picture_is_decoded_upright(tmp_path):
    wide = RAMP.resize((256, 128))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = heic(wide, exif=exif.tobytes())
    (tmp_path / "a.HEIC").write_bytes(data)
    assert sniff(data[:64]) == "heic"
    header = read_header(data)
    assert header["format"] == "HEIF"
    shown = load_rgb(tmp_path / "a.HEIC")
    assert shown.shape == (256, 128, 3)
    assert np.abs(shown.astype(int) - np.asarray(wide.rotate(-90, expand=True))).mean() < 5


def test_jpeg_xl_is_decoded_or_named():
    plugin = pytest.importorskip("pillow_jxl")
    assert plugin is not None
    data = saved(RAMP, "JXL", lossless=True)
    assert sniff(data[:64]) == "jxl"
    assert (load_rgb(data) == np.asarray(RAMP)).all()


@pytest.mark.parametrize("container", [False, True])
def test_the_size_of_a_jpeg_xl_is_read_as_its_decoder_reads_it(container):
    pytest.importorskip("pillow_jxl")
    sizes = [(1, 1), (8, 8), (256, 8), (264, 256), (513, 512), (3, 8200), (16, 9), (300, 250)]
    for size in [*sizes, (320, 200), (120, 100), (6, 4), (640, 480), (64, 32), (123, 77)]:
        options = {"use_container": container, "effort": 1}
        data = saved(Image.new("RGB", size), "JXL", **options)
        assert jxl_size(io.BytesIO(data)) == open_image(data).size == size


def test_the_size_of_a_jpeg_xl_is_found_in_parts_of_its_codestream():
    pytest.importorskip("pillow_jxl")
    data = saved(Image.new("RGB", (123, 77)), "JXL", use_container=False)
    start = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    parts = [b"\0\0\0\0" + data[:1], b"\0\0\0\1", b"\0\0\0\2" + data[1:4]]
    split = b"".join(box(b"jxlp", part) for part in [*parts, b"\x80\0\0\3" + data[4:]])
    long = struct.pack(">I4sQ", 1, b"jxlc", 16 + len(data)) + data
    for whole in (start + split, start + long, start + struct.pack(">I", 0) + b"jxlc" + data):
        assert jxl_size(io.BytesIO(whole)) == open_image(whole).size == (123, 77)


def box(kind, content):
    return struct.pack(">I", 8 + len(content)) + kind + content


def test_a_jpeg_xl_is_not_decoded_beyond_the_limit_or_without_a_size():
    pytest.importorskip("pillow_jxl")
    large = b"\xff\n\xfcv!\x03\x00\x13\x08\x01\x00l"  # the encoder's for 12,000 x 12,000
    with pytest.raises(UnreadableImageError, match="12000 x 12000") as refused:
        open_image(large)
    assert refused.value.code == "too_many_pixels"
    with pytest.raises(UnreadableImageError, match=r"damaged JPEG XL.*its size can't be read"):
        open_image(large[:4])


def test_a_missing_decoder_is_named_with_its_extra(monkeypatch):
    from bodyshop_core.imaging import plugins

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(plugins, "import_module", missing)
    with pytest.raises(UnreadableImageError, match=r"(?s)JPEG XL.*bodyshop\[jxl\]"):
        open_image(b"\xff\x0a" + bytes(80))
    with pytest.raises(UnreadableImageError, match=r"(?s)RAW.*bodyshop\[raw\]"):
        open_image(raw_tiff())


def raw_tiff(photometric=32803):
    """A TIFF whose second directory holds sensor data, as cameras write them."""
    entries = [(254, 4, 1, 1), (256, 4, 1, 16), (257, 4, 1, 12), (330, 4, 1, 64)]
    data = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries))
    data += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    data = data.ljust(64, b"\0") + struct.pack("<H", 1)
    return data + struct.pack("<HHIHH", 262, 3, 1, photometric, 0) + bytes(100)


def test_a_cameras_raw_file_is_told_from_a_tiff():
    assert is_raw_tiff(io.BytesIO(raw_tiff()))
    assert not is_raw_tiff(io.BytesIO(raw_tiff(photometric=2)))
    assert not is_raw_tiff(io.BytesIO(saved(RAMP, "TIFF")))
    assert sniff(b"II*\0\x10\0\0\0CR\x02\0") == "cr2"


def test_a_damaged_file_is_called_by_its_type():
    with pytest.raises(UnreadableImageError, match="damaged HEIC file"):
        open_image(heic(RAMP)[:40] + bytes(200))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_known_type_or_none(data):
    assert sniff(data) is None or isinstance(sniff(data), str)
    jxl_size(io.BytesIO(data))
    if len(data) >= 8:
        is_raw_tiff(io.BytesIO(data))


def test_small_values_of_sixteen_bit_grey_stay_dark():
    dim = Image.fromarray(np.full((32, 32), 200, np.uint16))
    bright = Image.fromarray(np.full((32, 32), 51_400, np.uint16))
    assert load_rgb(saved(dim, "PNG")).max() == 0
    assert load_rgb(saved(bright, "PNG")).max() == 200
