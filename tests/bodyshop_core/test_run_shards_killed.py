"""What is left when the driver of the shard engine is killed, on every engine."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import works
from shard_runs import ENGINES, items, rows_of

from bodyshop_core.engine import read_rows, run_shards


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
sys.path.insert(0, {here!r})
import works
from pathlib import Path
from bodyshop_core.engine import run_shards
items = [{{"key": f"item-{{i:04d}}", "n": i, "log": {log!r}}} for i in range(400)]
run_shards(
    works.touch, items, Path({out!r}), shard_size=16, batch_size=8, engine={engine!r}, workers=2
)
"""


def start_script(tmp_path, engine="local"):
    log, out = tmp_path / "log", tmp_path / "out"
    here = str(Path(works.__file__).parent)
    script = SCRIPT.format(here=here, log=str(log), out=str(out), engine=engine)
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(out.glob("[!.]*.parquet"))) < 3:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    return process, log, out


def workers_of(process):
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and parent_of(int(entry.name)) == process.pid
    ]


def parent_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_kill_9_of_the_driver_keeps_finished_shards_and_leaves_no_worker(tmp_path, engine):
    process, log, out = start_script(tmp_path, engine)
    workers = workers_of(process)
    assert len(workers) >= 2  # Dask's resource tracker is one, too
    process.kill()
    process.communicate()
    kept = list(out.glob("[!.]*.parquet"))
    assert 3 <= len(kept) < 25
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)
    before = len(log.read_text().split())
    done = sum(1 for _ in read_rows(kept))
    paths = run_shards(
        works.touch, items(400, log=str(log)), out, shard_size=16, engine=engine, workers=2
    )
    rows = rows_of(paths)
    assert [row["key"] for row in rows] == [f"item-{i:04d}" for i in range(400)]
    assert [row["square"] for row in rows] == [i * i for i in range(400)]
    assert len(log.read_text().split()) - before == 400 - done


@pytest.mark.skipif(sys.platform != "linux", reason="sends SIGINT")
def test_ctrl_c_keeps_finished_shards_and_ends_the_workers(tmp_path):
    process, _, out = start_script(tmp_path)
    workers = workers_of(process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert list(out.glob("[!.]*.parquet"))
    assert not list(out.glob(".tmp-*"))
