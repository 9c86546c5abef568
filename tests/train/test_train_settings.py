"""Options of the command line that change a recipe, and the learning rate test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from training_cases import tiny_recipe

import train
from bodyshop.cli import app, normalise
from bodyshop.commands.options import read_costs
from bodyshop_core.errors import UsageError
from train.fit.rate_test import HIGHEST, LOWEST
from train.models.run_folder import read_json
from train.recipes.recipe import dump


def test_epochs_are_those_of_every_stage_that_counts_them() -> None:
    recipe = train.load_recipe("finetune")
    changed = train.load_recipe(recipe, overrides=train.epochs_overrides(recipe, 3))
    assert [stage.epochs for stage in changed.stages] == [3, 3]
    masks = train.load_segment_recipe()
    changed = train.load_segment_recipe(masks, overrides=train.epochs_overrides(masks, 5))
    assert [stage.epochs for stage in changed.stages] == [5, 5]
    with pytest.raises(UsageError, match="no epochs"):
        train.epochs_overrides(train.load_recipe("default"), 3)


@pytest.mark.parametrize(
    "text", ["missed=20", "missed=20,false=0", "missed=x,false=1", "20,1", "missed=1,false=inf", ""]
)
def test_costs_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="two costs above 0"):
        read_costs(text)
    assert read_costs("false=1, missed=20.5") == {"false": 1.0, "missed": 20.5}


def test_epochs_and_costs_of_the_command_line_reach_the_run(
    small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(dump(tiny_recipe()), encoding="utf-8")
    words = ["--json", "--workspace", str(small.root), "train"]
    options = ["--epochs", "2", "--cost", "missed=20,false=1"]
    app(normalise([*words, str(file), *options]), standalone_mode=False)
    folder = Path(json.loads(capsys.readouterr().out)["folder"])
    recipe = train.load_run(folder).record.recipe
    assert recipe["stages"][0]["epochs"] == 2
    assert recipe["threshold"] == {"missed": 20.0, "false": 1.0}
    assert len(read_json(folder / "history.json")[0]["epochs"]) == 2
    with pytest.raises(UsageError, match="--resume goes on"):
        app(normalise([*words, "--resume", folder.name, "--epochs", "9"]), standalone_mode=False)


def test_the_learning_rate_test_ends_where_the_loss_diverges_and_draws_it(small) -> None:
    recipe = tiny_recipe()
    found = train.find_rate(small, recipe)
    assert LOWEST / 10 <= found.suggested <= HIGHEST / 10
    assert 20 < found.steps <= 100
    assert found.configured == 0.01
    assert "Suggested" in found.report.read_text(encoding="utf-8")
    with Image.open(found.report.parent / "rates.png") as image:
        assert image.width > 500
    assert not list(small.runs.glob("train-*"))
    with pytest.raises(UsageError, match="no learning rate"):
        train.find_rate(small, "default")
