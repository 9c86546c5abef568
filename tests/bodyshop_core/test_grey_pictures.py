"""Greys of more than 8 bits: X-rays and scans as a viewer shows them."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from bodyshop_core.imaging import load_rgb

RAMP = np.linspace(0, 1, 64)[None].repeat(48, axis=0)


def tiff(samples, bits, *, photometric=1, sample_format=1, packed=None):
    """A TIFF of one uncompressed strip, as other programs write it (TIFF 6.0, section 8)."""
    height, width = samples.shape
    data = samples.tobytes() if packed is None else packed
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 0, 277: 1,
               278: height, 279: len(data), 339: sample_format}  # fmt: skip
    entries[273] = 8 + 2 + 12 * len(entries) + 4
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    for tag, value in sorted(entries.items()):
        head += struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, value)
    return head + bytes(4) + data


def packed_12(samples):
    """Two samples in three bytes."""
    pairs = samples.astype(np.uint32).reshape(-1, 2)
    three = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1
    )
    return three.astype(np.uint8).tobytes()


@pytest.mark.parametrize(("bits", "photometric"), [(12, 1), (16, 0), (16, 1), (32, 1)])
def test_the_full_range_of_each_depth_is_shown(bits, photometric):
    kind = np.uint32 if bits == 32 else np.uint16
    samples = (RAMP * (2**bits - 1)).astype(kind)
    packed = packed_12(samples) if bits == 12 else None
    shown = load_rgb(tiff(samples, bits, photometric=photometric, packed=packed))
    wanted = RAMP if photometric else 1 - RAMP
    assert np.abs(shown[..., 0] - 255 * wanted).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_small_values_of_16_bits_stay_dark(kind):
    stream = io.BytesIO()
    Image.fromarray((RAMP * 200).astype(np.uint16)).save(stream, kind)
    assert load_rgb(stream.getvalue()).max() == 0


def test_the_transparent_grey_of_a_16_bit_png_is_white():
    stream = io.BytesIO()
    Image.fromarray(np.full((40, 50), 20000, np.uint16)).save(stream, "PNG", transparency=20000)
    assert (load_rgb(stream.getvalue()) == 255).all()
