"""Files that other programs wrote: text in any common encoding, JSON, XML, numbers and rings."""

from __future__ import annotations

import json
import math
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.errors import ConfigError, UnreadableImageError
from labeling.formats.shapes import MaskFormatError

if TYPE_CHECKING:
    from labeling.formats.shapes import Ring

BOMS = (b"\xff\xfe", b"\xfe\xff")

FAULTS = (
    MaskFormatError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError
)  # fmt: skip
"""What an entry of another program can raise while it is read; it costs that entry alone."""


IMAGE_FAULTS = (
    UnreadableImageError, OSError, SyntaxError, ValueError, struct.error, zlib.error
)  # fmt: skip
"""What decoding a damaged picture can raise: Pillow calls a broken PNG chunk a SyntaxError."""


def files_of(source: Path, find: Callable[[Path], list[Path]], what: str) -> list[Path]:
    """Return the file that is given, or the files of a format in a folder.

    Raises
    ------
    ConfigError
        There is none.
    """
    files = [source] if source.is_file() else find(source)
    if not files:
        raise ConfigError(f"no {what} in this folder", file=source)
    return files


def read_text(path: Path) -> str:
    """Read a text file in UTF-8 or UTF-16, with or without a byte order mark.

    Raises
    ------
    ConfigError
        It does not exist, or has another encoding.
    """
    try:
        data = path.read_bytes()
        return data.decode("utf-16" if data[:2] in BOMS else "utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError("the file does not exist", file=path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the file can't be read: {error}", file=path) from error


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    ConfigError
        It does not exist, or is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise ConfigError(f"this is not valid JSON: {error}", file=path, line=line) from error


def read_xml(path: Path) -> ET.Element:
    """Read an XML file; one that declares entities is refused, they allow XML bombs.

    Raises
    ------
    ConfigError
        It does not exist, is not XML, or declares entities.
    """
    text = read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ConfigError("an annotation file must not declare entities", file=path)
    try:
        return ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        place = getattr(error, "position", (None,))
        raise ConfigError(f"this is not valid XML: {error}", file=path, line=place[0]) from error


def number(value: Any, name: str = "a coordinate") -> float:
    """Return a finite number; text is converted.

    Raises
    ------
    MaskFormatError
        It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise MaskFormatError(f"{name} is not a number: {_shortened(value)}")
    try:
        found = float(value)
    except (ValueError, OverflowError) as error:
        raise MaskFormatError(f"{name} is not a number: {_shortened(value)}") from error
    if not math.isfinite(found):
        raise MaskFormatError(f"{name} is not finite: {_shortened(value)}")
    return found


def side(value: Any, name: str) -> int:
    """Return width or height in whole pixels, at least 1; 640.0 and "640" are accepted.

    Raises
    ------
    MaskFormatError
        It is none.
    """
    found = number(value, name)
    if found != int(found) or not 1 <= found <= 1_000_000:
        raise MaskFormatError(f"{name} is not a size in pixels: {_shortened(value)}")
    return int(found)


def ring_of(x: Any, y: Any) -> Ring:
    """Return a ring from its x and its y coordinates.

    Raises
    ------
    MaskFormatError
        Fewer than three corners, lists of different lengths, or values that are no finite numbers.
    """
    if not isinstance(x, list | tuple) or not isinstance(y, list | tuple):
        raise MaskFormatError("a polygon needs two lists of coordinates")
    if len(x) != len(y):
        raise MaskFormatError(f"a polygon has {len(x)} x and {len(y)} y coordinates")
    if len(x) < 3:
        raise MaskFormatError(f"a polygon needs at least three corners, not {len(x)}")
    corners = [(number(a), number(b)) for a, b in zip(x, y, strict=True)]
    return np.asarray(corners, np.float64)


def ring_of_flat(values: Any) -> Ring:
    """Return a ring from a list x1, y1, x2, y2, ... (see `ring_of`)."""
    if not isinstance(values, list | tuple):
        raise MaskFormatError(f"a polygon must be a list of numbers, not {_shortened(values)}")
    if len(values) % 2:
        raise MaskFormatError(f"a polygon has an odd number of coordinates: {len(values)}")
    return ring_of(values[0::2], values[1::2])


def ring_of_points(points: Any) -> Ring:
    """Return a ring from a list of pairs (see `ring_of`)."""
    if not isinstance(points, list | tuple) or not all(
        isinstance(point, list | tuple) and len(point) == 2 for point in points
    ):
        raise MaskFormatError("a polygon must be a list of points (x, y)")
    return ring_of([point[0] for point in points], [point[1] for point in points])


def rectangle(left: Any, top: Any, width: Any, height: Any) -> Ring:
    """Return the corners of a rectangle.

    Raises
    ------
    MaskFormatError
        It has no area.
    """
    x, y, w, h = (number(value) for value in (left, top, width, height))
    if w <= 0 or h <= 0:
        raise MaskFormatError(f"a box of {w:g} x {h:g} pixels has no area")
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])


def sentence(error: BaseException) -> str:
    """Return what was wrong with an entry, in words."""
    if isinstance(error, MaskFormatError):
        return error.message
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]!r}" if error.args else "it lacks a key"
    return f"it has an unexpected form ({_shortened(str(error))})"


def text_of(value: Any) -> str:
    """Return a class name: text without surrounding space, or a number as text; else empty."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()


def _shortened(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
