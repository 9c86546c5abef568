"""Greys of more than 8 bits, such as X-rays and scans, as 8 bits."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
"""TIFF 6.0: BitsPerSample, PhotometricInterpretation, SampleFormat."""

_WHITE_IS_ZERO = 0
_UNSIGNED = 1


@dataclass(frozen=True)
class GreyScale:
    """What the header says about grey samples that Pillow hands out as they are stored.

    Parameters
    ----------
    bits : int or None
        Of a sample; None where the format does not say (PNG: 16).
    inverted : bool
        0 is white, as in many X-rays.
    unsigned : bool
        32-bit samples that Pillow holds as signed are not.
    """

    bits: int | None = None
    inverted: bool = False
    unsigned: bool = False


def grey_scale_of(image: Image.Image) -> GreyScale:
    """Read the scale of an opened picture, before it is turned: a copy has no header."""
    tags = getattr(image, "tag_v2", None)
    if image.format != "TIFF" or tags is None or not image.mode.startswith("I"):
        return GreyScale()
    bits = tags.get(_BITS)
    return GreyScale(
        bits=bits[0] if isinstance(bits, tuple) and bits else None,
        inverted=tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO,
        unsigned=(tags.get(_SAMPLE_FORMAT) or (_UNSIGNED,))[0] == _UNSIGNED,
    )


def eight_bit_grey(image: Image.Image, scale: GreyScale) -> Image.Image:
    """Scale a decoded picture of mode ``I`` or ``I;16`` to mode L.

    16 bits are scaled by their full range, whatever values they hold, and so are 9 to 15. Of 32
    bits, which hold anything, the smallest full range of 8, 16 and 32 bits that fits is taken.
    """
    import numpy as np

    samples = np.asarray(image)
    if image.mode == "I" and scale.bits == 32 and scale.unsigned:
        samples = samples.astype(np.int32).view(np.uint32)
    samples = samples.astype(np.int64)
    most = int(samples.max(initial=0))
    if scale.bits is not None and 8 < scale.bits < 16:
        full = 2**scale.bits - 1
    elif image.mode != "I" or 255 < most < 1 << 16:
        full = 0xFFFF
    elif most < 1 << 16:
        full = 0xFF
    else:
        full = 0xFFFFFFFF
    levels = (samples * 255 // full).clip(0, 255).astype(np.uint8)
    if scale.inverted:
        levels = 255 - levels
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        levels[samples == clear] = 255  # as all that is transparent, on white
    grey = Image.fromarray(levels)
    grey.info["icc_profile"] = image.info.get("icc_profile")
    return grey
