"""A Dask cluster of real processes: who may take part in a run, and what a death costs."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest
import works
from dask_cluster import WITHOUT_PRIVILEGES, Cluster

import bodyshop_core
from bodyshop_core.engine import compute_shards
from bodyshop_core.engine.dask import _finished
from bodyshop_core.engine.handshake import (
    Greeting,
    HandshakeError,
    Identity,
    differences,
    identity,
    refuse_differences,
    sample_of,
)
from bodyshop_core.errors import BodyshopError, TransientError
from bodyshop_core.storage.blobs import BlobRef
from bodyshop_core.version import __version__

OURS = Identity("3.11", "c0de" * 16, (("numpy", "2.2.6"), ("pillow", "13.0.0")))


def test_a_process_with_the_same_code_and_packages_does_not_differ():
    assert differences(OURS, OURS) == []
    assert differences(identity(), identity()) == []
    assert dict(identity().packages)["pillow"] != "none"


def test_what_differs_is_named():
    theirs = Identity("3.12", "beef" * 16, (("numpy", "2.2.6"),))
    assert differences(OURS, theirs) == [
        "Python 3.12 instead of 3.11",
        "pillow none instead of 13.0.0",
        "other bodyshop code (beefbeef instead of c0dec0de)",
    ]
    with pytest.raises(HandshakeError, match=r"^worker b runs Python 3\.12 .*\(and 1 more\)"):
        refuse_differences(
            OURS,
            {
                "worker a": Greeting(OURS),
                "worker b": Greeting(theirs),
                "worker c": Greeting(theirs),
            },
        )
    refuse_differences(OURS, {"worker a": Greeting(OURS), "the scheduler": Greeting(OURS)})


def test_a_worker_is_not_blamed_for_a_file_that_is_not_here_either(tmp_path):
    (tmp_path / "b").write_bytes(b"b")
    lost, there = BlobRef(tmp_path / "a"), BlobRef(tmp_path / "b")
    assert sample_of([{"key": "a", "blob": lost}, {"key": "b", "blob": there}]) == there
    assert sample_of([{"key": "a", "blob": lost}, {"key": "n", "n": 1}]) is None


@pytest.fixture
def cluster(tmp_path):
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    running = Cluster(tmp_path)
    yield running
    running.close()


def items(count, **more):
    return [{"key": f"item-{n:04d}", "n": n, **more} for n in range(count)]


def compute(cluster, work, given, **options):
    shards = compute_shards(work, given, engine=cluster.address, batch_size=4, **options)
    return [row for rows in shards for row in rows]


@pytest.mark.slow
def test_a_poison_item_kills_no_dask_worker_and_costs_its_own_row(cluster):
    cluster.scheduler()
    cluster.worker("a")
    rows = compute(cluster, works.poison, items(64), shard_size=32)
    assert {row["key"]: row["error"] for row in rows if row["error"]} == {
        "item-0037": "worker_died"
    }
    assert sum(row.get("square") is not None for row in rows) == 63
    log = (cluster.folder / "a" / "log").read_text()
    assert "Registered to" in log  # it is this worker's log
    assert "died" not in log and "Restarting worker" not in log
    # The processes beside the worker are gone with the run.
    rows = compute(cluster, works.square_with_pids, items(8), shard_size=4)
    (parent,) = {row["parent"] for row in rows}
    assert len({row["pid"] for row in rows}) == 1  # one process for both shards
    assert Path(f"/proc/{parent}").exists() or sys.platform != "linux"
    deadline = time.monotonic() + 20
    while sys.platform == "linux" and Path(f"/proc/{rows[0]['pid']}").exists():
        assert time.monotonic() < deadline, "an idle process outlived its run"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("before_s, after_s", [(0, 0), (3, 1)], ids=["at once", "results not read"])
def test_kill_9_of_a_worker_in_the_middle_costs_nothing(cluster, before_s, after_s):
    cluster.scheduler()
    cluster.worker("a")
    cluster.worker("b")
    cluster.wait_for_workers()
    rows, killed = [], False
    shards = compute_shards(
        works.square_with_pids, items(96), engine=cluster.address, shard_size=8, batch_size=4
    )
    for shard in shards:
        rows += shard
        if not killed:
            time.sleep(before_s)  # shards that are done lie on worker a
            cluster.kill("a")
            time.sleep(after_s)  # Dask runs them again
            killed = True
    assert sorted(row["square"] for row in rows) == [n * n for n in range(96)]
    assert all(row["error"] is None for row in rows)


@pytest.mark.slow
def test_without_workers_the_run_ends_with_an_error_at_the_start_and_in_the_middle(
    cluster, monkeypatch
):
    monkeypatch.setattr("bodyshop_core.engine.dask.WORKERS_S", 3.0)
    cluster.scheduler()
    with pytest.raises(BodyshopError, match="no worker is connected") as caught:
        compute(cluster, works.square, items(4))
    assert f"dask worker {cluster.address}" in caught.value.hint
    cluster.worker("a")
    cluster.wait_for_workers()
    killer = threading.Timer(4, cluster.kill, ("a",))
    killer.start()
    with pytest.raises(BodyshopError, match="no worker is connected"):
        compute(cluster, works.square_with_pids, items(2000), shard_size=400)
    killer.join()


@pytest.mark.slow
def test_a_scheduler_without_bodyshop_is_told_in_a_sentence(cluster):
    hidden = "; ".join(f"sys.modules[{name!r}] = None" for name in ("bodyshop_core", "bodyshop"))
    cluster.scheduler(before=f"import sys; {hidden}")
    cluster.worker("a")
    with pytest.raises(HandshakeError, match=r"the Dask scheduler at .* has no") as caught:
        compute(cluster, works.square, items(4))
    assert "install" in caught.value.hint and __version__ in caught.value.hint


@pytest.mark.slow
def test_a_worker_with_other_code_or_another_package_is_named_and_nothing_is_computed(
    cluster, tmp_path
):
    changed = tmp_path / "changed"
    package = Path(bodyshop_core.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, changed / "bodyshop_core", ignore=ignored)
    with (changed / "bodyshop_core" / "progress.py").open("a") as module:
        module.write("\n# another state of the code\n")
    other = tmp_path / "other"
    (other / "pillow-1.2.3.dist-info").mkdir(parents=True)
    (other / "pillow-1.2.3.dist-info" / "METADATA").write_text("Name: pillow\nVersion: 1.2.3\n")
    cluster.scheduler()
    cluster.worker("good")
    cluster.worker("changed-code", first=changed)
    cluster.wait_for_workers()
    log = tmp_path / "log"
    log.touch()
    with pytest.raises(HandshakeError, match=r"worker at tcp://.* runs other bodyshop code"):
        compute(cluster, works.touch, items(8, log=str(log)))
    cluster.kill("changed-code")
    cluster.worker("old-pillow", first=other)
    cluster.wait_for_workers()
    with pytest.raises(HandshakeError, match=r"runs pillow 1\.2\.3 instead of"):
        compute(cluster, works.touch, items(8, log=str(log)))
    assert log.read_text() == ""


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root starts a worker of another user",
)
def test_a_worker_that_does_not_see_the_pictures_is_named_and_no_picture_is_written_off(
    cluster, tmp_path
):
    pictures = tmp_path / "pictures"
    pictures.mkdir(mode=0o700)
    given = []
    for number in range(8):
        (pictures / str(number)).write_bytes(bytes(number))
        given.append({"key": f"item-{number}", "blob": BlobRef(pictures / str(number))})
    os.chown(pictures, 65534, 65534)  # nobody's: a worker without root's privileges stays outside
    cluster.scheduler()
    cluster.worker("sees")
    cluster.worker("blind", under=WITHOUT_PRIVILEGES)
    cluster.wait_for_workers()
    with pytest.raises(HandshakeError, match=r"the Dask worker at .*Permission denied") as caught:
        compute(cluster, works.read_blobs, given)
    assert "nothing was computed" in caught.value.hint
    cluster.kill("blind")
    time.sleep(1)
    rows = compute(cluster, works.read_blobs, given)
    assert sorted(row["bytes"] for row in rows) == list(range(8))


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root starts a worker of another user",
)
def test_a_worker_that_does_not_see_some_pictures_is_named_with_their_number(cluster, tmp_path):
    given = []
    for number in range(24):  # the last ones are beyond those that the first sample is one of
        picture = tmp_path / f"picture-{number}"
        picture.write_bytes(bytes(number))
        given.append({"key": f"item-{number:02d}", "blob": BlobRef(picture)})
    for each in given[-3:]:
        each["blob"].path.chmod(0o600)
        os.chown(each["blob"].path, 65534, 65534)
    cluster.scheduler()
    cluster.worker("blind", under=WITHOUT_PRIVILEGES)
    cluster.wait_for_workers()
    found = []
    with pytest.raises(TransientError, match=r"left to do: 3;.*the Dask worker at .*Permission"):
        for rows in compute_shards(
            works.read_blobs, given, engine=cluster.address, shard_size=8, batch_size=4
        ):
            found += rows
    assert sorted(row["bytes"] for row in found) == list(range(21))
    for each in given[-3:]:
        each["blob"].path.chmod(0o644)
    assert sorted(row["bytes"] for row in compute(cluster, works.read_blobs, given[-3:])) == [
        21, 22, 23,
    ]  # fmt: skip


class SlowResult:
    """A result that one connection delivers in five seconds."""

    status = "finished"

    def __init__(self):
        self.patience = []

    def add_done_callback(self, call):
        call(self)

    def result(self, timeout):
        self.patience.append(timeout)
        assert len(self.patience) < 6, "it is fetched for ever"
        if timeout < 5:
            raise TimeoutError
        return [{"key": "a"}]


class ClientWithWorkers:
    status = "running"

    def scheduler_info(self):
        return {"workers": {"a": {}}}


def test_a_result_that_takes_long_to_fetch_is_not_fetched_for_ever(monkeypatch):
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    monkeypatch.setattr("bodyshop_core.engine.dask.WORKERS_S", 2.0)
    monkeypatch.setattr("bodyshop_core.engine.dask._CHECK_S", 0.01)
    slow = SlowResult()
    assert list(_finished(ClientWithWorkers(), [slow])) == [(slow, [{"key": "a"}])]
    assert slow.patience == [2.0, 4.0, 8.0]
