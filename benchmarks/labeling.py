"""How fast pictures are pushed to and annotations pulled from a real Label Studio.

    python -m benchmarks.labeling --tasks 100 1000 10000
    python -m benchmarks.labeling --spots WORKSPACE

The first starts Label Studio in a temporary workspace (or uses the one of --running WORKSPACE,
whose server must be up), makes small pictures with one brush mask of a 640 x 480 picture each, and
prints one line per size as a Markdown table. The second says how far the Grad-CAM spots that the
newest classifier of a workspace proposes overlap with the masks there, on pictures that it was not
trained on.
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
from sqlalchemy import select

import labeling
from bodyshop_core.catalog import Blob, register_image, schema
from bodyshop_core.workspace import Workspace
from labeling import CatalogPicture, Connection, PreAnnotation, Selection
from labeling.configs.label_config import load_label_config
from labeling.consensus.agreement import iou
from labeling.formats.mask_file import read_mask
from labeling.records.annotations import current_masks
from labeling.records.pictures import load_pictures
from labeling.server.client import LabelStudioClient
from labeling.sync.project import open_project
from labeling.sync.pull import LATE_S
from labeling.sync.results import write_result

WIDTH, HEIGHT = 640, 480
EVERYTHING = Selection(everything=True)
PUSH = ("push with predictions, s", "tasks/s", "push again, s")
PULL = ("first pull, s", "annotations/s", "nothing new, s", "one new, s")
LEVELS = (0.3, 0.5, 0.7)
"""Parts of the heat's maximum from which on a pixel belongs to a spot."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--only", choices=["push", "pull"], help="measure the one, not the other")
    parser.add_argument("--running", type=Path, help="workspace whose server is running")
    parser.add_argument("--spots", type=Path, metavar="WORKSPACE")
    options = parser.parse_args()
    if options.spots is not None:
        _spots(Workspace.open(options.spots, create=False))
        return
    columns = {"push": PUSH, "pull": PULL}
    parts = [options.only] if options.only else list(columns)
    headings = ["tasks", *(name for part in parts for name in columns[part])]
    print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    with running_server(options.running) as connection:
        for count in options.tasks:
            cells = [f"{count:,}"]
            for part in parts:
                cells += {"push": _push, "pull": _pull}[part](connection, count)
            print("| " + " | ".join(cells) + " |", flush=True)


@contextmanager
def running_server(running: Path | None) -> Iterator[Connection]:
    """Yield the connection to the server of a workspace, or to one of a temporary workspace."""
    if running is not None:
        yield Connection.find(Workspace.open(running), {})
        return
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "home")
        with labeling.serve(workspace, port=0) as server:
            yield server.connection()


def _push(connection: Connection, count: int) -> list[str]:
    with _project(connection, count) as (workspace, client):
        options: dict[str, Any] = {"selection": EVERYTHING, "connection": client}
        predict = {"predict": _propose, "model_version": "bench"}
        push = _timed(lambda: labeling.push(workspace, **predict, **options))
        again = _timed(lambda: labeling.push(workspace, **options))
    return [f"{push:.1f}", f"{count / push:.0f}", f"{again:.1f}"]


def _pull(connection: Connection, count: int) -> list[str]:
    with _project(connection, count) as (workspace, client):
        _annotate(client, workspace, count)
        first = _timed(lambda: labeling.pull(workspace, connection=client))
        # Changes of the last minute are read again, so that none is missed: wait it out.
        sleep(LATE_S + 5)
        labeling.pull(workspace, connection=client)
        same = _timed(lambda: labeling.pull(workspace, connection=client))
        _annotate_one(client, workspace)
        one = _timed(lambda: labeling.pull(workspace, connection=client))
    return [f"{first:.1f}", f"{count / first:.0f}", f"{same:.1f}", f"{one:.1f}"]


