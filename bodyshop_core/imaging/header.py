"""A picture's header: format, size, mode, orientation and rights, with no pixel decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bodyshop_core.imaging.decode import open_image, orientation_of
from bodyshop_core.imaging.jpeg import plain_header
from bodyshop_core.imaging.limits import MAX_PIXELS
from bodyshop_core.imaging.rights import rights_of


def read_header(source: Path | str | bytes) -> dict[str, Any]:
    """Read a picture's header.

    Returns
    -------
    dict
        ``format`` (Pillow's name), ``width``, ``height`` (as stored), ``mode``,
        ``exif_orientation`` (1 when absent), ``artist``, ``copyright`` (None when absent).

    Raises
    ------
    UnreadableImageError
        As `open_image`.
    """
    plain = plain_header(source) if isinstance(source, bytes) else None
    if plain is not None and plain[0] * plain[1] <= MAX_PIXELS:
        width, height, mode = plain
        facts = {"format": "JPEG", "width": width, "height": height, "mode": mode}
        return facts | {"exif_orientation": 1, "artist": None, "copyright": None}
    with open_image(source) as image:
        orientation = orientation_of(image)
        size = image.size
        if image.format == "TIFF" and orientation in {5, 6, 7, 8}:
            size = size[::-1]  # of this format alone, Pillow returns the size after rotation
        return {
            "format": image.format,
            "width": size[0],
            "height": size[1],
            "mode": image.mode,
            "exif_orientation": orientation,
            **rights_of(image),
        }
