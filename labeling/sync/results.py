"""Convert masks to and from the regions of a Label Studio result."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.errors import UnreadableImageError
from labeling.configs.label_config import LabelConfig
from labeling.formats import brush_rle as rle
from labeling.formats.mask_file import THRESHOLD
from labeling.formats.polygons import ellipse, rasterise
from labeling.formats.shapes import MaskFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


@dataclass
class ParsedResult:
    """Masks and choices of one annotation.

    Parameters
    ----------
    masks : dict
        Damage class -> mask, bool, of the picture's upright size. Regions of one class are united.
    choices : dict
        Control name -> the chosen values.
    origins : dict
        Damage class -> origin of its regions: ``manual``, ``prediction``,
        ``prediction-changed``.
    problems : list of str
        Regions that could not be used and are not in `masks`, one sentence each.
    """

    masks: dict[str, Mask] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    origins: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_result(
    result: Sequence[Mapping[str, Any]], label_config: LabelConfig, *, width: int, height: int
) -> ParsedResult:
    """Read the ``result`` of an annotation.

    Parameters
    ----------
    result : sequence of mappings
        Regions as the server returns them. The server hardly validates them: all is checked here.
    label_config : LabelConfig
        The project's configuration.
    width, height : int
        Upright size of the picture, after EXIF rotation, in pixels.

    Returns
    -------
    ParsedResult
        Masks of shape (height, width); invalid regions are in its `problems`.
    """
    parsed = ParsedResult()
    for region in result:
        if not isinstance(region, Mapping) or not isinstance(region.get("value"), Mapping):
            parsed.problems.append("a region has no value")
            continue
        try:
            _read_region(region, label_config, width, height, parsed)
        except MaskFormatError as error:
            parsed.problems.append(error.message)
    return parsed


def write_result(
    masks: Mapping[str, Mask],
    label_config: LabelConfig,
    *,
    choices: Mapping[str, str] | None = None,
    seed: str = "",
    score: float | None = None,
) -> list[dict[str, Any]]:
    """Write masks as brush regions and choices, for a prediction or an annotation.

    Parameters
    ----------
    masks : mapping
        Damage class -> mask, bool, shape (height, width); empty masks are left out.
    label_config : LabelConfig
        The project's configuration.
    choices : mapping, optional
        Control name -> value.
    seed : str
        Region ids depend on it and on nothing random.
    score : float, optional
        0 to 1, shown next to each region.

    Raises
    ------
    MaskFormatError
        The configuration lacks a class or choice, or the masks differ in size.
    """
    regions: list[dict[str, Any]] = []
    shapes = {mask.shape for mask in masks.values()}
    if len(shapes) > 1:
        raise MaskFormatError(f"the masks of one picture differ in size: {sorted(shapes)}")
    brush = label_config.brush
    for label, mask in masks.items():
        if brush is None or label not in brush.values:
            offered = ", ".join(brush.values) if brush else "no brush"
            raise MaskFormatError(f"the project has no class {label!r} (it has: {offered})")
        if not mask.any():
            continue
        height, width = mask.shape
        value = {"format": "rle", "rle": rle.encode(mask), "brushlabels": [label]}
        region = _region(seed, brush.name, label, "brushlabels", brush.to_name, value) | {
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
        }
        regions.append(region if score is None else region | {"score": score})
    for name, chosen in (choices or {}).items():
        control = label_config.control(name)
        if control is None or control.type != "choices" or chosen not in control.values:
            raise MaskFormatError(f"the project has no choice {name} = {chosen!r}")
        value = {"choices": [chosen]}
        regions.append(_region(seed, name, chosen, "choices", control.to_name, value))
    return regions


def _region(
    seed: str, name: str, label: str, kind: str, to_name: str, value: dict[str, Any]
) -> dict[str, Any]:
    identity = hashlib.sha256(f"{seed}|{name}|{label}".encode()).hexdigest()[:10]
    return {"id": identity, "type": kind, "from_name": name, "to_name": to_name, "value": value}


def _read_region(
    region: Mapping[str, Any],
    label_config: LabelConfig,
    width: int,
    height: int,
    parsed: ParsedResult,
) -> None:
    kind, name, value = region.get("type"), str(region.get("from_name")), region["value"]
    control = label_config.control(name)
    if control is None or control.type != kind:
        raise MaskFormatError(f"a {kind} region refers to the unknown control {name!r}")
    chosen = value.get("choices" if kind == "choices" else kind) or []
    if not isinstance(chosen, list) or not all(isinstance(each, str) for each in chosen):
        raise MaskFormatError(f"a {kind} region has no list of labels")
    unknown = [each for each in chosen if each not in control.values]
    if unknown:
        raise MaskFormatError(f"{name} has no value {unknown[0]!r}")
    if kind == "choices":
        parsed.choices.setdefault(name, []).extend(chosen)
        return
    if not chosen:
        raise MaskFormatError(f"a {kind} region has no damage class")
    shown = (region.get("original_width"), region.get("original_height"))
    if shown != (width, height):
        raise MaskFormatError(
            f"a {chosen[0]} region was drawn on {shown[0]} x {shown[1]} pixels, "
            f"but the picture has {width} x {height}"
        )
    mask = _mask(str(kind), value, width, height)
    for label in chosen:
        before = parsed.masks.get(label)
        parsed.masks[label] = mask if before is None else before | mask
        parsed.origins.setdefault(label, []).append(str(region.get("origin", "manual")))


def _mask(kind: str, value: Mapping[str, Any], width: int, height: int) -> Mask:
    try:
        if kind == "brushlabels":
            return rle.decode_mask(value.get("rle") or [], height, width)
        if kind == "bitmasklabels":
            return _bitmask(str(value.get("imageDataURL", "")), width, height)
        if kind == "polygonlabels":
            return rasterise([_pixels(value["points"], width, height)], height, width)
        # Rectangles rotate around their top left corner, in pixels and not in percent.
        angle = float(value.get("rotation") or 0.0)
        (x, y), *_ = _pixels([[value["x"], value["y"]]], width, height)
        if kind == "ellipselabels":
            (rx, ry), *_ = _pixels([[value["radiusX"], value["radiusY"]]], width, height)
            return rasterise([ellipse(x, y, rx, ry, angle)], height, width)
        (w, h), *_ = _pixels([[value["width"], value["height"]]], width, height)
        corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float64)
        cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        turned = corners @ np.array([[cos, sin], [-sin, cos]]) + (x, y)
        return rasterise([turned], height, width)
    except (KeyError, TypeError, ValueError) as error:
        raise MaskFormatError(f"a {kind} region is damaged: {error!r}") from error


def _pixels(points: Any, width: int, height: int) -> NDArray[np.float64]:
    """Convert percent of the picture to pixels."""
    array = np.asarray(points, np.float64).reshape(-1, 2)
    if not np.isfinite(array).all():
        raise ValueError("coordinates must be finite")
    return array * (width / 100, height / 100)


def _bitmask(url: str, width: int, height: int) -> Mask:
    """Decode a bitmask region: black on transparent, or grey without alpha from some programs."""
    from bodyshop_core.imaging import open_image

    head, _, payload = url.partition(",")
    if head != "data:image/png;base64":
        raise MaskFormatError("a bitmask region holds no PNG")
    try:
        with open_image(io.BytesIO(base64.b64decode(payload, validate=True)).getvalue()) as image:
            grey = image.mode in {"1", "L", "I;16", "I"}
            channel = image.convert("L") if grey else image.convert("RGBA").getchannel("A")
            array = np.asarray(channel)
    except (binascii.Error, UnreadableImageError, OSError) as error:
        raise MaskFormatError(f"a bitmask region can't be decoded: {error}") from error
    if array.shape != (height, width):
        raise MaskFormatError(
            f"a bitmask has {array.shape[1]} x {array.shape[0]} pixels, "
            f"but the picture has {width} x {height}"
        )
    return array >= THRESHOLD
