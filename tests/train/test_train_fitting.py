from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training_cases import Told, tiny_recipe

from bodyshop_core.errors import BodyshopError
from train.fit.labels import LabelObjective, Rows
from train.fit.loop import fit, learning_rate
from train.fit.runtime import seed_everything
from train.models.inference import predict
from train.models.network import Network, build_network
from train.recipes.recipe import Optimizer, Stage

STAGE = Stage(
    name="all",
    trainable="all",
    epochs=6,
    batch_size=8,
    optimizer=Optimizer(learning_rate=0.01),
    schedule="cosine",
    warmup=0.2,
)


def _network(**changes: object) -> Network:
    seed_everything(3)
    return build_network(tiny_recipe(**changes), 2)


def _rows(n: int = 24, seed: int = 0) -> Rows:
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    x = random.uniform(0, 100, (n, 32, 32, 3)).astype(np.uint8)
    x[labels == 1, 8:16] += 120
    return Rows(x, np.eye(2, dtype=np.float32)[labels], np.ones(n, np.float32))


def test_it_learns_what_can_be_learned() -> None:
    network = _network()
    stage = STAGE.model_copy(update={"epochs": 25, "schedule": "constant"})
    history = fit(network.model, LabelObjective(_rows(), _rows(seed=5), stage), seed=1)
    assert max(entry["val_accuracy"] for entry in history.epochs) == 1.0
    assert len(history.step_losses) == 3 * len(history.epochs)


class _Killed(BaseException):
    """As sudden as a signal: nothing may catch it."""


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_killed_run_goes_on_as_if_it_had_never_stopped(tmp_path: Path, after: int) -> None:
    straight = _network()
    expected = fit(straight.model, LabelObjective(_rows(), _rows(seed=5), STAGE), seed=1)

    def kill(history: object) -> None:
        if len(history.epochs) == after + 1:  # type: ignore[attr-defined]
            raise _Killed

    state = tmp_path / "state.npz"
    with pytest.raises(_Killed):
        fit(
            _network().model,
            LabelObjective(_rows(), _rows(seed=5), STAGE),
            seed=1,
            state=state,
            on_epoch=kill,
        )
    second = _network()
    second.model.get_layer("predictions").kernel.assign(
        second.model.get_layer("predictions").kernel * 0
    )
    found = fit(second.model, LabelObjective(_rows(), _rows(seed=5), STAGE), seed=1, state=state)
    assert [e["val_loss"] for e in found.epochs] == pytest.approx(
        [e["val_loss"] for e in expected.epochs], rel=1e-4
    )
    assert found.step_losses == pytest.approx(expected.step_losses, rel=1e-4)
    pixels = _rows(seed=9).x
    assert predict(second.model, pixels) == pytest.approx(predict(straight.model, pixels), abs=1e-4)


def test_early_stopping_remembers_its_patience_over_a_kill(tmp_path: Path) -> None:
    stage = STAGE.model_copy(
        update={"epochs": 30, "patience": 3, "optimizer": Optimizer(learning_rate=1e-9)}
    )
    expected = fit(_network().model, LabelObjective(_rows(), _rows(seed=5), stage), seed=1)
    assert expected.stopped == "early"

    def kill(history: object) -> None:
        if len(history.epochs) == 3:  # type: ignore[attr-defined]
            raise _Killed

    state = tmp_path / "state.npz"
    with pytest.raises(_Killed):
        fit(
            _network().model,
            LabelObjective(_rows(), _rows(seed=5), stage),
            seed=1,
            state=state,
            on_epoch=kill,
        )
    found = fit(
        _network().model, LabelObjective(_rows(), _rows(seed=5), stage), seed=1, state=state
    )
    assert len(found.epochs) == len(expected.epochs)


def test_a_finished_stage_is_not_trained_again(tmp_path: Path) -> None:
    state = tmp_path / "state.npz"
    network = _network()
    fit(network.model, LabelObjective(_rows(), _rows(seed=5), STAGE), seed=1, state=state)
    again, told = _network(), Told()
    fit(
        again.model,
        LabelObjective(_rows(), _rows(seed=5), STAGE),
        seed=1,
        state=state,
        progress=told,
    )
    assert not told.tasks
    pixels = _rows(seed=9).x
    assert predict(again.model, pixels) == pytest.approx(predict(network.model, pixels), abs=1e-6)


