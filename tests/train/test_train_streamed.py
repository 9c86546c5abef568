"""A regression on more rows than are kept in memory, and the table that they come from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bodyshop_core import processes
from bodyshop_core.errors import BodyshopError
from train.data.shard_cache import SHARD, ShardCache
from train.data.table import Table
from train.models import linear_probe
from train.models.linear_probe import fit_linear_probe
from train.models.streamed_regression import probabilities
from train.windows import evidence
from train.windows import fit as windows
from train.windows.fit import KnownPictures, KnownWindows, fit_evidence


def _drawn(classes: int, rows: int = 9_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(classes)
    centres = random.normal(0, 0.25, (classes, 40))
    labels = np.sort(random.integers(0, classes, rows))  # as from a folder: class by class
    x = (centres[labels] + random.normal(size=(rows, 40))) * random.uniform(0.1, 30, 40) + 7
    return x.astype(np.float16), labels, random.uniform(0.2, 3, rows).astype(np.float32)


@pytest.mark.parametrize("classes", [2, 4])
def test_more_rows_than_fit_into_memory_give_the_regression_on_all_of_them(
    classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, labels, weights = _drawn(classes)
    part = slice(None, None, 3)
    whole = fit_linear_probe(x, labels, x[part], labels[part], weights=weights)
    monkeypatch.setattr(linear_probe, "MANY", 2_000)
    streamed = fit_linear_probe(x, labels, x[part], labels[part], weights=weights)
    again = fit_linear_probe(x, labels, x[part], labels[part], weights=weights)
    assert streamed.chosen == whole.chosen
    said, expected = probabilities(streamed, x), whole.predict_proba(x.astype(np.float32))
    # L-BFGS ends where the gradient is below its tolerance: both are that near to the optimum.
    assert np.abs(said - expected).max() < 0.01
    assert (said.argmax(1) == expected.argmax(1)).mean() > 0.998
    assert (again[-1].coef_ == streamed[-1].coef_).all()


def test_features_above_the_limit_are_half_precision_in_a_file_without_a_name(
    tmp_path: Path,
) -> None:
    keys = [f"k{n}" for n in range(SHARD + 10)] * 2
    values = np.random.default_rng(0).normal(size=(len(keys), 12)).astype(np.float32)
    values[: len(keys) // 2] = values[len(keys) // 2 :]
    cache = ShardCache(tmp_path)
    first = cache.fetch(keys, lambda places: values[places])
    assert (first == values).all()

    def never(places: list[int]) -> np.ndarray:
        raise AssertionError("it is in the cache")

    found = ShardCache(tmp_path).fetch(keys, never, limit=1000)
    assert isinstance(found, np.memmap)
    assert found.dtype == np.float16
    assert (found == values.astype(np.float16)).all()
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz"}


def test_windows_in_a_file_give_the_evidence_of_windows_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(1)
    damaged = np.arange(90) % 2 == 1
    x = random.normal(size=(90, 5, 6)).astype(np.float16)
    x[damaged, 2, 0] += 2
    table = Table(90, tmp_path, limit=0)
    table.put(range(90), x)
    at, bags = np.nonzero(damaged[:, None] & (np.arange(5) != 4)), np.arange(3, 80)
    answers, ones = at[1] == 2, np.ones(len(at[0]), np.float32)
    single = x.astype(np.float32)
    kept = fit_evidence(
        KnownWindows(single[at], answers, ones),
        KnownPictures(single[bags], damaged[bags], np.ones(len(bags), np.float32)),
    )
    monkeypatch.setattr(windows, "MINIBATCH", 200)
    read = fit_evidence(
        KnownWindows(table.array, answers, ones, places=at),
        KnownPictures(table.array, damaged[bags], np.ones(len(bags), np.float32), bags),
    )
    assert np.abs(kept[0]).max() > 0.1
    np.testing.assert_allclose(read[0], kept[0], atol=2e-3)
    assert read[1] == pytest.approx(kept[1], abs=2e-3)
    monkeypatch.setattr(evidence, "MINIBATCH", 40)
    np.testing.assert_allclose(
        evidence.log_odds(table.array, *read), evidence.log_odds(single, *read), atol=1e-5
    )


def test_numbers_beyond_half_precision_stay_single(tmp_path: Path) -> None:
    table = Table(4, tmp_path, limit=0)
    table.put([0, 2], np.array([[1.0], [3.0]], np.float32))
    table.put([1, 3], np.array([[2.0], [1e6]], np.float32))
    assert isinstance(table.array, np.memmap)
    assert table.array[:, 0].tolist() == [1.0, 2.0, 3.0, 1e6]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


FILLS_A_TABLE = """
import sys
from pathlib import Path
import numpy as np
from bodyshop_core.errors import BodyshopError
from train.data.table import Table

table = Table(1000, Path(sys.argv[1]), limit=0)
try:
    for row in range(1000):
        table.put([row], np.ones((1, 4000), np.float32))
except BodyshopError as error:
    print(error)
"""


def test_a_full_disk_under_a_table_is_an_error_and_does_not_kill(small_disk: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILLS_A_TABLE, str(small_disk)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    assert done.stdout.startswith("the disk is full: features need 8 MiB in ")
    assert not list(small_disk.iterdir())
    with pytest.raises(BodyshopError, match="the disk is full"):
        Table(1000, small_disk, limit=0).put([0], np.ones((1, 4000), np.float32))


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_a_file_is_given_its_space_before_it_is_mapped(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes.sys, "platform", system)
    with (tmp_path / "file").open("w+b") as file:
        processes.allocate(file.fileno(), 3 * 2**20 + 5)
        found = os.fstat(file.fileno())
    assert found.st_size == 3 * 2**20 + 5
    assert not any((tmp_path / "file").read_bytes())
