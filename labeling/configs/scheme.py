"""Labelling configurations: which controls a project has and which values they take."""

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
"""Control tag -> type of the regions it makes; all of them come back as masks."""


class Kind(StrEnum):
    """What a labelling project is for."""

    DAMAGE = "damage"
    REVIEW = "review"


@dataclass(frozen=True)
class Control:
    """One control of a labelling page.

    Parameters
    ----------
    name : str
        As regions cite it in ``from_name``.
    type : str
        ``brushlabels``, ``polygonlabels``, ..., or ``choices``.
    to_name : str
        The object it is about.
    values : tuple of str
        What can be chosen.
    """

    name: str
    type: str
    to_name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Scheme:
    """A parsed labelling configuration.

    Parameters
    ----------
    xml : str
        The configuration as the server gets it.
    controls : tuple of Control
        In page order.
    """

    xml: str
    controls: tuple[Control, ...]

    @property
    def digest(self) -> str:
        """Digest of the controls, blind to layout and colours."""
        told = "\n".join(f"{c.name}|{c.type}|{c.to_name}|{c.values}" for c in self.controls)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def brush(self) -> Control | None:
        """The control that pre-annotations are drawn with."""
        return next((c for c in self.controls if c.type == "brushlabels"), None)

    @property
    def mask_labels(self) -> tuple[str, ...]:
        """Every damage class that can be drawn, in page order."""
        drawn = (v for c in self.controls if c.type != "choices" for v in c.values)
        return tuple(dict.fromkeys(drawn))

    def control(self, name: str) -> Control | None:
        """Return the control of that name."""
        return next((c for c in self.controls if c.name == name), None)


def load_scheme(kind: Kind | str, config: Path | None = None) -> Scheme:
    """Read a project's labelling configuration.

    Parameters
    ----------
    kind : Kind
        ``damage`` or ``review``.
    config : Path, optional
        An own XML file instead of the one in ``labeling/configs``.

    Raises
    ------
    ConfigError
        The file is absent, no XML, or lacks what the kind needs.
    """
    kind = Kind(kind)
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
    scheme = parse_scheme(text, name=source)
    _check(scheme, kind, source)
    return scheme


def parse_scheme(xml: str, *, name: str = "<labelling configuration>") -> Scheme:
    """Parse a labelling configuration.

    Raises
    ------
    ConfigError
        It is no XML, or two controls share a name.
    """
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        # Entities are how an XML bomb is built; a labelling configuration has no use for them.
        raise ConfigError("a labelling configuration may not declare entities", file=name)
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise ConfigError(
            f"this is not valid XML: {error}", file=name, line=error.position[0]
        ) from error
    controls: list[Control] = []
    for node in root.iter():
        kind = "choices" if node.tag == "Choices" else MASK_TAGS.get(node.tag)
        if kind is None:
            continue
        child = "Choice" if kind == "choices" else "Label"
        values = tuple(value for leaf in node.iter(child) if (value := _value(leaf)))
        control = Control(node.get("name", ""), kind, node.get("toName", ""), values)
        if any(control.name == other.name for other in controls):
            raise ConfigError(f"two controls are named {control.name!r}", file=name)
        controls.append(control)
    return Scheme(xml, tuple(controls))


def lost_values(old: Scheme, new: Scheme) -> dict[str, tuple[str, ...]]:
    """Return, per control of `old`, the values that `new` no longer offers under that name."""
    lost = {}
    for control in old.controls:
        after = new.control(control.name)
        kept = after.values if after is not None and after.type == control.type else ()
        gone = tuple(value for value in control.values if value not in kept)
        if gone:
            lost[control.name] = gone
    return lost


def _value(leaf: ET.Element) -> str | None:
    # A choice's alias is what the server stores in its place.
    return leaf.get("alias") or leaf.get("value")


def _check(scheme: Scheme, kind: Kind, source: str) -> None:
    if kind is Kind.DAMAGE and scheme.brush is None:
        raise ConfigError("a damage project needs <BrushLabels> for its masks", file=source)
    if kind is Kind.REVIEW:
        decision = scheme.control("decision")
        if decision is None or not {"keep", "reject"} <= set(decision.values):
            raise ConfigError(
                'a review project needs <Choices name="decision"> with keep and reject',
                file=source,
            )
    for control in scheme.controls:
        if not control.to_name or not control.values:
            raise ConfigError(
                f"control {control.name!r} needs toName and at least one value", file=source
            )