def test_a_damaged_state_starts_the_stage_again(tmp_path: Path, told: Told) -> None:
    state = tmp_path / "state.npz"
    state.write_bytes(b"PK\x03\x04 half a file")
    history = fit(
        _network().model,
        LabelObjective(_rows(), _rows(seed=5), STAGE),
        seed=1,
        state=state,
        progress=told,
    )
    assert len(history.epochs) == STAGE.epochs
    assert "damaged" in told.messages[0]


def test_the_kept_weights_are_those_of_the_best_epoch() -> None:
    network = _network()
    stage = STAGE.model_copy(update={"epochs": 8, "optimizer": Optimizer(learning_rate=0.05)})
    history = fit(network.model, LabelObjective(_rows(), _rows(seed=5), stage), seed=1)
    best = min(history.epochs, key=lambda entry: entry["val_loss"])
    assert history.best_epoch == best["epoch"]
    validation = _rows(seed=5)
    picked = (predict(network.model, validation.x) * validation.y).sum(1)
    assert -np.log(picked).mean() == pytest.approx(best["val_loss"], rel=1e-3)


def test_a_loss_that_is_no_number_says_where_and_what_to_do() -> None:
    rows = _rows()
    rows.weight[5] = np.nan
    with pytest.raises(BodyshopError, match=r"nan in epoch 1, batch \d of stage 'all'") as caught:
        fit(_network().model, LabelObjective(rows, _rows(), STAGE), seed=1)
    assert "learning_rate" in str(caught.value)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_validation_loss_that_is_no_number_is_an_error_and_no_epoch(keep: str) -> None:
    import keras

    x = np.random.default_rng(7).random((24, 4)).astype(np.float32)
    spoilt = x.copy()
    spoilt[3, 0] = np.nan
    y, weight = _rows().y, np.ones(24, np.float32)
    # A ReLU or a maximum would swallow the NaN.
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    stage = STAGE.model_copy(update={"keep": keep, "patience": 5})
    objective = LabelObjective(Rows(x, y, weight), Rows(spoilt, y, weight), stage)
    with pytest.raises(BodyshopError, match="val_loss became nan in epoch 1 of stage 'all'"):
        fit(model, objective, seed=1)


def test_out_of_memory_halves_the_batch_and_says_so(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    real = Rows.load

    def crowded(self: Rows, places: np.ndarray, epoch: int):
        if len(places) > 4:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory")
        return real(self, places, epoch)

    monkeypatch.setattr(Rows, "load", crowded)
    history = fit(_network().model, LabelObjective(_rows(), _rows(), STAGE), seed=1, progress=told)
    assert history.batch_size == 4
    assert told.messages == ["out of memory: stage 'all' again with batches of 4"]


def test_out_of_memory_with_the_smallest_batch_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    def full(self: Rows, places: np.ndarray, epoch: int):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory")

    monkeypatch.setattr(Rows, "load", full)
    with pytest.raises(BodyshopError, match="does not fit into memory"):
        fit(_network().model, LabelObjective(_rows(), _rows(), STAGE), seed=1)


def test_rate_warms_up_and_falls_along_a_cosine() -> None:
    rates = [learning_rate(STAGE, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.01 / 20)
    assert max(rates) == pytest.approx(0.01)
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[-1] < 1e-4


def test_a_sigmoid_learns_the_second_class() -> None:
    network = _network(
        head={"pooling": "average", "layers": [{"dense": 8}], "activation": "sigmoid"}
    )
    assert network.model.output_shape == (None, 1)
    stage = STAGE.model_copy(update={"epochs": 25, "schedule": "constant"})
    fit(network.model, LabelObjective(_rows(), _rows(seed=5), stage), seed=1)
    rows = _rows(seed=9)
    assert ((predict(network.model, rows.x)[:, 0] > 0.5) == (rows.y[:, 1] == 1)).all()
