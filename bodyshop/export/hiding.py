"""Number plates and faces made unreadable in what leaves the house.

Regions come from people (drawn with a label that means a plate or a face), from the detections in
the catalog (a person counts as a face, whole), and from the Haar cascades in OpenCV's wheel. The
cascades miss many and find some that are none: docs/benchmarks/sharing.md has the figures.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import nfc, schema
from bodyshop_core.errors import MissingPartError, UnreadableImageError, UsageError
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace

KINDS = ("plates", "faces")

WORDS = {
    "plates": frozenset({"plate", "plates", "licence plate", "license plate", "number plate",
                         "registration plate", "번호판", "차량번호판"}),
    "faces": frozenset({"face", "faces", "head", "person", "people", "얼굴", "사람"}),
}  # fmt: skip
"""Labels of regions and of detections that are hidden, in lower case with spaces."""

CASCADES = {
    "plates": ("haarcascade_russian_plate_number.xml", 1.05, 3, (40, 10)),
    "faces": ("haarcascade_frontalface_default.xml", 1.1, 5, (24, 24)),
}
"""File of the wheel, step between scales, neighbours that a find needs, smallest width and height
in pixels of the searched picture."""

SEARCH_SIDE = 1024
"""Longest side of the picture that is searched, in pixels; smaller ones are enlarged, at most
`MOST_ENLARGED` times: the cascade for plates sees none below 64 x 16 pixels."""

MOST_ENLARGED = 3.0

MARGIN = 0.15
"""Of a region's sides, hidden around it."""

CELLS = (4, 3)
"""What a region is reduced to, across and down, before it is blurred: no character is left."""


@dataclass(frozen=True)
class Hidden:
    """A region that is hidden.

    Parameters
    ----------
    kind : str
        ``plates`` or ``faces``.
    by : str
        ``person``, ``detector`` or ``cascade``.
    box : tuple of int
        Left, top, width, height in pixels of the upright picture, with its margin.
    """

    kind: str
    by: str
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class HiddenIn:
    """What is hidden in one picture.

    Parameters
    ----------
    size : (int, int)
        Upright width and height, in pixels.
    regions : tuple of Hidden
        At least one.
    """

    size: tuple[int, int]
    regions: tuple[Hidden, ...]


