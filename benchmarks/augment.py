"""Pictures per second and core, writing files: augment against its floor and its peers.

    python benchmarks/augment.py PICTURES [--rounds N] [--pictures N] [--augmentor FOLDER]
    python benchmarks/augment.py PICTURES --workers 1 2 [--times 8]

PICTURES holds JPEG files of one size. Every contestant runs alone in a fresh process, the
contestants of a round one after the other; the median of the rounds is shown, and the range. A rate
is written variants per second of processor time (wall time beside it), start-up and imports left
out. All write JPEG of quality 95, 4:2:0: the peers leave the quality to Pillow, whose default is
set to 95 for them. The floor is our decoder, encoder and file writing with nothing between, the
picture decoded once for all its variants, as augment does it; the peers decode for each variant.

With --workers, the whole command is measured instead (catalog, manifest, start of the processes):
how it grows with the number of processes, beside the floor run in as many processes at once, and
how much memory the largest process takes for few and for many pictures.

Augmentor is looked for in FOLDER (pip install --no-deps --target FOLDER Augmentor==0.2.12).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

# This file is called as the package it measures, and Python looks beside a script first.
sys.path[0] = str(Path(__file__).resolve().parents[1])

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from benchmarks.augment_peers import (  # noqa: E402
    COPIES,
    QUALITY,
    augmentor,
    image_data_generator,
    kept_folder,
    rates_of,
)

SLOW_PICTURES = 40
"""Enough for contestants that take a tenth of a second per variant."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder with JPEG files of one size")
    parser.add_argument("--pictures", type=int, default=180)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--augmentor", type=Path, help="folder that Augmentor was installed into")
    parser.add_argument("--workers", type=int, nargs="*", help="measure the whole command instead")
    parser.add_argument(
        "--times", type=int, default=8, help="every picture so often, for --workers"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    pictures = sorted(options.source.rglob("*.jpg"))[: options.pictures]
    if options.one:
        if options.augmentor:
            sys.path.append(str(options.augmentor))
        name, _, argument = options.one.partition(":")
        result = CONTESTANTS[name](pictures) if not argument else WHOLE[name](pictures, argument)
        print("result:", json.dumps(result))  # Augmentor prints a progress bar too
        return
    with tempfile.TemporaryDirectory() as name:
        os.environ["TMPDIR"] = name
        (compare_workers if options.workers else compare_contestants)(options)


def compare_contestants(options: argparse.Namespace) -> None:
    rates: dict[str, list[tuple[float, float]]] = {}
    for _ in range(options.rounds):
        for name in CONTESTANTS:
            finished = start(name, options)
            rates.setdefault(name, []).append(answer(name, finished))
    print(f"{options.pictures} pictures x {COPIES} variants, {options.rounds} rounds\n")
    print("| contestant | variants per core-second | range | wall | of the floor | range |")
    print("|---|---|---|---|---|---|")
    base = [cpu for cpu, _ in rates["floor"]]
    for name, values in rates.items():
        cpu, wall = ([value[place] for value in values] for place in (0, 1))
        shares = [rate / floor for rate, floor in zip(cpu, base, strict=True)]
        print(
            f"| {name} | {statistics.median(cpu):.0f} | {min(cpu):.0f} to {max(cpu):.0f} "
            f"| {statistics.median(wall):.0f} "
            f"| {statistics.median(shares):.0%} | {min(shares):.0%} to {max(shares):.0%} |"
        )


def compare_workers(options: argparse.Namespace) -> None:
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(options.rounds):
        for times in (1, options.times):
            for workers in options.workers:
                name = f"augment light, {workers} workers, {options.pictures * times} pictures"
                finished = start(f"whole:{workers},{times}", options)
                runs.setdefault(name, []).append(answer(name, finished))
        for workers in options.workers:
            name = f"floor, {workers} at once"
            together = [
                start(f"floor for a while:{options.times}", options) for _ in range(workers)
            ]
            rates = [answer(name, process)["rate"] for process in together]
            runs.setdefault(name, []).append({"rate": sum(rates)})
    print("| | variants/s | range | per core-second | largest worker | driver |")
    print("|---|---|---|---|---|---|")
    for name, values in runs.items():
        rate = [value["rate"] for value in values]
        row = f"| {name} | {statistics.median(rate):.0f} | {min(rate):.0f} to {max(rate):.0f} "
        for key, unit in (("per_core", ""), ("worker_mb", " MB"), ("driver_mb", " MB")):
            known = [value[key] for value in values if key in value]
            row += f"| {statistics.median(known):.0f}{unit} " if known else "| "
        print(row + "|")
    print("\nTimes as fast as the first number of workers, in the same round:\n")
    names, step = list(runs), len(options.workers)
    for place, name in enumerate(names):
        base = names[place - place % step]
        gains = [
            more["rate"] / one["rate"] for one, more in zip(runs[base], runs[name], strict=True)
        ]
        print(f"{name}: {statistics.median(gains):.2f} ({min(gains):.2f} to {max(gains):.2f})")


def start(name: str, options: argparse.Namespace) -> subprocess.Popen[str]:
    os.sync()  # what the one before wrote is not to be brought to disk in this one's time
    command = [sys.executable, __file__, str(options.source), "--one", name]
    command += ["--pictures", str(options.pictures)]
    if options.augmentor:
        command += ["--augmentor", str(options.augmentor)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def answer(name: str, process: subprocess.Popen[str]) -> Any:
    out, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{name} did not run: {errors.strip().splitlines()[-1]}")
    return json.loads(out.split("result:")[-1])


def floor(pictures: list[Path], repeat: int = 1) -> tuple[float, float]:
    from augment.encoding import encode
    from augment.loading import load_source
    from augment.policy import PictureSpec
    from augment.rendering import prepare_worker
    from bodyshop_core import atomic

    prepare_worker()
    spec = PictureSpec(quality=QUALITY)

    def work(some: list[Path]) -> None:
        for number, path in enumerate(some):
            loaded = load_source(path, longest_side=spec.longest_side)
            for copy in range(COPIES):
                file = folder / "ab" / f"{number}-{copy}.jpg"
                atomic.write_bytes(file, encode(loaded.rgb, spec), durable=False)

    with kept_folder() as name:
        folder = Path(name)
        variants = len(pictures) * repeat * COPIES
        return rates_of(lambda: work(pictures * repeat), variants, lambda: work(pictures[:2]))


def bodyshop(pictures: list[Path], preset: str) -> tuple[float, float]:
    from augment.policy import load_policy
    from augment.rendering import pipeline_of, prepare_worker, render_shard
    from bodyshop_core.catalog import BlobRef
    from bodyshop_core.storage.derived_files import LocalDerived

    prepare_worker()
    policy = load_policy(preset)
    assert policy.picture.quality == QUALITY
    pipeline_of(policy)
    with kept_folder() as folder:
        derived = LocalDerived(Path(folder))
        (Path(folder) / "variants" / "made").mkdir(parents=True)
        items = [
            {
                "key": str(number),
                "sha256": f"{number:064x}",
                "blob": BlobRef(path),
                "masks": [],
                "boxes": [],
                "copies": list(range(1, COPIES + 1)),
                "derived": derived,
                "folder": "variants/made",
            }
            for number, path in enumerate(pictures)
        ]
        rows: list[dict[str, Any]] = []

        def work() -> None:
            for first in range(0, len(items), 8):
                rows.extend(render_shard(items[first : first + 8], policy=policy))

        warm_up = partial(render_shard, items[:2], policy=policy)
        rates = rates_of(work, len(items) * COPIES, warm_up)
        made = [entry for row in rows for entry in json.loads(row["variants"])]
        assert sum(entry["error"] is None for entry in made) == len(items) * COPIES
    return rates


def whole_command(pictures: list[Path], settings: str) -> dict[str, float]:
    """Run `augment.augment` on a workspace, catalog, manifest and start of the workers included."""
    from augment import augment
    from bodyshop_core.progress import SILENT
    from bodyshop_core.workspace import Workspace

    workers, times = map(int, settings.split(","))
    with kept_folder() as name:
        workspace = Workspace.open(name)
        enter(workspace, pictures, times)
        cpu = processor_seconds()
        begun = time.monotonic()
        made = augment(workspace, "light", copies=COPIES, workers=workers, progress=SILENT).made
        seconds, cpu = time.monotonic() - begun, processor_seconds() - cpu
    assert made == len(pictures) * times * COPIES
    children, own = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)
    )
    rates = {"rate": made / seconds, "per_core": made / cpu}
    return rates | {"worker_mb": children, "driver_mb": own}


