"""Labelling configurations (Label Studio XML): the controls of a project and their values."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

from bodyshop_core.errors import ConfigError

MASK_TAGS = {
    "BrushLabels": "brushlabels",
    "PolygonLabels": "polygonlabels",
    "BitmaskLabels": "bitmasklabels",
    "RectangleLabels": "rectanglelabels",
    "EllipseLabels": "ellipselabels",
}
"""Tag of a control -> type of its regions; regions of all these types are read as masks."""


class ProjectKind(StrEnum):
    """The kinds of labelling projects."""

    DAMAGE = "damage"
    REVIEW = "review"


@dataclass(frozen=True)
class Control:
    """One control of a labelling page.

    Parameters
    ----------
    name : str
        Its name; regions refer to it in ``from_name``.
    type : str
        ``brushlabels``, ``polygonlabels``, ..., or ``choices``.
    to_name : str
        Name of the object that it annotates.
    values : tuple of str
        The values that can be chosen.
    per_region : bool
        Choices that belong to a region, not to the picture.
    """

    name: str
    type: str
    to_name: str
    values: tuple[str, ...]
    per_region: bool = False


@dataclass(frozen=True)
class LabelConfig:
    """A parsed labelling configuration.

    Parameters
    ----------
    xml : str
        The configuration as it is sent to the server.
    controls : tuple of Control
        In page order.
    """

    xml: str
    controls: tuple[Control, ...]

    @property
    def digest(self) -> str:
        """Digest of the controls; layout and colours do not change it."""
        text = "\n".join(f"{c.name}|{c.type}|{c.to_name}|{c.values}" for c in self.controls)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def brush(self) -> Control | None:
        """The control that pre-annotations are drawn with."""
        return next((c for c in self.controls if c.type == "brushlabels"), None)

    def drawing(self, kind: str, label: str) -> Control | None:
        """Return the control that draws regions of a type and class."""
        return next((c for c in self.controls if c.type == kind and label in c.values), None)

    @property
    def mask_labels(self) -> tuple[str, ...]:
        """Every damage class that can be drawn, in page order."""
        drawn = (v for c in self.controls if c.type != "choices" for v in c.values)
        return tuple(dict.fromkeys(drawn))

    def control(self, name: str) -> Control | None:
        """Return the control of that name."""
        return next((c for c in self.controls if c.name == name), None)


def load_label_config(kind: ProjectKind | str, config: Path | None = None) -> LabelConfig:
    """Read a project's labelling configuration.

    Parameters
    ----------
    kind : ProjectKind
        ``damage`` or ``review``.
    config : Path, optional
        The user's XML file instead of the one in ``labeling/configs``.

    Raises
    ------
    ConfigError
        The file is missing, is not XML, or lacks a control that the kind needs.
    """
    kind = ProjectKind(kind)
    if config is None:
        source = f"{kind.value}.xml"
        text = (files("labeling") / "configs" / source).read_text(encoding="utf-8")
    else:
        source = str(config)
        try:
            text = Path(config).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the labelling configuration can't be read: {error}", file=source
            ) from error
    label_config = parse_label_config(text, name=source)
    _check(label_config, kind, source)
    return label_config


def parse_label_config(xml: str, *, name: str = "<labelling configuration>") -> LabelConfig:
    """Parse a labelling configuration.

    Raises
    ------
    ConfigError
        It is not XML, or two controls have the same name.
    """
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        # Entities allow XML bombs, and a labelling configuration does not need them.
        raise ConfigError("a labelling configuration must not declare entities", file=name)
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise ConfigError(
            f"this is not valid XML: {error}", file=name, line=error.position[0]
        ) from error
    controls: list[Control] = []
    for node in root.iter():
        kind = "choices" if node.tag == "Choices" else MASK_TAGS.get(node.tag)
        # What a smart tool draws is a question to a backend, not an annotation.
        if kind is None or node.get("smartOnly", "").lower() == "true":
            continue
        child = "Choice" if kind == "choices" else "Label"
        values = tuple(value for leaf in node.iter(child) if (value := _value(leaf)))
        per_region = node.get("perRegion", "").lower() == "true"
        control = Control(node.get("name", ""), kind, node.get("toName", ""), values, per_region)
        if any(control.name == other.name for other in controls):
            raise ConfigError(f"two controls are named {control.name!r}", file=name)
        controls.append(control)
    return LabelConfig(xml, tuple(controls))


def lost_values(old: LabelConfig, new: LabelConfig) -> dict[str, tuple[str, ...]]:
    """Return control -> values of `old` that `new` no longer has."""
    lost = {}
    for control in old.controls:
        after = new.control(control.name)
        kept = after.values if after is not None and after.type == control.type else ()
        gone = tuple(value for value in control.values if value not in kept)
        if gone:
            lost[control.name] = gone
    return lost


def _value(leaf: ET.Element) -> str | None:
    # The server stores a choice's alias instead of its value.
    return leaf.get("alias") or leaf.get("value")


def _check(label_config: LabelConfig, kind: ProjectKind, source: str) -> None:
    if kind is ProjectKind.DAMAGE and label_config.brush is None:
        raise ConfigError("a damage project needs <BrushLabels> for its masks", file=source)
    if kind is ProjectKind.REVIEW:
        decision = label_config.control("decision")
        if decision is None or not {"keep", "reject"} <= set(decision.values):
            raise ConfigError(
                'a review project needs <Choices name="decision"> with keep and reject',
                file=source,
            )
    for control in label_config.controls:
        if not control.to_name or not control.values:
            raise ConfigError(
                f"control {control.name!r} needs toName and at least one value", file=source
            )
