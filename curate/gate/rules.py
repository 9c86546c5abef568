"""Rules that turn a backbone's output into one number per picture: how likely it is a car."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.errors import MissingPartError
from curate.gate.categories import CAR, indices
from curate.gate.probe import Probe, find_probe, load_probe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curate.gate.feature_store import FeatureBatch
    from curate.policy import GatePolicy

NONE = "none"
"""The rule that accepts every picture; the network still describes them for the copy search."""

TOP5_THRESHOLD = 1e-4
"""Any car category among the five likeliest counts (float16 resolves 6e-8)."""

MASS_THRESHOLD = 0.05
"""Accepts 99 % of the damaged cars and 3 % of the others (docs/benchmarks/curate_gate.md)."""


@dataclass(frozen=True)
class Rule:
    """A way to turn scores into ``p_car``; deciding is comparing it with `threshold`.

    Parameters
    ----------
    name : str
        ``top5``, ``mass``, ``probe`` or ``none``.
    threshold : float
        Smallest ``p_car`` that passes.
    categories : tuple of str
        ImageNet names that mean car (top5 and mass).
    probe : Probe, optional
        The fitted regression (probe).
    """

    name: str
    threshold: float
    categories: tuple[str, ...] = CAR
    probe: Probe | None = None

    @property
    def id(self) -> str:
        """Name and digest of everything ``p_car`` depends on; the threshold is not part of it."""
        if self.name == NONE:
            return NONE
        if self.probe is not None:
            return f"probe-{self.probe.digest}"
        text = "\n".join(sorted(self.categories))
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def p_car(self, batch: FeatureBatch) -> NDArray[np.float32]:
        """Score pictures.

        Parameters
        ----------
        batch : FeatureBatch
            The backbone's output for n pictures.

        Returns
        -------
        ndarray of float32, shape (n,)
            0 to 1. For top5 the summed probability of those of the five likeliest categories
            that mean car; for mass the summed probability of all that do; for the probe its
            probability; for none 1.

        Raises
        ------
        MissingPartError
            The rule needs class probabilities and the weights have no top.
        """
        import numpy as np

        if self.name == NONE:
            return np.ones(len(batch), np.float32)
        if self.probe is not None:
            if not len(batch):
                return np.empty(0, np.float32)
            return self.probe.p_car(batch.features)
        if batch.probabilities is None:
            if not len(batch):
                return np.empty(0, np.float32)
            raise needs_top(self.name)
        chosen = np.zeros(batch.probabilities.shape[1], dtype=bool)
        chosen[list(indices(self.categories))] = True
        values = batch.probabilities.astype(np.float32)
        if self.name == "top5":
            fifth = np.partition(values, -5, axis=1)[:, -5]
            values = np.where(values >= fifth[:, None], values, 0)
        return values[:, chosen].sum(axis=1).clip(0, 1)


def choose_rule(
    policy: GatePolicy, fingerprint: str, *, workspace_root: Path | None = None
) -> Rule:
    """Return the rule a policy asks for.

    Parameters
    ----------
    policy : GatePolicy
        The gate part of curate.yaml.
    fingerprint : str
        The backbone in use.
    workspace_root : Path, optional
        A probe fitted in it has precedence over the shipped one.

    Raises
    ------
    MissingPartError
        Rule ``probe`` is asked for and no probe fits the backbone.
    """
    name, probe = policy.rule, None
    if name == NONE:
        return Rule(NONE, 0.0, ())
    if name in {"auto", "probe"}:
        probe = (
            load_probe(policy.probe)
            if policy.probe is not None
            else find_probe(fingerprint, workspace_root)
        )
        if probe is not None:
            fitted_on, probe = probe.fingerprint, probe.for_features(fingerprint)
            if probe is None:
                raise MissingPartError(
                    f"the probe was fitted on {fitted_on}, but the gate is {fingerprint}",
                    hint="fit one for this gate: bodyshop gate fit --accept DIR --reject DIR",
                )
        if probe is None and name == "probe":
            raise MissingPartError(
                f"there is no fitted probe for the gate {fingerprint}",
                hint="make one: bodyshop gate fit --accept DIR --reject DIR",
            )
        name = "probe" if probe is not None else "top5"
    if probe is not None:
        default = probe.threshold
    else:
        default = TOP5_THRESHOLD if name == "top5" else MASS_THRESHOLD
    threshold = default if policy.threshold is None else policy.threshold
    return Rule(name, threshold, policy.categories or CAR, probe)


def needs_top(rule: str) -> MissingPartError:
    """Return the error for a rule that needs class probabilities the weights don't give."""
    return MissingPartError(
        f"the gate's weights have no 1,000-class top, and rule '{rule}' needs one",
        hint="fit a probe for this gate (bodyshop gate fit --accept DIR --reject DIR), give "
        "weights with the top (--weights FILE), or use --gate efficientnet-lite0",
    )
