"""Number plates and faces made unreadable in what leaves the house.

What is proposed comes from the Haar cascades in OpenCV's wheel. They miss many and find some that
are none: docs/benchmarks/sharing.md has the figures.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bodyshop_core.catalog import nfc
from bodyshop_core.errors import MissingPartError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


KINDS = ("plates", "faces")

PROPOSED = "cascade"
"""Who found a region about which nobody said anything."""

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
        ``person`` (who drew it), ``detector``, ``confirmed`` (a proposal that a person
        confirmed) or ``cascade`` (a proposal about which nobody said anything).
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
    return [box_of_pixels(*(value / scale for value in map(float, box))) for box in boxes]


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


def box_of_pixels(
    left: float, top: float, width: float, height: float
) -> tuple[int, int, int, int]:
    """Return a box in whole pixels."""
    return round(left), round(top), round(width), round(height)
