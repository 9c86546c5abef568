"""Pictures per second and core, writing files: augment against its floor and its peers.

    python benchmarks/augment.py PICTURES [--pictures N] [--rounds N] [--augmentor FOLDER]

Every contestant runs alone in a fresh process, the contestants of a round one after the other, and
the median of the rounds is shown. A rate is written variants per second of processor time, which
other work on the machine hardly moves. The floor is the same decoder, encoder and file writing
with nothing between, the picture decoded once for all its variants as augment does it.

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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# This file is called as the package it measures, and Python looks beside a script first.
sys.path[0] = str(Path(__file__).resolve().parents[1])

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

COPIES = 3
PEER_QUALITY = 75
"""Pillow's default, which both peers write and neither lets one choose."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder with JPEG files")
    parser.add_argument("--pictures", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--augmentor", type=Path, help="folder that Augmentor was installed into")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    options = parser.parse_args()
    pictures = sorted(options.source.rglob("*.jpg"))[: options.pictures]
    if options.one:
        if options.augmentor:
            sys.path.append(str(options.augmentor))
        print("rate:", CONTESTANTS[options.one](pictures))  # Augmentor prints a progress bar too
        return
    print(f"{len(pictures)} pictures x {COPIES} variants, {options.rounds} rounds")
    rates: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for name in CONTESTANTS:
            rate = run_one(name, options)
            if rate is not None:
                rates.setdefault(name, []).append(rate)
    middle = {name: statistics.median(values) for name, values in rates.items()}
    print("| contestant | variants per core-second | of the floor |\n|---|---|---|")
    for name, rate in middle.items():
        floor = middle["floor"] if not name.endswith("at q75") else middle["floor at q75"]
        print(f"| {name} | {rate:.0f} | {rate / floor:.0%} |")
    print("\n| workers | variants/s | per core-second | largest process |\n|---|---|---|---|")
    for workers in options.workers:
        print(whole_command(pictures, workers))


def run_one(name: str, options: argparse.Namespace) -> float | None:
    command = [sys.executable, __file__, str(options.source), "--one", name]
    command += ["--pictures", str(options.pictures)]
    if options.augmentor:
        command += ["--augmentor", str(options.augmentor)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        print(f"{name} did not run: {answer.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return float(answer.stdout.split("rate:")[-1])


def per_core_second(
    work: Callable[[], Any], variants: int, warm_up: Callable[[], Any] = lambda: None
) -> float:
    warm_up()
    begun = time.process_time()
    work()
    return variants / (time.process_time() - begun)


def floor(pictures: list[Path], quality: int = 95, decode_each: bool = False) -> float:
    from augment.files import encode, place
    from augment.opening import open_source
    from augment.policy import PictureSpec
    from augment.rendering import prepare_worker

    prepare_worker()
    spec = PictureSpec(quality=quality)

    def work(number_of_pictures: int = len(pictures)) -> None:
        for number, path in enumerate(pictures[:number_of_pictures]):
            opened = open_source(path, longest_side=spec.longest_side)
            for copy in range(COPIES):
                if decode_each and copy:
                    opened = open_source(path, longest_side=spec.longest_side)
                place(folder / "ab" / f"{number}-{copy}.jpg", encode(opened.rgb, spec))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return per_core_second(work, len(pictures) * COPIES, lambda: work(2))


def bodyshop(pictures: list[Path], preset: str, quality: int = 95) -> float:
    from augment.policy import Policy, load_policy
    from augment.rendering import pipeline_of, prepare_worker, render_shard

    prepare_worker()

    policy = load_policy(preset)
    spec = policy.picture.model_copy(update={"quality": quality})
    policy = Policy(policy.name, policy.about, spec, policy.masks, policy.steps)
    pipeline_of(policy)
    with tempfile.TemporaryDirectory() as folder:
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
            for start in range(0, len(items), 8):
                rows.extend(render_shard(items[start : start + 8], policy=policy))

        warm_up = partial(render_shard, items[:2], policy=policy)
        rate = per_core_second(work, len(items) * COPIES, warm_up)
        made = [entry for row in rows for entry in json.loads(row["variants"])]
        assert sum(entry["error"] is None for entry in made) == len(items) * COPIES
    return rate


def augmentor(pictures: list[Path], policy: str) -> float:
    import random

    import Augmentor

    random.seed(1)
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name) / "in", Path(name) / "out"
        source.mkdir()
        for number, path in enumerate(pictures):
            shutil.copy(path, source / f"{number:05}.jpg")
        pipeline = Augmentor.Pipeline(str(source), str(out), save_format="JPEG")
        pipeline.flip_left_right(probability=0.5)
        if policy == "light":
            pipeline.crop_random(probability=0.9, percentage_area=0.85)
            pipeline.random_brightness(probability=0.6, min_factor=0.8, max_factor=1.2)
            pipeline.random_contrast(probability=0.6, min_factor=0.8, max_factor=1.2)
        else:  # it has no shift
            pipeline.rotate_without_crop(probability=1, max_left_rotation=40, max_right_rotation=40)
            pipeline.shear(probability=1, max_shear_left=1, max_shear_right=1)
            pipeline.zoom(probability=1, min_factor=1.0, max_factor=1.25)
        variants = len(pictures) * COPIES
        rate = per_core_second(
            lambda: pipeline.sample(variants, multi_threaded=False),
            variants,
            lambda: pipeline.sample(2, multi_threaded=False),
        )
        assert len(list(out.glob("*.JPEG"))) == variants + 2
    return rate


def image_data_generator(pictures: list[Path], policy: str) -> float:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from keras.src.legacy.preprocessing.image import ImageDataGenerator
    from PIL import Image

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
    with tempfile.TemporaryDirectory() as name:
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

        return per_core_second(work, len(pictures) * COPIES, lambda: flow[0])


CONTESTANTS: dict[str, Callable[[list[Path]], float]] = {
    "floor": floor,
    "floor, decoding for every variant": lambda p: floor(p, decode_each=True),
    "augment light": lambda p: bodyshop(p, "light"),
    "augment car-damage": lambda p: bodyshop(p, "car-damage"),
    "augment grayscale": lambda p: bodyshop(p, "grayscale"),
    "augment weather": lambda p: bodyshop(p, "weather"),
    "augment imagedatagenerator": lambda p: bodyshop(p, "imagedatagenerator"),
    "floor at q75": lambda p: floor(p, PEER_QUALITY),
    "augment light at q75": lambda p: bodyshop(p, "light", PEER_QUALITY),
    "Augmentor light at q75": lambda p: augmentor(p, "light"),
    "ImageDataGenerator light at q75": lambda p: image_data_generator(p, "light"),
    "augment imagedatagenerator at q75": lambda p: bodyshop(p, "imagedatagenerator", PEER_QUALITY),
    "Augmentor imagedatagenerator at q75": lambda p: augmentor(p, "imagedatagenerator"),
    "ImageDataGenerator itself at q75": lambda p: image_data_generator(p, "imagedatagenerator"),
}


def whole_command(pictures: list[Path], workers: int) -> str:
    """Run `augment.augment` on a workspace, catalog, manifest and start of the workers included."""
    from augment import augment
    from bodyshop.progress import SILENT
    from bodyshop.workspace import Workspace

    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace.open(name)
        enter(workspace, pictures)
        cpu = processor_seconds()
        begun = time.monotonic()
        made = augment(workspace, "light", copies=COPIES, workers=workers, progress=SILENT).made
        seconds, cpu = time.monotonic() - begun, processor_seconds() - cpu
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return f"| {workers} | {made / seconds:.0f} | {made / cpu:.0f} | {largest:.0f} MB |"


def processor_seconds() -> float:
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def enter(workspace: Any, pictures: list[Path]) -> None:
    from bodyshop.catalog import now, register_image, schema
    from bodyshop.imaging import probe

    names = {}
    with workspace.catalog.begin() as connection:
        for path in pictures:
            blob = workspace.blobs.put_bytes(path.read_bytes(), "jpg")
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
