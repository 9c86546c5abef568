"""`import_folder`: pictures on disk are added to the catalog like collected ones."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import select

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
    ErasedPictureError,
    InterruptedByUser,
    NothingFoundError,
    UnreadableImageError,
    UsageError,
)
from bodyshop_core.imaging import load_rgb, read_header, sniff
from bodyshop_core.imaging.endings import has_end
from bodyshop_core.imaging.types import HEAD, PICTURE_TYPES, SUFFIXES
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace
from collector.candidate import digest
from collector.crawl.interrupt import SoftInterrupt
from collector.folder_layout import Given, PicturePath, Statement, picture_paths
from collector.folder_walk import Skipped
from collector.import_ledger import Corrections, correct, keep_said
from collector.import_sources import ARCHIVE_SUFFIXES, ImportSource, Load, open_source
from collector.import_statements import (
    METADATA_NAMES,
    TABLE_SUFFIXES,
    LabelTable,
    pattern_statement,
    read_table,
)
from collector.ledger.record import TOOL

if TYPE_CHECKING:
    from sqlalchemy import Connection

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
        Files that were not read as pictures.
    forgotten : int
        Pictures that were erased on request; they are not imported.
    seconds : float
        Duration.
    labels, given_splits : dict
        Class or split -> pictures.
    skipped_kinds : dict
        Kind of skipped file -> how many.
    superseded, gone, conflicts : int
        Statements of an earlier import of the same root that no longer hold; files of it that are
        not there any more; pictures with two labels of one field.
    unlabelled : int
        Pictures that neither folder, table nor pattern gave a label of the field.
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
    skipped_kinds: dict[str, int] = field(default_factory=dict)
    superseded: int = 0
    gone: int = 0
    conflicts: int = 0
    unlabelled: int = 0
    advice: tuple[str, ...] = ()

    columns: ClassVar[tuple[str, ...]] = ("class", "pictures")

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able counts."""
        return {**super().as_dict(), "advice": list(self.advice)}

    def rows(self) -> list[tuple[str, int]]:
        """Return a table of the classes."""
        return sorted(self.labels.items())

    def notes(self) -> list[str]:
        """Return what was skipped, with examples, and what needs a look."""
        return list(self.advice)


def import_folder(
    folder: Path | str,
    workspace: Workspace,
    *,
    field: str = "damage",
    label: str | None = None,
    brand: str | None = None,
    model: str | None = None,
    source: str | None = None,
    labels: Path | str | None = None,
    label_from: str | None = None,
    progress: Progress = SILENT,
) -> FolderImportSummary:
    """Import the pictures of a folder or archive.

    ``DIR/<class>/…``, ``DIR/<split>/<class>/…`` and ``DIR/<class>/<split>/…`` are understood:
    folders whose name is a word for a split (``train``, ``val2017``, ``Testing``) are recorded as
    `given_split` and never as a class. With ``field="model"``, ``DIR/<brand>/<model>/…`` names
    both. An import is a statement about its root: the next import of the same one corrects it.

    Parameters
    ----------
    folder : Path or str
        A folder, searched to any depth, or a zip or tar archive, which is not unpacked to disk.
        Hidden files and folders are passed over; links are followed inside of the folder only.
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
    labels : Path or str, optional
        A table with one row per picture, see `collector.import_statements`; it takes precedence
        over folders. ``metadata.csv`` in the folder is read without being named.
    label_from : str, optional
        A regular expression with named groups for the files' names.
    progress : Progress
        Takes the progress.

    Returns
    -------
    FolderImportSummary
        Counts, classes and splits, and what was skipped.

    Raises
    ------
    UsageError
        `folder` is neither folder nor archive, `field` is not a field, `label_from` is wrong, or
        `source` is blank.
    ConfigError
        `labels` can't be read.
    NothingFoundError
        It contains no picture.
    InterruptedByUser
        After Ctrl-C; what was read is saved.
    """
    started = time.monotonic()
    folder = Path(folder)
    if field not in set(Field):
        raise UsageError(f"invalid field {field!r}", hint=f"one of: {', '.join(Field)}")
    if model and not brand:
        raise UsageError("a model needs its brand", hint="add --brand")
    if source is not None and not source.strip():
        raise UsageError("the name of a source can't be blank", hint="leave out --source")
    skipped = Skipped()
    opened = open_source(folder, skipped)
    names = opened.names()
    statements, tables = _statements(folder, names, labels, label_from, field)
    spoken = bool(labels or label_from) or any(
        isinstance(each, LabelTable) and field in each.fields for each in statements
    )
    given = Given(field, label, brand, model, folders=not spoken)
    places = picture_paths(names, given, statements)
    run = _Import(
        workspace, opened, field, brand, model,
        origin=nfc((source or folder.resolve().name or "import").strip()),
        origin_is_given=source is not None,
    )  # fmt: skip
    with progress.task("import", total=len(places)) as tick, SoftInterrupt() as interrupt:
        for batch in _batches(_read_all(places, opened, workspace, skipped, interrupt), BATCH):
            run.store(batch)
            tick(len(batch))
        if interrupt.requested:
            raise InterruptedByUser(
                f"stopped; {run.counts['pictures']} pictures are saved",
                hint="the same command imports the rest",
            )
    if not run.present and not run.counts["forgotten"]:
        raise NothingFoundError(
            f"{folder} contains no picture ({skipped.total} other files)"
            + "".join(f"\n  {line}" for line in skipped.lines()),
            hint=_first_advice(skipped, names),
        )
    corrections = correct(workspace.catalog, opened.root, run.present, run.withdrawn)
    return run.summary(
        skipped, corrections, time.monotonic() - started, _advice(run, skipped, corrections, tables)
    )


