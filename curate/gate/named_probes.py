"""Probes beside the gate: watermarks, people in front, drawings, whatever examples are given of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.backbones import in_float32
from bodyshop_core.errors import MissingPartError, UsageError
from curate.gate.feature_store import FeatureStore
from curate.gate.probe import Probe, load_probe
from curate.policy import PROBE_NAME

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from curate.gate.gate import Gate
    from curate.policy import Policy


def named_probe_path(workspace_root: Path, fingerprint: str, name: str) -> Path:
    """Return where ``bodyshop gate fit --name NAME`` puts a probe.

    Raises
    ------
    UsageError
        The name can't be the name of a reason.
    """
    if not re.fullmatch(PROBE_NAME, name):
        raise UsageError(
            f"'{name}' can't name a probe",
            hint="use up to 30 lower-case letters, digits and _, and begin with a letter",
        )
    return workspace_root / "gates" / f"{fingerprint}.{name}.npz"


def open_named_probes(workspace: Workspace, gate: Gate, policy: Policy) -> dict[str, Probe]:
    """Return the probes that a policy names.

    Parameters
    ----------
    workspace : Workspace
        Where they were fitted.
    gate : Gate
        Whose feature vectors they read.
    policy : Policy
        Its ``probes``.

    Raises
    ------
    MissingPartError
        One was never fitted, or for another backbone.
    """
    probes: dict[str, Probe] = {}
    for name, settings in policy.probes.items():
        prints = (gate.fingerprint, in_float32(gate.fingerprint))
        fitted = [named_probe_path(workspace.root, each, name) for each in prints]
        path = settings.probe or next((file for file in fitted if file.exists()), fitted[0])
        hint = (
            f"fit it: bodyshop gate fit --name {name} --gate {gate.backbone} --accept DIR "
            f"--reject DIR, or take probes.{name} out of the policy"
        )
        if settings.probe is None and not path.exists():
            raise MissingPartError(f"there is no probe '{name}' for the gate {gate.id}", hint=hint)
        found = load_probe(path)
        probe = found.for_features(gate.fingerprint)
        if probe is None:
            raise MissingPartError(
                f"the probe '{name}' was fitted on {found.fingerprint}, but the gate is "
                f"{gate.fingerprint}",
                hint=hint,
            )
        probes[name] = probe
    return probes


def probe_chances(
    workspace: Workspace, gate: Gate, probes: Mapping[str, Probe], pictures: Iterable[str]
) -> dict[str, dict[str, float]]:
    """Return what probes say about pictures, from the stored feature vectors.

    Returns
    -------
    dict
        sha256 -> name -> probability, 0 to 1, that the picture is one to accept. Pictures without
        stored features are left out.
    """
    wanted = set(pictures) if probes else set()
    chances: dict[str, dict[str, float]] = {}
    if not wanted:
        return chances
    for keys, vectors in FeatureStore(workspace.features / gate.fingerprint).stream():
        answers = {name: probe.p_car(vectors).tolist() for name, probe in probes.items()}
        for row, key in enumerate(keys):
            if key in wanted:
                chances[key] = {name: round(values[row], 6) for name, values in answers.items()}
    return chances
