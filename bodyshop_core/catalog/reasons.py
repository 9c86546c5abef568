"""Reasons for rejecting a picture."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Reason(StrEnum):
    """All reasons for rejecting a picture, in the order in which they are shown."""

    UNREADABLE = "unreadable"
    WORKER_DIED = "worker_died"
    DAMAGED_DATA = "damaged_data"
    TOO_SMALL = "too_small"
    NOT_A_CAR = "not_a_car"
    BLURRY = "blurry"
    BAD_EXPOSURE = "bad_exposure"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    LABEL_CONFLICT = "label_conflict"
    SPLIT_BRIDGE = "split_bridge"
    OVER_QUOTA = "over_quota"
    SUPERSEDED = "superseded"
    HUMAN_REJECT = "human_reject"


class ProbeReason(str):
    """The reason that a named probe gives: ``probe_watermark`` for the probe ``watermark``.

    Parameters
    ----------
    text : str
        With the prefix.
    """

    __slots__ = ()
    PREFIX = "probe_"

    @classmethod
    def of(cls, probe: str) -> ProbeReason:
        """Return the reason of a probe."""
        return cls(cls.PREFIX + probe)

    @property
    def value(self) -> str:
        """The text, as `Reason.value` is."""
        return str(self)

    @property
    def probe(self) -> str:
        """Name of the probe."""
        return self.removeprefix(self.PREFIX)


AnyReason = Reason | ProbeReason


def read_reason(text: str) -> AnyReason:
    """Return the reason that a text stands for.

    Raises
    ------
    ValueError
        There is no such reason.
    """
    return ProbeReason(text) if text.startswith(ProbeReason.PREFIX) else Reason(text)


def in_order(reasons: Iterable[str]) -> list[AnyReason]:
    """Return reasons in the order in which they are shown: probes after the gate."""
    return sorted(map(read_reason, reasons), key=_place)


def _place(reason: AnyReason) -> tuple[float, str]:
    if isinstance(reason, Reason):
        return _ORDER[reason], ""
    return _ORDER[Reason.NOT_A_CAR] + 0.5, reason


_ORDER = {reason: place for place, reason in enumerate(Reason)}
