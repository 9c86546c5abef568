"""Reading a picture's header: the JPEG quality it was saved with, its camera and its time."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEXT_LIMIT = 120

# Tables K.1 and K.2 of ITU-T T.81 (the JPEG standard), in zigzag-free, row order.
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip


def jpeg_quality(image: Image.Image) -> int | None:
    """Estimate the quality a JPEG was last saved with, from its quantisation table.

    Parameters
    ----------
    image : PIL.Image.Image
        As opened.

    Returns
    -------
    int or None
        1 to 100 on the scale of libjpeg (and Pillow): the quality whose luminance table is
        nearest; exact for files that libjpeg wrote. None for pictures that are no JPEG.
    """
    tables = getattr(image, "quantization", None)
    if not tables:
        return None
    table = np.asarray(next(iter(tables.values())), dtype=np.float64)
    # Sorted, so that it does not matter in which order a decoder hands out the 64 steps.
    misfit = np.abs(_libjpeg_tables() - np.sort(table)[None, :]).sum(axis=1)
    return int(misfit.argmin()) + 1


def camera_and_time(image: Image.Image) -> tuple[str | None, str | None]:
    """Read the camera's name and the time of the shot from EXIF.

    Returns
    -------
    tuple of (str or None, str or None)
        ``"<make> <model>"`` and ``"YYYY-MM-DDTHH:MM:SS"`` as the camera's clock had it; None where
        absent or broken.
    """
    try:
        exif = image.getexif()
        details = exif.get_ifd(ExifTags.IFD.Exif)
        make, model = (_text(exif.get(tag)) for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
        taken = details.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - hostile EXIF raises nearly anything, and it is optional
        return None, None
    if make and model and model.lower().startswith(make.lower()):
        make = ""
    return " ".join(part for part in (make, model) if part) or None, _time(_text(taken))


def luminance_table(quality: int) -> NDArray[np.int64]:
    """Return libjpeg's luminance table of a quality, 1 to 100 (``jpeg_quality_scaling``).

    Returns
    -------
    ndarray of int64, shape (8, 8)
        Steps by vertical and horizontal frequency.
    """
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((np.asarray(_LUMINANCE).reshape(8, 8) * scale + 50) // 100).clip(1, 255)


@cache
def _libjpeg_tables() -> NDArray[np.float64]:
    """Sorted luminance tables of qualities 1 to 100."""
    tables = [luminance_table(quality).ravel() for quality in range(1, 101)]
    return np.sort(np.stack(tables), axis=1).astype(np.float64)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    printable = "".join(c for c in str(value or "") if c.isprintable())
    return printable.strip()[:_TEXT_LIMIT]


def _time(text: str) -> str | None:
    found = re.fullmatch(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d:\d\d:\d\d).*", text)
    if found is None:
        return None
    time = f"{found[1]}-{found[2]}-{found[3]}T{found[4]}"
    try:
        datetime.fromisoformat(time)
    except ValueError:  # on no calendar: a camera without a clock
        return None
    return time
