"""Batches are loaded beside the step: in order, from memory or from files, and faults come out."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_cases import draw, tiny_recipe

from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.quiet_tensorflow import import_tensorflow
from train.data.pictures import Pictures
from train.data.pixels import View
from train.data.samples import Sample
from train.fit import features, loop
from train.fit.augmenter import in_every_epoch
from train.fit.feed import Feed
from train.fit.labels import LabelObjective, Rows
from train.fit.runtime import seed_everything
from train.models.inference import predict
from train.models.network import build_network
from train.recipes.recipe import Optimizer, Stage

VIEW = View(32)
STAGE = Stage(
    name="all",
    trainable="all",
    epochs=3,
    batch_size=8,
    keep="last",
    optimizer=Optimizer(learning_rate=0.01),
)

ENDS_AFTER_A_FAILED_LOAD = """
import time
import numpy as np
from train.fit.feed import Feed

class Slow:
    types, quick = (np.uint8, np.float32), False

    def __len__(self):
        return 200

    def draw(self, random, epoch):
        return random.permutation(200)[:, None]

    def load(self, rows):
        time.sleep(0.05)
        if 7 in rows:
            raise MemoryError
        return rows.astype(np.uint8), rows.astype(np.float32), np.ones(len(rows), np.float32)

try:
    list(Feed(Slow(), 4, 1).epoch(0))
except MemoryError:
    print("not enough memory")
"""


class _Counted:
    """A source that counts its loads; `fault` is called with a batch's first row."""

    types, quick = (np.int64, np.float32), False

    def __init__(self, fault: Callable[[int], None] = lambda _: None) -> None:
        self.fault, self.running, self.lock = fault, 0, threading.Lock()

    def __len__(self) -> int:
        return 40

    def draw(self, random: np.random.Generator, epoch: int) -> np.ndarray:
        return np.arange(40)[:, None]

    def load(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        with self.lock:
            self.running += 1
        try:
            self.fault(int(rows[0, 0]))
            time.sleep(0.05)
        finally:
            with self.lock:
                self.running -= 1
        return rows, rows.astype(np.float32), np.ones(len(rows), np.float32)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, ...]:
    folder, found = tmp_path_factory.mktemp("pictures"), []
    for number in range(30):
        label = ("damaged", "whole")[number % 2]
        path = folder / f"{number}.jpg"
        Image.fromarray(draw(label, number)).save(path, quality=90)
        found.append(Sample(f"{number:064x}", path, label, "train", str(number), view=number % 3))
    return tuple(found)


def _rows(x: np.ndarray | Pictures, distort=None) -> Rows:
    labels = np.arange(len(x)) % 2
    weight = np.ones(len(x), np.float32)
    return Rows(x, np.eye(2, dtype=np.float32)[labels], weight, distort)


def _fitted(
    rows: Rows, jit_compile: bool = False, **changes: object
) -> tuple[list[float], list[dict[str, float]]]:
    seed_everything(3)
    network = build_network(tiny_recipe(**changes), 2)
    history = loop.fit(
        network.model, LabelObjective(rows, rows, STAGE), seed=1, jit_compile=jit_compile
    )
    return history.step_losses, history.epochs


def test_pictures_above_the_limit_are_decoded_when_read_and_train_the_same_network(
    samples: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = features.load_pixels(samples, VIEW)
    monkeypatch.setattr(features, "MEMORY_LIMIT", 0)
    read = features.load_pixels(samples, VIEW)
    assert isinstance(kept, np.ndarray)
    assert isinstance(read, Pictures)
    assert (read[np.array([4, 0, 4])] == kept[[4, 0, 4]]).all()

    def darker(x: np.ndarray, places: np.ndarray, epoch: int) -> np.ndarray:
        return x // (1 + places[:, None, None, None] % 2 + epoch).astype(np.uint8)

    losses, epochs = _fitted(_rows(kept, darker))
    found, others = _fitted(_rows(read, darker))
    assert found == pytest.approx(losses, rel=1e-5)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert [e[name] for e in others] == pytest.approx([e[name] for e in epochs], rel=1e-5)
    model = build_network(tiny_recipe(), 2).model
    assert (predict(model, read, batch=7) == predict(model, kept, batch=7)).all()


@pytest.mark.parametrize("shape", [(20, 1), (20, 1, 1, 1)], ids=["vectors", "maps"])
def test_every_epoch_has_its_own_order_whatever_was_read_before(shape: tuple[int, ...]) -> None:
    rows = _rows(np.arange(20, dtype=np.float32).reshape(shape))
    objective = LabelObjective(rows, rows, STAGE)
    assert objective.quick == (len(shape) == 2)

    def read(epochs: list[int]) -> list[list[float]]:
        feed = Feed(objective, 8, seed=5)
        assert feed.steps == 3
        return [[v for x, _, _ in feed.epoch(e) for v in np.ravel(x).tolist()] for e in epochs]

    first, second, third = read([0, 1, 2])
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert read([2]) == [third]


def test_a_picture_that_is_lost_in_mid_epoch_is_named(
    samples: tuple[Sample, ...], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    bad = Sample("b" * 64, broken, "whole", "train", "b")
    with pytest.raises(UnreadableImageError, match="broken"):
        _fitted(_rows(Pictures((*samples, bad), VIEW)))


@pytest.mark.slow
def test_a_process_ends_after_a_load_that_failed_beside_another() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS_AFTER_A_FAILED_LOAD],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "not enough memory"), done.stderr


