"""The short way through a JPEG's header says what Pillow says, or nothing."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import open_image, read_header
from bodyshop_core.imaging.jpeg import plain_header

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Named by hand: a profile carries the second in which it was made.
KINDS = {
    "rgb": ("RGB", {}),
    "grey": ("L", {}),
    "cmyk": ("CMYK", {}),
    "progressive": ("RGB", {"progressive": True, "quality": 95}),
    "restarts": ("RGB", {"optimize": True, "subsampling": "4:4:4", "restart_marker_blocks": 2}),
    "profile": ("RGB", {"icc_profile": PROFILE, "comment": "a comment"}),
}


def encoded(mode="RGB", size=(70, 40), **options):
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(out, "JPEG", **options)
    return out.getvalue()


FILES = [encoded(mode, **options) for mode, options in KINDS.values()]


def by_pillow(data):
    try:
        with open_image(data) as image:
            return (*image.size, image.mode) if image.format == "JPEG" else None
    except UnreadableImageError:
        return None


@pytest.mark.parametrize("data", FILES, ids=KINDS)
def test_plain_jpegs_are_understood(data):
    assert plain_header(data) == by_pillow(data) is not None


def test_what_is_more_than_plain_is_left_to_pillow():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(exif=exif)
    assert plain_header(turned) is None
    assert read_header(turned)["exif_orientation"] == 6
    assert plain_header(encoded(xmp=b"<x/>")) is None
    several = io.BytesIO()
    pictures = [Image.effect_noise((70, 40), n) for n in (20, 30)]
    pictures[0].save(several, "MPO", save_all=True, append_images=pictures[1:])
    assert plain_header(several.getvalue()) is None


def test_a_plain_jpeg_that_declares_too_many_pixels_is_refused():
    data = bytearray(encoded())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(UnreadableImageError, match="pixels"):
        read_header(bytes(data))


@given(st.sampled_from(FILES), st.data())
@settings(max_examples=600)
def test_a_damaged_header_is_never_read_otherwise_than_pillow_reads_it(data, draw):
    scan = data.index(b"\xff\xda")
    broken = bytearray(data[: scan + 200])
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, scan + 3))
        kind = draw.draw(st.sampled_from(["set", "cut", "add", "end"]))
        byte = draw.draw(st.sampled_from([0, 1, 2, 8, 0x10, 0xC0, 0xC2, 0xDA, 0xDB, 0xE1, 0xFF]))
        if kind == "set" and at < len(broken):
            broken[at] = byte
        elif kind == "cut":
            del broken[at : at + draw.draw(st.integers(1, 20))]
        elif kind == "add":
            broken[at:at] = bytes([byte])
        else:
            del broken[at:]
    found = plain_header(bytes(broken))
    assert found is None or found == by_pillow(bytes(broken))
