"""A run is known by the content of its plan, and one process at a time trains it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
from training_cases import Told, tiny_recipe

from bodyshop_core.catalog import schema
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.workspace import Workspace
from train import train
from train.data.samples import load_samples
from train.models.run_folder import read_json, write_json
from train.recipes.recipe import Recipe
from train.runs.options import TrainOptions
from train.runs.plan import plan_classifier, plan_key

LITE0 = Recipe.model_validate(
    {
        "name": "small",
        "description": "never trained here",
        "backbone": "efficientnet-lite0",
        "stages": [{"name": "head"}],
    }
)


def _label(workspace: Workspace) -> None:
    first = load_samples(workspace).of("train")[0]
    other = {"damaged": "whole", "whole": "damaged"}[first.label]
    _update(workspace, first.sha256, label=other)


def _split(workspace: Workspace) -> None:
    _update(workspace, load_samples(workspace).of("train")[0].sha256, split="validation")


def _picture(workspace: Workspace) -> None:
    with workspace.catalog.begin() as connection:
        sha256 = load_samples(workspace).of("train")[0].sha256
        connection.execute(schema.splits.delete().where(schema.splits.c.sha256 == sha256))


def _update(workspace: Workspace, sha256: str, **values: str) -> None:
    table = schema.splits
    with workspace.catalog.begin() as connection:
        connection.execute(table.update().where(table.c.sha256 == sha256).values(**values))


@pytest.mark.parametrize("change", [_label, _split, _picture])
def test_a_changed_label_split_or_picture_is_another_plan(
    small: Workspace, change: Callable[[Workspace], None]
) -> None:
    before = plan_classifier(small, tiny_recipe()).key
    assert plan_classifier(small, tiny_recipe()).key == before
    change(small)
    assert plan_classifier(small, tiny_recipe()).key != before


def test_an_edited_recipe_of_the_same_name_and_another_seed_are_other_plans(
    small: Workspace,
) -> None:
    recipe = tiny_recipe()
    stage = recipe.stages[0].model_copy(update={"epochs": 5})
    edited = recipe.model_copy(update={"stages": (stage,)})
    plans = [
        plan_classifier(small, recipe),
        plan_classifier(small, edited),
        plan_classifier(small, recipe, TrainOptions(seed=8)),
        plan_classifier(small, recipe, TrainOptions(equalise=True)),
    ]
    assert edited.name == recipe.name
    assert len({plan.key for plan in plans}) == 4


def test_weights_are_known_by_their_content_and_not_by_their_place(
    small: Workspace, tmp_path: Path
) -> None:
    def key(file: Path) -> str:
        return plan_classifier(small, LITE0, TrainOptions(weights=file)).key

    file = tmp_path / "lite0.bin"
    file.write_bytes(b"first")
    first, moved = key(file), Path(shutil.copy(file, tmp_path / "elsewhere.bin"))
    assert key(moved) == first
    file.write_bytes(b"the second")
    assert key(file) != first
    assert plan_classifier(small, LITE0, TrainOptions(weights="none")).key != first
    in_recipe = plan_classifier(small, LITE0.model_copy(update={"weights": str(moved)}))
    assert in_recipe.key == first


def test_a_replaced_network_to_start_from_trains_a_new_run(
    small: Workspace, tmp_path: Path
) -> None:
    first, second = (train(small, tiny_recipe(), seed=seed) for seed in (1, 2))
    start = Path(shutil.copytree(first.folder, tmp_path / "start"))
    changes = {"name": "swap", "body": None, "start": {"run": str(start), "layer": "dense"}}
    swap = Recipe.model_validate(tiny_recipe().model_dump(mode="json") | {"head": {}} | changes)
    before = train(small, swap)
    assert train(small, swap).run == before.run
    shutil.copy(second.folder / "model.keras", start / "model.keras")
    assert train(small, swap).run != before.run


def test_labels_that_changed_train_a_new_run(small: Workspace) -> None:
    first = train(small, tiny_recipe())
    assert train(small, tiny_recipe()).run == first.run
    _label(small)
    assert train(small, tiny_recipe()).run != first.run


def test_the_stored_plan_has_the_key_of_the_plan(small: Workspace) -> None:
    summary = train(small, tiny_recipe())
    stored = read_json(summary.folder / "plan.json")
    assert plan_key(stored) == plan_classifier(small, tiny_recipe()).key
    write_json(summary.folder / "plan.json", stored | {"format": 1})
    assert train(small, tiny_recipe()).run != summary.run


class _Held(Told):
    """Stops in the first epoch until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.trains, self.may_go_on = threading.Event(), threading.Event()

    @contextmanager
    def task(self, name: str, total: int | None = None):
        with super().task(name, total) as tick:
            if name.startswith("train "):
                self.trains.set()
                assert self.may_go_on.wait(60)
            yield tick


def test_of_two_identical_commands_at_once_the_second_says_so(small: Workspace) -> None:
    held, found = _Held(), []
    first = threading.Thread(
        target=lambda: found.append(train(small, tiny_recipe(), progress=held)), daemon=True
    )
    first.start()
    try:
        assert held.trains.wait(60)
        with pytest.raises(UsageError, match="another process is training it now"):
            train(small, tiny_recipe())
        (live,) = (folder.name for folder in small.runs.glob("train-*"))
        with pytest.raises(UsageError, match="another process is training it now"):
            train(small, resume=live)
        other = train(small, tiny_recipe(), anew=True)
    finally:
        held.may_go_on.set()
        first.join(120)
    assert found[0].run == live != other.run
    assert len(list(small.runs.glob("train-*"))) == 2
    assert not list(small.runs.glob("train-*/.lock"))


def test_an_interrupted_run_is_not_resumed_with_other_weights(
    small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train.runs import train_run

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_run, "fit_classifier", killed)
    file = tmp_path / "lite0.bin"
    file.write_bytes(b"first")
    with pytest.raises(KeyboardInterrupt):
        train(small, LITE0, weights=file)
    (run,) = (folder.name for folder in small.runs.glob("train-*"))
    with pytest.raises(KeyboardInterrupt):
        train(small, resume=run)
    file.write_bytes(b"the second")
    with pytest.raises(BodyshopError, match=r"initial weights changed since run .* began"):
        train(small, resume=run)
