from __future__ import annotations

import ast
import contextlib
import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import (
    Equalise,
    equalise,
    fit_square,
    load_rgb,
    open_image,
    read_header,
    sniff,
)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width=64, height=48) -> Image.Image:
    x = np.linspace(0, 255, width)[None, :, None]
    y = np.linspace(0, 255, height)[:, None, None]
    return Image.fromarray((np.ones((height, width, 3)) * (x + y) / 2).astype("u1"))


@pytest.mark.parametrize(
    ("kind", "extension"),
    [
        ("JPEG", "jpg"),
        ("PNG", "png"),
        ("WEBP", "webp"),
        ("GIF", "gif"),
        ("BMP", "bmp"),
        ("TIFF", "tif"),
        ("AVIF", "avif"),
    ],
)
def test_each_accepted_format_is_sniffed_and_decoded(kind, extension):
    data = encoded(gradient(), kind)
    assert sniff(data) == extension
    assert load_rgb(data).shape == (48, 64, 3)
    assert read_header(data)["format"] == kind


def test_exif_rotation_is_applied():
    image = Image.new("RGB", (40, 20), "white")
    image.paste("black", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: rotate 90 degrees clockwise to see it
    rgb = load_rgb(encoded(image, "JPEG", exif=exif, quality=95))
    assert rgb.shape == (40, 20, 3)
    assert rgb[:15].mean() < 20 and rgb[25:].mean() > 235


def test_sixteen_bit_grey_keeps_its_tones():
    samples = np.linspace(0, 65535, 100).astype(np.uint16).reshape(10, 10)
    rgb = load_rgb(encoded(Image.fromarray(samples), "PNG"))
    assert rgb[0, 0, 0] == 0 and rgb[-1, -1, 0] == 255
    assert abs(int(rgb[5, 0, 0]) - 128) <= 2


def test_transparency_lies_on_white():
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert load_rgb(encoded(image, "PNG")).min() == 255


def test_cmyk_and_palette_are_converted():
    assert load_rgb(encoded(gradient().convert("CMYK"), "JPEG")).shape == (48, 64, 3)
    assert load_rgb(encoded(gradient().convert("P"), "PNG")).shape == (48, 64, 3)


def test_first_frame_of_an_animation_counts():
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    assert tuple(load_rgb(data)[5, 5]) == (255, 0, 0)


def test_truncated_and_empty_files_are_unreadable(tmp_path):
    data = encoded(gradient(400, 300), "JPEG")
    with pytest.raises(UnreadableImageError, match="can't be decoded"):
        load_rgb(data[: len(data) // 2])
    with pytest.raises(UnreadableImageError, match="0 bytes"):
        load_rgb(b"")
    empty = tmp_path / "empty.jpg"
    empty.touch()
    with pytest.raises(UnreadableImageError, match=r"empty\.jpg"):
        load_rgb(empty)


def test_bomb_is_refused_before_it_is_decompressed():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 25_000, 20_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))
    with pytest.raises(UnreadableImageError, match=r"megapixels|too many pixels") as caught:
        open_image(bomb)
    assert caught.value.code == "too_many_pixels"


def test_a_broken_picture_in_a_folder_named_pixels_is_unreadable_and_no_bomb(tmp_path):
    broken = tmp_path / "too many pixels" / "a.jpg"
    broken.parent.mkdir()
    broken.write_bytes(b"\xff\xd8\xff broken")
    with pytest.raises(UnreadableImageError) as caught:
        load_rgb(broken)
    assert caught.value.code == "unreadable"


def test_formats_off_the_list_are_refused():
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"
    assert sniff(eps) is None
    with pytest.raises(UnreadableImageError):
        open_image(eps)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_picture_or_unreadable(data):
    with contextlib.suppress(UnreadableImageError):
        load_rgb(data)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 64))
def test_fit_square_is_square_whatever_comes_in(height, width, side):
    assert fit_square(np.zeros((height, width, 3), np.uint8), side).shape == (side, side, 3)


def test_fit_square_takes_the_centre():
    rgb = np.zeros((50, 150, 3), np.uint8)
    rgb[:, 50:100] = 200
    assert fit_square(rgb, 25).mean() > 190


def test_equalise_scales_down_and_never_up():
    spec = Equalise(longest_side=100, jpeg_quality=75)
    assert equalise(np.zeros((400, 300, 3), np.uint8), spec).shape == (100, 75, 3)
    assert equalise(np.zeros((40, 30, 3), np.uint8), spec).shape == (40, 30, 3)


def test_dct_scaled_decode_keeps_enough_pixels():
    data = encoded(gradient(1600, 1200), "JPEG")
    rgb = load_rgb(data, at_least=224)
    assert min(rgb.shape[:2]) >= 224 and max(rgb.shape[:2]) < 1600


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not limit address space")
def test_too_little_memory_is_no_fault_of_the_picture(tmp_path):
    Image.new("L", (9000, 9000)).save(tmp_path / "large.png", compress_level=1)
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from bodyshop_core.engine.task import run_batch\n"
        "from bodyshop_core.imaging import load_rgb\n"
        "import numpy as np\n"
        "work = lambda items: [{'key': 'a', 'n': load_rgb(Path(items[0]['file'])).size}]\n"
        "taken = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (taken + 50 * 2**20,) * 2)\n"
        "print(run_batch(work, [{'key': 'a', 'file': sys.argv[1]}]))\n"
        "print(run_batch(lambda _: np.empty(1 << 50), [{'key': 'b'}]))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "large.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (first,), (second,) = map(ast.literal_eval, done.stdout.splitlines() or [done.stderr])
    assert first["error"] is second["error"] is None
    assert "large.png can't be decoded now" in first["put_back"]
    assert "too little memory" in first["put_back"] and "too little memory" in second["put_back"]
