"""Build a showroom on disk: pictures, thumbnails, masks and ``truth.json``."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from bodyshop_core.atomic import sweep, write_bytes
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.processes import end_with_parent
from bodyshop_core.progress import SILENT, Progress
from showroom.decoys import draw_decoy
from showroom.duplicates import copy_of
from showroom.finished import discard_notes, noted, write_note
from showroom.lineup import BRANDS
from showroom.plan import RenderJob, Size, plan
from showroom.render import Photo, render
from showroom.truth import VERSION, Picture, Truth

THUMBNAIL_WIDTH = 200


def build_showroom(
    root: Path | str,
    *,
    seed: int = 7,
    size: Size = "demo",
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Truth:
    """Render a showroom below `root`, or return the one that is there already.

    After an interruption it goes on: pictures that were finished are kept.

    Parameters
    ----------
    root
        Folder, created when missing.
    seed
        Two builds with the same seed and size hold the same bytes (on the same versions of NumPy
        and Pillow), whatever the number of workers.
    size
        ``"demo"`` (516 pictures) or ``"tiny"`` (under 60 small ones, for tests).
    workers
        Processes; None: one per processor, and none beside this one for ``"tiny"``.
    progress
        Told of every picture.

    Returns
    -------
    Truth
        What every picture shows.
    """
    if size not in ("demo", "tiny"):
        raise UsageError(
            f"There is no showroom size {size!r}.", hint="Sizes are 'demo' and 'tiny'."
        )
    root = Path(root)
    ready = _ready(root, seed, size)
    if ready is not None:
        discard_notes(root)
        return ready
    for folder in ("pictures", "thumbnails", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    sweep(root)
    jobs = plan(seed, size)
    if workers is None:
        workers = 1 if size == "tiny" else (os.cpu_count() or 1)
    pictures = {
        job.picture.id: picture for job in jobs if (picture := noted(root, job)) is not None
    }
    if pictures:
        progress.log(f"{len(pictures)} of {len(jobs)} pictures of the showroom are there already")
    to_do = [job for job in jobs if job.picture.id not in pictures]
    to_do.sort(key=_place)  # neighbours share a scene, which costs more to set up than a picture
    with progress.task("render", total=len(to_do)) as tick:
        if workers == 1:
            for job in to_do:
                pictures[job.picture.id] = _finish(job, root)
                tick(1)
        else:
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(
                workers, mp_context=context, initializer=_prepare, initargs=(os.getpid(),)
            ) as pool:
                for picture in pool.map(_finish, to_do, [root] * len(to_do), chunksize=8):
                    pictures[picture.id] = picture
                    tick(1)
    truth = Truth(VERSION, seed, size, BRANDS, tuple(pictures[job.picture.id] for job in jobs))
    truth.save(root)
    discard_notes(root)
    return truth


def _finish(job: RenderJob, root: Path) -> Picture:
    picture = make(job, root)
    write_note(root, job, picture)
    return picture


def make(job: RenderJob, root: Path) -> Picture:
    """Render one picture with its thumbnail and masks, write them and return its truth."""
    picture = job.picture
    masks: dict[str, np.ndarray] = {}
    quality = picture.jpeg_quality or 88
    transform = None
    if job.decoy is not None:
        image = Image.fromarray(draw_decoy(job.decoy, picture.width, picture.height, job.seed))
    elif job.shot is not None:
        photo: Photo = render(job.shot)
        image, masks = Image.fromarray(photo.rgb), photo.masks
        if job.copy is not None:
            stored = (
                io.BytesIO()
            )  # a copy on the web is made from the stored picture, not from the scene
            image.save(stored, "JPEG", quality=quality)
            copied = copy_of(
                Image.open(stored).convert("RGB"), quality, job.copy.transform, job.seed
            )
            image, quality, transform, masks = copied.image, copied.quality, copied.transform, {}
    else:
        raise BodyshopError(
            f"Picture {picture.id} of the plan has neither a shot to render nor a decoy to draw."
        )
    data = _jpeg(image, quality)
    file = f"pictures/{picture.id}.jpg"
    write_bytes(root / file, data)
    thumbnail = None
    if job.thumbnail:
        thumbnail = f"thumbnails/{picture.id}.jpg"
        height = max(1, round(image.height * THUMBNAIL_WIDTH / image.width))
        write_bytes(
            root / thumbnail,
            _jpeg(image.resize((THUMBNAIL_WIDTH, height), Image.Resampling.LANCZOS), 78),
        )
    files = {name: f"masks/{picture.id}.{name}.png" for name in sorted(masks)}
    for name, path in files.items():
        write_bytes(root / path, _png(masks[name]))
    whole_mask = None
    if masks:
        whole_mask = f"masks/{picture.id}.png"
        write_bytes(root / whole_mask, _png(np.logical_or.reduce(list(masks.values()))))
    classes = (
        tuple(sorted(masks))
        if job.copy is None
        else tuple(sorted(set(job.shot.damage if job.shot else ())))
    )
    return replace(
        picture,
        file=file,
        thumbnail=thumbnail,
        sha256=hashlib.sha256(data).hexdigest(),
        width=image.width,
        height=image.height,
        mask=whole_mask,
        masks=files,
        damage_classes=classes,
        transform=transform,
        jpeg_quality=quality,
    )


def _place(job: RenderJob) -> tuple[str, int]:
    return (job.shot.scene, job.shot.scene_seed) if job.shot else (job.decoy or "", 0)


def _ready(root: Path, seed: int, size: str) -> Truth | None:
    """Return the showroom in `root` if it is complete and the one that was asked for."""
    try:
        truth = Truth.load(root)
    except BodyshopError:
        return None  # none there, broken or of another version: build it
    if (truth.version, truth.seed, truth.size) != (VERSION, seed, size):
        return None
    files = (file for picture in truth.pictures for file in picture.files())
    return truth if all((root / file).is_file() for file in files) else None


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _png(mask: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(out, "PNG", optimize=False)
    return out.getvalue()


def _prepare(parent: int) -> None:
    """End each worker with the build, and keep it on one core: the pool already uses them all."""
    end_with_parent(parent)
    os.environ["OMP_NUM_THREADS"] = "1"
