"""The numbers that are compared, and what they alone can decide about a pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.duplicates.lighting import LUMA
from curate.measure.hashes import as_integers, as_words, distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.measure.columns import MeasurementColumns

PLAIN_BELOW = 30.0
"""Mean AC energy below which the hash is decided by noise (photos have 137 and more)."""

CELLS = 48
"""Colours of a measurement: three of each of 4 x 4 cells."""

GREY_CELLS = 0.5
"""Grey levels, root mean square over the cells, below which pictures have no hues to compare."""

_PAIRS = 1 << 16


class Likeness(IntEnum):
    """What hashes and colours decide about a pair."""

    DIFFERENT = 0
    UNCLEAR = 1
    SAME = 2


@dataclass(frozen=True)
class HashLimits:
    """Where `SAME` ends and where `DIFFERENT` begins.

    Between them the pixels decide. Measured on 200 real photos and 135 renderings,
    among pairs whose 64-bit hashes differ by 8 bits at most: re-saved, resized and mildly
    brightened copies have up to 16 of the 256 bits different, 2 % crops up to 48, 5 % crops 60 to
    98; other shapes or angles of a car on the same background 73 to 100; the same car in another
    colour from 16 on.

    Parameters
    ----------
    same_bits, different_bits : int
        Of the 256-bit hash.
    same_dhash, different_dhash : int
        Of the 64-bit difference hash.
    same_colour : float
        Largest difference of a channel's mean in one of the 16 cells, grey levels.
    same_hues : float
        Correlation of the cells' red and blue differences from luma: 0.8 and more in copies down to
        quality 40, at most 0.51 where hues were turned by 60 degrees or more.
    """

    same_bits: int = 24
    different_bits: int = 116
    same_dhash: int = 8
    different_dhash: int = 24
    same_colour: float = 14.0
    same_hues: float = 0.75


@dataclass(frozen=True)
class Signatures:
    """The comparable part of n measurements.

    Parameters
    ----------
    phash, mirror, dhash : ndarray of uint64, shape (n,)
        64-bit hashes; `mirror` is the phash of the mirrored picture.
    phash256 : ndarray of uint64, shape (n, 4)
        The long hash.
    colour : ndarray of int16, shape (n, 48)
        Mean RGB of 4 x 4 cells.
    plain : ndarray of bool, shape (n,)
        Too plain to be matched by hashes.
    pixels : ndarray of int64, shape (n,)
        The same number for the same decoded pixels.
    names : sequence of str
        sha256 of the pictures.
    inner, inner_of : ndarray of uint64 and of int64, shape (m,)
        64-bit hashes of pictures that are shown inside of others, and in which.
    """

    phash: NDArray[np.uint64]
    mirror: NDArray[np.uint64]
    dhash: NDArray[np.uint64]
    phash256: NDArray[np.uint64]
    colour: NDArray[np.int16]
    plain: NDArray[np.bool_]
    pixels: NDArray[np.int64]
    names: Sequence[str]
    inner: NDArray[np.uint64]
    inner_of: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Signatures:
        """Take them from rows of ``measurements`` that carry no error."""
        inner = _inner(row.get("inner") for row in rows)
        colour = np.frombuffer(bytes.fromhex("".join(row["colour"] for row in rows)), np.uint8)
        return cls(
            phash=as_integers([row["phash"] for row in rows]),
            mirror=as_integers([row["phash_mirror"] for row in rows]),
            dhash=as_integers([row["dhash"] for row in rows]),
            phash256=as_words([row["phash256"] for row in rows], bits=256),
            colour=colour.astype(np.int16).reshape(-1, CELLS),
            plain=np.array([row["ac_energy"] < PLAIN_BELOW for row in rows], dtype=bool),
            pixels=_numbered(np.array([row["pixel_digest"] for row in rows], dtype=np.str_)),
            names=[row["sha256"] for row in rows],
            inner=as_integers([one for _, one in inner]),
            inner_of=np.array([place for place, _ in inner], dtype=np.int64),
        )

    @classmethod
    def of_columns(
        cls, columns: MeasurementColumns, positions: NDArray[np.int64], names: Sequence[str]
    ) -> Signatures:
        """Take them from columns.

        Parameters
        ----------
        columns : MeasurementColumns
            Of all pictures.
        positions : ndarray of int64, shape (n,)
            The wanted ones, which have hashes.
        names : sequence of str
            sha256 by position, of all pictures.
        """
        hashes = {name: words[positions] for name, words in columns.hashes.items()}
        shown = columns.texts["inner"]
        inner = _inner(map(shown.get, positions.tolist()))
        colour = hashes["colour"].astype(">u8").view(np.uint8)
        return cls(
            phash=hashes["phash"][:, 0],
            mirror=hashes["phash_mirror"][:, 0],
            dhash=hashes["dhash"][:, 0],
            phash256=hashes["phash256"],
            colour=colour.astype(np.int16).reshape(-1, CELLS),
            plain=columns.numbers["ac_energy"][positions] < PLAIN_BELOW,
            pixels=_numbered(columns.pixels[positions]),
            names=[names[position] for position in positions.tolist()],
            inner=as_integers([one for _, one in inner]),
            inner_of=np.array([place for place, _ in inner], dtype=np.int64),
        )


def _numbered(digests: NDArray[Any]) -> NDArray[np.int64]:
    """Return a number per digest, the same for equal ones."""
    return np.unique(digests, return_inverse=True)[1].astype(np.int64)


def _inner(texts: Iterable[str | None]) -> list[tuple[int, str]]:
    """Return position and hash of each picture that is shown inside of another."""
    return [(place, one) for place, text in enumerate(texts) for one in (text or "").split()]


def turned_by_a_quarter(mirrors: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the hashes that pictures have when they are turned by 90 degrees counter-clockwise.

    That is the picture's mirror image, transposed; a DCT of it is transposed, too.

    Parameters
    ----------
    mirrors : ndarray of uint64, shape (n,)
        64-bit perceptual hashes of their mirror images.
    """
    bits = np.unpackbits(mirrors.astype(">u8").view(np.uint8)).reshape(-1, 8, 8)
    turned = np.packbits(np.ascontiguousarray(bits.transpose(0, 2, 1)).reshape(-1))
    return turned.view(">u8").astype(np.uint64)


