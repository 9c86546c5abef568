"""`bodyshop predict` without a workspace: the damage model that comes with the package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from showroom.render import photograph


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photograph(tmp_path_factory.mktemp("photo") / "car.jpg")


def test_predict_answers_in_an_empty_folder_and_says_which_model_answered(
    photo: Path, tmp_path: Path
) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "bodyshop.cli", "--json", "predict", str(photo)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    (row,) = json.loads(found.stdout)
    assert row["run"] == "shipped" and row["error"] is None
    assert isinstance(row["is_car"], bool) and 0 <= row["p_car"] <= 1
    assert "heat" not in row
    assert not list(tmp_path.iterdir())
