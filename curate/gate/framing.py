"""How much of the car a picture shows: all of it, a part, or the inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from curate.gate.categories import INTERIOR, PARTS, VEHICLES, indices

if TYPE_CHECKING:
    from curate.gate.feature_store import FeatureBatch
    from curate.gate.probe import Probe

FULL, PART, INSIDE = "full", "part", "interior"
"""The values of ``gate_scores.framing``."""

MIN_INTERIOR = 0.25
"""Probability of seat belt and odometer together that makes a picture an interior."""

MIN_VEHICLE = 0.3
"""Without a framing regression: vehicle classes below this mean a close-up. Finds only a third
of the close-ups (docs/benchmarks/curate_gate.md): half a sports car is a sports car to ImageNet."""


@dataclass(frozen=True)
class Framing:
    """How framing is classified for one backbone.

    Parameters
    ----------
    probe : Probe, optional
        Its second regression, fitted on whole cars and on close-ups, decides between full and
        part; the ImageNet classes decide when it has none.
    """

    probe: Probe | None = None

    @property
    def id(self) -> str:
        """Changes with whatever the outcome depends on."""
        if self.probe is None or self.probe.part_weights is None:
            return "f1"
        return f"f1-{self.probe.framing_digest[:8]}"

    def classify(self, batch: FeatureBatch) -> list[str | None]:
        """Return ``full``, ``part`` or ``interior`` for n pictures.

        Parameters
        ----------
        batch : FeatureBatch
            The backbone's output for them.

        Returns
        -------
        list of str or None
            None when neither a framing regression nor class probabilities are there.
        """
        import numpy as np

        part = self.probe.p_part(batch.features) if self.probe is not None and len(batch) else None
        if batch.probabilities is None:
            if part is None:
                return [None] * len(batch)
            return [PART if value >= 0.5 else FULL for value in part]
        values = batch.probabilities.astype(np.float32)
        vehicle, parts, inside = (
            values[:, list(indices(names))].sum(axis=1) for names in (VEHICLES, PARTS, INTERIOR)
        )
        is_part = part >= 0.5 if part is not None else (vehicle < MIN_VEHICLE) | (parts > vehicle)
        is_inside = (inside >= MIN_INTERIOR) & (inside > vehicle)
        return np.where(is_inside, INSIDE, np.where(is_part, PART, FULL)).tolist()
