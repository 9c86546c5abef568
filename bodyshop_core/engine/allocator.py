"""Memory settings of workers: freed memory is reused for the next picture."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from importlib import import_module
from typing import Any

KEPT_BYTES = 64 << 20
"""Free memory that a process keeps: several decoded pictures at working size."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
_MMAP_BYTES = 32 << 20
_PILLOW_BLOCKS = 2


@cache
def keep_freed_memory() -> None:
    """Let this process reuse the memory of pictures instead of returning it after each.

    By default the C library gives arrays of this size back to the system, which must then clear
    every page of them again for the next picture: a third of the time of measuring one. Does
    nothing where the C library is not glibc. At most `KEPT_BYTES` and two of Pillow's 16 MB
    blocks stay with the process.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
    # https://pillow.readthedocs.io/en/stable/reference/block_allocator.html
    pillow: Any = import_module("PIL._imaging")
    pillow.set_blocks_max(_PILLOW_BLOCKS)
