"""JPEG files without their end mark: whole pictures of careless programs, or truncated ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import load_rgb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_END = b"\xff\xd9"
_LAST_BYTES = (2, 4, 8)
_LAST_COLUMNS = 64
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
    import numpy as np

    data = source if isinstance(source, bytes) else source.read_bytes()
    if not any(mark in data[: 1 << 16] for mark in _BASELINE):
        return False
    try:
        whole = load_rgb(data + _END).astype(np.int16)
        for count in _LAST_BYTES:
            less = load_rgb(data[:-count] + _END).astype(np.int16)
            changed = np.abs(whole - less).max(axis=2)
            if changed.any():
                return _is_at_the_end(changed)
    except UnreadableImageError:
        return False
    return False


def _is_at_the_end(changed: NDArray[np.int16]) -> bool:
    """Return whether only the last blocks differ: in the last row, at its right end."""
    import numpy as np

    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    last = (changed.shape[0] - 1) // _MCU_ROWS * _MCU_ROWS
    # Smoothing of the colours reaches two rows up.
    return bool(rows[0] >= last - 2 and columns[0] >= changed.shape[1] - _LAST_COLUMNS)
