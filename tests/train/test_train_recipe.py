from __future__ import annotations

import re
from pathlib import Path

import pytest

from bodyshop_core.config import parse_yaml
from bodyshop_core.errors import ConfigError, UsageError
from train.recipes.recipe import Recipe, dump, load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipe_survives_being_written_and_read_again(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    file = tmp_path / "copy.yaml"
    file.write_text(dump(recipe), encoding="utf-8")
    assert load_recipe(file) == recipe
    assert recipe.name == name


def test_unknown_recipe_names_the_ones_there_are() -> None:
    with pytest.raises(UsageError, match="bottleneck, default"):
        load_recipe("defualt")


def test_unknown_key_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\ndescription: x\nbackbone: vgg16\nstages:\n  - name: a\n    epoch: 3\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_recipe(file)
    assert "mine.yaml" in str(caught.value)
    assert "epoch" in str(caught.value)


def test_override_replaces_one_value_and_leaves_the_rest() -> None:
    recipe = load_recipe("finetune", overrides={"stages.0.optimizer.learning_rate": 0.5})
    assert recipe.stages[0].optimizer.learning_rate == 0.5
    assert recipe.stages[1:] == load_recipe("finetune").stages[1:]


@pytest.mark.parametrize(
    "overrides",
    [
        {"stages.0.trainable": "all"},
        {"head.layers": [{"dense": 8}]},
        {"head.pooling": "flatten"},
        {"stages.0.affine": {"flip": True}},
    ],
)
def test_what_has_no_closed_solution_is_refused(overrides: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"solver logistic|head\.feature_blocks"):
        load_recipe("default", overrides=overrides)


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("stages.7.epochs", 3, UsageError),
        ("nowhere.epochs", 3, UsageError),
        ("stages.0.epoch", 3, ConfigError),
        ("stages.0.epochs", -1, ConfigError),
        ("threshold", 1.5, ConfigError),
    ],
)
def test_override_of_nothing_or_with_nonsense_is_refused(
    key: str, value: float, error: type[Exception]
) -> None:
    with pytest.raises(error):
        load_recipe("default", overrides={key: value})


def test_a_recipe_needs_exactly_one_body(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\ndescription: x\nstages:\n  - name: a\n    epochs: 3\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="exactly one of backbone, body and start"):
        load_recipe(file)


def test_the_recipe_in_the_docs_is_valid() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "train.md"
    blocks = re.findall(r"```yaml\n# recipe.yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        recipe = parse_yaml(block, Recipe)
        assert load_recipe(recipe) == recipe
    for name in recipe_names():
        assert f"`{name}`" in page.read_text("utf-8") or name.endswith("-first")
