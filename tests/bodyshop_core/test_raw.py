"""The embedded preview of a camera's RAW file, with the extra `raw`."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from bodyshop_core.imaging import load_rgb

SIZES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 10: "ii"}


def directory(at: int, tags: dict[int, tuple[int, list[int] | bytes]]) -> bytes:
    """Lay out a TIFF directory that begins at a place of the file."""
    head = struct.pack("<H", len(tags))
    rest, behind = b"", at + 2 + 12 * len(tags) + 4
    for tag, (kind, value) in sorted(tags.items()):
        code = SIZES[kind]
        data = value if isinstance(value, bytes) else struct.pack(
            f"<{len(value)}{code[0]}", *value
        )  # fmt: skip
        head += struct.pack("<HHI", tag, kind, len(value) // len(code))
        if len(data) > 4:
            head += struct.pack("<I", behind + len(rest))
            rest += data + bytes(len(data) % 2)
        else:
            head += data.ljust(4, b"\0")
    return head + bytes(4) + rest


def dng(preview: bytes, *, jpeg: bool, orientation: int) -> bytes:
    """Write a DNG of 96 x 64: a preview, and a sensor's values that look otherwise."""
    sensor = np.random.default_rng(0).integers(200, 3000, (64, 96), dtype="<u2").tobytes()
    first = preview + bytes(len(preview) % 2)
    raw = directory(
        8 + len(first) + len(sensor),
        {
            254: (4, [0]), 256: (4, [96]), 257: (4, [64]), 258: (3, [16]), 259: (3, [1]),
            262: (3, [32803]), 273: (4, [8 + len(first)]), 277: (3, [1]), 278: (4, [64]),
            279: (4, [len(sensor)]), 33421: (3, [2, 2]), 33422: (1, [0, 1, 1, 2]),
            50717: (4, [4095]),
        },
    )  # fmt: skip
    at = 8 + len(first) + len(sensor)
    main = directory(
        at + len(raw),
        {
            254: (4, [1]), 256: (4, [96]), 257: (4, [64]), 258: (3, [8, 8, 8]),
            259: (3, [7 if jpeg else 1]), 262: (3, [6 if jpeg else 2]), 271: (2, b"Test\0"),
            272: (2, b"Cam\0"), 273: (4, [8]), 274: (3, [orientation]), 277: (3, [3]),
            278: (4, [64]), 279: (4, [len(preview)]), 330: (4, [at]), 50706: (1, [1, 4, 0, 0]),
            50708: (2, b"Test Cam\0"), 50728: (5, [1, 1] * 3), 50778: (3, [21]),
            50721: (10, [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]),
        },
    )  # fmt: skip
    return b"II*\0" + struct.pack("<I", at + len(raw)) + first + sensor + raw + main


@pytest.mark.parametrize("jpeg", [True, False], ids=["jpeg", "bitmap"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_preview_is_read_and_stands_upright(jpeg: bool, orientation: int) -> None:
    pytest.importorskip("rawpy", reason="the extra 'raw' is not installed")
    shown = Image.new("RGB", (96, 64), (200, 30, 40))
    shown.paste((20, 60, 220), (0, 0, 48, 64))  # blue on the left
    stream = io.BytesIO()
    shown.save(stream, "JPEG", quality=95)
    preview = stream.getvalue() if jpeg else shown.tobytes()
    rgb = load_rgb(dng(preview, jpeg=jpeg, orientation=orientation))
    if orientation == 6:  # to be turned clockwise: the left becomes the top
        assert rgb.shape == (96, 64, 3)
        rgb = rgb.transpose(1, 0, 2)
    assert rgb.shape == (64, 96, 3)
    assert rgb[:, :40, 2].mean() > 200 and rgb[:, 56:, 0].mean() > 180