def read_kinds(text: str | None) -> tuple[str, ...]:
    """Return the kinds that ``--hide plates,faces`` names, in the order of `KINDS`.

    Raises
    ------
    UsageError
        It names something else.
    """
    named = {word.strip().lower() for word in (text or "").split(",") if word.strip()}
    unknown = sorted(named - set(KINDS))
    if unknown:
        raise UsageError(f"'{unknown[0]}' can't be hidden", hint=f"use {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in named)


def find_hidden(
    workspace: Workspace,
    pictures: Mapping[str, Callable[[], bytes]],
    kinds: Collection[str],
    *,
    progress: Progress = SILENT,
) -> dict[str, HiddenIn]:
    """Find what is to be hidden.

    Parameters
    ----------
    workspace : Workspace
        Its regions and detections count.
    pictures : mapping
        sha256 -> what returns the bytes.
    kinds : collection of str
        Of `KINDS`.
    progress : Progress
        Told how many pictures were searched.

    Returns
    -------
    dict
        sha256 -> regions, of the pictures that have some.

    Raises
    ------
    UnreadableImageError
        A picture can't be decoded, so that nobody knows what it shows.
    TransientError
        The file of a picture can't be read.
    """
    from bodyshop_core.imaging import load_rgb

    drawn, seen = _drawn(workspace, kinds), _detected(workspace, kinds)
    found: dict[str, HiddenIn] = {}
    with progress.task("search", total=len(pictures)) as tick:
        for sha256, read in pictures.items():
            tick(1)
            data = read()
            try:
                rgb = load_rgb(data)
            except UnreadableImageError as error:
                raise UnreadableImageError(
                    f"{sha256[:12]} can't be decoded, so it is not known what to hide: {error}",
                    hint="reject it: bodyshop curate",
                ) from error
            height, width = rgb.shape[:2]
            boxes = [
                *drawn.get(sha256, ()),
                *(
                    Hidden(kind, "detector", _pixels(box, width, height))
                    for kind, box in seen.get(sha256, ())
                ),
                *(Hidden(kind, "cascade", box) for kind in kinds for box in propose(rgb, kind)),
            ]
            grown = tuple(
                Hidden(one.kind, one.by, box)
                for one in boxes
                if all((box := _grown(one.box, width, height))[2:])
            )
            if grown:
                found[sha256] = HiddenIn((width, height), grown)
    return found


def propose(rgb: NDArray[np.uint8], kind: str) -> list[tuple[int, int, int, int]]:
    """Return where a shipped cascade sees plates or faces.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        Upright.
    kind : str
        Of `KINDS`.

    Returns
    -------
    list of tuple
        Left, top, width, height in pixels, without a margin.
    """
    import cv2

    _, step, neighbours, smallest = CASCADES[kind]
    height, width = rgb.shape[:2]
    scale = min(SEARCH_SIDE / max(height, width), MOST_ENLARGED)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    grey = cv2.equalizeHist(cv2.resize(grey, size, interpolation=how))
    boxes = _cascade(kind).detectMultiScale(
        grey, scaleFactor=step, minNeighbors=neighbours, minSize=smallest
    )
    return [_box(*(value / scale for value in map(float, box))) for box in boxes]


def hide(rgb: NDArray[np.uint8], boxes: Iterable[Sequence[int]]) -> NDArray[np.uint8]:
    """Return a copy in which boxes (left, top, width, height) hold `CELLS` smooth colours only."""
    import cv2

    done = rgb.copy()
    for left, top, width, height in boxes:
        part = done[top : top + height, left : left + width]
        if not part.size:
            continue
        cells = cv2.resize(part, CELLS, interpolation=cv2.INTER_AREA)
        done[top : top + height, left : left + width] = cv2.resize(
            cells, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_LINEAR
        )
    return done


def hidden_picture(data: bytes, extension: str, regions: Sequence[Hidden]) -> bytes:
    """Return a picture with its regions hidden: upright, without metadata, as JPEG or PNG."""
    from PIL import Image

    from bodyshop_core.imaging import load_rgb

    image = Image.fromarray(hide(load_rgb(data), [each.box for each in regions]))
    buffer = io.BytesIO()
    if extension == "jpg":
        image.save(buffer, "JPEG", quality=95)
    else:
        image.save(buffer, "PNG")
    return buffer.getvalue()


def hidden_mask(found: HiddenIn) -> bytes:
    """Return where a picture was changed, as PNG: 255 there, 0 elsewhere."""
    import numpy as np

    from labeling.formats.mask_file import encode_mask

    mask = np.zeros(found.size[::-1], bool)
    for region in found.regions:
        left, top, width, height = region.box
        mask[top : top + height, left : left + width] = True
    return encode_mask(mask)


def record_line(sha256: str, found: HiddenIn) -> str:
    """Return a line of ``hidden.jsonl``."""
    return json.dumps({"sha256": sha256, **asdict(found)})


def digest(found: Mapping[str, HiddenIn]) -> str:
    """Return a digest of all regions: with others, pictures are written again."""
    text = "\n".join(record_line(sha256, found[sha256]) for sha256 in sorted(found))
    return hashlib.sha256(text.encode()).hexdigest()


def kind_of(label: str, kinds: Collection[str]) -> str | None:
    """Return the kind that a label means, if it is one of those to be hidden."""
    text = " ".join(nfc(label).lower().replace("_", " ").replace("-", " ").split())
    return next((kind for kind in KINDS if kind in kinds and text in WORDS[kind]), None)


@lru_cache(maxsize=len(KINDS))
def _cascade(kind: str) -> Any:
    from pathlib import Path

    import cv2

    # OpenCV's stubs lack its module of data files.
    data: Any = importlib.import_module("cv2.data")
    file = Path(data.haarcascades) / CASCADES[kind][0]
    cascade = cv2.CascadeClassifier(str(file))
    if cascade.empty():
        raise MissingPartError(
            f"{file} is not there: this OpenCV ships no cascades",
            hint="pip install --force-reinstall opencv-python-headless",
        )
    return cascade


def _drawn(workspace: Workspace, kinds: Collection[str]) -> dict[str, list[Hidden]]:
    """Return what people drew: regions, and masks that have none."""
    import numpy as np

    from labeling.formats.instances import box_of
    from labeling.formats.mask_file import read_mask

    regions, masks = schema.regions, schema.annotations
    in_use = (masks.c.kind == "mask", masks.c.state == "current")
    found: dict[str, list[Hidden]] = {}
    with workspace.catalog.read() as connection:
        rows = connection.execute(
            select(regions.c.sha256, regions.c.label, regions.c.box, regions.c.mask)
            .join(masks, masks.c.key == regions.c.mask)
            .where(*in_use)
        ).all()
        files = connection.execute(
            select(masks.c.key, masks.c.sha256, masks.c.label, masks.c.file).where(*in_use)
        ).all()
    for sha256, label, box, _ in rows:
        if kind := kind_of(label, kinds):
            found.setdefault(sha256, []).append(Hidden(kind, "person", _box(*box)))
    whole = {row.mask for row in rows}
    for key, sha256, label, file in files:
        kind = kind_of(label or "", kinds)
        if kind and file and key not in whole:
            around = box_of(np.asarray(read_mask(workspace.derived.ref(file))))
            if around:
                found.setdefault(sha256, []).append(Hidden(kind, "person", _box(*around)))
    return found


def _detected(
    workspace: Workspace, kinds: Collection[str]
) -> dict[str, list[tuple[str, list[float]]]]:
    table = schema.detections
    query = select(table.c.sha256, table.c.label, table.c.box).where(table.c.label.is_not(None))
    found: dict[str, list[tuple[str, list[float]]]] = {}
    with workspace.catalog.read() as connection:
        for sha256, label, box in connection.execute(query):
            if box and (kind := kind_of(label, kinds)):
                found.setdefault(sha256, []).append((kind, box))
    return found


def _pixels(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return _box(left * width, top * height, (right - left) * width, (bottom - top) * height)


def _box(left: float, top: float, width: float, height: float) -> tuple[int, int, int, int]:
    return round(left), round(top), round(width), round(height)


def _grown(box: Sequence[int], width: int, height: int) -> tuple[int, int, int, int]:
    """Return a box with its margin, inside of the picture."""
    x, y = round(box[2] * MARGIN) + 1, round(box[3] * MARGIN) + 1
    left, top = max(0, box[0] - x), max(0, box[1] - y)
    right, bottom = min(width, box[0] + box[2] + x), min(height, box[1] + box[3] + y)
    return left, top, max(0, right - left), max(0, bottom - top)
