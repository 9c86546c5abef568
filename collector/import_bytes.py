"""How much of a file an import reads, and what it reads beside pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import IO

from bodyshop_core.imaging import sniff
from bodyshop_core.imaging.types import HEAD, SUFFIXES

MAX_BYTES = 500_000_000
"""A larger file is not a photo; to read it would only need memory."""

MAX_TABLE_BYTES = 64_000_000
"""All tables in an archive, or one in a folder, that are read without being named."""

METADATA_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
"""Hugging Face's ImageFolder reads these beside the pictures; so does an import."""

Load = Callable[[], bytes | None]
"""Returns a file's bytes; None when it was skipped. May be called in another thread."""

Entry = tuple[int, int, Load]
"""A file's position among the names, how many bytes it takes in memory, and its bytes."""


def read_picture(stream: IO[bytes], name: str, size: int) -> bytes:
    """Read up to `size` bytes; of what is no picture by its name and first bytes, only these."""
    head = stream.read(min(HEAD, size))
    if sniff(head) is None and PurePosixPath(name).suffix.lower() not in SUFFIXES:
        return head
    return head + stream.read(size - len(head))


def is_metadata(name: str) -> bool:
    """Return whether a file of this name is a table that is read without being named."""
    return PurePosixPath(name).name in METADATA_NAMES


def kind_of(suffix: str) -> str:
    """Return what a skipped file of this suffix is counted as."""
    return f"{suffix} file" if suffix else "file without a suffix"
