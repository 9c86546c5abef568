"""Embedded colour profiles: converted to sRGB, unless they are sRGB."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from bodyshop_core.imaging import load_rgb
from bodyshop_core.imaging.jp2 import jp2_profile

P3 = {"rXYZ": (0.5151, 0.2412, -0.0011), "gXYZ": (0.2920, 0.6922, 0.0419),
      "bXYZ": (0.1571, 0.0666, 0.7841)}  # fmt: skip
"""Primaries of Display P3 in the profile connection space (ICC.1:2022, D50)."""

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PATCHES = Image.fromarray(
    np.random.default_rng(5).integers(0, 256, (16, 16, 3), dtype=np.uint8)
).resize((128, 128), Image.Resampling.NEAREST)


def fixed(value):
    return struct.pack(">i", round(value * 65536))


def profile(primaries, gamma=2.2, space=b"RGB "):
    """A version 2 display profile of three primaries and one gamma."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(79),
            "wtpt": b"XYZ " + bytes(4) + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))}  # fmt: skip
    if space == b"GRAY":
        tags["kTRC"] = curve
    else:
        tags |= {
            name: b"XYZ " + bytes(4) + b"".join(map(fixed, xyz)) for name, xyz in primaries.items()
        }
        tags |= dict.fromkeys(("rTRC", "gTRC", "bTRC"), curve)
    body, table = b"", struct.pack(">I", len(tags))
    for name, data in tags.items():
        table += name.encode() + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", 132 + 12 * len(tags) + len(body), bytes(4), 0x02400000,
                       b"mntr", space, b"XYZ ") + bytes(12) + b"acsp" + bytes(28)  # fmt: skip
    head += b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    return head.ljust(128, b"\0") + table + body


def saved(picture, kind="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def expected(picture, icc):
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    return np.asarray(
        ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    )


def test_a_wide_profile_is_converted():
    icc = profile(P3)
    shown = load_rgb(saved(PATCHES, icc_profile=icc))
    assert (shown == expected(PATCHES, icc)).all()
    assert np.abs(shown.astype(int) - np.asarray(PATCHES)).max() > 20


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_srgb_under_any_name_changes_no_bit(kind):
    options = {"quality": 90} if kind != "PNG" else {}
    plain = load_rgb(saved(PATCHES, kind, **options))
    assert (load_rgb(saved(PATCHES, kind, icc_profile=SRGB, **options)) == plain).all()


@pytest.mark.parametrize("icc", [b"no profile", b"", SRGB[:300], profile(P3, space=b"GRAY")])
def test_broken_and_foreign_profiles_are_ignored(icc):
    assert (load_rgb(saved(PATCHES, icc_profile=icc)) == np.asarray(PATCHES)).all()


def test_grey_profiles_transparency_and_palettes_are_converted():
    grey = PATCHES.convert("L")
    icc = profile({}, gamma=1.0, space=b"GRAY")
    shown = load_rgb(saved(grey, icc_profile=icc)).astype(int)
    assert (shown[..., 0] - np.asarray(grey)).max() > 40
    wide = profile(P3)
    clear = PATCHES.copy()
    clear.putalpha(255)
    assert (load_rgb(saved(clear, icc_profile=wide)) == expected(PATCHES, wide)).all()
    painted = PATCHES.quantize(16)
    shown = load_rgb(saved(painted, icc_profile=wide))
    assert (shown == expected(painted.convert("RGB"), wide)).all()


def test_grey_profiles_hold_for_16_bits_and_for_transparency():
    ramp = np.linspace(0, 1, 64)[None].repeat(48, axis=0)
    icc = profile({}, gamma=1.0, space=b"GRAY")
    plain = Image.fromarray((ramp * 255).astype(np.uint8))
    wanted = load_rgb(saved(plain, icc_profile=icc)).astype(int)
    assert np.abs(wanted[..., 0] - 255 * ramp).max() > 40
    clear = Image.merge("LA", [plain, Image.new("L", plain.size, 255)])
    assert (load_rgb(saved(clear, icc_profile=icc)) == wanted).all()
    deep = Image.fromarray((ramp * 255).astype(np.uint8).astype(np.uint16) * 257)
    assert (load_rgb(saved(deep, icc_profile=icc)) == wanted).all()


def jp2_with(icc, *, long_box=False):
    """Return a JPEG 2000 file whose colour box holds a profile, which Pillow can't write."""
    data = saved(PATCHES, "JPEG2000", irreversible=False)
    at, header = data.index(b"colr") - 4, data.index(b"jp2h") - 4
    length, old = (struct.unpack_from(">I", data, place)[0] for place in (header, at))
    box = struct.pack(">I", 11 + len(icc)) + b"colr" + bytes([2, 0, 0]) + icc
    body = data[header + 8 : at] + box + data[at + old : header + length]
    head = struct.pack(">I", 8 + len(body)) + b"jp2h"
    if long_box:
        head = struct.pack(">I", 1) + b"jp2h" + struct.pack(">Q", 16 + len(body))
    return data[:header] + head + body + data[header + length :]


@pytest.mark.parametrize("long_box", [False, True])
def test_a_wide_profile_in_jpeg_2000_is_converted(long_box):
    icc = profile(P3)
    shown = load_rgb(jp2_with(icc, long_box=long_box))
    assert (shown == expected(PATCHES, icc)).all()


def test_a_broken_profile_in_jpeg_2000_leaves_the_colours_as_they_are():
    for icc in (b"no profile", profile(P3)[:90]):
        assert (load_rgb(jp2_with(icc)) == np.asarray(PATCHES)).all()


@pytest.mark.parametrize("cut", [0, 12, 20, 40, 60, 90])
def test_a_jpeg_2000_header_that_ends_early_has_no_profile(cut):
    assert jp2_profile(io.BytesIO(jp2_with(profile(P3))[:cut])) is None
