"""JPEG files without their end mark: whole pictures of careless programs, or truncated ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import load_rgb

_END = b"\xff\xd9"
_LAST_BYTES = 8
_MCU_ROWS = 16
"""Most rows of a minimum coded unit (ITU T.81, A.2.4, with the usual sampling)."""

_BASELINE = (b"\xff\xc0", b"\xff\xc1")


def has_every_row(source: bytes | Path) -> bool:
    """Return whether a JPEG that lacks only its end mark has its last row of blocks.

    Decoders fill missing blocks. So the picture is decoded with and without its last bytes: what
    they change are the blocks that the data end with, and these have to be at the lower edge.

    Parameters
    ----------
    source : bytes or Path
        The file. A progressive one, whose last scan changes the whole picture, counts as truncated.
    """
    data = source if isinstance(source, bytes) else source.read_bytes()
    if not any(mark in data[: 1 << 16] for mark in _BASELINE):
        return False
    try:
        whole = load_rgb(data + _END).astype(np.int16)
        less = load_rgb(data[:-_LAST_BYTES] + _END).astype(np.int16)
    except UnreadableImageError:
        return False
    rows = np.flatnonzero(np.abs(whole - less).max(axis=(1, 2)))
    last = (whole.shape[0] - 1) // _MCU_ROWS * _MCU_ROWS
    # Smoothing of the colours reaches two rows up.
    return bool(rows.size) and rows[-1] >= last and rows[0] >= last - 2