@dataclass
class _Import:
    """What an import has stored so far."""

    workspace: Workspace
    source: ImportSource
    subject: str
    brand: str | None
    model: str | None
    origin: str
    origin_is_given: bool
    counts: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    present: dict[str, str] = field(default_factory=dict)
    withdrawn: set[tuple[str, str, str]] = field(default_factory=set)

    def store(self, batch: Sequence[_Read]) -> None:
        """Write one batch, in one transaction."""
        catalog = self.workspace.catalog
        with catalog.begin() as connection:
            rows = []
            for place, found in batch:
                if found is not None and self._register(connection, *found):
                    rows.append(_sighting(place, found[0], self))
                    self.present[place.relative] = found[0].sha256
                    said = dict(place.labels)
                    self.labels.update([said[self.subject]] if self.subject in said else [])
                    self.counts["unlabelled"] += self.subject not in said
                    self.splits.update([place.split] if place.split else [])
            older = [digest("import", row["file"], row["sha256"]) for row in rows]
            rows, withdrawn = keep_said(connection, rows, older)
            known = {} if self.origin_is_given else _origins(connection, rows)
            for row in rows:
                row["origin"] = known.get(row["key"], self.origin)
            self.withdrawn |= withdrawn
            catalog.upsert(schema.sightings, rows, connection=connection)
            said_labels = [
                (row["sha256"], name, value, "import", "")
                for row in rows
                for name, value in row["said"].items()
            ]
            add_labels(catalog, said_labels, connection=connection)

    def _register(
        self, connection: Connection, blob: Blob, extension: str, facts: dict[str, Any]
    ) -> bool:
        try:
            if is_forgotten(connection, "sha256", blob.sha256):
                raise ErasedPictureError(f"picture {blob.sha256} was erased on request")
            new = register_image(connection, blob, extension=extension, facts=facts)
        except ErasedPictureError:
            blob.path.unlink(missing_ok=True)
            self.counts["forgotten"] += 1
            return False
        self.counts["pictures" if new else "duplicates"] += 1
        self.counts["unreadable"] += facts["format"] is None
        return True

    def summary(
        self, skipped: Skipped, corrections: Corrections, seconds: float, advice: list[str]
    ) -> FolderImportSummary:
        """Return the counts."""
        counts = self.counts
        return FolderImportSummary(
            files=counts["pictures"] + counts["duplicates"], pictures=counts["pictures"],
            duplicates=counts["duplicates"], unreadable=counts["unreadable"],
            skipped=skipped.total, forgotten=counts["forgotten"], seconds=seconds,
            labels=dict(self.labels), given_splits=dict(self.splits),
            skipped_kinds=dict(skipped.counts), superseded=corrections.superseded,
            gone=len(corrections.gone), conflicts=len(corrections.conflicts),
            unlabelled=counts["unlabelled"], advice=tuple(advice),
        )  # fmt: skip


def _statements(
    folder: Path,
    names: Sequence[str],
    labels: Path | str | None,
    label_from: str | None,
    field: str,
) -> tuple[list[Statement], list[LabelTable]]:
    """Return what says something about files, the weakest first."""
    tables: list[LabelTable] = []
    if folder.is_dir():
        for name in names:
            if PurePosixPath(name).name in METADATA_NAMES:
                tables.append(read_table(folder / name, field, base=PurePosixPath(name).parent))
    pattern = [pattern_statement(label_from, field)] if label_from else []
    given = [read_table(Path(labels), field)] if labels else []
    return [*tables, *pattern, *given], given


_Read = tuple[PicturePath, tuple[Blob, str, dict[str, Any]] | None]


