"""Damage that decoders repair without a word."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import simplejpeg
from PIL import Image, features

from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import load_rgb, read_header
from bodyshop_core.imaging.endings import has_end
from bodyshop_core.imaging.faults import decoder_warning, find_fault


def photo(seed=1):
    """Structure at all scales, so that the scan is long."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((240, 320, 3))
    for side in (4, 16, 64):
        noise = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
        picture += np.asarray(noise.resize((320, 240), Image.Resampling.BICUBIC))
    return Image.fromarray((picture / 3).astype(np.uint8))


def jpeg(picture=None, **options):
    stream = io.BytesIO()
    (picture or photo()).save(stream, "JPEG", **({"quality": 90} | options))
    return stream.getvalue()


def scan_at(data):
    return data.index(b"\xff\xda") + 14


def overwritten(data, share, size, filling=b"\0"):
    at = scan_at(data) + int((len(data) - scan_at(data)) * share)
    return data[:at] + filling * size + data[at + size :]


WHOLE = {
    "baseline": {}, "progressive": {"progressive": True}, "optimised": {"optimize": True},
    "restarts": {"restart_marker_rows": 1}, "best": {"quality": 100, "subsampling": 0},
    "worst": {"quality": 5},
}  # fmt: skip


@pytest.mark.parametrize("options", WHOLE.values(), ids=WHOLE)
def test_whole_jpegs_have_no_fault(options):
    assert find_fault(jpeg(**options)) is None
    assert find_fault(jpeg(photo().convert("L"), **options)) is None
    assert find_fault(jpeg(photo().convert("CMYK"), **options)) is None


def test_flat_pictures_and_appended_data_are_no_fault():
    flat = Image.new("RGB", (320, 240), "white")
    assert find_fault(jpeg(flat, optimize=True)) is None
    assert find_fault(jpeg() + b"a film of a motion photo" * 9000) is None
    assert find_fault(jpeg()[:-2] + bytes(64) + b"\xff\xd9") is None  # filled up by a camera


@pytest.mark.parametrize("options", WHOLE.values(), ids=WHOLE)
def test_an_overwritten_part_is_a_fault_from_there_on(options):
    fault = find_fault(overwritten(jpeg(**options), 0.3, 600))
    assert fault is not None and fault.share > 0.5


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_zeros_that_the_decoder_finds_back_from_are_a_fault(mode):
    data = jpeg(photo().convert(mode))
    silent = [
        share
        for share in np.linspace(0.05, 0.9, 120)
        if decoder_warning(overwritten(data, share, 24)) is None
    ]
    assert len(silent) >= 20  # it decodes as many blocks as before: all is well, it says
    for share in silent:
        fault = find_fault(overwritten(data, share, 24))
        assert fault is not None and fault.share == pytest.approx(1 - share, abs=0.01)


def test_an_even_surface_that_is_coded_as_zeros_is_no_fault():
    steps = np.repeat(np.linspace(250, 0, 126).astype(np.uint8), 8)[None].repeat(64, axis=0)
    even = Image.new("L", (1600, 1200), 255)
    for picture in (even, even.convert("RGB"), Image.fromarray(steps)):
        data = jpeg(picture, optimize=True, quality=50)
        assert bytes(20) in data[scan_at(data) :]
        assert find_fault(data) is None


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_share_says_how_much_lies_behind_the_damage(share):
    fault = find_fault(overwritten(jpeg(), share, 400))
    assert fault is not None and fault.share == pytest.approx(1 - share, abs=0.08)


def test_a_missing_third_before_the_end_mark_is_a_fault():
    data = jpeg()
    cut = data[: scan_at(data) + (len(data) - scan_at(data)) * 2 // 3] + b"\xff\xd9"
    fault = find_fault(cut)
    assert fault is not None and fault.share == pytest.approx(1 / 3, abs=0.15)


@pytest.mark.parametrize("tail", [b"", bytes(3), bytes(5000)])
def test_a_complete_jpeg_without_its_end_mark_is_read(tail, tmp_path):
    data = jpeg()[:-2] + tail
    assert has_end(io.BytesIO(data), "jpg")
    assert find_fault(data) is None
    (tmp_path / "a.jpg").write_bytes(data)
    for source in (data, tmp_path / "a.jpg"):
        assert (load_rgb(source) == load_rgb(jpeg())).all()


def test_a_truncated_jpeg_is_not_complete():
    assert not has_end(io.BytesIO(jpeg()[:-400]), "jpg")


def boxed(kind):
    """Return a picture in boxes, or a bare codestream of JPEG 2000."""
    out = io.BytesIO()
    if kind == "j2k":
        photo().save(out, "JPEG2000", no_jp2=True)
    else:
        photo().save(out, {"jp2": "JPEG2000", "avif": "AVIF"}[kind])
    return out.getvalue()


@pytest.mark.parametrize("kind", ["jp2", "j2k", "avif"])
def test_half_a_picture_in_boxes_is_not_complete(kind):
    if kind == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    data, extension = boxed(kind), "avif" if kind == "avif" else "jp2"
    assert has_end(io.BytesIO(data), extension)
    assert has_end(io.BytesIO(data + bytes(20)), extension)
    for part in (0.05, 0.5, 0.99):
        assert not has_end(io.BytesIO(data[: int(part * len(data))]), extension)


def test_boxes_whose_last_reaches_to_the_end_of_the_file_have_an_end_mark():
    data = bytearray(boxed("jp2"))
    data[data.index(b"jp2c") - 4 : data.index(b"jp2c")] = bytes(4)
    assert has_end(io.BytesIO(data), "jp2")
    assert not has_end(io.BytesIO(data[:-100]), "jp2")


def test_an_end_mark_far_from_the_end_is_found():
    assert has_end(io.BytesIO(jpeg() + bytes(range(200)) * 2000), "jpg")


def png_with(broken_at=None, method=zlib.Z_DEFAULT_COMPRESSION):
    rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(photo()))

    def chunk(kind, body):
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    packed = zlib.compress(rows, 0 if method is None else method)
    third = len(packed) // 3
    parts = [packed[:third], packed[third : 2 * third], packed[2 * third :]]
    chunks = [chunk(b"IDAT", part) for part in parts]
    if broken_at is not None:
        body = bytearray(chunks[broken_at])
        body[500:540] = bytes(40)
        chunks[broken_at] = bytes(body)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 320, 240, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def test_a_wrong_check_sum_of_a_png_is_a_fault_from_its_chunk_on():
    assert find_fault(png_with()) is None
    fault = find_fault(png_with(broken_at=1, method=None))
    assert fault is not None and fault.share == pytest.approx(2 / 3, abs=0.05)


def test_a_jpeg_beyond_the_pixel_limit_is_refused_without_its_decoder(monkeypatch):
    def decoded(*_args, **_options):
        raise AssertionError("it was decoded")

    monkeypatch.setattr(simplejpeg, "decode_jpeg", decoded)
    data = bytearray(jpeg(progressive=True))
    frame = data.index(b"\xff\xc2")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 12000, 12000)
    for large in (bytes(data[:-2]), bytes(data)):
        assert find_fault(large) is None
        assert has_end(io.BytesIO(large), "jpg")
        for read in (load_rgb, read_header):
            with pytest.raises(UnreadableImageError, match="12000 x 12000") as refused:
                read(large)
            assert refused.value.code == "too_many_pixels"
