"""Convert masks to and from the regions of a Label Studio result."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from labeling.configs.label_config import Control, LabelConfig
from labeling.configs.smart_tools import BOX, CLICK
from labeling.formats import brush_rle as rle
from labeling.formats.instances import shape_mask
from labeling.formats.label_studio_regions import (
    PER_REGION,
    region_kind,
    region_shape,
    region_value,
)
from labeling.formats.shapes import MaskFormatError, Shape
from labeling.records.shown import ShownSize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

MASKS = ("brushlabels", "bitmasklabels")
"""Types of regions that are pixels; the others are outlines, in percent of the picture."""


@dataclass
class ParsedResult:
    """Masks and choices of one annotation.

    Parameters
    ----------
    shapes : list of Shape
        The regions in upright pixels, with class, severity, part and origin, as they were drawn.
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

    shapes: list[Shape] = field(default_factory=list)
    masks: dict[str, Mask] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    origins: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class SentShapes:
    """Shapes that were sent as brush regions at a working size; by their pixels they are known.

    Parameters
    ----------
    shapes : sequence of Shape
        In upright pixels of the picture.
    label_config : LabelConfig
        The project's configuration.
    shown : ShownSize
        The picture's size and how labelers see it.
    """

    def __init__(
        self, shapes: Sequence[Shape], label_config: LabelConfig, shown: ShownSize
    ) -> None:
        by_id = {region_id(shape): shape for shape in shapes}
        self._waiting: dict[str, list[Shape]] = {}
        for region in write_shapes(shapes, label_config, shown):
            if region["type"] == "brushlabels":
                pixels = _digest(region["value"])
                self._waiting.setdefault(pixels, []).append(by_id[region["id"]])

    def take(self, value: Mapping[str, Any]) -> Shape | None:
        """Return the shape that was sent with these pixels; of several the next one."""
        waiting = self._waiting.get(_digest(value)) if "rle" in value else None
        if not waiting:
            return None
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(repr(value["rle"]).encode()).hexdigest()


