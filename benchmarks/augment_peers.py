"""Augmentor and Keras' ImageDataGenerator with policies like ours, timed like our own."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COPIES = 3
QUALITY = 95


def rates_of(
    work: Callable[[], Any], variants: int, warm_up: Callable[[], Any]
) -> tuple[float, float]:
    """Return variants per second of processor time and of wall time."""
    warm_up()
    begun = time.process_time(), time.perf_counter()
    work()
    return variants / (time.process_time() - begun[0]), variants / (time.perf_counter() - begun[1])


@contextmanager
def kept_folder() -> Iterator[str]:
    """Make a folder that stays until all contestants are done.

    A file system that has just lost thousands of files is slower at making new ones (ext4 looks for
    an inode that was not deleted lately), which would be counted against the next contestant.
    """
    yield tempfile.mkdtemp()


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
