"""The question that a reviewer sees above each picture, from the results of curate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from bodyshop_core.catalog import effective_labels, schema

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


def questions(workspace: Workspace, sha256s: Sequence[str]) -> dict[str, str]:
    """Return one text per picture: verdict and reasons, the car probability and the label.

    Parameters
    ----------
    workspace : Workspace
        Where the verdicts are.
    sha256s : sequence of str
        The pictures.
    """
    verdicts, gate = schema.verdicts, schema.gate_scores
    query = select(
        verdicts.c.sha256, verdicts.c.verdict, verdicts.c.reasons, gate.c.p_car
    ).outerjoin(gate, (gate.c.sha256 == verdicts.c.sha256) & (gate.c.gate == verdicts.c.gate))
    with workspace.catalog.read() as connection:
        found = {row.sha256: row for row in connection.execute(query)}
    damage = effective_labels(workspace.catalog, "damage")
    texts = {}
    for sha256 in sha256s:
        row, label = found.get(sha256), damage.get(sha256)
        words = ["Keep this picture?"]
        if row is not None:
            reasons = ", ".join(reason.replace("_", " ") for reason in row.reasons or ())
            words.append(f"The policy says {row.verdict}" + (f": {reasons}." if reasons else "."))
            if row.p_car is not None:
                words.append(f"Car: {row.p_car:.0%}.")
        if label is not None:
            words.append(f"Label: {label.value or ' or '.join(label.conflict)}.")
        texts[sha256] = " ".join(words)
    return texts
