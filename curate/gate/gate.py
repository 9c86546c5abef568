"""A gate ready to judge pictures: a backbone and the rule that reads it, to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.backbones import fingerprint
from bodyshop_core.errors import MissingPartError
from bodyshop_core.progress import SILENT, Progress
from curate.gate.categories import top
from curate.gate.framing import Framing
from curate.gate.probe import Probe, find_probe
from curate.gate.rules import Rule, choose_rule, needs_top
from curate.policy import Policy, load_policy

if TYPE_CHECKING:
    from bodyshop_core.backbones import Scorer
    from bodyshop_core.workspace import Workspace
    from curate.gate.feature_store import FeatureBatch


@dataclass(frozen=True)
class GateScore:
    """A gate's answer for one picture.

    Parameters
    ----------
    is_car : bool
        Whether `p_car` reaches the threshold; False when the picture can't be read.
    p_car : float
        0 to 1; what it means depends on the rule.
    framing : str or None
        ``full``, ``part`` or ``interior``.
    top5 : list of (name, probability)
        The likeliest ImageNet categories; empty when the weights have no top.
    error : str or None
        Why the picture could not be read.
    """

    is_car: bool
    p_car: float
    framing: str | None
    top5: list[tuple[str, float]]
    error: str | None = None


@dataclass(frozen=True)
class Gate:
    """What decides whether a picture shows a car.

    Parameters
    ----------
    backbone, fingerprint : str
        The network, and its name with weights and preprocessing.
    rule : Rule
        How its output becomes ``p_car``.
    framing : Framing
        How its output becomes full, part or interior.
    weights : Path, optional
        The weights file; None for the backbone's own.
    """

    backbone: str
    fingerprint: str
    rule: Rule
    framing: Framing
    weights: Path | str | None = None

    @property
    def id(self) -> str:
        """Key of `gate_scores`."""
        return f"{self.fingerprint}:{self.rule.id}:{self.framing.id}"

    def load(self) -> Scorer:
        """Build the network.

        Raises
        ------
        MissingPartError
            The weights are not there, or have no top although the rule needs it.
        """
        from bodyshop_core.backbones import Scorer

        scorer = Scorer(self.backbone, self.weights)
        if not scorer.has_top and self.rule.probe is None:
            raise needs_top(self.rule.name)
        return scorer

    def read(self, seen: FeatureBatch) -> list[GateScore]:
        """Return the gate's answers to what the network saw, in its order."""
        p_car = self.rule.p_car(seen).tolist()
        framing = self.framing.tell(seen)
        classes = seen.probabilities
        return [
            GateScore(
                value >= self.rule.threshold,
                round(value, 6),
                framing[index],
                [] if classes is None else top(classes[index].tolist()),
            )
            for index, value in enumerate(p_car)
        ]

    def judge(
        self, pictures: Sequence[Path | str | bytes], *, progress: Progress = SILENT
    ) -> list[GateScore]:
        """Judge pictures that need not be in a workspace.

        Parameters
        ----------
        pictures : sequence of Path or bytes
            Files, or their contents.
        progress : Progress
            Told how far it is.

        Returns
        -------
        list of GateScore
            One per picture, in order; an unreadable one carries its error.
        """
        from curate.gate.stage import extract_features

        if not hasattr(self, "_scorer"):
            object.__setattr__(self, "_scorer", self.load())
        files = [(str(number), picture) for number, picture in enumerate(pictures)]
        answers: dict[str, GateScore] = {}
        for seen in extract_features(self._scorer, files, progress=progress):  # type: ignore[attr-defined]
            answers.update(zip(seen.keys, self.read(seen), strict=True))
            for key, why in seen.errors.items():
                answers[key] = GateScore(False, 0.0, None, [], why)
        return [answers[key] for key, _ in files]

    def as_dict(self) -> dict[str, Any]:
        """Return everything that `from_dict` needs, as JSON-able values."""
        return {
            "backbone": self.backbone,
            "fingerprint": self.fingerprint,
            "rule": self.rule.name,
            "threshold": self.rule.threshold,
            "categories": list(self.rule.categories),
            "probe": None if self.rule.probe is None else self.rule.probe.as_dict(),
            "framing": None if self.framing.probe is None else self.framing.probe.as_dict(),
            "weights": None if self.weights is None else str(self.weights),
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], weights: Path | str | None = None) -> Gate:
        """Rebuild a gate.

        Parameters
        ----------
        facts : Mapping
            As `as_dict` returned it.
        weights : Path, optional
            Where the weights file is now.

        Raises
        ------
        MissingPartError
            The weights can't be had, or are others than the gate was made with.
        """
        weights = weights or facts["weights"]
        present = fingerprint(facts["backbone"], weights)
        if present != facts["fingerprint"]:
            raise MissingPartError(
                f"the gate was made with {facts['fingerprint']}, the weights here are {present}",
                hint="give the same weights (--weights FILE), or curate and train again",
            )
        probe = None if facts["probe"] is None else Probe.from_dict(facts["probe"])
        framing = None if facts["framing"] is None else Probe.from_dict(facts["framing"])
        rule = Rule(facts["rule"], facts["threshold"], tuple(facts["categories"]), probe)
        return cls(facts["backbone"], present, rule, Framing(framing), weights)


def open_gate(
    workspace: Workspace,
    gate: str = "efficientnet-lite0",
    *,
    weights: Path | str | None = None,
    policy: Policy | Path | str | None = None,
) -> Gate:
    """Return the gate a policy asks for; no network is built.

    Parameters
    ----------
    workspace : Workspace
        Where a probe of one's own may be.
    gate : str
        A backbone of `bodyshop_core.backbones.names`.
    weights : Path, optional
        A weights file; the backbone's own by default.
    policy : Policy or path, optional
        Its gate part decides the rule.

    Raises
    ------
    MissingPartError
        The weights can't be had, or no probe fits them although the policy wants one.
    """
    name = fingerprint(gate, weights)
    rule = choose_rule(load_policy(policy).gate, name, workspace_root=workspace.root)
    framing = Framing(rule.probe or find_probe(name, workspace.root))
    return Gate(gate, name, rule, framing, weights)


def load_gate(workspace: Workspace, gate: str | None = None) -> Gate:
    """Return the gate that the workspace's newest ``curate`` used.

    Parameters
    ----------
    workspace : Workspace
        A curated workspace; an uncurated one gives the default gate.
    gate : str, optional
        A backbone to take in its place, with its own weights and the default policy.
    """
    import json

    remembered = workspace.root / GATE_FILE
    if gate is not None or not remembered.exists():
        return open_gate(workspace, gate or "efficientnet-lite0")
    return Gate.from_dict(json.loads(remembered.read_text(encoding="utf-8")))


def remember_gate(workspace: Workspace, gate: Gate) -> None:
    """Note which gate the workspace is curated with, for `load_gate`."""
    import json

    from bodyshop_core import atomic

    text = json.dumps(gate.as_dict())
    path = workspace.root / GATE_FILE
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        atomic.write_text(path, text)


GATE_FILE = "gates/current.json"
