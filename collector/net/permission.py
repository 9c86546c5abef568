"""What a site says about the use of its content: opt-out headers and meta tags, as permissions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

AGENT_TOKEN = "bodyshop"
"""The product token that a robots.txt may address (RFC 9309, 2.2.1)."""

NO_USE = re.compile(r"\b(?:ai-train|train-ai)\s*=\s*(?:no|n)\b", re.IGNORECASE)
"""A content signal that forbids the use for training."""

_NO_IMAGES = {"noai", "noimageai", "noml", "noimageindex", "none"}


@dataclass(frozen=True)
class Permission:
    """The verdict about one address.

    Parameters
    ----------
    allowed : bool
        All layers agree, or the user overrode them.
    reason : str
        Empty, or the layer that forbids it: ``robots``, ``robots_unreachable``, ``opt_out``,
        ``reserved``,
        ``content_signal``, ``forbidden_address``.
    layers : dict
        The verdict of each layer, JSON-able, for `sightings.permission`.
    """

    allowed: bool
    reason: str
    layers: dict[str, Any]

    @property
    def temporary(self) -> bool:
        """Whether the reason is a failure that may be temporary."""
        return self.reason == "robots_unreachable"


def judge_headers(headers: Mapping[str, str], *, override: bool = False) -> Permission:
    """Judge the headers ``X-Robots-Tag``, ``tdm-reservation`` and ``Content-Usage`` of a response.

    Parameters
    ----------
    headers : Mapping
        Case-insensitive, or with lower-case names.
    """
    layers: dict[str, Any] = {}
    reason = ""
    tag = headers.get("x-robots-tag")
    if tag:
        layers["x_robots_tag"] = tag
        if _opted_out(_directives(tag)):
            reason = "opt_out"
    if (reservation := headers.get("tdm-reservation")) is not None:
        layers["tdm_reservation"] = reservation
        if reservation.strip() == "1":
            reason = reason or "reserved"
    usage = headers.get("content-usage")
    if usage:
        layers["content_usage"] = usage
        if NO_USE.search(usage):
            reason = reason or "content_signal"
    return permission_of(reason, layers, override)


def judge_meta(metas: Iterable[tuple[str, str]], *, override: bool = False) -> Permission:
    """Judge a page's ``<meta name=… content=…>`` pairs."""
    layers: dict[str, Any] = {}
    reason = ""
    for name, content in metas:
        name = name.lower()
        if name in {"robots", AGENT_TOKEN}:
            layers[f"meta_{name}"] = content
            if _opted_out({part.strip().lower() for part in content.split(",")}):
                reason = reason or "opt_out"
        elif name == "tdm-reservation":
            layers["meta_tdm_reservation"] = content
            if content.strip() == "1":
                reason = reason or "reserved"
    return permission_of(reason, layers, override)


def merged(*permissions: Permission) -> Permission:
    """Combine the verdicts of several layers; the first refusal gives the reason."""
    layers: dict[str, Any] = {}
    for permission in permissions:
        layers |= permission.layers
    refusals = [permission.reason for permission in permissions if not permission.allowed]
    return Permission(not refusals, refusals[0] if refusals else "", layers)


def permission_of(reason: str, layers: dict[str, Any], override: bool) -> Permission:
    """Return the verdict; an override turns a refusal into a recorded permission."""
    if reason and override and reason not in {"robots_unreachable", "forbidden_address"}:
        return Permission(True, "", layers | {"override": reason})
    return Permission(not reason, reason, layers)


def _directives(tag: str) -> set[str]:
    """Return the directives of an X-Robots-Tag for all agents or for this one."""
    found: set[str] = set()
    agent = ""
    for part in tag.lower().split(","):
        name, colon, rest = part.partition(":")
        if colon and name.strip() not in {"max-snippet", "max-image-preview", "unavailable_after"}:
            agent, part = name.strip(), rest
        if agent in {"", AGENT_TOKEN}:
            found.add(part.strip())
    return found


def _opted_out(directives: set[str]) -> bool:
    return bool(directives & _NO_IMAGES)
