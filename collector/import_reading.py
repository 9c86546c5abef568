"""The pictures of an import are read ahead, stored and measured, by a few threads."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import PurePosixPath
from typing import Any

from bodyshop_core.catalog import FACTS, Blob
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import load_rgb, read_header, sniff
from bodyshop_core.imaging.endings import has_end
from bodyshop_core.imaging.types import HEAD, PICTURE_TYPES, SUFFIXES
from bodyshop_core.workspace import Workspace
from collector.crawl.interrupt import SoftInterrupt
from collector.folder_layout import PicturePath
from collector.folder_walk import Skipped
from collector.import_bytes import Load, is_metadata, kind_of
from collector.import_sources import ImportSource

THREADS = 4
READ_AHEAD_FILES = 16
READ_AHEAD_BYTES = 256_000_000
"""Above it, files are read one at a time."""

Read = tuple[PicturePath, tuple[Blob, str, dict[str, Any]] | None]
"""A file, and its stored bytes, type and facts; None when it was skipped."""


def read_all(
    places: list[PicturePath],
    source: ImportSource,
    workspace: Workspace,
    skipped: Skipped,
    interrupt: SoftInterrupt,
) -> Iterator[Read]:
    """Read ahead with a few threads; only a few pictures per thread are in memory."""
    waiting = source.entries()
    with ThreadPoolExecutor(THREADS) as pool:
        running: dict[Future[Read], int] = {}
        while True:
            while (
                len(running) < READ_AHEAD_FILES
                and sum(running.values()) < READ_AHEAD_BYTES
                and not interrupt.requested
                and (entry := next(waiting, None)) is not None
            ):
                index, size, load = entry
                running[pool.submit(_read, places[index], load, workspace, skipped)] = size
                del entry, load
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                del running[future]
                yield future.result()


def _read(place: PicturePath, load: Load, workspace: Workspace, skipped: Skipped) -> Read:
    suffix = PurePosixPath(place.relative).suffix.lower()
    data = load()
    if data is None:
        return place, None
    named = SUFFIXES.get(suffix)
    extension = sniff(data[:HEAD]) or named
    if extension is None:
        if not is_metadata(place.relative):  # read as a table, or named as one that can't be
            skipped.add(kind_of(suffix), place.relative)
        return place, None
    if extension == "tif" and named and PICTURE_TYPES[named].decoder == "RAW":
        extension = named  # a camera's file is a TIFF inside
    blob = workspace.blobs.put_bytes(data, extension)
    return place, (blob, extension, _facts(data, extension))


def _facts(data: bytes, extension: str) -> dict[str, Any]:
    """Return the header's facts; all None for a picture that cannot be decoded completely."""
    try:
        facts = read_header(data)
        if not has_end(io.BytesIO(data), extension):
            load_rgb(data)  # no end mark: some programs omit it, so the picture has to be decoded
    except UnreadableImageError:
        return dict.fromkeys(FACTS)
    return facts
