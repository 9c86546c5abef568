"""Colours as a viewer shows them: an embedded profile is converted to sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from itertools import product

from PIL import Image, ImageCms

SAME = 2
"""Grey levels: a profile that moves no colour further is sRGB under another name, and the pixels
stay as they are."""

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_NO_CACHE = 0x0040  # of lcms2: a transform is then safe in several threads
_LARGEST = 4 << 20  # bytes; profiles of printers have about one megabyte


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert a decoded picture from its embedded ICC profile to sRGB.

    Parameters
    ----------
    image : PIL.Image.Image
        Mode RGB, L or CMYK, decoded.

    Returns
    -------
    PIL.Image.Image
        Mode RGB; the picture itself, in its mode, when it has no profile, one that is sRGB
        (to `SAME` grey levels), or one that is broken or of another colour space, which a
        viewer ignores as well.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or image.mode not in _SPACES or len(profile) > _LARGEST:
        return image
    transform = _transform(profile, image.mode)
    if transform is None:
        return image
    converted = transform.apply(image)
    converted.info.pop("icc_profile", None)
    return converted


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way to sRGB; None when there is none, or nothing to do."""
    try:
        opened = ImageCms.getOpenProfile(io.BytesIO(profile))
        if opened.profile.xcolor_space.strip() != _SPACES[mode]:
            return None
        transform = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.PERCEPTUAL,
            ImageCms.Flags(_NO_CACHE),
        )
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - hostile profiles raise nearly anything, and are optional
        return None
    return None if mode != "CMYK" and _changes_nothing(transform, mode) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    import numpy as np

    steps = range(0, 256, 17)
    colours = list(product(steps, steps, steps)) if mode == "RGB" else [(step,) for step in steps]
    grid = Image.new(mode, (len(colours), 1))
    grid.putdata(colours if mode == "RGB" else [colour[0] for colour in colours])
    before = np.asarray(grid.convert("RGB"), dtype=np.int16)
    after = np.asarray(transform.apply(grid), dtype=np.int16)
    return int(np.abs(after - before).max()) <= SAME
