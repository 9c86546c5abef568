"""The measurements of all pictures of a workspace as arrays: a tenth of the memory of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select

from bodyshop_core.catalog import schema, stream
from curate.measure.hashes import as_words
from curate.measure.stage import VERSION

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy import Connection

WHOLE = ("width", "height", "jpeg_quality")
NUMBERS = (
    *WHOLE, "ac_energy", "sharpness", "brightness", "dark_fraction", "bright_fraction", "contrast",
    "colourfulness", "damage",
)  # fmt: skip
TEXTS = ("error", "damage_note", "inner")
HASHES = ("phash", "phash_mirror", "dhash", "phash256", "colour")

_WORDS = {"phash": 1, "phash_mirror": 1, "dhash": 1, "phash256": 4, "colour": 6}


@dataclass(frozen=True)
class MeasurementColumns:
    """What was measured of n pictures.

    Parameters
    ----------
    there : ndarray of bool, shape (n,)
        Whether the picture was measured.
    numbers : dict
        Name -> ndarray of float64, shape (n,); NaN where it is absent.
    texts : dict
        Name -> position -> text, of the pictures that have one.
    hashed : ndarray of bool, shape (n,)
        Whether the picture has hashes.
    hashes : dict
        Name -> ndarray of uint64, shape (n, words).
    pixels : ndarray of bytes, shape (n,)
        Digest of the decoded pixels.
    """

    there: NDArray[np.bool_]
    numbers: dict[str, NDArray[np.float64]]
    texts: dict[str, dict[int, str]]
    hashed: NDArray[np.bool_]
    hashes: dict[str, NDArray[np.uint64]]
    pixels: NDArray[np.bytes_]

    @classmethod
    def empty(cls, n: int) -> MeasurementColumns:
        """Return the columns of n pictures that were never measured."""
        return cls(
            np.zeros(n, dtype=bool),
            {name: np.full(n, np.nan) for name in NUMBERS},
            {name: {} for name in TEXTS},
            np.zeros(n, dtype=bool),
            {name: np.zeros((n, words), dtype=np.uint64) for name, words in _WORDS.items()},
            np.zeros(n, dtype="S64"),
        )

    def row(self, position: int) -> MeasuredRow | None:
        """Return what was measured of one picture, or None."""
        return MeasuredRow(self, position) if self.there[position] else None


class MeasuredRow(Mapping[str, Any]):
    """The measurements of one picture, read from the columns when they are asked for."""

    __slots__ = ("_columns", "_position")

    def __init__(self, columns: MeasurementColumns, position: int) -> None:
        self._columns, self._position = columns, position

    def __getitem__(self, name: str) -> Any:
        column = self._columns.numbers.get(name)
        if column is not None:
            number = column.item(self._position)
            if number != number:
                return None
            return int(number) if name in WHOLE else number
        if name in self._columns.texts:
            return self._columns.texts[name].get(self._position)
        words = self._columns.hashes[name][self._position]
        if not self._columns.hashed[self._position]:
            return None
        return "".join(f"{word:016x}" for word in words.tolist())

    def __iter__(self) -> Iterator[str]:
        return iter((*NUMBERS, *TEXTS, *HASHES))

    def __len__(self) -> int:
        return len(NUMBERS) + len(TEXTS) + len(HASHES)


def read_measurements(connection: Connection, positions: Mapping[str, int]) -> MeasurementColumns:
    """Read the measurements of this version, part after part.

    Parameters
    ----------
    connection : Connection
        A consistent view.
    positions : Mapping
        sha256 -> position, from 0 on.
    """
    table = schema.measurements
    columns = MeasurementColumns.empty(len(positions))
    names = ("sha256", "pixel_digest", *NUMBERS, *TEXTS, *HASHES)
    query = select(*(table.c[name] for name in names)).where(table.c.version == VERSION)
    for part in stream(connection, query):
        _add(columns, positions, dict(zip(names, zip(*part, strict=True), strict=True)))
    return columns


def _add(
    columns: MeasurementColumns, positions: Mapping[str, int], part: Mapping[str, Sequence[Any]]
) -> None:
    places = [positions[sha256] for sha256 in part["sha256"]]
    at = np.array(places)
    columns.there[at] = True
    for name in NUMBERS:
        columns.numbers[name][at] = np.array(part[name], dtype=np.float64)  # None becomes NaN
    for name in TEXTS:
        said = columns.texts[name]
        said |= {
            place: text
            for place, text in zip(places, part[name], strict=True)
            if text or (text is not None and name != "inner")  # most show no other picture
        }
    hashed = [row for row, phash in enumerate(part["phash"]) if phash is not None]
    at = at[hashed]
    columns.hashed[at] = True
    for name, words in _WORDS.items():
        chosen = [part[name][row] for row in hashed]
        columns.hashes[name][at] = as_words(chosen, bits=64 * words) if chosen else 0
    columns.pixels[at] = [part["pixel_digest"][row] for row in hashed]
