"""`import_folder`: pictures on disk are added to the catalog like collected ones."""

from __future__ import annotations

import io
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Connection, select

from bodyshop_core.catalog import (
    FACTS,
    Blob,
    Field,
    add_labels,
    is_forgotten,
    nfc,
    now,
    register_image,
    schema,
)
from bodyshop_core.errors import (
    InterruptedByUser,
    NothingFoundError,
    UnreadableImageError,
    UsageError,
)
from bodyshop_core.imaging import load_rgb, read_header, sniff
from bodyshop_core.imaging.endings import has_end
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace
from collector.candidate import digest
from collector.crawl.interrupt import SoftInterrupt
from collector.folder_layout import PICTURE_EXTENSIONS, PicturePath, picture_paths
from collector.ledger.record import TOOL

MAX_BYTES = 500_000_000
"""A larger file is not a photo; to read it would only need memory."""

BATCH = 200
THREADS = 4


@dataclass(frozen=True)
class FolderImportSummary(Summary):
    """The result of an import.

    Parameters
    ----------
    files : int
        Pictures read, readable or not.
    pictures : int
        New to the catalog.
    duplicates : int
        Same bytes as a picture that the catalog has already.
    unreadable : int
        Recorded, so that curate rejects them with that reason.
    skipped : int
        Files that are not pictures.
    forgotten : int
        Pictures that were erased on request; they are not imported.
    labels, given_splits : dict
        Class or split -> pictures.
    """

    files: int
    pictures: int
    duplicates: int
    unreadable: int
    skipped: int
    forgotten: int
    seconds: float
    labels: dict[str, int] = field(default_factory=dict)
    given_splits: dict[str, int] = field(default_factory=dict)

    columns: ClassVar[tuple[str, ...]] = ("class", "pictures")

    def rows(self) -> list[tuple[str, int]]:
        """Return a table of the classes."""
        return sorted(self.labels.items())


def import_folder(
    folder: Path | str,
    workspace: Workspace,
    *,
    field: str = "damage",
    label: str | None = None,
    brand: str | None = None,
    model: str | None = None,
    source: str | None = None,
    progress: Progress = SILENT,
) -> FolderImportSummary:
    """Import the pictures of a folder.

    ``DIR/<class>/…``, ``DIR/<split>/<class>/…`` and ``DIR/<class>/<split>/…`` are understood:
    folders named train*, val* or test* are recorded as `given_split` and never as a class. With
    ``field="model"``, ``DIR/<brand>/<model>/…`` names both.

    Parameters
    ----------
    folder : Path or str
        Searched to any depth; hidden files and folders are skipped.
    workspace : Workspace
        Where the bytes are copied to.
    field : str
        What the class folders stand for: ``damage``, ``brand`` or ``model``.
    label : str, optional
        The value of `field` for every picture, instead of its class folder.
    brand, model : str, optional
        Brand and model of every picture.
    source : str, optional
        The origin of every picture: who took them, or the data set they belong to. By default the
        folder's name, for pictures that have no origin yet. Importing again with another one
        corrects it.
    progress : Progress
        Takes the progress.

    Returns
    -------
    FolderImportSummary
        Counts, classes and splits.

    Raises
    ------
    UsageError
        `folder` is not a folder, `field` is not a field, or `source` is blank.
    NothingFoundError
        It contains no picture.
    InterruptedByUser
        After Ctrl-C; what was read is saved.
    """
    started = time.monotonic()
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    if field not in set(Field):
        raise UsageError(f"invalid field {field!r}", hint=f"one of: {', '.join(Field)}")
    if model and not brand:
        raise UsageError("a model needs its brand", hint="add --brand")
    if source is not None and not source.strip():
        raise UsageError("the name of a source can't be blank", hint="leave out --source")
    places = picture_paths(folder, field=field, label=label, brand=brand, model=model)
    counts: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    with progress.task("import", total=len(places)) as tick, SoftInterrupt() as interrupt:
        for batch in _batches(_read_all(places, workspace, interrupt), BATCH):
            kept = [each for each in batch if each[1] is not None]
            counts["skipped"] += len(batch) - len(kept)
            with workspace.catalog.begin() as connection:
                known = {} if source is not None else _origins(connection, kept)
                for place, found in kept:
                    assert found is not None
                    blob, extension, facts = found
                    if is_forgotten(connection, "sha256", blob.sha256):
                        blob.path.unlink(missing_ok=True)
                        counts["forgotten"] += 1
                        continue
                    new = register_image(connection, blob, extension=extension, facts=facts)
                    counts["pictures" if new else "duplicates"] += 1
                    counts["unreadable"] += facts["format"] is None
                    row = _sighting(place, blob, brand, model)
                    row["origin"] = known.get(row["key"]) or nfc(
                        (source or folder.resolve().name or "import").strip()
                    )
                    workspace.catalog.upsert(schema.sightings, [row], connection=connection)
                    add_labels(
                        workspace.catalog,
                        [(blob.sha256, name, value, "import", "") for name, value in place.labels],
                        connection=connection,
                    )
                    labels.update(value for name, value in place.labels if name == field)
                    splits.update([place.split] if place.split else [])
            tick(len(batch))
        if interrupt.requested:
            raise InterruptedByUser(
                f"stopped; {counts['pictures']} pictures are saved",
                hint="the same command imports the rest",
            )
    summary = FolderImportSummary(
        files=counts["pictures"] + counts["duplicates"], pictures=counts["pictures"],
        duplicates=counts["duplicates"], unreadable=counts["unreadable"],
        skipped=counts["skipped"], forgotten=counts["forgotten"],
        seconds=time.monotonic() - started, labels=dict(labels), given_splits=dict(splits),
    )  # fmt: skip
    if summary.files + summary.forgotten == 0:
        raise NothingFoundError(
            f"{folder} contains no picture ({summary.skipped} other files)",
            hint="name the folder that contains the class folders",
        )
    return summary


