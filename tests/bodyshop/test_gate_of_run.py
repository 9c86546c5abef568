"""The gate in a run's record may come from elsewhere."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bodyshop.gate_of_run import gate_for, gate_of
from bodyshop_core.errors import BodyshopError
from bodyshop_core.workspace import Workspace


def _run(gate: dict[str, Any] | None) -> Any:
    return SimpleNamespace(gate=gate, record=SimpleNamespace(run="r"))


def test_the_gate_of_the_workspace_comes_back_from_a_record(tmp_path: Path) -> None:
    facts = gate_for(Workspace.open(tmp_path / "workspace"))
    assert gate_of(_run(facts)).as_dict() == facts  # type: ignore[union-attr]
    assert gate_of(_run(None)) is None


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
def test_a_gate_that_can_be_none_is_an_error_of_bodyshop(tmp_path: Path, change: dict) -> None:
    facts = gate_for(Workspace.open(tmp_path / "workspace"))
    with pytest.raises(BodyshopError):
        gate_of(_run(facts | change))
    with pytest.raises(BodyshopError, match="no valid gate"):
        gate_of(_run({"backbone": "efficientnet-lite0"}))
