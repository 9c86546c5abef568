"""Which pictures have proposed regions that nobody looked at, counted as people decide."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bodyshop.export.proposed import Proposed, Region


class Waiting:
    """Pictures with proposed regions; what one decision costs doesn't grow with their number.

    Parameters
    ----------
    proposed : mapping
        sha256 -> proposals.
    decided : mapping
        sha256 -> region -> whether a person said that it is one.
    """

    def __init__(
        self, proposed: Mapping[str, Proposed], decided: Mapping[str, Mapping[Region, bool]]
    ) -> None:
        self.regions = 0
        self._proposed = {sha256: each for sha256, each in proposed.items() if each.regions}
        self._decided = {sha256: decided[sha256] for sha256 in self._proposed if sha256 in decided}
        self._open: dict[str, int] = {}
        self._order: list[str] = []
        for sha256 in sorted(self._proposed):
            self._count(sha256)

    @property
    def pictures(self) -> int:
        """Pictures with a region about which nobody said anything; `regions` has their regions."""
        return len(self._order)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._open

    def of(self, sha256: str) -> tuple[Proposed, Mapping[Region, bool]] | None:
        """Return what is proposed in a picture, and what was said about it."""
        found = self._proposed.get(sha256)
        return None if found is None else (found, self._decided.get(sha256, {}))

    def near(self, sha256: str, step: int, most: int) -> list[str]:
        """Return the pictures that wait behind one (or before it), the nearest first."""
        if step > 0:
            place = bisect_right(self._order, sha256)
            return self._order[place : place + most]
        place = bisect_left(self._order, sha256)
        return self._order[max(0, place - most) : place][::-1]

    def add(self, sha256: str, proposed: Proposed) -> None:
        """Note what is proposed in a picture."""
        if proposed.regions:
            self._proposed[sha256] = proposed
            self._count(sha256)

    def decide(self, sha256: str, decided: Mapping[Region, bool]) -> None:
        """Note what people said about a picture, in place of what they said before."""
        if sha256 in self._proposed:
            self._decided[sha256] = decided
            self._count(sha256)

    def remove(self, sha256: str) -> bool:
        """Leave a picture out; False where it was not there."""
        found = self._proposed.pop(sha256, None)
        self._decided.pop(sha256, None)
        self._count(sha256)
        return found is not None

    def _count(self, sha256: str) -> None:
        proposed = self._proposed.get(sha256)
        now = len(proposed.undecided(self._decided.get(sha256, {}))) if proposed else 0
        before = self._open.pop(sha256, 0)
        self.regions += now - before
        if now:
            self._open[sha256] = now
        if bool(now) != bool(before):
            place = bisect_left(self._order, sha256)
            if now:
                self._order.insert(place, sha256)
            else:
                del self._order[place]