def read_result(
    result: Sequence[Mapping[str, Any]],
    label_config: LabelConfig,
    *,
    width: int,
    height: int,
    before: LabelConfig | None = None,
    sent: SentShapes | None = None,
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
    before : LabelConfig, optional
        An earlier configuration, whose controls and values are still read: Label Studio keeps a
        class in annotations when somebody renames it in the configuration.
    sent : SentShapes, optional
        What was sent for a picture that is shown at its working size: a region that came back as it
        was sent stands for the exact shape.

    Returns
    -------
    ParsedResult
        Masks of shape (height, width), also of regions that were drawn at the working size (see
        `labeling.records.shown`); invalid regions are in its `problems`.
    """
    parsed = ParsedResult()
    regions: dict[str, list[Shape]] = {}
    facts: dict[str, dict[str, str]] = {}
    for region in result:
        if not isinstance(region, Mapping) or not isinstance(region.get("value"), Mapping):
            parsed.problems.append("a region has no value")
            continue
        if region.get("from_name") in (CLICK, BOX):
            continue  # a question to a backend
        try:
            control = _control(region, label_config, before)
            chosen = _chosen(region, control, before)
            identity = str(region.get("id", f"#{len(regions)}"))
            if control.type == "choices" and control.per_region:
                facts.setdefault(identity, {})[control.name] = chosen[0] if chosen else ""
            elif control.type == "choices":
                parsed.choices.setdefault(control.name, []).extend(chosen)
            else:
                same = None if sent is None else sent.take(region["value"])
                shapes = _shapes(region, control.type, chosen, width, height, same)
                regions.setdefault(identity, []).extend(shapes)
        except MaskFormatError as error:
            parsed.problems.append(error.message)
    for identity, shapes in regions.items():
        about: dict[str, Any] = {
            name: facts.get(identity, {}).get(name) or None for name in PER_REGION
        }
        for shape in shapes:
            try:
                mask = shape_mask(shape, height, width)
            except MaskFormatError as error:
                parsed.problems.append(f"a {shape.label} region: {error.message}")
                continue
            if not mask.any():
                parsed.problems.append(f"a {shape.label} region covers no pixel")
                continue
            parsed.shapes.append(replace(shape, **about))
            united = parsed.masks.get(shape.label)
            parsed.masks[shape.label] = mask if united is None else united | mask
            parsed.origins.setdefault(shape.label, []).append(shape.origin or "manual")
    return parsed


def write_result(
    masks: Mapping[str, Mask],
    label_config: LabelConfig,
    *,
    choices: Mapping[str, str] | None = None,
    seed: str = "",
    score: float | None = None,
    shown: ShownSize | None = None,
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
    shown : ShownSize, optional
        How labelers see the picture of the masks; by default as it is.

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
        drawn = mask if shown is None else shown.reduce(mask)
        height, width = drawn.shape
        value = {"format": "rle", "rle": rle.encode(drawn), "brushlabels": [label]}
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


def write_shapes(
    shapes: Sequence[Shape], label_config: LabelConfig, shown: ShownSize
) -> list[dict[str, Any]]:
    """Write regions as they were drawn: polygons, rectangles, and brush regions for the rest.

    Parameters
    ----------
    shapes : sequence of Shape
        In upright pixels; `Shape.place` makes their ids, and has to be unique.
    label_config : LabelConfig
        The project's configuration; a class that it lacks is left out.
    shown : ShownSize
        The picture's size and how labelers see it.
    """
    regions: list[dict[str, Any]] = []
    width, height = shown.width, shown.height
    for shape in shapes:
        kind = region_kind(shape, width, height)
        control = label_config.drawing(kind, shape.label)
        if control is None:
            kind = "brushlabels"
            control = label_config.drawing(kind, shape.label)
        mask = shape_mask(shape, height, width)
        if control is None or not mask.any():
            continue
        if kind == "brushlabels":
            drawn = Shape(shape.label, mask=shown.reduce(mask), kind="mask")
            value = region_value(drawn, kind, *shown.size)
        else:
            value = region_value(shape, kind, *shown.canvas)
        head = {
            "id": region_id(shape),
            "to_name": control.to_name,
            "original_width": shown.size[0],
            "original_height": shown.size[1],
            "image_rotation": 0,
        }
        regions.append(
            head | {"type": kind, "from_name": control.name, "value": value | {kind: [shape.label]}}
        )
        for name in PER_REGION:
            chosen, choices = getattr(shape, name), label_config.control(name)
            if chosen and choices and choices.per_region and chosen in choices.values:
                more = {"type": "choices", "from_name": name, "to_name": choices.to_name}
                regions.append(head | more | {"value": value | {"choices": [chosen]}})
    return regions


def region_id(shape: Shape) -> str:
    """Return the id of the region that shows a shape."""
    return hashlib.sha256(shape.place.encode()).hexdigest()[:10]


def _region(
    seed: str, name: str, label: str, kind: str, to_name: str, value: dict[str, Any]
) -> dict[str, Any]:
    identity = hashlib.sha256(f"{seed}|{name}|{label}".encode()).hexdigest()[:10]
    return {"id": identity, "type": kind, "from_name": name, "to_name": to_name, "value": value}


def _control(
    region: Mapping[str, Any], label_config: LabelConfig, before: LabelConfig | None
) -> Control:
    kind, name = region.get("type"), str(region.get("from_name"))
    for config in (label_config, before):
        control = config.control(name) if config is not None else None
        if control is not None and control.type == kind:
            return control
    raise MaskFormatError(f"a {kind} region refers to the unknown control {name!r}")


def _chosen(region: Mapping[str, Any], control: Control, before: LabelConfig | None) -> list[str]:
    chosen = region["value"].get(control.type) or []
    if not isinstance(chosen, list) or not all(isinstance(each, str) for each in chosen):
        raise MaskFormatError(f"a {control.type} region has no list of labels")
    earlier = before.control(control.name) if before is not None else None
    values = {*control.values, *(earlier.values if earlier is not None else ())}
    unknown = [each for each in chosen if each not in values]
    if unknown:
        raise MaskFormatError(f"{control.name} has no value {unknown[0]!r}")
    return chosen


def _shapes(
    region: Mapping[str, Any],
    kind: str,
    chosen: Sequence[str],
    width: int,
    height: int,
    sent: Shape | None,
) -> list[Shape]:
    if not chosen:
        raise MaskFormatError(f"a {kind} region has no damage class")
    stated = (region.get("original_width"), region.get("original_height"))
    shown = ShownSize.stated(width, height, stated)
    if shown is None:
        raise MaskFormatError(
            f"a {chosen[0]} region was drawn on {stated[0]} x {stated[1]} pixels, "
            f"but the picture has {width} x {height}"
        )
    if sent is not None:
        shape = Shape("", sent.rings, sent.mask, sent.kind, sent.united)
    elif kind in MASKS:
        shape = region_shape(kind, region["value"], *shown.size)
        if shape.mask is not None:
            shape = replace(shape, mask=shown.enlarge(shape.mask))
    else:
        shape = region_shape(kind, region["value"], *shown.canvas)
    origin = str(region.get("origin", "manual"))
    return [replace(shape, label=label, origin=origin) for label in chosen]
