from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_cases import Told

from train.data.shard_cache import SHARD, ShardCache


def _compute(keys: list[str], log: list[int]):
    def compute(places: list[int]) -> np.ndarray:
        log.extend(places)
        return np.array([[len(keys[p]), float(keys[p][1:])] for p in places], np.float32)

    return compute


def test_a_second_run_computes_nothing_and_a_third_only_what_is_new(tmp_path: Path) -> None:
    cache, log = ShardCache(tmp_path), []
    keys = [f"k{n}" for n in range(SHARD + 10)]
    first = cache.fetch(keys, _compute(keys, log))
    assert len(log) == len(keys)
    again = cache.fetch(keys[::-1], _compute(keys[::-1], log))
    assert len(log) == len(keys)
    assert (again == first[::-1]).all()
    more = [*keys, "k9999"]
    cache.fetch(more, _compute(more, log))
    assert log[len(keys) :] == [len(keys)]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_rows_come_in_the_order_asked_for_even_with_repeats(numbers: list[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        keys = [f"k{n}" for n in numbers]
        rows = ShardCache(Path(folder)).fetch(keys, _compute(keys, []))
        assert rows[:, 1].tolist() == numbers


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_only_a_damaged_shard_is_computed_again(tmp_path: Path, told: Told, damage: str) -> None:
    cache, log = ShardCache(tmp_path), []
    keys = [f"k{n}" for n in range(2 * SHARD)]
    good = cache.fetch(keys, _compute(keys, log))
    log.clear()
    shard = sorted(tmp_path.glob("*.npz"))[0]
    data = bytearray(shard.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 0xFF
    shard.write_bytes({"flip": data, "truncate": data[:500], "empty": b""}[damage])
    again = cache.fetch(keys, _compute(keys, log), progress=told)
    assert (again == good).all()
    assert len(log) == SHARD
    assert shard.name in told.messages[0]


def test_a_failure_while_computing_keeps_the_finished_shards(tmp_path: Path) -> None:
    keys = [f"k{n}" for n in range(2 * SHARD)]
    log: list[int] = []
    compute = _compute(keys, log)

    def dies_late(places: list[int]) -> np.ndarray:
        if places[0] >= SHARD:
            raise RuntimeError("killed")
        return compute(places)

    cache = ShardCache(tmp_path)
    with pytest.raises(RuntimeError):
        cache.fetch(keys, dies_late)
    log.clear()
    cache.fetch(keys, compute)
    assert min(log) == SHARD


def test_dropped_pictures_are_gone_and_the_others_stay(tmp_path: Path) -> None:
    cache, log = ShardCache(tmp_path), []
    keys = [f"k{n}" for n in range(10)]
    cache.fetch(keys, _compute(keys, log))
    assert cache.drop(["k3", "k4", "never"]) == 2
    assert cache.stored() == set(keys) - {"k3", "k4"}
    log.clear()
    cache.fetch(keys, _compute(keys, log))
    assert log == [3, 4]
