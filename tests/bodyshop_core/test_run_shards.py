"""The contract of the shard engine, the same on every engine."""

from __future__ import annotations

import errno
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import works
from shard_runs import ENGINES, HAS_DASK, items, rows_of

from bodyshop_core.engine import compute_shards, read_rows, run_shards, worker
from bodyshop_core.errors import BodyshopError, MissingPartError, TransientError, UsageError
from bodyshop_core.progress import Silent
from bodyshop_core.storage.blobs import BlobRef


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


def own_workers():
    """Return the worker processes of this one; Dask's helpers are none."""
    return [each.pid for each in psutil.Process().children() if worker.START in each.cmdline()]


class Counting(Silent):
    def __init__(self):
        self.total, self.ticks, self.logs = None, [], []

    def task(self, name, total=None):
        self.total = total
        from contextlib import contextmanager

        @contextmanager
        def block():
            yield lambda n=1, note="": self.ticks.append(n)

        return block()

    def log(self, message):
        self.logs.append(message)


def test_every_item_gets_its_row(tmp_path, engine):
    paths = run_shards(
        works.square, items(100), tmp_path, shard_size=32, batch_size=8, engine=engine, workers=2
    )
    rows = rows_of(paths)
    assert [row["square"] for row in rows] == [i * i for i in range(100)]
    assert all(row["error"] is None for row in rows)
    assert len(paths) == 4
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_an_item_that_raises_costs_its_own_row(tmp_path, engine):
    rows = rows_of(run_shards(works.raising, items(50), tmp_path, engine=engine, workers=2))
    failed = {row["key"]: row["error"] for row in rows if row["error"]}
    assert failed == {
        f"item-{i:04d}": f"ValueError: seven will not have {i}" for i in range(3, 50, 7)
    }
    assert sum(row["square"] is not None for row in rows) == 50 - len(failed)


def broken_storage(folder):
    """Return files that a real system refuses to give, each with another error."""
    (folder / "file").write_bytes(b"no folder")
    (folder / "loop").symlink_to(folder / "loop")
    return {
        "missing": folder / "gone.jpg",
        "no file": folder,
        "below a file": folder / "file" / "a.jpg",
        "a loop": folder / "loop",
        "input/output error": Path("/proc/self/mem"),  # reading address 0 is EIO on Linux
    }


@pytest.mark.skipif(sys.platform != "linux", reason="the errors are Linux's")
@pytest.mark.parametrize("work", [works.read_blobs, works.open_files])
def test_what_storage_does_not_give_is_no_result_and_is_left_to_do(tmp_path, engine, work):
    broken = broken_storage(tmp_path)
    given = []
    for number in range(40):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(bytes(number))
        given.append({"key": f"item-{number:04d}", "blob": BlobRef(path), "file": str(path)})
    for number, (name, path) in enumerate(broken.items()):
        given.insert(7 * number, {"key": name, "blob": BlobRef(path), "file": str(path)})
    ticks = []
    options = {"engine": engine, "workers": 2, "shard_size": 16, "batch_size": 4}
    rows, shards = (
        [],
        compute_shards(work, given, tick=lambda n=1, note="": ticks.append(n), **options),
    )
    with pytest.raises(TransientError) as caught:
        for shard in shards:
            rows += shard
    assert sorted((row["key"], row["bytes"]) for row in rows) == [
        (f"item-{number:04d}", number) for number in range(40)
    ]
    assert all(row["error"] is None and "put_back" not in row for row in rows)
    assert sum(ticks) == 40
    assert {key for key, _ in caught.value.left} == broken.keys()
    assert "left to do: 5" in caught.value.message and caught.value.exit_code == 1
    if engine != "local":  # what follows does not depend on it
        return
    out = tmp_path / "out"
    with pytest.raises(TransientError):
        run_shards(work, given, out, **options)
    assert {row["key"] for row in read_rows(out.glob("*.parquet"))} == {r["key"] for r in rows}
    for item in given:
        if item["key"] in broken:
            item["blob"], item["file"] = BlobRef(tmp_path / "7.bin"), str(tmp_path / "7.bin")
    assert len({row["key"] for row in read_rows(run_shards(work, given, out, **options))}) == 45


def test_bytes_other_than_those_that_were_stored_are_left_to_do(tmp_path, engine):
    path = tmp_path / "cut.jpg"
    path.write_bytes(b"half of it")
    given = [{"key": "cut", "blob": BlobRef(path, "0" * 64)}, {"key": "ok", "blob": BlobRef(path)}]
    with pytest.raises(TransientError, match="10 bytes are not those that were stored"):
        list(compute_shards(works.read_blobs, given, engine=engine, workers=1))


def test_storage_that_comes_back_during_the_run_costs_nothing(tmp_path, engine):
    path = tmp_path / "late.bin"
    item = {"key": "late", "blob": BlobRef(path), "returns": str(tmp_path / "tried")}
    given = [item]
    if engine == "local":  # a batch of several is tried once more as single items
        given.append({"key": "other", "blob": BlobRef(Path(__file__))})
    rows = rows_of(run_shards(works.read_blobs, given, tmp_path / "out", engine=engine, workers=1))
    assert [row["key"] for row in rows] == [item["key"] for item in given]
    assert path.exists()


