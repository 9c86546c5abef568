"""From a sample to the square of pixels a network sees: one way for training and prediction."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from bodyshop_core.catalog import BlobRef
from bodyshop_core.imaging import Equalise, crop_to, equalise, fit_square, load_rgb
from bodyshop_core.processes import cpu_count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    RGB = NDArray[np.uint8]

DEGRADATION_VERSION = 2
"""Raised whenever the same picture and view would come out as other pixels."""

TTA_VIEWS = {"centre": 0, "mirrored": -1, "whole": -2, "whole-mirrored": -3}
"""Ways to show a picture as it is, by name, with their view numbers: its centre square, or all of
it squeezed into the square; each also mirrored."""

_DRAFT_MARGIN = 2
"""A JPEG is decoded at a reduced size only when it still has this many times the pixels needed."""


@dataclass(frozen=True)
class View:
    """How pictures are converted to the network's input.

    Parameters
    ----------
    side : int
        Of the square, in pixels.
    equalise : Equalise or None
        Size and JPEG quality that every picture is converted to first.
    grey : bool
        Take the colour out (luma in all three channels).
    """

    side: int
    equalise: Equalise | None = None
    grey: bool = False

    def digest(self) -> str:
        """Name the view, as part of a cache key."""
        spec = self.equalise
        even = f"-e{spec.longest_side}q{spec.jpeg_quality}" if spec else ""
        return f"s{self.side}{even}{'-grey' if self.grey else ''}-c{DEGRADATION_VERSION}"


@dataclass(frozen=True)
class Cut:
    """A part of a picture file.

    Parameters
    ----------
    file : Path or BlobRef
        The picture.
    box : (left, top, right, bottom)
        Fractions of its width and height; `bodyshop_core.imaging.crop_to` adds a margin.
    """

    file: Path | BlobRef
    box: tuple[float, float, float, float]


def to_square(
    source: Path | str | bytes | BlobRef | RGB | Cut, view: View, *, number: int = 0, key: str = ""
) -> RGB:
    """Load a picture as the network sees it.

    Parameters
    ----------
    source : Path, str, bytes, BlobRef, Cut or ndarray of uint8, shape (height, width, 3)
        A file, its content, a picture of a workspace's store, a part of one, or decoded RGB.
    view : View
        Size, equalising, colour.
    number : int
        0 or less: one of `TTA_VIEWS`. From 1 on a degradation view: cropped, mirrored, scaled down
        and compressed at random, always the same for the same `key` and number; an even number's
        view is squeezed into the square as a whole instead of cut to its centre.
    key : str
        Identity of the picture for the camera's random numbers.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        RGB.

    Raises
    ------
    UnreadableImageError
        The file can't be decoded.
    """
    return _framed(_prepared(source, view, max(0, number), key), view, [number])[0]


def load_tta_views(
    source: Path | str | bytes | BlobRef | RGB | Cut,
    view: View,
    tta_views: Sequence[str] = ("centre",),
) -> RGB:
    """Load a picture once and show it in several of `TTA_VIEWS`; shape (views, side, side, 3).

    Raises
    ------
    UnreadableImageError
        The file can't be decoded.
    """
    import numpy as np

    rgb = _prepared(source, view, 0, "")
    return np.stack(_framed(rgb, view, [TTA_VIEWS[name] for name in tta_views]))


def decoded_at(view: View) -> int:
    """Return the pixels that both sides keep when a JPEG is decoded at a reduced size."""
    longest = view.equalise.longest_side if view.equalise else 0
    return _DRAFT_MARGIN * max(view.side, longest)


def load_all_tta_views(
    sources: Sequence[Any], view: View, tta_views: Sequence[str] = ("centre",)
) -> Iterator[RGB]:
    """Yield `load_tta_views` of each source in order, decoded on all cores ahead of the reader."""
    with ThreadPoolExecutor(max_workers=cpu_count()) as pool:
        yield from pool.map(lambda source: load_tta_views(source, view, tta_views), sources)


def _prepared(source: Any, view: View, camera: int, key: str) -> RGB:
    """Decode a picture at the size needed, as another camera would have it, and equalise it."""
    needed = decoded_at(view)
    if isinstance(source, Cut):
        left, top, right, bottom = source.box
        share = max(min(right - left, bottom - top), 0.01)
        rgb = crop_to(load_rgb(source.file, at_least=round(needed / share)), source.box)
    elif isinstance(source, Path | str | bytes | BlobRef):
        rgb = load_rgb(source, at_least=needed)
    else:
        rgb = source
    if camera:
        rgb = _another_camera(rgb, hashlib.sha256(f"{key}|{camera}".encode()).digest())
    return rgb if view.equalise is None else equalise(rgb, view.equalise)


def _framed(rgb: RGB, view: View, numbers: Sequence[int]) -> list[RGB]:
    """Fit a prepared picture into one square per view number; mirrored ones share a resizing."""
    mirrored = {TTA_VIEWS["mirrored"], TTA_VIEWS["whole-mirrored"]}
    upright: dict[bool, RGB] = {}
    found = []
    for number in numbers:
        squeezed = number <= TTA_VIEWS["whole"] or (number > 0 and number % 2 == 0)
        if squeezed not in upright:
            upright[squeezed] = _fitted(rgb, view, squeezed=squeezed)
        square = upright[squeezed]
        found.append(square[:, ::-1] if number in mirrored else square)
    return found


def _fitted(rgb: RGB, view: View, *, squeezed: bool) -> RGB:
    square = _squeeze(rgb, view.side) if squeezed else fit_square(rgb, view.side)
    if view.grey:
        import numpy as np

        luma = np.asarray(Image.fromarray(square).convert("L"))
        square = np.repeat(luma[..., None], 3, axis=2)
    return square


def squares(
    sources: Sequence[Any],
    view: View,
    *,
    numbers: Sequence[int] = (),
    keys: Sequence[str] = (),
    pool: ThreadPoolExecutor | None = None,
) -> Iterator[RGB]:
    """Yield `to_square` of each source in order, decoded on all cores ahead of the reader.

    Consecutive views of one picture share one decoding; `pool` has the threads.

    """
    numbers = numbers or [0] * len(sources)
    keys = keys or [""] * len(sources)
    shares = [
        # Each degradation view differs, and a picture in memory has no name to compare.
        source if number <= 0 and isinstance(source, Path | BlobRef | Cut) else place
        for place, (source, number) in enumerate(zip(sources, numbers, strict=True))
    ]
    runs = [
        list(run)
        for _, run in groupby(
            zip(sources, numbers, keys, shares, strict=True), key=lambda each: each[3]
        )
    ]

    def shown(run: list[tuple[Any, int, str, Any]]) -> list[RGB]:
        source, number, key, _ = run[0]
        rgb = _prepared(source, view, max(0, number), key)
        return _framed(rgb, view, [number for _, number, _, _ in run])

    # Decoding and resizing release the interpreter's lock, so threads do.
    with ExitStack() as held:
        threads = pool or held.enter_context(ThreadPoolExecutor(cpu_count()))
        for each in threads.map(shown, runs):
            yield from each


def _squeeze(rgb: RGB, side: int) -> RGB:
    """Resize a whole picture to a square, without cropping."""
    import numpy as np

    size = (side, side)
    image = Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(image)


def _another_camera(rgb: RGB, seed: bytes) -> RGB:
    """Show the picture as another camera, crop and website would have.

    The ranges span what the same picture goes through between a camera and a search page; they
    keep a network from reading sharpness and compression as a label.
    """
    import numpy as np

    random = np.random.default_rng(np.frombuffer(seed, np.uint32))
    height, width = rgb.shape[:2]
    scale = np.sqrt(random.uniform(0.7, 1.0))
    tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = random.integers(height - tall + 1), random.integers(width - wide + 1)
    image = Image.fromarray(rgb[top : top + tall, left : left + wide])
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    longest = int(np.exp(random.uniform(np.log(120), np.log(640))))
    if longest < max(image.size):
        share = longest / max(image.size)
        small = (max(1, round(image.width * share)), max(1, round(image.height * share)))
        image = image.resize(small, Image.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(random.integers(35, 96)))
    with Image.open(buffer, formats=["JPEG"]) as encoded:
        return np.asarray(encoded.convert("RGB"))
