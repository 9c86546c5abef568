"""The shortcut audit on a public damage set: size gives the label away, equalising repairs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from filling import add_folder, pretend_scores

import curate
from bodyshop_core.workspace import Workspace


@pytest.mark.slow
def test_size_alone_tells_damaged_from_whole_and_equalising_repairs_it(
    workspace: Workspace, real_data: Path
) -> None:
    for label in ("damaged", "whole"):
        folder = real_data / "damage" / "training" / label
        add_folder(workspace, sorted(folder.iterdir())[:160], label=label)
    pretend_scores(workspace)
    audit = curate.curate(workspace).audit
    leaks = {row["feature"]: row for row in audit["features"] if row["leak"]}
    assert audit["leak"]
    assert leaks["area"]["balanced_accuracy"] > 0.8
    assert audit["baseline"]["accuracy"] > 0.8
    after = {row["feature"]: row for row in audit["equalised"]["features"]}
    assert not any(row["leak"] for row in after.values())
    assert after["area"]["balanced_accuracy"] < 0.65
    assert {"jpeg quality", "longest side"}.isdisjoint(after)
