from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from training_cases import Told, tiny_recipe

from bodyshop_core.catalog import schema
from bodyshop_core.errors import BodyshopError, NothingFoundError, UsageError
from bodyshop_core.workspace import Workspace
from train import load_run, train
from train.data.samples import load_samples
from train.fit import loop as fitting
from train.models.run_folder import read_json


def test_an_interrupted_run_is_resumed_from_its_last_epoch(
    small: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = train(small, tiny_recipe(), seed=5)
    real, calls = fitting.save_state, []

    def dying(*arguments: object) -> None:
        real(*arguments)
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "save_state", dying)
    with pytest.raises(KeyboardInterrupt):
        train(small, tiny_recipe(), seed=5, anew=True)
    with small.catalog.read() as connection:
        run = connection.execute(
            select(schema.runs.c.id).where(schema.runs.c.state == "interrupted")
        ).scalar_one()
    with pytest.raises(UsageError, match="--resume"):
        load_run(small.runs / run)
    resumed = train(small, resume=run)
    assert resumed.run == run
    assert read_json(resumed.folder / "history.json")[0]["step_losses"] == pytest.approx(
        read_json(straight.folder / "history.json")[0]["step_losses"], rel=1e-4
    )
    with pytest.raises(UsageError, match="finished"):
        train(small, resume=run)


KILLED_IN_EPOCH_4 = """
import os, signal, sys, threading
from contextlib import contextmanager

from training_cases import Told, tiny_recipe

from bodyshop_core.workspace import Workspace
from train import train


class Killer(Told):
    @contextmanager
    def task(self, name, total=None):
        with super().task(name, total) as tick:
            def count(n=1, note=""):
                tick(n, note)
                if name == "train all" and self.tasks[name] == 3:
                    threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGKILL)).start()
            yield count


train(Workspace.open(sys.argv[1]), tiny_recipe(), seed=5, progress=Killer(),
      overrides={"stages.0.epochs": 60})
"""


def test_kill_9_costs_the_epoch_in_flight(small: Workspace, told: Told) -> None:
    here = [str(Path(__file__).parent), *sys.path]
    died = subprocess.run(
        [sys.executable, "-c", KILLED_IN_EPOCH_4, str(small.root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, here))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    longer = {"stages.0.epochs": 60}
    resumed = train(small, tiny_recipe(), seed=5, overrides=longer, progress=told)
    (after,) = [message for message in told.messages if "goes on after epoch" in message]
    done = int(after.rsplit(" ", 1)[1])
    assert 3 <= done < 60
    assert told.tasks["train all"] == 60
    straight = train(small, tiny_recipe(), seed=5, overrides=longer, anew=True)
    one, other = (read_json(run.folder / "history.json")[0] for run in (straight, resumed))
    assert other["step_losses"] == pytest.approx(one["step_losses"], rel=1e-3, abs=1e-4)
    assert other["best_epoch"] == one["best_epoch"]
    pictures = [item.path for item in load_samples(small).of("test")]
    np.testing.assert_allclose(
        load_run(resumed.folder).probabilities(pictures),
        load_run(straight.folder).probabilities(pictures),
        atol=2e-3,
    )


def test_a_run_whose_pictures_changed_is_not_resumed(
    small: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "save_state", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train(small, tiny_recipe())
    (run,) = (folder.name for folder in small.runs.glob("train-*"))
    with small.catalog.begin() as connection:
        first = load_samples(small).of("train")[0].sha256
        connection.execute(schema.splits.delete().where(schema.splits.c.sha256 == first))
    with pytest.raises(BodyshopError, match="changed since"):
        train(small, resume=run)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"damaged": (4, 2, 0), "whole": (4, 2, 2)}, "'damaged' has no picture in the test split"),
        ({"damaged": (1, 1, 1), "whole": (4, 2, 2)}, "'damaged' has a single picture in the train"),
        ({"damaged": (4, 2, 2)}, "a classifier needs two"),
    ],
)
def test_data_that_cannot_be_learned_from_is_refused_by_name(fill, counts, words) -> None:
    workspace = fill(counts)
    with pytest.raises(BodyshopError, match=words):
        train(workspace, tiny_recipe())
    assert not workspace.runs.exists() or not list(workspace.runs.iterdir())


def test_missing_splits_and_wrong_targets_say_what_to_run(workspace: Workspace, fill) -> None:
    with pytest.raises(NothingFoundError, match="bodyshop curate"):
        train(workspace, tiny_recipe())
    fill({"damaged": (4, 2, 2), "whole": (4, 2, 2)})
    with pytest.raises(UsageError, match="there are: first"):
        train(workspace, tiny_recipe(), split_set="second")
    with pytest.raises(NothingFoundError, match="--target model"):
        train(workspace, tiny_recipe(), target="model")
    with pytest.raises(UsageError, match="about damage, not model"):
        train(workspace, tiny_recipe(), split_set="first", target="model")


def test_a_group_in_two_splits_is_refused(small: Workspace) -> None:
    with small.catalog.begin() as connection:
        connection.execute(
            schema.splits.update().where(schema.splits.c.label == "whole").values(group="one")
        )
    with pytest.raises(BodyshopError, match="group one is in both"):
        train(small, tiny_recipe())


def _break_model(folder: Path) -> None:
    (folder / "model.keras").write_bytes(b"PK\x03\x04 broken")


def _truncate_model(folder: Path) -> None:
    file = folder / "model.keras"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _spoil_model(folder: Path) -> None:
    file = folder / "model.keras"
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    file.write_bytes(bytes(data))


def _remove_model(folder: Path) -> None:
    (folder / "model.keras").unlink()


def _break_record(folder: Path) -> None:
    (folder / "run.json").write_text("{", encoding="utf-8")


def _other_size(folder: Path) -> None:
    record = read_json(folder / "run.json") | {"side": 48}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


def _other_classes(folder: Path) -> None:
    record = read_json(folder / "run.json") | {"classes": ["a", "b", "c"], "positive": None}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


def _future(folder: Path) -> None:
    record = read_json(folder / "run.json") | {"format": 99}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_break_model, "can't be loaded"),
        (_truncate_model, "can't be loaded"),
        (_spoil_model, "can't be loaded"),
        (_remove_model, "has no model.keras"),
        (_break_record, "can't be read"),
        (_other_size, "takes pictures of 32 x 32"),
        (_other_classes, "2 outputs, but run.json names 3 classes"),
        (_future, "format 99"),
    ],
)
def test_a_harmed_run_folder_says_what_is_wrong(carried: Path, harm, words: str) -> None:
    harm(carried)
    with pytest.raises(BodyshopError, match=words):
        _ = load_run(carried).model


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        load_run(tmp_path)
    with pytest.raises(UsageError, match="no folder"):
        load_run(tmp_path / "nowhere")