def floor_for_a_while(pictures: list[Path], times: str) -> dict[str, float]:
    return {"rate": floor(pictures, int(times))[1]}


CONTESTANTS: dict[str, Callable[[list[Path]], tuple[float, float]]] = {
    "floor": floor,
    "augment light": lambda p: bodyshop(p, "light"),
    "Augmentor, policy like light": lambda p: augmentor(p, "light"),
    "ImageDataGenerator, policy like light": lambda p: image_data_generator(
        p[:SLOW_PICTURES], "light"
    ),
    "augment imagedatagenerator": lambda p: bodyshop(p, "imagedatagenerator"),
    "Augmentor, policy like imagedatagenerator": lambda p: augmentor(
        p[:SLOW_PICTURES], "imagedatagenerator"
    ),
    "ImageDataGenerator itself": lambda p: image_data_generator(
        p[:SLOW_PICTURES], "imagedatagenerator"
    ),
    "augment car-damage": lambda p: bodyshop(p, "car-damage"),
    "augment grayscale": lambda p: bodyshop(p, "grayscale"),
    "augment weather": lambda p: bodyshop(p, "weather"),
}

WHOLE: dict[str, Callable[[list[Path], str], dict[str, float]]] = {
    "whole": whole_command,
    "floor for a while": floor_for_a_while,
}


def processor_seconds() -> float:
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def enter(workspace: Any, pictures: list[Path], times: int) -> None:
    """Put every picture so often into the training part; bytes after its end make another file."""
    from bodyshop_core.catalog import now, register_image, schema
    from bodyshop_core.imaging import read_header

    names = {}
    with workspace.catalog.begin() as connection:
        for path, number in product(pictures, range(times)):
            blob = workspace.blobs.put_bytes(path.read_bytes() + bytes(number), "jpg")
            register_image(connection, blob, extension="jpg", facts=read_header(path))
            names[blob.sha256] = path
        workspace.catalog.upsert(
            schema.split_sets,
            [
                {
                    "name": "all",
                    "target": "damage",
                    "seed": 0,
                    "ratios": {"train": 1.0},
                    "options": {},
                    "created_at": now(),
                }
            ],
            connection=connection,
        )
        workspace.catalog.upsert(
            schema.splits,
            [
                {
                    "split_set": "all",
                    "sha256": sha256,
                    "split": "train",
                    "label": path.parent.name,
                    "group": sha256,
                }
                for sha256, path in names.items()
            ],
            connection=connection,
        )


if __name__ == "__main__":
    main()
