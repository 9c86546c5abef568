"""Files that other programs wrote: text in any common encoding, JSON, XML, numbers and shapes."""

from __future__ import annotations

import json
import math
import re
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.errors import ConfigError, UnreadableImageError
from labeling.formats.shapes import MaskFormatError, PictureShapes

if TYPE_CHECKING:
    from labeling.formats.shapes import Mask, Ring

BOMS = (b"\xff\xfe", b"\xfe\xff")

FAULTS = (
    MaskFormatError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError
)  # fmt: skip
"""What an entry of another program can raise while it is read; it costs that entry alone."""


JSON_FILES = "*.[jJ][sS][oO][nN]"
XML_FILES = "*.[xX][mM][lL]"
TEXT_FILES = "*.[tT][xX][tT]"
"""Patterns of file names, whose extension may be in capitals."""

FACTS = ("severity", "part")
"""What a region says besides its class; tools write these names in any letter case."""

_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding=["']([A-Za-z0-9._-]+)["']""")

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


def damaged_files(source: Path, files: list[Path]) -> Iterator[PictureShapes]:
    """Name the files beside those of a format, of the same kind, that can't be read at all.

    Parameters
    ----------
    source : Path
        What was asked for; in a file there is nothing beside.
    files : list of Path
        Its files of the format, at least one.
    """
    suffix = files[0].suffix.lower()
    xml = suffix == ".xml"
    read: Callable[[Path], Any] = read_xml if xml else read_json
    others = source.rglob(XML_FILES if xml else JSON_FILES) if source.is_dir() else ()
    for path in sorted({*others} - {*files}):
        try:
            read(path)
        except ConfigError as error:
            yield PictureShapes("", (0, 0), problems=(error.message,))


def read_text(path: Path, encoding: str | None = None) -> str:
    """Read a text file in UTF-8 or UTF-16, with or without a byte order mark.

    Parameters
    ----------
    path : Path
        The file.
    encoding : str, optional
        What the file itself declares, where it has no byte order mark.

    Raises
    ------
    ConfigError
        It does not exist, or has another encoding.
    """
    try:
        data = path.read_bytes()
        return data.decode("utf-16" if data[:2] in BOMS else encoding or "utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError("the file does not exist", file=path) from error
    except UnicodeError as error:
        raise ConfigError(
            f"the file is not in {encoding or 'UTF-8 or UTF-16'}: {error}", file=path,
            hint="open it in the program that wrote it, and save it in UTF-8",
        ) from error  # fmt: skip
    except (OSError, LookupError) as error:
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
    text = read_text(path, _declared(path))
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ConfigError("an annotation file must not declare entities", file=path)
    try:
        return ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        place = getattr(error, "position", (None,))
        raise ConfigError(f"this is not valid XML: {error}", file=path, line=place[0]) from error


def _declared(path: Path) -> str | None:
    """Return the encoding that an XML file declares, other than UTF-8 and UTF-16."""
    try:
        with path.open("rb") as stream:
            found = _DECLARED.match(stream.read(200))
    except OSError:
        return None  # `read_text` says why
    name = found.group(1).decode("ascii").lower() if found else ""
    return None if not name or name.startswith(("utf-8", "utf-16", "utf8", "utf16")) else name


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


GAP = 0.05
"""Ends of a line that is meant to be closed lie at most this share of its extent apart."""


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


def closed(line: Ring) -> Ring:
    """Return a line that comes back to where it began as a ring: it encloses an area.

    Parameters
    ----------
    line : ndarray of float, shape (points, 2)
        Pixels.

    Raises
    ------
    MaskFormatError
        Its ends are further apart than `GAP` of its extent, or than two pixels.
    """
    extent = float(np.ptp(line, axis=0).max())
    apart = float(np.hypot(*(line[-1] - line[0])))
    if apart > max(GAP * extent, 2.0):
        raise MaskFormatError(
            f"an open line has no area: its ends are {apart:.0f} pixels apart; draw a polygon"
        )
    return line


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


def turned(ring: Ring, degrees: float) -> Ring:
    """Turn corners around their centre, clockwise on the screen."""
    if degrees == 0:
        return ring
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    centre = ring.mean(axis=0)
    return np.asarray((ring - centre) @ np.array([[cos, sin], [-sin, cos]]) + centre)


def placed(part: Mask, left: int, top: int, size: tuple[int, int]) -> Mask:
    """Return a mask of the picture's size with a part of it; what is outside is cut off.

    Parameters
    ----------
    part : ndarray of bool, shape (rows, columns)
        The pixels of a box in the picture.
    left, top : int
        Where its first pixel lies.
    size : (int, int)
        Width and height of the picture.

    Raises
    ------
    MaskFormatError
        The size is unknown, or the part lies outside altogether.
    """
    if size == (0, 0):
        raise MaskFormatError("a mask needs the size of its picture")
    width, height = size
    rows, columns = part.shape
    if left >= width or top >= height or left + columns <= 0 or top + rows <= 0:
        raise MaskFormatError("a mask lies outside of its picture")
    mask = np.zeros((height, width), np.bool_)
    inside = part[max(0, -top) : height - top, max(0, -left) : width - left]
    y, x = max(0, top), max(0, left)
    mask[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return mask


def facts_of(given: Any) -> dict[str, Any]:
    """Return severity and part among the attributes of a region, whatever their letter case."""
    if not isinstance(given, Mapping):
        return {}
    found = {str(key).strip().casefold(): text_of(value) for key, value in given.items()}
    return {key: found[key] for key in FACTS if found.get(key)}


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
