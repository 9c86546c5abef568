"""Fitting the difference between a whole car and a close-up, from pictures a person labelled."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from bodyshop_core.catalog import BlobRef
from bodyshop_core.errors import ConfigError
from curate.gate_fitting.groups import Example
from curate.gate_fitting.intervals import proportion
from curate.gate_fitting.logistic import FOLDS, fit_logistic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRAMING_VIEWS = frozenset({"original", "equalised"})
"""Views in which a whole car is still a whole car."""

STRENGTH = 1.0
"""Stronger regularisation than the gate's: a few hundred labels against a thousand features."""


@dataclass(frozen=True)
class FramingFit:
    """A fitted framing regression; empty when there were too few examples."""

    weights: NDArray[np.float32] | None = None
    bias: float = 0.0
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_framing(file: Path, examples: Sequence[Example]) -> dict[Path | BlobRef, str]:
    """Read framing labels and find the pictures they are about.

    Parameters
    ----------
    file : Path
        CSV with columns ``file`` and ``framing``.
    examples : sequence of Example
        A row is about the example whose path ends in its ``file``.

    Raises
    ------
    ConfigError
        No such file, a column is missing, or a framing is neither full nor part.
    """
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise ConfigError(f"the framing labels can't be read: {error}", file=file) from error
    by_name: dict[str, list[Path | BlobRef]] = {}
    for example in examples:
        by_name.setdefault(example.path.name, []).append(example.path)
    known: dict[Path | BlobRef, str] = {}
    for line, row in enumerate(rows, start=2):
        name, value = row.get("file"), row.get("framing")
        if not name or value not in {"full", "part"}:
            raise ConfigError(
                "a row needs a file and a framing",
                file=file,
                line=line,
                key="framing",
                allowed=("full", "part"),
            )
        for path in by_name.get(Path(name).name, ()):
            place = PurePath(str(path)).as_posix()
            if place.endswith(f"/{name}") or place == name:
                known[path] = value
    return known


def fit_framing(
    labelled: Sequence[tuple[int, str | None]],
    features: NDArray[np.float32],
    groups: Sequence[int],
    counted: Collection[int],
    seed: int,
) -> FramingFit:
    """Fit part against full.

    Parameters
    ----------
    labelled : sequence of (row, framing)
        Rows of `features`; those with framing None are left out.
    features : ndarray of float32, shape (n, d)
        Unit-length vectors.
    groups : sequence of int
        Of all n rows.
    counted : collection of int
        Rows that count in the figures (the others are views of them).
    seed : int
        Of the folds.

    Returns
    -------
    FramingFit
        Empty with fewer than `FOLDS` groups of either kind.
    """
    known: Mapping[int, str] = {row: framing for row, framing in labelled if framing is not None}
    rows = sorted(known)
    kinds = {kind: {groups[row] for row in rows if known[row] == kind} for kind in ("full", "part")}
    if any(len(found) < FOLDS for found in kinds.values()):
        return FramingFit()
    is_part = [known[row] == "part" for row in rows]
    weights, bias, chances = fit_logistic(
        features[rows], is_part, [groups[row] for row in rows], seed, strength=STRENGTH
    )
    originals = set(counted)
    figures = {}
    for kind, wanted in (("full", False), ("part", True)):
        correct = [
            bool((chance >= 0.5) == wanted)
            for row, part, chance in zip(rows, is_part, chances, strict=True)
            if part is wanted and row in originals
        ]
        figures[kind] = proportion(sum(correct), len(correct))
    return FramingFit(weights, bias, figures)
