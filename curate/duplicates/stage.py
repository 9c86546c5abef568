"""The duplicate search with everything a workspace knows: hashes, features and pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic
from bodyshop_core.progress import SILENT, Progress
from curate.gate.feature_store import FeatureStore
from curate.gate.gate import Gate
from curate.policy import Policy

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from curate.duplicates import FoundPairs


def find_duplicates(
    workspace: Workspace,
    rows: Sequence[Mapping[str, Any]],
    policy: Policy,
    gate: Gate,
    *,
    spin_groups: Mapping[str, str | None] | None = None,
    progress: Progress = SILENT,
) -> FoundPairs:
    """Return the confirmed duplicates among pictures.

    Parameters
    ----------
    workspace : Workspace
        Where their pixels and the gate's feature vectors are.
    rows : sequence of Mapping
        Their measurements.
    policy : Policy
        Radius, and whether crops are looked for.
    gate : Gate
        Whose feature vectors propose crops.
    spin_groups : Mapping, optional
        sha256 -> spinner; frames of one spinner are no duplicates.
    progress : Progress
        Told how many pairs are looked at.
    """
    from curate.duplicates import find_pairs, pixel_check

    features = None
    if policy.duplicates.crops and rows:
        seen = FeatureStore(workspace.features / gate.fingerprint).load(
            row["sha256"] for row in rows
        )
        features = (seen.keys, seen.features) if len(seen) else None
    return find_pairs(
        rows,
        radius=policy.duplicates.radius,
        features=features,
        spin_groups=spin_groups,
        check=pixel_check(workspace, progress=progress),
    )


COUNTS_FILE = "duplicates.json"


def remember_counts(workspace: Workspace, counts: Mapping[str, int]) -> None:
    """Note what the newest search found and what it could not compare, for `load_counts`."""
    path, text = workspace.root / COUNTS_FILE, json.dumps(dict(counts))
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        atomic.write_text(path, text)


def load_counts(workspace: Workspace) -> dict[str, int]:
    """Return what the newest search found (`FoundPairs.as_dict`); nothing before the first one."""
    path = workspace.root / COUNTS_FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