def _read_all(
    places: list[PicturePath],
    source: ImportSource,
    workspace: Workspace,
    skipped: Skipped,
    interrupt: SoftInterrupt,
) -> Iterator[_Read]:
    """Read ahead with a few threads; only a few pictures per thread are in memory."""
    waiting = source.entries()
    with ThreadPoolExecutor(THREADS) as pool:
        running: dict[Future[_Read], None] = {}

        def start(count: int) -> None:
            for index, load in islice(waiting, count):
                running[pool.submit(_read, places[index], load, workspace, skipped)] = None

        start(4 * THREADS)
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                del running[future]
                yield future.result()
                start(0 if interrupt.requested else 1)


def _read(place: PicturePath, load: Load, workspace: Workspace, skipped: Skipped) -> _Read:
    suffix = PurePosixPath(place.relative).suffix.lower()
    data = load()
    if data is None:
        return place, None
    named = SUFFIXES.get(suffix)
    extension = sniff(data[:HEAD]) or named
    if extension is None:
        skipped.add(_kind(suffix), place.relative)
        return place, None
    if extension == "tif" and named and PICTURE_TYPES[named].decoder == "RAW":
        extension = named  # a camera's file is a TIFF inside
    blob = workspace.blobs.put_bytes(data, extension)
    return place, (blob, extension, _facts(data, extension))


def _kind(suffix: str) -> str:
    return f"{suffix} file" if suffix else "file without a suffix"


def _facts(data: bytes, extension: str) -> dict[str, Any]:
    """Return the header's facts; all None for a picture that cannot be decoded completely."""
    try:
        facts = read_header(data)
        if not has_end(io.BytesIO(data), extension):
            load_rgb(data)  # no end mark: some programs omit it, so the picture has to be decoded
    except UnreadableImageError:
        return dict.fromkeys(FACTS)
    return facts


def _origins(connection: Connection, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the origins of sightings that an earlier import recorded, by their keys."""
    table = schema.sightings
    keys = [row["key"] for row in rows]
    query = select(table.c.key, table.c.origin).where(table.c.key.in_(keys))
    return {key: origin for key, origin in connection.execute(query) if origin}


def _sighting(place: PicturePath, blob: Blob, run: _Import) -> dict[str, Any]:
    said = dict(place.labels)
    blank = dict.fromkeys(column.name for column in schema.sightings.columns)
    return blank | {
        "key": digest("import", run.source.root, place.relative, blob.sha256),
        "sha256": blob.sha256, "file": place.relative, "source": "import",
        "brand": said.get("brand") or run.brand, "model": run.model and nfc(run.model),
        "given_split": place.split, "capture": "bytes", "fetched_at": now(), "tool_version": TOOL,
        "root": run.source.root, "said": said,
    }  # fmt: skip


def _advice(
    run: _Import, skipped: Skipped, corrections: Corrections, tables: Sequence[LabelTable]
) -> list[str]:
    """Return what a person should know, one line each."""
    lines = skipped.lines()
    if run.counts["unreadable"]:
        lines.append(f"{run.counts['unreadable']} unreadable: curate rejects them and says why")
    for table in tables:
        lines.append(f"the table names {len(table)} pictures, {len(table.used)} of them were found")
    if not tables and (ignored := _ignored_tables(run, skipped)):
        lines.append(f"not read: {ignored}; if it holds labels: --labels FILE")
    if corrections.superseded:
        lines.append(
            f"{corrections.superseded} statements of the last import of {run.source.root} were "
            "replaced: files moved, were edited, or are labelled otherwise now"
        )
    if corrections.gone:
        lines.append(
            f"{len(corrections.gone)} files of the last import are gone ({corrections.gone[0]}); "
            "their pictures stay, bodyshop forget erases them"
        )
    if corrections.conflicts:
        sha256, values = corrections.conflicts[0]
        lines.append(
            f"{len(corrections.conflicts)} pictures have two labels, so that curate keeps them "
            f"out (label_conflict): {sha256[:12]} is {values}"
        )
    return lines


def _ignored_tables(run: _Import, skipped: Skipped) -> str | None:
    for suffix in TABLE_SUFFIXES:
        for name in skipped.examples.get(_kind(suffix), []):
            if PurePosixPath(name).name not in METADATA_NAMES:
                return name
    return None


def _first_advice(skipped: Skipped, names: Sequence[str]) -> str:
    """Return what to do about a root without pictures, by what is in it."""
    kinds = skipped.counts
    if not kinds:
        return "name the folder that contains the class folders"
    if any(name.lower().endswith(ARCHIVE_SUFFIXES) for name in names):
        return "import the archives in it: bodyshop import FILE.zip"
    if any(kind.startswith((".mp4", ".mov", ".avi", ".mkv", ".webm")) for kind in kinds):
        return "extract the frames of the films first, for example with ffmpeg"
    if any(kind.startswith("link") for kind in kinds):
        return "import the folder that the links lead to"
    if any(kind.startswith("no permission") for kind in kinds):
        return "make the files readable for this user"
    return "name the folder that contains the class folders"


def _batches(items: Iterable[_Read], size: int) -> Iterator[list[_Read]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
