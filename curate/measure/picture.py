"""Everything cheap that can be measured from one decode of a picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bodyshop_core.engine.allocator import keep_freed_memory
from bodyshop_core.engine.task import Item, Row, answer_each
from bodyshop_core.imaging import open_image, to_rgb
from bodyshop_core.imaging.faults import find_fault
from curate.measure.hashes import picture_hashes
from curate.measure.header import camera_and_time, jpeg_quality
from curate.measure.inner import inner_hashes
from curate.measure.sharpness import sharpness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.imaging.faults import Fault

WORKING_SIDE = 512
"""The longest side is decoded at 512 pixels or more where the picture has them, and below 1,024."""

HASHING_SIDE = 128
"""Hashes are taken from the picture shrunk by a whole factor to 128 to 255 pixels: on 207 real
photos the 64-bit hash differs from that of the full decode by 0.13 bits on average, by 2 at most,
the 256-bit hash by 1.1 and 8; from 512 pixels hashing would cost ten times as much."""

COLOUR_GRID = 4
"""The colour signature is the mean RGB of each cell of a 4 x 4 grid."""

DARK, BRIGHT = 26, 230
"""Grey levels below and above which a pixel counts as dark or bright: the outer tenths of 0 to
255."""

_TONE_SIDE = 64


def measure_pictures(items: list[Item]) -> list[Row]:
    """Measure the pictures of a batch; the shard function of `curate.measure.stage`.

    Parameters
    ----------
    items : list of dict
        ``key`` (the picture's sha256) and ``blob`` (a `BlobRef`).

    Returns
    -------
    list of dict
        What `measure_picture` returns, and ``key``; for an unreadable picture ``key`` and
        ``error``. One that storage does not give is put back.
    """
    import cv2

    cv2.setNumThreads(1)  # the engine runs a process per CPU already
    keep_freed_memory()
    return answer_each(items, lambda item: measure_picture(item["blob"].read()))


def measure_picture(source: Path | bytes) -> dict[str, Any]:
    """Measure one picture from one decode.

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size (DCT scaling) as long as its longest side keeps
    512 pixels; other formats are decoded whole and shrunk by a whole factor to the same range.
    Rules for rotation, 16 bit, CMYK, palettes, transparency and animations are those of
    `bodyshop_core.imaging`.

    Parameters
    ----------
    source : Path or bytes
        A file, or its content.

    Returns
    -------
    dict
        ``width``, ``height`` (int, after EXIF rotation); ``phash``, ``phash_mirror``, ``phash256``,
        ``dhash`` (hex), ``ac_energy``: see `curate.measure.hashes`; ``inner``: see
        `curate.measure.inner`; ``colour`` (96 hex digits):
        mean RGB of 4 x 4 cells; ``pixel_digest`` (hex): equal for the same pixels saved
        by a lossless format or with other metadata; ``sharpness`` (0 to 1): see
        `curate.measure.sharpness`;
        ``brightness`` (0 to 1): mean grey level; ``dark_fraction``, ``bright_fraction`` (0 to 1);
        ``contrast`` (0 to 0.5): standard deviation of the grey levels / 255; ``entropy`` (0 to 8
        bits) of the grey levels; ``colourfulness`` (about 0 to 110, Hasler and Süsstrunk 2003);
        ``jpeg_quality``, ``exif_camera``, ``exif_time``: see `curate.measure.header`;
        ``damage`` (0 to 1) and ``damage_note``: see `bodyshop_core.imaging.faults`.

    Raises
    ------
    UnreadableImageError
        The picture can't be opened or decoded to its end.
    """
    return measure_decoded(decode_for_measuring(source))


@dataclass(frozen=True)
class DecodedPicture:
    """A picture decoded once, for everything that is measured.

    Parameters
    ----------
    rgb : PIL.Image.Image
        Upright, mode RGB; a JPEG at a reduced size (see `measure_picture`).
    stored_at, stored_whole : (int, int)
        Width and height of the decode, and of the whole picture, before rotation.
    width, height : int
        Of the upright picture in full size.
    jpeg_quality : int or None
        See `curate.measure.header`.
    exif_camera, exif_time : str or None
        See `curate.measure.header`.
    fault : Fault or None
        Damage in the file's data; see `bodyshop_core.imaging.faults`.
    """

    rgb: Image.Image
    stored_at: tuple[int, int]
    stored_whole: tuple[int, int]
    width: int
    height: int
    jpeg_quality: int | None
    exif_camera: str | None
    exif_time: str | None
    fault: Fault | None


def decode_for_measuring(source: Path | bytes) -> DecodedPicture:
    """Decode a picture at the size that `measure_decoded` takes.

    Raises
    ------
    UnreadableImageError
        The picture can't be opened or decoded to its end.
    """
    fault = find_fault(source if isinstance(source, bytes) else source.read_bytes())
    with open_image(source) as image:
        size = image.size
        quality = jpeg_quality(image)
        camera, taken = camera_and_time(image)
        _reduce(image)
        decoded = image.size
        rgb = to_rgb(image, name="the picture")
        turned = decoded != rgb.size
    width, height = size[::-1] if turned else size
    return DecodedPicture(rgb, decoded, size, width, height, quality, camera, taken, fault)


def decode_again(source: Path | bytes) -> Image.Image:
    """Return the pixels of `decode_for_measuring`; nothing else is looked for in the file."""
    with open_image(source) as image:
        _reduce(image)
        return to_rgb(image, name="the picture")


def measure_decoded(picture: DecodedPicture) -> dict[str, Any]:
    """Measure a decoded picture; returns what `measure_picture` does."""
    rgb, width, height = picture.rgb, picture.width, picture.height
    digest = hashlib.sha256(f"{width}x{height}".encode())
    digest.update(rgb.tobytes())
    rgb = at_working_size(rgb)
    grey = rgb.convert("L")
    factor = _factor(rgb, HASHING_SIDE)
    tiny = rgb.reduce(factor) if factor > 1 else rgb
    box = (0.0, 0.0, rgb.width / factor, rgb.height / factor)
    tones = np.asarray(tiny.resize((_TONE_SIDE, _TONE_SIDE), Image.Resampling.BOX, box=box))
    return {
        "width": width,
        "height": height,
        **picture_hashes(tiny.convert("L"), box=box),
        "inner": inner_hashes(rgb),
        "colour": _colour_signature(tones).tobytes().hex(),
        "pixel_digest": digest.hexdigest(),
        "sharpness": sharpness(np.asarray(grey)),
        **_exposure(np.asarray(grey.histogram(), dtype=np.float64)),
        "colourfulness": _colourfulness(tones),
        "jpeg_quality": picture.jpeg_quality,
        "exif_camera": picture.exif_camera,
        "exif_time": picture.exif_time,
        "damage": picture.fault.share if picture.fault is not None else 0.0,
        "damage_note": picture.fault.note if picture.fault is not None else None,
    }


def at_working_size(rgb: Image.Image) -> Image.Image:
    """Shrink a picture by a whole factor to a longest side of 512 to 1,023 pixels."""
    return rgb.reduce(factor) if (factor := _factor(rgb, WORKING_SIDE)) > 1 else rgb


def _reduce(image: Image.Image) -> None:
    """Have a JPEG decoded at a reduced size: its longest side keeps `WORKING_SIDE` pixels."""
    scale = min(1.0, WORKING_SIDE / max(image.size))
    image.draft("RGB", (max(1, int(image.width * scale)), max(1, int(image.height * scale))))


def _factor(image: Image.Image, side: int) -> int:
    """Return the largest whole factor that leaves the longest side at `side` or more."""
    return max(1, max(image.size) // side)


def _colour_signature(tones: NDArray[np.uint8]) -> NDArray[np.uint8]:
    cell = _TONE_SIDE // COLOUR_GRID
    cells = tones.reshape(COLOUR_GRID, cell, COLOUR_GRID, cell, 3).mean(axis=(1, 3))
    return cells.round().astype(np.uint8)


def _exposure(histogram: NDArray[np.float64]) -> dict[str, float]:
    share = histogram / histogram.sum()
    levels = np.arange(256)
    mean = float(share @ levels)
    present = share[share > 0]
    return {
        "brightness": mean / 255,
        "dark_fraction": float(share[:DARK].sum()),
        "bright_fraction": float(share[BRIGHT + 1 :].sum()),
        "contrast": float(np.sqrt(share @ (levels - mean) ** 2)) / 255,
        "entropy": float(-(present * np.log2(present)).sum()) + 0.0,
    }


def _colourfulness(tones: NDArray[np.uint8]) -> float:
    """Hasler and Süsstrunk, "Measuring colourfulness in natural images", 2003, the M(3) metric."""
    red, green, blue = np.ascontiguousarray(tones.reshape(-1, 3).T, dtype=np.float32)
    a, b = red - green, (red + green) / 2 - blue
    return float(np.hypot(a.std(), b.std()) + 0.3 * np.hypot(a.mean(), b.mean()))
