"""How fast pictures are pushed to and annotations pulled from a real Label Studio.

    python benchmarks/labeling.py --tasks 100 1000 10000

It starts Label Studio in a temporary workspace (or uses the one of --running WORKSPACE, whose
server must be up), makes small pictures with one brush mask of a 640 x 480 picture each, and prints
one line per size as a Markdown table.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np

from bodyshop.catalog import Blob, register_image
from bodyshop.workspace import Workspace
from curate import labeling
from curate.labeling import Connection, Picture, Prediction, Selection
from curate.labeling.client import LabelStudioClient
from curate.labeling.project import open_project
from curate.labeling.pulling import LATE_S
from curate.labeling.regions import write_result
from curate.labeling.scheme import load_scheme

WIDTH, HEIGHT = 640, 480
EVERYTHING = Selection(everything=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--running", type=Path, help="workspace whose server is running")
    options = parser.parse_args()
    print("| tasks | push, s | tasks/s | push again, s | first pull, s | annotations/s |", end="")
    print(" nothing new, s | one new, s |")
    print("|---|---|---|---|---|---|---|---|")
    with _server(options.running) as connection:
        for count in options.tasks:
            told = _measure(connection, count)
            print("| " + " | ".join(told) + " |", flush=True)


@contextmanager
def _server(running: Path | None) -> Iterator[Connection]:
    if running is not None:
        yield Connection.find(Workspace.open(running), {})
        return
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "home")
        with labeling.serve(workspace, port=0) as server:
            yield server.connection()


def _measure(connection: Connection, count: int) -> list[str]:
    root = connection.document_root
    assert root is not None
    with tempfile.TemporaryDirectory(dir=root) as folder:
        client = LabelStudioClient(connection)
        options: dict[str, Any] = {"selection": EVERYTHING, "connection": client}
        workspace = _project(Path(folder) / f"push{count}", count, client)
        predict = {"predict": _propose, "model_version": "bench"}
        push = _timed(lambda: labeling.push(workspace, **predict, **options))
        again = _timed(lambda: labeling.push(workspace, **options))
        labelled = _project(Path(folder) / f"pull{count}", count, client)
        _annotate(client, labelled, count)
        first = _timed(lambda: labeling.pull(labelled, connection=client))
        # Changes of the last minute are read again, so that none is missed: wait it out.
        sleep(LATE_S + 5)
        labeling.pull(labelled, connection=client)
        same = _timed(lambda: labeling.pull(labelled, connection=client))
        _annotate_one(client, labelled)
        one = _timed(lambda: labeling.pull(labelled, connection=client))
        client.close()
        return [
            f"{count:,}", f"{push:.1f}", f"{count / push:.0f}", f"{again:.1f}", f"{first:.1f}",
            f"{count / first:.0f}", f"{same:.1f}", f"{one:.1f}",
        ]  # fmt: skip


def _project(root: Path, count: int, client: LabelStudioClient) -> Workspace:
    workspace = Workspace.open(root)
    _fill(workspace, count)
    labeling.init(workspace, connection=client)
    return workspace


def _fill(workspace: Workspace, count: int) -> None:
    """Register pictures that only claim their size: labelling never decodes them."""
    facts = {"format": "PNG", "width": WIDTH, "height": HEIGHT, "mode": "RGB"}
    with workspace.catalog.begin() as connection:
        for number in range(count):
            sha256 = f"{number:064x}"
            path = workspace.blobs.path(sha256, "png")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\x89PNG")
            blob = Blob(sha256, path, 4, True)
            register_image(connection, blob, extension="png", facts=facts)


def _mask(seed: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return a disk of 60 pixels radius somewhere in the picture."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(60, WIDTH - 60), rng.integers(60, HEIGHT - 60)
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    return (rows - y) ** 2 + (columns - x) ** 2 < 3600


def _propose(pictures: Sequence[Picture]) -> Iterator[Prediction]:
    for picture in pictures:
        yield Prediction(picture.sha256, {"dent": _mask(int(picture.sha256, 16))}, score=0.5)


def _annotate(client: LabelStudioClient, workspace: Workspace, count: int) -> None:
    """Import tasks that carry an annotation already."""
    number = open_project(workspace, "damage", client).remote_id
    scheme = load_scheme("damage")
    for start in range(0, count, 200):
        tasks = [
            {
                "data": {"image": "/data/none.png", "ext_id": f"{n:064x}"},
                "annotations": [{"result": write_result({"dent": _mask(n)}, scheme, seed=str(n))}],
            }
            for n in range(start, min(start + 200, count))
        ]
        client.import_tasks(number, tasks)


def _annotate_one(client: LabelStudioClient, workspace: Workspace) -> None:
    number = open_project(workspace, "damage", client).remote_id
    task = next(client.scan(number, ("id",), page=1))[0]["id"]
    body = {"result": write_result({"dent": _mask(1)}, load_scheme("damage"), seed="one")}
    client._json("POST", f"api/tasks/{task}/annotations/", body=body)


def _timed(work: Callable[[], Any]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


if __name__ == "__main__":
    main()