_Read = tuple[PicturePath, tuple[Blob, str, dict[str, Any]] | None]


def _read_all(
    places: list[PicturePath], workspace: Workspace, interrupt: SoftInterrupt
) -> Iterator[_Read]:
    """Read ahead with a few threads; only a few pictures per thread are in memory."""
    waiting = iter(places)
    with ThreadPoolExecutor(THREADS) as pool:
        running: dict[Future[_Read], None] = {}
        for place in islice(waiting, 4 * THREADS):
            running[pool.submit(_read, place, workspace)] = None
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                del running[future]
                yield future.result()
                for place in islice(waiting, 0 if interrupt.requested else 1):
                    running[pool.submit(_read, place, workspace)] = None


def _read(place: PicturePath, workspace: Workspace) -> _Read:
    named = PICTURE_EXTENSIONS.get(place.file.suffix.lower())
    with place.file.open("rb") as file:
        head = file.read(32)
        extension = sniff(head) or named
        if extension is None or os.fstat(file.fileno()).st_size > MAX_BYTES:
            return place, None
        data = head + file.read()
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


def _origins(connection: Connection, batch: Iterable[_Read]) -> dict[str, str]:
    """Return the origins of sightings that an earlier import recorded."""
    keys = [_key(place, found[0]) for place, found in batch if found is not None]
    table = schema.sightings
    query = select(table.c.key, table.c.origin).where(table.c.key.in_(keys))
    return {key: origin for key, origin in connection.execute(query) if origin}


def _key(place: PicturePath, blob: Blob) -> str:
    return digest("import", place.relative, blob.sha256)


def _sighting(
    place: PicturePath, blob: Blob, brand: str | None, model: str | None
) -> dict[str, Any]:
    said = dict(place.labels)
    blank = dict.fromkeys(column.name for column in schema.sightings.columns)
    return blank | {
        "key": _key(place, blob),
        "sha256": blob.sha256, "file": place.relative, "source": "import",
        "brand": said.get("brand") or brand, "model": model and nfc(model),
        "given_split": place.split, "capture": "bytes", "fetched_at": now(), "tool_version": TOOL,
    }  # fmt: skip


def _batches(items: Iterable[_Read], size: int) -> Iterator[list[_Read]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
