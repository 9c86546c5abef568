"""The gate that a run was trained with, from its record."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    from curate import Gate
    from train import Classifier

RULES = ("top5", "mass", "probe", "none")


def gate_of(classifier: Classifier) -> Gate | None:
    """Rebuild the gate that a run was trained with; None for a run without one, or rule none.

    Raises
    ------
    BodyshopError
        The record of the run, which may come from elsewhere, has no valid gate.
    MissingPartError
        The weights of the gate are not available, or differ from those it was made with.
    """
    from curate import Gate
    from train.models.run_folder import NETWORKS_FOLDER

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
    if gate.rule.name == "none":
        return None
    return replace(gate, carried=Path(classifier.folder) / NETWORKS_FOLDER)
