"""What `diff` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bodyshop.versions.compare import StateDiff


@dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    Parameters
    ----------
    name : str
        As given: a snapshot's name or id, a run, or ``now``.
    state : str
        Id of its state; of the present, only where it is recorded.
    folder : Path or None
        Of a run.
    """

    name: str
    state: str
    folder: Path | None = None


@dataclass(frozen=True)
class Diff:
    """Outcome of `diff`.

    Parameters
    ----------
    before, after : Side
        The two.
    data : StateDiff
        Which pictures changed; between two runs, of those that one of them learned from or was
        tested on.
    metrics : mapping
        Between two runs: figure -> before and after, of those that differ.
    settings : mapping
        Between two runs: key of the recipe or setting -> before and after, of those that differ.
    page : Path or None
        A page with the pictures.
    """

    before: Side
    after: Side
    data: StateDiff
    metrics: Mapping[str, tuple[Any, Any]]
    settings: Mapping[str, tuple[Any, Any]]
    page: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values with the stable keys of ``--json``."""
        return {
            "before": {"name": self.before.name, "id": self.before.state},
            "after": {"name": self.after.name, "id": self.after.state},
            "counts": self.data.counts,
            "transitions": self.data.transitions(),
            "target": self.data.target,
            "per_class": self.data.per_class(),
            "per_origin": self.data.per_origin(),
            "policy": self.data.policy(),
            "metrics": {name: list(values) for name, values in self.metrics.items()},
            "settings": {name: list(values) for name, values in self.settings.items()},
            "pictures": [change.as_dict() for change in self.data.changes],
            "page": None if self.page is None else str(self.page),
        }