def test_a_poison_item_is_found_and_all_others_are_kept(tmp_path, engine):
    rows = rows_of(
        run_shards(works.poison, items(64), tmp_path, shard_size=32, engine=engine, workers=2)
    )
    assert [row["key"] for row in rows if row["error"]] == ["item-0037"]
    assert rows[37]["error"] == "worker_died"
    assert [row["square"] for row in rows if not row["error"]] == [
        i * i for i in range(64) if i != 37
    ]


def test_a_worker_killed_by_chance_loses_nothing(tmp_path, engine):
    flag = tmp_path / "flag"
    rows = rows_of(
        run_shards(
            works.killed_once, items(20, flag=str(flag)), tmp_path / "out", engine=engine, workers=2
        )
    )
    assert flag.exists()
    assert [row["square"] for row in rows] == [i * i for i in range(20)]
    assert all(row["error"] is None for row in rows)


def test_rows_are_yielded_shard_by_shard_in_the_order_of_their_items(engine):
    ticks = []
    shards = list(
        compute_shards(
            works.raising,
            items(50),
            shard_size=16,
            batch_size=4,
            engine=engine,
            workers=2,
            tick=lambda n=1, note="": ticks.append(n),
        )
    )
    shards.sort(key=lambda rows: rows[0]["key"])
    assert [len(rows) for rows in shards] == [16, 16, 16, 2]
    rows = [row for shard in shards for row in shard]
    assert [row["key"] for row in rows] == [item["key"] for item in items(50)]
    assert [row.get("square") for row in rows] == [None if i % 7 == 3 else i * i for i in range(50)]
    assert sum(ticks) == 50


def test_a_caller_that_stops_early_leaves_no_worker(tmp_path):
    given = items(40, log=str(tmp_path / "log"))
    shards = compute_shards(works.touch, given, shard_size=4, batch_size=4, workers=2)
    next(shards)
    workers = own_workers()
    assert workers
    shards.close()
    assert not any(psutil.pid_exists(pid) for pid in workers)


def test_a_full_disk_ends_the_workers_while_its_error_is_held(tmp_path, monkeypatch):
    log, workers = tmp_path / "log", []

    def full_disk(*_):
        workers.extend(own_workers())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bodyshop_core.engine.shards._write", full_disk)
    given = items(200, log=str(log))
    with pytest.raises(OSError, match="No space left") as caught:
        run_shards(works.touch, given, tmp_path / "out", shard_size=4, batch_size=4, workers=2)
    computed = log.read_text()
    assert caught.tb is not None  # it holds the frames, and so whatever they did not close
    assert workers and not any(psutil.pid_exists(pid) for pid in workers)
    time.sleep(0.5)
    assert log.read_text() == computed and len(computed.split()) < 200


def test_an_error_in_the_progress_ends_the_workers_while_it_is_held(tmp_path):
    workers = []

    def interrupted(n=1, note=""):
        workers.extend(own_workers())
        raise KeyboardInterrupt

    given = items(200, log=str(tmp_path / "log"))
    shards = compute_shards(
        works.touch, given, shard_size=4, batch_size=4, workers=2, tick=interrupted
    )
    with pytest.raises(KeyboardInterrupt) as caught:
        next(shards)
    assert caught.tb is not None
    assert workers and not any(psutil.pid_exists(pid) for pid in workers)


def test_engines_agree_and_order_does_not_depend_on_workers(tmp_path, engine):
    one = run_shards(works.raising, items(80), tmp_path / "a", shard_size=32, workers=1)
    other = run_shards(
        works.raising, items(80), tmp_path / "b", shard_size=32, engine=engine, workers=2
    )
    assert sorted(p.name for p in one) == sorted(p.name for p in other)
    assert list(read_rows(sorted(one))) == list(read_rows(sorted(other)))


def test_finished_shards_are_not_computed_again(tmp_path):
    log = tmp_path / "log"
    out = tmp_path / "out"
    first = run_shards(works.touch, items(40, log=str(log)), out, shard_size=16, workers=2)
    assert len(log.read_text().split()) == 40
    again = run_shards(works.touch, items(40, log=str(log)), out, shard_size=16, workers=2)
    assert sorted(again) == sorted(first)
    assert len(log.read_text().split()) == 40
    more = run_shards(works.touch, items(50, log=str(log)), out, shard_size=16, workers=2)
    assert len(log.read_text().split()) == 50
    assert len(rows_of(more)) == 50


def test_another_version_is_another_result(tmp_path):
    first = run_shards(works.square, items(4), tmp_path, version="1", workers=1)
    second = run_shards(works.square, items(4), tmp_path, version="2", workers=1)
    assert set(first).isdisjoint(second)