def turned_by_half(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return about the hashes that pictures have when they are turned by 180 degrees.

    Coefficients whose frequencies have an odd sum get another sign; a bit says whether one is above
    the median, which lies near 0. Of 100 real photos turned and saved again 97 have a hash of at
    most 8 other bits.

    Parameters
    ----------
    hashes : ndarray of uint64, shape (n,)
        64-bit perceptual hashes.
    """
    down, across = np.mgrid[:8, :8]
    odd = np.packbits(((down + across) % 2).astype(np.uint8)).view(">u8").astype(np.uint64)
    return np.asarray(hashes ^ odd[0], dtype=np.uint64)


def likeness(
    signatures: Signatures,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    *,
    limits: HashLimits | None = None,
) -> NDArray[np.int8]:
    """Decide about pairs of upright pictures as far as hashes and colours can.

    Parameters
    ----------
    signatures : Signatures
        Of all pictures.
    first, second : ndarray of int64, shape (m,)
        The pairs, as positions.
    limits : HashLimits, optional
        The thresholds.

    Returns
    -------
    ndarray of int8, shape (m,)
        Values of `Likeness`.
    """
    limits = limits or HashLimits()
    bits = distances(signatures.phash256[first], signatures.phash256[second])
    dhash = distances(signatures.dhash[first], signatures.dhash[second])
    colour = np.abs(signatures.colour[first] - signatures.colour[second]).max(axis=1, initial=0)
    same = (
        (bits <= limits.same_bits) & (dhash <= limits.same_dhash) & (colour <= limits.same_colour)
    )
    different = (bits > limits.different_bits) | (dhash > limits.different_dhash)
    found = np.full(len(first), Likeness.UNCLEAR, dtype=np.int8)
    found[different] = Likeness.DIFFERENT
    places = np.flatnonzero(same)
    for start in range(0, len(places), _PAIRS):
        part = places[start : start + _PAIRS]
        hues = _hues_agree(signatures.colour[first[part]], signatures.colour[second[part]])
        found[part[hues >= limits.same_hues]] = Likeness.SAME
    return found


def _hues_agree(a: NDArray[np.int16], b: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return the correlation of the hues of two arrays of cells, shape (n, 48); 1 without any."""
    sides = []
    for cells in (a, b):
        levels = cells.reshape(-1, 16, 3).astype(np.float64)
        luma = levels @ LUMA
        sides.append((levels[..., ::2] - luma[..., None]) * np.array([0.713, 0.564]))
    strong = [np.sqrt((side**2).sum(axis=2).mean(axis=1)) for side in sides]
    together = (sides[0] * sides[1]).sum(axis=(1, 2)) / 16
    grey = np.maximum(*strong) < GREY_CELLS
    return np.asarray(np.where(grey, 1.0, together / (strong[0] * strong[1] + 1e-9)))