def _spots(workspace: Workspace) -> None:
    """Compare spots with masks; a centred square of a spot's area is what no model would do."""
    import train
    from bodyshop.proposals import DAMAGED, grad_cam_regions_of

    run = train.resolve_run(None, workspace)
    files = current_masks(workspace)
    trained = _trained(workspace, run.record.split_set)
    pictures = load_pictures(workspace, sorted(files.keys() - trained))
    proposed = {each.sha256: each for each in grad_cam_regions_of(run)(pictures)}
    rows = []
    for picture in pictures:
        if proposed[picture.sha256].choices["state"] != DAMAGED:
            continue
        drawn = np.any([read_mask(workspace.root / f) for f in files[picture.sha256].values()], 0)
        heat = train.grad_cam(run, picture.path, label=DAMAGED).heat
        for level in LEVELS:
            spot = heat >= level
            square = _centred(spot.sum(), spot.shape)
            hit = bool(drawn[np.unravel_index(heat.argmax(), heat.shape)])
            rows.append(
                (level, iou(spot, drawn), iou(square, drawn), (spot & drawn).any(), hit,
                 drawn.mean())
            )  # fmt: skip
    count = len(rows) // len(LEVELS)
    print(f"{len(pictures)} pictures with masks that {run.record.run} was not trained on;", end=" ")
    print(f"called damaged: {count}")
    print("| level | IoU | centred square | touches | hottest point inside | damage's area |")
    print("|---|---|---|---|---|---|")
    for level in LEVELS:
        means = np.mean([row[1:] for row in rows if row[0] == level], axis=0)
        print(f"| {level} | " + " | ".join(f"{value:.3f}" for value in means) + " |")


def _trained(workspace: Workspace, split_set: str) -> set[str]:
    table = schema.splits
    query = select(table.c.sha256).where(table.c.split_set == split_set, table.c.split == "train")
    with workspace.catalog.read() as connection:
        return set(connection.scalars(query))


def _centred(area: float, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    height, width = shape
    side = np.sqrt(area)
    rows, columns = np.ogrid[:height, :width]
    return (abs(rows - height / 2) <= side / 2) & (abs(columns - width / 2) <= side / 2)


@contextmanager
def _project(connection: Connection, count: int) -> Iterator[tuple[Workspace, LabelStudioClient]]:
    """Yield a workspace of so many pictures on the server's disk, with an empty project."""
    with tempfile.TemporaryDirectory(dir=connection.document_root) as folder:
        client = LabelStudioClient(connection)
        workspace = Workspace.open(Path(folder) / "workspace")
        _fill(workspace, count)
        labeling.init(workspace, connection=connection)
        yield workspace, client
        client.close()


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


def _propose(pictures: Sequence[CatalogPicture]) -> Iterator[PreAnnotation]:
    for picture in pictures:
        yield PreAnnotation(picture.sha256, {"dent": _mask(int(picture.sha256, 16))}, score=0.5)


def _annotate(client: LabelStudioClient, workspace: Workspace, count: int) -> None:
    """Import tasks that carry an annotation already."""
    number = open_project(workspace, "damage", client).remote_id
    config = load_label_config("damage")
    for start in range(0, count, 200):
        tasks = [
            {
                "data": {"image": "/data/none.png", "ext_id": f"{n:064x}"},
                "annotations": [{"result": write_result({"dent": _mask(n)}, config, seed=str(n))}],
            }
            for n in range(start, min(start + 200, count))
        ]
        client.import_tasks(number, tasks)


def _annotate_one(client: LabelStudioClient, workspace: Workspace) -> None:
    number = open_project(workspace, "damage", client).remote_id
    task = next(client.scan(number, ("id",), page=1))[0]["id"]
    body = {"result": write_result({"dent": _mask(1)}, load_label_config("damage"), seed="one")}
    client._json("POST", f"api/tasks/{task}/annotations/", body=body)


def _timed(work: Callable[[], Any]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


if __name__ == "__main__":
    main()
