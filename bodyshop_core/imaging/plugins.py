"""Decoders that Pillow does not bring along, loaded when a picture needs one."""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging.types import PictureType

_FLIPS = {3: 3, 5: 8, 6: 6}
"""LibRaw's rotation -> EXIF orientation."""

_ORIENTATION = 0x0112


def register(kind: PictureType, name: str) -> None:
    """Make the decoder of a type known to Pillow.

    Raises
    ------
    UnreadableImageError
        It is not installed; the message names the type and the package.
    """
    if kind.decoder == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
    elif kind.decoder == "JXL":
        try:
            import_module("pillow_jxl")  # importing it registers it
        except ImportError as error:
            raise _missing(kind.name, name, "pillow-jxl-plugin", "jxl") from error


def raw_preview(source: Path | str | bytes, name: str) -> Image.Image:
    """Open the preview that a camera stored in its RAW file.

    Raises
    ------
    UnreadableImageError
        rawpy is not installed, or the file has no preview that can be read.
    """
    try:
        rawpy: Any = import_module("rawpy")
    except ImportError as error:
        raise _missing("camera RAW", name, "rawpy", "raw") from error
    try:
        with rawpy.imread(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as raw:
            thumbnail, flip = raw.extract_thumb(), raw.sizes.flip
    except rawpy.LibRawError as error:  # its texts are bytes
        text = error.args[0] if error.args else b"no preview"
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        raise UnreadableImageError(f"{name} is no camera RAW file we can decode: {text}") from error
    if thumbnail.format == rawpy.ThumbFormat.JPEG:
        image: Image.Image = Image.open(io.BytesIO(thumbnail.data), formats=["JPEG"])
    else:
        image = Image.fromarray(thumbnail.data)
    exif = image.getexif()
    if _ORIENTATION not in exif and flip in _FLIPS:
        exif[_ORIENTATION] = _FLIPS[flip]
    return image


def _missing(kind: str, name: str, package: str, extra: str) -> UnreadableImageError:
    return UnreadableImageError(
        f"{name} is a {kind} picture, and {package} is not installed",
        hint=f'pip install "bodyshop[{extra}]"',
    )
