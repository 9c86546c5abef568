"""Origin and framing of pictures, and weights under which neither tells the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import UNKNOWN, picture_origins, schema
from bodyshop_core.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROUNDS = 100
"""Of raking: a few tables of a few cells settle within ten."""

LARGEST = 10.0
"""Weight of a picture at most, where the mean is 1: a single picture must not be learned by heart
because it is the only one of its origin."""

SMALLEST = 0.01
"""Weight of a picture at least: tables that contradict each other (the only full view of a label is
in one origin) would drive others to 0."""


def load_strata(workspace: Workspace) -> dict[str, tuple[str, str]]:
    """Return sha256 -> (origin, framing) of every picture; framing is ``""`` where unknown.

    A person's framing counts before the gate's.
    """
    verdicts, gate, decisions = schema.verdicts, schema.gate_scores, schema.decisions
    estimated = select(verdicts.c.sha256, gate.c.framing).join(
        gate, (gate.c.sha256 == verdicts.c.sha256) & (gate.c.gate == verdicts.c.gate)
    )
    with workspace.catalog.read() as connection:
        framing = dict(connection.execute(estimated).all())
        framing |= {
            sha: seen
            for sha, seen in connection.execute(select(decisions.c.sha256, decisions.c.framing))
            if seen
        }
    origins = picture_origins(workspace.catalog)
    return {sha: (origin or UNKNOWN, framing.get(sha) or "") for sha, origin in origins.items()}


def balance_weights(columns: Mapping[str, Sequence[str]]) -> NDArray[np.float32]:
    """Return a weight per row under which no column tells the label.

    Raking (Deming and Stephan 1940, doi:10.1214/aoms/1177731829): weights are scaled to one
    table's sums after the other until all fit. Each label gets the same sum; within a label, each
    origin gets the same, and each framing. Origins that carry one label only still tell it: only
    more origins help there.

    Parameters
    ----------
    columns : Mapping
        Name -> n categories. With ``label`` among them, the others are balanced within each label.

    Returns
    -------
    ndarray of float32, shape (n,)
        Mean 1, between `SMALLEST` and `LARGEST` before the labels are equalised a last time.
    """
    import numpy as np

    labels = columns.get("label")
    tables = [
        _table([""] * len(values) if labels is None else labels, values)
        for name, values in columns.items()
        if name != "label"
    ]
    if labels is not None:
        tables.append(_table(labels, [""] * len(labels)))
    weights: NDArray[Any] = np.ones(len(next(iter(columns.values()))))
    for _ in range(ROUNDS):
        before = weights
        for cells, wanted in tables:
            weights = weights * (wanted / np.bincount(cells, weights))[cells]
        weights = np.clip(weights, SMALLEST, LARGEST)
        if np.allclose(before, weights, rtol=1e-4):
            break
    cells, wanted = tables[-1]
    weights = weights * (wanted / np.bincount(cells, weights))[cells]
    return np.asarray(weights / weights.mean(), np.float32)


def _table(
    labels: Sequence[str], values: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return each row's cell (label, value), and the weight that each cell should have."""
    import numpy as np

    pairs: dict[Any, int] = {}
    cells = np.array(
        [pairs.setdefault(pair, len(pairs)) for pair in zip(labels, values, strict=True)]
    )
    of_label = [label for label, _ in pairs]
    kinds = len(set(of_label))
    return cells, np.array([len(cells) / kinds / of_label.count(label) for label in of_label])