@pytest.mark.parametrize("end", ["fails", "is interrupted", "is left"])
def test_no_load_runs_any_more_when_an_epoch_ends(end: str) -> None:
    def fault(row: int) -> None:
        if end == "fails" and row == 12:
            raise MemoryError

    source = _Counted(fault)
    batches = Feed(source, 4, seed=1).epoch(0)
    next(batches)
    if end == "is left":
        batches.close()
    elif end == "is interrupted":
        with pytest.raises(KeyboardInterrupt):
            batches.throw(KeyboardInterrupt())
    else:
        with pytest.raises(MemoryError):
            list(batches)
    assert source.running == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has processor affinity")
def test_pictures_are_decoded_by_as_many_threads_as_this_process_has_processors(
    samples: tuple[Sample, ...],
) -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        pictures = Pictures(samples, VIEW)
        before = set(threading.enumerate())
        pictures[:]
        started = set(threading.enumerate()) - before
    finally:
        os.sched_setaffinity(0, allowed)
    assert len(started) == 1


def test_of_two_loads_that_fail_the_first_in_the_epochs_order_is_named() -> None:
    later = threading.Event()

    def fault(row: int) -> None:
        if row == 8:
            later.wait(10)
            raise UnreadableImageError("the earlier")
        if row == 12:
            later.set()
            raise UnreadableImageError("the later")

    with pytest.raises(UnreadableImageError, match="the earlier"):
        list(Feed(_Counted(fault), 4, seed=1).epoch(0))
    assert later.is_set()


def test_an_augmenter_is_asked_by_one_thread_at_a_time(samples: tuple[Sample, ...]) -> None:
    inside, overlaps = threading.Lock(), []

    def augmenter(rgb: np.ndarray, *, sha256: str, copy: int) -> np.ndarray:
        if not inside.acquire(blocking=False):
            overlaps.append(sha256)
            return rgb
        time.sleep(0.002)  # where another thread would come in
        inside.release()
        return rgb[:, ::-1]

    rows = _rows(features.load_pixels(samples, VIEW), in_every_epoch(augmenter, samples))
    feed = Feed(LabelObjective(rows, rows, STAGE), 2, seed=1)
    assert len(list(feed.epoch(0))) == 15
    assert not overlaps


def test_losses_are_fetched_rarely_and_are_those_of_every_step(
    samples: tuple[Sample, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = _rows(features.load_pixels(samples, VIEW))
    fetched: list[int] = []
    real = loop._note
    monkeypatch.setattr(loop, "_note", lambda *args: (fetched.append(len(args[0])), real(*args)))
    losses, epochs = _fitted(rows)
    assert fetched == [4, 4, 4]  # once an epoch: 30 rows in batches of 8
    monkeypatch.setattr(loop, "LOOKED_AT", 1)
    each, same = _fitted(rows)
    assert losses == pytest.approx(each, rel=1e-5)
    assert [e["accuracy"] for e in epochs] == [e["accuracy"] for e in same]


@pytest.mark.slow
def test_a_step_compiled_with_xla_is_the_same_step(samples: tuple[Sample, ...]) -> None:
    rows = _rows(features.load_pixels(samples, VIEW))
    head = {"layers": [{"dense": 8}]}  # XLA's dropout draws other numbers
    plain, _ = _fitted(rows, head=head)
    compiled, _ = _fitted(rows, jit_compile=True, head=head)
    assert compiled == pytest.approx(plain, rel=1e-3)


def test_a_gpus_memory_is_taken_as_it_is_needed() -> None:
    import_tensorflow()
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
