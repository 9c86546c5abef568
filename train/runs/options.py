"""What `train.train` and `train.segment` are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.fit.augmenter import Augmenter


@dataclass(frozen=True)
class TrainOptions:
    """The settings of a training run, apart from its recipe.

    Parameters
    ----------
    target : str, optional
        ``damage``, ``brand`` or ``model``; by default that of the split set.
    split_set : str, optional
        Its name; the newest one by default.
    equalise : bool, optional
        Convert all pictures to one size and JPEG quality or not; None follows the recipe.
    weights : str, Path or None
        The backbone's weights instead of the recipe's; ``"none"`` for random ones.
    gate : Mapping, optional
        Name and rule of the gate that prediction asks first; JSON-able, stored with the run.
    seed : int
        Of everything random.
    augmenter : callable, optional
        (rgb uint8, sha256=, copy=epoch) -> rgb of the same size: new copies in every epoch instead
        of those on disk.
    """

    target: str | None = None
    split_set: str | None = None
    equalise: bool | None = None
    weights: str | Path | None = None
    gate: Mapping[str, Any] | None = None
    seed: int = 7
    augmenter: Augmenter | None = None

    @property
    def augmenter_name(self) -> str | None:
        """The digest of the augmenter's policy, or its name, so that plans can be compared."""
        if self.augmenter is None:
            return None
        policy = getattr(self.augmenter, "policy", None)
        name = getattr(policy, "digest", None) or getattr(self.augmenter, "__name__", "callable")
        return str(name)
