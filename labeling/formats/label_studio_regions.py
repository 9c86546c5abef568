"""The regions of a Label Studio result: shapes from them, and them from shapes.

Source: the region types in https://labelstud.io/tags/.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from labeling.formats import brush_rle
from labeling.formats.documents import FAULTS, IMAGE_FAULTS, number, ring_of_points
from labeling.formats.instances import is_inside, shape_mask
from labeling.formats.mask_file import THRESHOLD
from labeling.formats.polygons import ellipse
from labeling.formats.shapes import MaskFormatError, Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labeling.formats.shapes import Mask

REGIONS = ("brushlabels", "polygonlabels", "bitmasklabels", "rectanglelabels", "ellipselabels")
"""Types of regions that have an area."""

BARE = {kind.removesuffix("labels"): kind for kind in REGIONS}
"""Types of regions whose class is in an entry of their own, as of the tags Labels and Polygon."""

PER_REGION = ("severity", "part")
"""Controls whose choices belong to a region."""


def region_shape(kind: str, value: Mapping[str, Any], width: int, height: int) -> Shape:
    """Return the outline or mask of a region, without a class.

    Parameters
    ----------
    kind : str
        One of `REGIONS`.
    value : mapping
        The region's ``value``.
    width, height : int
        Size of the picture in pixels.

    Raises
    ------
    MaskFormatError
        The region is damaged, or of another size.
    """
    try:
        if kind == "brushlabels":
            mask = brush_rle.decode_mask(value.get("rle") or [], height, width)
            return Shape("", mask=mask, kind="mask")
        if kind == "bitmasklabels":
            mask = _bitmask(str(value.get("imageDataURL", "")), width, height)
            return Shape("", mask=mask, kind="mask")
        if kind == "polygonlabels":
            return Shape("", (_pixels(value["points"], width, height),))
        # Rectangles rotate around their top left corner, in pixels and not in percent.
        angle = number(value.get("rotation") or 0.0)
        x, y = number(value["x"]) * width / 100, number(value["y"]) * height / 100
        if kind == "ellipselabels":
            rx, ry = number(value["radiusX"]), number(value["radiusY"])
            ring = ellipse(x, y, rx * width / 100, ry * height / 100, angle)
            return Shape("", (ring,), kind="ellipse")
        w, h = number(value["width"]) * width / 100, number(value["height"]) * height / 100
        corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float64)
        if angle:
            cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
            corners = corners @ np.array([[cos, sin], [-sin, cos]])
        return Shape("", (np.add(corners, (x, y)),), kind="rectangle")
    except MaskFormatError:
        raise
    except FAULTS as error:
        raise MaskFormatError(f"a {kind} region is damaged: {error!r}") from error


def region_value(shape: Shape, kind: str, width: int, height: int) -> dict[str, Any]:
    """Return the ``value`` of a region of a type, without its label (see `region_shape`)."""
    if kind == "polygonlabels":
        (ring,) = shape.rings
        return {"points": (ring * (100 / width, 100 / height)).tolist(), "closed": True}
    if kind == "rectanglelabels":
        (ring,) = shape.rings
        (x, y), along, down = ring[0], ring[1] - ring[0], ring[3] - ring[0]
        turn = float(np.rad2deg(np.arctan2(along[1], along[0])))
        return {
            "x": float(x * 100 / width),
            "y": float(y * 100 / height),
            "width": float(np.hypot(*along) * 100 / width),
            "height": float(np.hypot(*down) * 100 / height),
            "rotation": turn,
        }
    mask = shape_mask(shape, height, width)
    return {"format": "rle", "rle": brush_rle.encode(mask)}


def region_kind(shape: Shape, width: int, height: int) -> str:
    """Return the type of region that shows a shape as it was drawn; else a brush region."""
    one = shape.mask is None and len(shape.rings) == 1
    if one and shape.kind == "rectangle" and len(shape.rings[0]) == 4:
        return "rectanglelabels"
    if one and shape.kind == "polygon" and is_inside(shape.rings[0], height, width):
        return "polygonlabels"
    return "brushlabels"


def _pixels(points: Any, width: int, height: int) -> NDArray[np.float64]:
    """Convert percent of the picture to pixels."""
    return ring_of_points(points) * (width / 100, height / 100)


def _bitmask(url: str, width: int, height: int) -> Mask:
    """Decode a bitmask region: black on transparent, or grey without alpha from some programs."""
    from bodyshop_core.imaging import open_image

    head, _, payload = url.partition(",")
    if head != "data:image/png;base64":
        raise MaskFormatError("a bitmask region holds no PNG")
    try:
        with open_image(base64.b64decode(payload, validate=True)) as image:
            grey = image.mode in {"1", "L", "I;16", "I"}
            channel = image.convert("L") if grey else image.convert("RGBA").getchannel("A")
            array = np.asarray(channel)
    except IMAGE_FAULTS as error:
        raise MaskFormatError(f"a bitmask region can't be decoded: {error}") from error
    if array.shape != (height, width):
        raise MaskFormatError(
            f"a bitmask has {array.shape[1]} x {array.shape[0]} pixels, "
            f"but the picture has {width} x {height}"
        )
    return array >= THRESHOLD
