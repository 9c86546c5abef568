"""How many pictures each model still gets: ``limits.per_model``."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

from collector.candidate import Candidate


class ModelQuota:
    """Counts places per model; a place that brings no new picture goes to a waiting candidate.

    Parameters
    ----------
    per_model : int
        Places of each model.
    taken : Mapping
        (brand, model) -> pictures that earlier runs downloaded.
    """

    def __init__(self, per_model: int, taken: Mapping[tuple[str, str], int]) -> None:
        self._per_model = per_model
        self._taken = Counter(taken)
        self._placed: set[str] = set()
        self._waiting: dict[tuple[str, str], deque[Candidate]] = {}
        self._queued: set[str] = set()

    def take(self, candidate: Candidate) -> bool:
        """Give the candidate a place; False when there is none: then it waits for one."""
        car = (candidate.brand, candidate.model)
        if self._taken[car] >= self._per_model:
            self._waiting.setdefault(car, deque()).append(candidate)
            self._queued.add(candidate.key)
            return False
        self._taken[car] += 1
        self._placed.add(candidate.key)
        return True

    def take_at_once(self, candidate: Candidate) -> bool:
        """Give a place to a candidate whose bytes are there now: it can't wait for one."""
        car = (candidate.brand, candidate.model)
        if self._taken[car] >= self._per_model:
            return False
        self._taken[car] += 1
        self._placed.add(candidate.key)
        return True

    def release(self, candidate: Candidate) -> Candidate | None:
        """Take back the place of a candidate, if it has one; return the next that waited for it."""
        if candidate.key not in self._placed:
            return None
        car = (candidate.brand, candidate.model)
        self._placed.discard(candidate.key)
        self._taken[car] -= 1
        waiting = self._waiting.get(car)
        if not waiting:
            return None
        first = waiting.popleft()
        self._queued.discard(first.key)
        return first

    def waits(self, key: str) -> bool:
        """Return whether the candidate with this key waits for a place."""
        return key in self._queued

    def waiting(self) -> list[Candidate]:
        """Return the candidates that got no place."""
        return [each for queue in self._waiting.values() for each in queue]
