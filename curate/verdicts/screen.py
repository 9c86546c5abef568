"""Reasons to reject a picture by itself: unreadable, too small, no car, blurred, badly exposed.

Nothing here reads a picture, a file or the catalog: the same facts and policy always give the same
findings, so a threshold can be changed and undone in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bodyshop_core.catalog import AnyReason, EffectiveLabel, ProbeReason, Reason
from bodyshop_core.engine.task import WORKER_DIED
from curate.policy import Policy

Findings = dict[AnyReason, dict[str, Any]]
"""Reason -> its numbers: value, limit, setting."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a verdict may depend on, for one picture.

    Parameters
    ----------
    sha256 : str
        The picture.
    measured : Mapping, optional
        Its row of `measurements`; None when it was never measured.
    p_car, framing : float and str, optional
        From `gate_scores`; None when it was not scored.
    gate_error : str, optional
        Why it could not be scored.
    probes : Mapping
        Name of a probe -> probability, 0 to 1, that the picture passes it.
    label : EffectiveLabel, optional
        For the target field.
    decision : str, optional
        ``keep`` or ``reject``, decided by a person.
    size_bytes : int
        Of the original.
    group_keys : tuple of str
        What it shares with other pictures, such as ``spin:<id>`` or ``page:<url>``.
    spin_group : str, optional
        Frames of one spinner are never duplicates of one another.
    given_split : str, optional
        The split that the folder of an imported picture named.
    superseded : bool
        Whether all that found it has been replaced by later imports.
    page, host, source : str, optional
        Where it was found first; the source of an imported picture is its origin.
    rank : int, optional
        Its place there, from 1.
    placed : str, optional
        The duplicate cluster that a person put it into.
    merged : bool
        Whether that person said that all of that cluster show the same.
    content, copy_quality, overlaid, clipped, resampled, framed, derived, made_from, camera
        Of members of duplicate clusters: see `curate.duplicates.copies.CopyFacts`.
    """

    sha256: str
    measured: Mapping[str, Any] | None = None
    p_car: float | None = None
    framing: str | None = None
    gate_error: str | None = None
    label: EffectiveLabel | None = None
    decision: str | None = None
    size_bytes: int = 0
    group_keys: tuple[str, ...] = ()
    spin_group: str | None = None
    given_split: str | None = None
    superseded: bool = False
    page: str | None = None
    host: str | None = None
    source: str | None = None
    rank: int | None = None
    placed: str | None = None
    merged: bool = False
    content: float = 1.0
    copy_quality: int = 100
    overlaid: bool = False
    clipped: float = 0.0
    resampled: float | None = None
    framed: bool = False
    derived: bool = False
    made_from: str | None = None
    camera: bool = False
    probes: Mapping[str, float] = field(default_factory=dict)

    @property
    def value(self) -> str | None:
        """The label that counts, or None."""
        return self.label.value if self.label is not None else None

    def measure(self, name: str, default: float = 0.0) -> float:
        """Return a measured number, or `default` when it is absent."""
        number = None if self.measured is None else self.measured.get(name)
        return default if number is None else number


@dataclass(frozen=True)
class ScreeningLimits:
    """The limits of a verdict that the policy may leave to gate, probes and sharpness measure."""

    min_p_car: float
    min_sharpness: float
    min_probes: Mapping[str, float] = field(default_factory=dict)


def screen(facts: Facts, policy: Policy, limits: ScreeningLimits) -> Findings:
    """Find the reasons to reject one picture by itself.

    Parameters
    ----------
    facts : Facts
        What is known about it.
    policy : Policy
        The thresholds.
    limits : ScreeningLimits
        The thresholds that come from gate and sharpness measure.

    Returns
    -------
    dict
        Reason -> details; empty when there is none.
    """
    error = None if facts.measured is None else facts.measured.get("error")
    if facts.measured is None:
        return {Reason.UNREADABLE: {"error": "it was never measured"}}
    if error == WORKER_DIED:
        return {Reason.WORKER_DIED: {"error": "decoding it killed the process"}}
    if error:
        return {Reason.UNREADABLE: {"error": error}}
    if facts.gate_error:
        return {Reason.UNREADABLE: {"error": facts.gate_error}}
    found: Findings = {}
    damage, most = facts.measure("damage"), policy.quality.max_damage
    if damage > most:
        found[Reason.DAMAGED_DATA] = {
            **_compared(damage, most, "quality.max_damage"),
            "note": (facts.measured or {}).get("damage_note"),
        }
    if facts.superseded:
        found[Reason.SUPERSEDED] = {}
    _size(found, facts, policy)
    _gate(found, facts, policy, limits)
    for name, chance in facts.probes.items():
        if chance < limits.min_probes[name]:
            setting = f"probes.{name}.threshold"
            found[ProbeReason.of(name)] = _compared(chance, limits.min_probes[name], setting)
    _quality(found, facts, policy, limits)
    if facts.label is not None and facts.label.conflict:
        found[Reason.LABEL_CONFLICT] = {"values": list(facts.label.conflict)}
    return found


def _size(found: Findings, facts: Facts, policy: Policy) -> None:
    width, height = int(facts.measure("width")), int(facts.measure("height"))
    short, limit = min(width, height), policy.size
    aspect = max(width, height) / max(short, 1)
    for value, bound, setting, bad in (
        (short, limit.min_short_side, "size.min_short_side", short < limit.min_short_side),
        (width * height, limit.min_area, "size.min_area", width * height < limit.min_area),
        (round(aspect, 2), limit.max_aspect, "size.max_aspect", aspect > limit.max_aspect),
    ):
        if bad:
            found[Reason.TOO_SMALL] = {
                **_compared(value, bound, setting),
                "width": width,
                "height": height,
            }
            return


def _gate(found: Findings, facts: Facts, policy: Policy, limits: ScreeningLimits) -> None:
    if facts.p_car is None:
        return
    if facts.p_car < limits.min_p_car:
        found[Reason.NOT_A_CAR] = _compared(facts.p_car, limits.min_p_car, "gate.threshold")
    elif facts.framing is not None and facts.framing not in policy.gate.framing:
        found[Reason.NOT_A_CAR] = _compared(
            facts.framing, list(policy.gate.framing), "gate.framing"
        )


def _quality(found: Findings, facts: Facts, policy: Policy, limits: ScreeningLimits) -> None:
    sharpness = facts.measure("sharpness", default=float("inf"))
    if sharpness < limits.min_sharpness:
        found[Reason.BLURRY] = _compared(sharpness, limits.min_sharpness, "quality.min_sharpness")
    quality = policy.quality
    for name, bound, setting, sign in (
        ("brightness", quality.min_brightness, "quality.min_brightness", 1),
        ("brightness", quality.max_brightness, "quality.max_brightness", -1),
        ("dark_fraction", quality.max_dark_fraction, "quality.max_dark_fraction", -1),
        ("bright_fraction", quality.max_bright_fraction, "quality.max_bright_fraction", -1),
        ("contrast", quality.min_contrast, "quality.min_contrast", 1),
    ):
        value = facts.measure(name, default=bound)
        if sign * value < sign * bound:
            found[Reason.BAD_EXPOSURE] = _compared(value, bound, setting)
            return


def _compared(value: object, limit: object, setting: str) -> dict[str, Any]:
    rounded = round(value, 6) if isinstance(value, float) else value
    return {"value": rounded, "limit": limit, "setting": setting}
