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
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

# This file is called as the package it measures, and Python looks beside a script first.
sys.path[0] = str(Path(__file__).resolve().parents[1])

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

COPIES = 3
QUALITY = 95
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


@contextmanager
def kept_folder() -> Iterator[str]:
    """Make a folder that stays until all contestants are done.

    A file system that has just lost thousands of files is slower at making new ones (ext4 looks for
    an inode that was not deleted lately), which would be counted against the next contestant.
    """
    yield tempfile.mkdtemp()


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


def rates_of(
    work: Callable[[], Any], variants: int, warm_up: Callable[[], Any]
) -> tuple[float, float]:
    """Return variants per second of processor time and of wall time."""
    warm_up()
    begun = time.process_time(), time.perf_counter()
    work()
    return variants / (time.process_time() - begun[0]), variants / (time.perf_counter() - begun[1])


def floor(pictures: list[Path], repeat: int = 1) -> tuple[float, float]:
    from augment.encoding import encode
    from augment.opening import open_source
    from augment.policy import PictureSpec
    from augment.rendering import prepare_worker
    from bodyshop import atomic

    prepare_worker()
    spec = PictureSpec(quality=QUALITY)

    def work(some: list[Path]) -> None:
        for number, path in enumerate(some):
            opened = open_source(path, longest_side=spec.longest_side)
            for copy in range(COPIES):
                file = folder / "ab" / f"{number}-{copy}.jpg"
                atomic.write_bytes(file, encode(opened.rgb, spec), durable=False)

    with kept_folder() as name:
        folder = Path(name)
        variants = len(pictures) * repeat * COPIES
        return rates_of(lambda: work(pictures * repeat), variants, lambda: work(pictures[:2]))


def bodyshop(pictures: list[Path], preset: str) -> tuple[float, float]:
    from augment.policy import load_policy
    from augment.rendering import pipeline_of, prepare_worker, render_shard

    prepare_worker()
    policy = load_policy(preset)
    assert policy.picture.quality == QUALITY
    pipeline_of(policy)
    with kept_folder() as folder:
        items = [
            {
                "key": str(number),
                "sha256": f"{number:064x}",
                "source": str(path),
                "masks": [],
                "boxes": [],
                "copies": list(range(1, COPIES + 1)),
                "folder": folder,
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


def write_peers_at_our_quality() -> None:
    """Neither peer lets one choose the quality: give Pillow another default."""
    from PIL import Image

    save = Image.Image.save

    def save_well(self: Any, file: Any, format: str | None = None, **options: Any) -> None:
        save(self, file, format, **{"quality": QUALITY, **options})

    Image.Image.save = save_well  # type: ignore[method-assign]


def augmentor(pictures: list[Path], policy: str) -> tuple[float, float]:
    import random

    import Augmentor

    write_peers_at_our_quality()
    random.seed(1)
    with kept_folder() as name:
        source, out = Path(name) / "in", Path(name) / "out"
        source.mkdir()
        for number, path in enumerate(pictures):
            shutil.copy(path, source / f"{number:05}.jpg")
        pipeline = Augmentor.Pipeline(str(source), str(out), save_format="JPEG")
        pipeline.flip_left_right(probability=0.5)
        if policy == "light":
            # It rounds its dice to tenths: 0.85 fires 85 % of the time, 0.5 fires 55 %.
            pipeline.crop_random(probability=0.85, percentage_area=0.85)
            pipeline.random_brightness(probability=0.5, min_factor=0.8, max_factor=1.2)
            pipeline.random_contrast(probability=0.5, min_factor=0.8, max_factor=1.2)
        else:  # it has no shift
            pipeline.rotate_without_crop(probability=1, max_left_rotation=40, max_right_rotation=40)
            pipeline.shear(probability=1, max_shear_left=1, max_shear_right=1)
            pipeline.zoom(probability=1, min_factor=1.0, max_factor=1.25)
        variants = len(pictures) * COPIES
        rates = rates_of(
            lambda: pipeline.sample(variants, multi_threaded=False),
            variants,
            lambda: pipeline.sample(2, multi_threaded=False),
        )
        assert len(list(out.glob("*.JPEG"))) == variants + 2
    return rates


def image_data_generator(pictures: list[Path], policy: str) -> tuple[float, float]:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from keras.src.legacy.preprocessing.image import ImageDataGenerator
    from PIL import Image

    write_peers_at_our_quality()
    settings: dict[str, Any] = {
        "light": {
            "width_shift_range": 0.04,
            "height_shift_range": 0.04,
            "zoom_range": 0.08,
            "brightness_range": (0.8, 1.2),
        },
        "imagedatagenerator": {
            "rotation_range": 40,
            "width_shift_range": 0.2,
            "height_shift_range": 0.2,
            "shear_range": 0.2,
            "zoom_range": 0.2,
            "fill_mode": "nearest",
        },
    }[policy]
    generator = ImageDataGenerator(horizontal_flip=True, **settings)
    with kept_folder() as name:
        source, out = Path(name) / "in" / "one", Path(name) / "out"
        source.mkdir(parents=True)
        out.mkdir()
        for number, path in enumerate(pictures):
            shutil.copy(path, source / f"{number:05}.jpg")
        with Image.open(pictures[0]) as first:
            size = (first.height, first.width)  # every batch has one size
        flow = generator.flow_from_directory(
            str(source.parent),
            target_size=size,
            batch_size=8,
            seed=1,
            save_to_dir=str(out),
            save_format="jpg",
        )
        batches = len(flow)

        def work() -> None:
            for _ in range(COPIES):
                for number in range(batches):
                    flow[number]

        return rates_of(work, len(pictures) * COPIES, lambda: flow[0])


def whole_command(pictures: list[Path], settings: str) -> dict[str, float]:
    """Run `augment.augment` on a workspace, catalog, manifest and start of the workers included."""
    from augment import augment
    from bodyshop.progress import SILENT
    from bodyshop.workspace import Workspace

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
    from bodyshop.catalog import now, register_image, schema
    from bodyshop.imaging import probe

    names = {}
    with workspace.catalog.begin() as connection:
        for path, number in product(pictures, range(times)):
            blob = workspace.blobs.put_bytes(path.read_bytes() + bytes(number), "jpg")
            register_image(connection, blob, extension="jpg", facts=probe(path))
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
