"""Perceptual hashes of a grey picture, and hexadecimal hashes as arrays to search in.

All hashes are `imagehash`'s, of pixels after EXIF rotation. The library and its version are part
of `curate.measure.stage.VERSION`: hashes of another library (or decode scale) differ by a
bit or more for the same picture and are never compared with these.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

DCT_SIDE = 32
"""`imagehash.phash` transforms a 32 x 32 picture (hash_size 8 x highfreq_factor 4)."""

LONG_SIDE = 64
"""`imagehash.phash` with ``hash_size=16`` transforms a 64 x 64 picture."""

_MIRROR = np.where(np.arange(8) % 2, -1.0, 1.0)
"""Seen in a mirror every second coefficient across of a DCT-II has the other sign."""

Box = tuple[float, float, float, float]


def picture_hashes(grey: Image.Image, *, box: Box | None = None) -> dict[str, Any]:
    """Hash a grey picture.

    Parameters
    ----------
    grey : PIL.Image.Image
        Mode L, upright, of any size.
    box : tuple of float, optional
        Left, top, right and bottom of what the picture fills of `grey`, in pixels: of one that was
        shrunk by a whole factor the last column and row may be pixels in part only.

    Returns
    -------
    dict
        ``phash``, ``phash_mirror`` (of the picture seen in a mirror), ``dhash``: 64 bits, 16 hex
        digits; ``phash256``: 64 hex digits; ``ac_energy`` (float): the mean magnitude of the 63
        DCT coefficients behind the phash. Measured: 0 for one colour, 8 for a noisy plain surface,
        at least 137 for photos. Where it is small the hash bits are decided by noise.
    """
    import imagehash

    def shrunk(width: int, height: int) -> Image.Image:
        # imagehash resizes with this filter itself: to a picture of its size it does nothing.
        return grey.resize((width, height), Image.Resampling.LANCZOS, box=box)

    small = shrunk(DCT_SIDE, DCT_SIDE)
    coefficients = low_frequencies(np.asarray(small))
    return {
        "phash": _as_hex(imagehash.phash(small).hash),
        "phash_mirror": _above_median(coefficients * _MIRROR),
        "phash256": _as_hex(imagehash.phash(shrunk(LONG_SIDE, LONG_SIDE), hash_size=16).hash),
        "dhash": _as_hex(imagehash.dhash(shrunk(9, 8)).hash),
        "ac_energy": float(np.abs(coefficients.ravel()[1:]).mean()),
    }


def short_hash(grey: Image.Image) -> tuple[str, float]:
    """Return ``phash`` and ``ac_energy`` of a grey picture, as `picture_hashes` gives them."""
    small = grey.resize((DCT_SIDE, DCT_SIDE), Image.Resampling.LANCZOS)
    coefficients = low_frequencies(np.asarray(small))
    return _above_median(coefficients), float(np.abs(coefficients.ravel()[1:]).mean())


def low_frequencies(small: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the coefficients that a phash compares with their median.

    Parameters
    ----------
    small : ndarray of uint8, shape (32, 32)
        Grey levels.

    Returns
    -------
    ndarray of float64, shape (8, 8)
        The low coefficients of the DCT-II down and across, not normalised.
    """
    basis = _dct_basis()
    return basis @ small.astype(np.float64) @ basis.T


def as_integers(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """Turn 64-bit hexadecimal hashes into integers.

    Returns
    -------
    ndarray of uint64, shape (n,)
        In the order given.
    """
    return as_words(hashes, bits=64)[:, 0]


def as_words(hashes: Sequence[str], *, bits: int) -> NDArray[np.uint64]:
    """Turn hexadecimal hashes of any length into rows of 64-bit words.

    Parameters
    ----------
    hashes : sequence of str
        Each ``bits / 4`` digits long.
    bits : int
        A multiple of 64.

    Returns
    -------
    ndarray of uint64, shape (n, bits / 64)
        Most significant word first.

    Raises
    ------
    ValueError
        A hash has another length.
    """
    data = bytes.fromhex("".join(hashes))
    if len(data) * 8 != bits * len(hashes):
        raise ValueError(f"{len(hashes)} hashes of {bits} bits expected, got {len(data) * 8} bits")
    return np.frombuffer(data, dtype=">u8").astype(np.uint64).reshape(-1, bits // 64)


def distances(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the number of differing bits, row by row.

    Parameters
    ----------
    a, b : ndarray of uint64, shape (n,) or (n, words)
        Hashes.

    Returns
    -------
    ndarray of int64, shape (n,)
        Hamming distances.
    """
    counts = np.bitwise_count(a ^ b).astype(np.int64)
    return counts if counts.ndim == 1 else counts.sum(axis=1)


def _above_median(coefficients: NDArray[np.float64]) -> str:
    """Return the hash of 8 x 8 coefficients as `imagehash.phash` defines and writes it."""
    return _as_hex(coefficients > np.median(coefficients))


def _as_hex(bits: NDArray[np.bool_]) -> str:
    """Return what `str` of an `imagehash.ImageHash` does, in a twentieth of the time."""
    return np.packbits(bits).tobytes().hex()


@cache
def _dct_basis() -> NDArray[np.float64]:
    frequency, sample = np.mgrid[0:8, 0:DCT_SIDE]
    return np.cos(np.pi * (2 * sample + 1) * frequency / (2 * DCT_SIDE))
