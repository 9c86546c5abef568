"""The gate that goes into a run's folder, so that `predict` needs nothing else."""

from __future__ import annotations

from typing import Any

from bodyshop_core.workspace import Workspace


def gate_for(workspace: Workspace) -> dict[str, Any]:
    """Return the gate the workspace was curated with, as JSON-able values."""
    import curate

    return curate.load_gate(workspace).as_dict()
