"""The gate that goes into a run's folder, so that `predict` needs nothing else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import BodyshopError
from bodyshop_core.workspace import Workspace

if TYPE_CHECKING:
    from curate import Gate
    from train import Classifier

RULES = ("top5", "mass", "probe")


def gate_for(workspace: Workspace) -> dict[str, Any]:
    """Return the gate the workspace was curated with, as JSON-able values."""
    import curate

    return curate.load_gate(workspace).as_dict()


def gate_of(classifier: Classifier) -> Gate | None:
    """Rebuild the gate that a run was trained with; None for a run without one.

    Raises
    ------
    BodyshopError
        The run's record, which may come from elsewhere, describes no gate.
    MissingPartError
        The gate's weights can't be had, or are others than it was made with.
    """
    from curate import Gate

    if classifier.gate is None:
        return None
    try:
        gate = Gate.from_dict(classifier.gate)
        if gate.rule.name not in RULES or not math.isfinite(gate.rule.threshold):
            raise ValueError(f"rule {gate.rule.name!r}, threshold {gate.rule.threshold!r}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__} {str(error)[:200]}"
        raise BodyshopError(
            f"run '{classifier.record.run}' has no valid gate: {reason}",
            hint="copy the whole run folder again",
        ) from error
    return gate