def test_a_damaged_shard_is_computed_again(tmp_path):
    (path,) = run_shards(works.square, items(4), tmp_path, workers=1)
    path.write_bytes(path.read_bytes()[:100])
    progress = Counting()
    (again,) = run_shards(works.square, items(4), tmp_path, workers=1, progress=progress)
    assert len(rows_of([again])) == 4
    assert "is damaged and is computed again" in progress.logs[0]


def test_progress_counts_every_item_once_also_on_resume(tmp_path):
    progress = Counting()
    run_shards(works.raising, items(50), tmp_path, batch_size=4, workers=2, progress=progress)
    assert progress.total == 50 and sum(progress.ticks) == 50
    assert max(progress.ticks) <= 4
    progress = Counting()
    run_shards(works.raising, items(60), tmp_path, batch_size=4, workers=2, progress=progress)
    assert progress.total == 60 and sum(progress.ticks) == 60


def test_the_model_is_loaded_once_per_worker(tmp_path, engine):
    rows = rows_of(
        run_shards(
            works.with_model,
            items(64),
            tmp_path,
            initialise=works.load_model,
            batch_size=4,
            shard_size=16,
            engine=engine,
            workers=2,
        )
    )
    assert {row["loads"] for row in rows} == {1}
    assert 1 <= len({row["pid"] for row in rows}) <= 2


def test_a_missing_part_ends_the_run_with_its_hint(tmp_path, engine):
    with pytest.raises(MissingPartError, match="no weights") as caught:
        run_shards(
            works.with_model,
            items(4),
            tmp_path,
            initialise=works.fail_to_load,
            engine=engine,
            workers=2,
        )
    assert caught.value.hint == "get some"


def test_workers_that_cannot_start_end_the_run(tmp_path, capfd):
    with pytest.raises(BodyshopError, match="end during start-up"):
        run_shards(works.with_model, items(4), tmp_path, initialise=works.die_at_start, workers=1)
    assert "the last words of a worker" in capfd.readouterr().err


def test_a_hanging_item_is_killed_after_its_time(tmp_path, engine):
    began = time.monotonic()
    rows = rows_of(
        run_shards(works.hanging, items(4), tmp_path, engine=engine, workers=1, limit_s=0.4)
    )
    assert [row["error"] for row in rows] == [None, None, "worker_died", None]
    assert time.monotonic() - began < 60


def test_prints_do_not_disturb_the_answers(tmp_path):
    rows = rows_of(run_shards(works.chatty, items(10), tmp_path, batch_size=2, workers=1))
    assert len(rows) == 10


def test_vectors_come_back_as_lists_and_threads_are_shared(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("bodyshop_core.engine.local.cpu_count", lambda: 8)
    rows = rows_of(run_shards(works.environment, items(4), tmp_path, batch_size=2, workers=2))
    assert rows[0]["vector"] == [0.0, 1.0, 2.0]
    assert {row["threads"] for row in rows} == {"4"}


def test_a_column_that_no_item_of_a_shard_has_reads_as_none(tmp_path):
    paths = run_shards(works.raising, [{"key": "a", "n": 3}], tmp_path, workers=1)
    assert list(read_rows(paths, columns=["key", "square"])) == [{"key": "a", "square": None}]


def test_a_work_function_that_forgets_an_item_is_an_error(tmp_path):
    with pytest.raises(BodyshopError, match="one row per item"):
        run_shards(works.forgetful, items(4), tmp_path, workers=1)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([{"n": 1}], "without a 'key'"),
        ([{"key": ""}], "without a 'key'"),
        ([{"key": "a"}, {"key": "a"}], "two items"),
    ],
)
def test_items_need_unique_keys(tmp_path, bad, message):
    with pytest.raises(UsageError, match=message):
        run_shards(works.square, bad, tmp_path)


def test_no_items_is_no_work(tmp_path):
    assert run_shards(works.square, [], tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "told"),
    [("no python", "no worker process can be started"), ("no pickle", "pickle")],
)
def test_what_goes_wrong_on_the_way_to_a_worker_is_raised_and_never_waited_for(
    tmp_path, monkeypatch, fault, told
):
    given = items(3)
    if fault == "no python":
        monkeypatch.setattr(sys, "executable", str(tmp_path / "absent"))
    else:
        given[1]["n"] = lambda: 0
    raised = []

    def run():
        try:
            run_shards(works.square, given, tmp_path / "out", workers=2)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test reads it
            raised.append(str(error))

    thread = threading.Thread(target=run, daemon=True)  # a hang must not hang the tests
    thread.start()
    thread.join(60)
    assert raised, "it waits for a worker that never was"
    assert told in raised[0]


@pytest.mark.skipif(HAS_DASK, reason="the extra 'dask' is installed")
def test_dask_without_the_extra_says_what_to_install(tmp_path):
    with pytest.raises(MissingPartError) as caught:
        run_shards(works.square, items(1), tmp_path, engine="dask")
    assert caught.value.hint == "pip install 'bodyshop[dask]'"
