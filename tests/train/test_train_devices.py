"""Several devices: two logical CPUs stand for two GPUs, in a process that has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from training_cases import tiny_recipe

import train
from bodyshop.cli import main
from bodyshop_core.errors import UsageError
from bodyshop_core.workspace import Workspace
from train.fit.step import mirrored
from train.runs.plan import plan_classifier, plan_key

TWO_CPUS = """
import json, sys
from contextlib import nullcontext
from pathlib import Path
import numpy as np
from bodyshop_core.quiet_tensorflow import import_tensorflow

tf = import_tensorflow()
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from training_cases import tiny_recipe
from train.fit.labels import LabelObjective, Rows
from train.fit.loop import fit
from train.fit.runtime import seed_everything
from train.fit.step import mirrored
from train.models.inference import predict
from train.models.network import build_network
from train.recipes.recipe import Optimizer, Stage


def rows(seed):
    random = np.random.default_rng(seed)
    labels = np.arange(25) % 2
    x = random.uniform(0, 100, (25, 32, 32, 3)).astype(np.uint8)
    x[labels == 1, 8:16] += 120
    return Rows(x, np.eye(2, dtype=np.float32)[labels], random.uniform(0.5, 2, 25).astype("f4"))


class Killed(BaseException):
    pass


def trained(devices, optimizer, layers, state=None, killed=0):
    strategy = mirrored(devices)
    seed_everything(3)
    stage = Stage(name="all", trainable="all", epochs=4, batch_size=8, keep="last",
                  optimizer=Optimizer(**optimizer))
    with strategy.scope() if strategy else nullcontext():
        network = build_network(tiny_recipe(head={"pooling": "average", "layers": layers}), 2)
    objective = LabelObjective(rows(0), rows(5), stage)

    def kill(history):
        if len(history.epochs) == killed:
            raise Killed

    history = fit(network.model, objective, seed=1, strategy=strategy, state=state, on_epoch=kill)
    return history, predict(network.model, rows(9).x)


def far(one, two):
    (a, p), (b, q) = one, two
    steps = np.abs(np.array(a.step_losses) - b.step_losses).max()
    epochs = max(abs(m[k] - n[k]) for m, n in zip(a.epochs, b.epochs)
                 for k in ("loss", "accuracy", "val_loss"))
    return [float(steps), float(epochs), float(np.abs(p - q).max())]


plain = [{"dense": 8, "l2": 0.01}]
found = {
    name: far(trained(1, optimizer, plain), trained(2, optimizer, plain))
    for name, optimizer in {
        "sgd": {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9},
        "clipped": {"name": "sgd", "learning_rate": 0.05, "clipnorm": 0.1},
        "adamw": {"name": "adamw", "learning_rate": 0.003, "weight_decay": 0.01},
    }.items()
}
dropping = [{"dense": 8}, {"batch_norm": True}, {"dropout": 0.5}]
adam = {"learning_rate": 0.01}
history, _ = trained(2, adam, dropping)
found["random"] = [history.epochs[0]["loss"], history.epochs[-1]["loss"]]
whole = trained(1, {"name": "sgd"}, plain)
for first, then in ((2, 1), (1, 2)):
    state = Path(sys.argv[1], f"{first}.npz")
    try:
        trained(first, {"name": "sgd"}, plain, state, killed=3)
    except Killed:
        pass
    assert state.exists()
    found[f"{first} then {then}"] = far(whole, trained(then, {"name": "sgd"}, plain, state))
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a busy machine; 30 CPU-seconds
def test_two_devices_train_the_same_network_as_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_CPUS, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    first, last = found.pop("random")
    assert last < first
    assert set(found) == {"sgd", "clipped", "adamw", "2 then 1", "1 then 2"}
    for name, differences in found.items():  # of step losses, of epochs' figures, of answers
        assert max(differences) < 1e-5, (name, differences)


SEGMENTERS = """
import json, sys
from bodyshop_core.quiet_tensorflow import import_tensorflow

tf = import_tensorflow()
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)

import numpy as np
import train
from train.fit.learn_masks import learn_masks
from train.models.inference import predict


def pairs(seed, count):
    random = np.random.default_rng(seed)
    x = random.uniform(0, 100, (count, 32, 32, 3)).astype(np.uint8)
    y = np.zeros((count, 32, 32, 2), np.uint8)
    for place in range(count):
        a, b = random.integers(0, 20, 2)
        y[place, a : a + 8, b : b + 10, place % 2] = 1
    x[y.any(axis=-1)] += 120
    return x, y


def trained(devices, pictures):
    recipe = train.load_segment_recipe("segment").model_copy(
        update={"backbone": "mobilenet", "weights": "none", "input_size": 32, "decoder": (8,) * 5}
    )
    update = {"epochs": 3, "batch_size": 4, "from_block": "conv_pw_13"}
    stage = recipe.stages[0].model_copy(update=update)
    recipe = recipe.model_copy(update={"stages": (stage,)})
    model, (history,) = learn_masks(
        recipe, ["a", "b"], pairs(0, pictures), pairs(1, 3), seed=3, devices=devices
    )
    return np.array(history.step_losses), predict(model, pairs(2, 4)[0])


devices, pictures = map(int, sys.argv[1:])
(a, p), (b, q) = trained(1, pictures), trained(devices, pictures)
print(json.dumps([float(np.abs(a - b).max()), float(np.abs(p - q).max()), float(np.ptp(p))]))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a busy machine; 40 CPU-seconds
@pytest.mark.parametrize(("devices", "pictures"), [(2, 9), (4, 7)])  # 1 and 3 in the last batch
def test_a_segmenter_on_several_devices_has_the_loss_and_the_masks_of_one(
    devices: int, pictures: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SEGMENTERS, str(devices), str(pictures)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    losses, masks, spread = json.loads(done.stdout)
    assert losses < 1e-5 and masks < 1e-5 and spread > 1e-3, done.stdout


def test_more_devices_than_there_are_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"64 devices .* TensorFlow sees \d+ (CPU|GPU)"):
        mirrored(64)


def test_a_recipe_without_batches_has_no_use_for_devices(small: Workspace) -> None:
    with pytest.raises(UsageError, match="recipe 'default' solves its output layer at once"):
        train.train(small, "default", devices=2)
    assert not list(small.runs.glob("train-*"))


def test_devices_are_refused_where_nothing_is_split(
    small: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--workspace", str(small.root), "train", "damage", "--devices", "2"])
    assert ended.value.code == 2
    assert "--devices" in capsys.readouterr().err


def test_runs_from_before_recipes_could_compile_are_still_found(small: Workspace) -> None:
    plan = plan_classifier(small, tiny_recipe()).as_dict()
    recipe = {name: value for name, value in plan["recipe"].items() if name != "jit_compile"}
    assert plan_key({**plan, "recipe": recipe}) == plan_key(plan)
    compiled = plan_classifier(small, tiny_recipe(jit_compile=True)).as_dict()
    assert plan_key(compiled) != plan_key(plan)
