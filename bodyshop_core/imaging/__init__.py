"""Pictures into arrays: decoding, headers, geometry and equalisation."""

from bodyshop_core.imaging.decode import (
    ALLOWED_FORMATS,
    EXIF_ORIENTATION,
    load_rgb,
    open_image,
    to_rgb,
)
from bodyshop_core.imaging.equalisation import Equalise, equalise
from bodyshop_core.imaging.geometry import crop_to, fit_image, fit_square
from bodyshop_core.imaging.header import read_header
from bodyshop_core.imaging.limits import MAX_PIXELS
from bodyshop_core.imaging.types import pictures_below, sniff

__all__ = [
    "ALLOWED_FORMATS",
    "EXIF_ORIENTATION",
    "MAX_PIXELS",
    "Equalise",
    "crop_to",
    "equalise",
    "fit_image",
    "fit_square",
    "load_rgb",
    "open_image",
    "pictures_below",
    "read_header",
    "sniff",
    "to_rgb",
]
