"""The gate in the record of a run may come from elsewhere."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import curate
from bodyshop.prediction.gate import gate_of
from bodyshop_core.errors import BodyshopError
from bodyshop_core.workspace import Workspace


def facts_of(tmp_path: Path) -> dict[str, Any]:
    return curate.load_gate(Workspace.open(tmp_path / "workspace")).as_dict()


def run_with(gate: dict[str, Any] | None) -> Any:
    return SimpleNamespace(gate=gate, record=SimpleNamespace(run="r"), folder=Path("no-run"))


def test_the_gate_of_the_workspace_is_rebuilt_from_a_record(tmp_path: Path) -> None:
    facts = facts_of(tmp_path)
    gate = gate_of(run_with(facts))
    assert gate is not None and gate.as_dict() == facts
    assert gate_of(run_with(None)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": "../../etc"},
        {"rule": "__import__"},
        {"threshold": "high"},
        {"threshold": math.nan},
        {"categories": None},
        {"probe": {"weights": [1]}},
        {"probe": [1]},
        {"weights": 7},
    ],
)
def test_an_invalid_gate_is_an_error_with_a_message(tmp_path: Path, change: dict[str, Any]) -> None:
    facts = facts_of(tmp_path)
    with pytest.raises(BodyshopError):
        gate_of(run_with(facts | change))
    with pytest.raises(BodyshopError, match="no valid gate"):
        gate_of(run_with({"backbone": "efficientnet-lite0"}))
