"""`import_folder`: pictures on disk are added to the catalog like collected ones."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import (
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
    ConfigError,
    ErasedPictureError,
    InterruptedByUser,
    NothingFoundError,
    UsageError,
)
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from collector.candidate import digest
from collector.crawl.interrupt import SoftInterrupt
from collector.folder_layout import Given, PicturePath, picture_paths, written_name
from collector.folder_walk import Skipped
from collector.import_bytes import is_metadata
from collector.import_ledger import Corrections, correct, keep_said, withdraw
from collector.import_reading import Read, read_all
from collector.import_sources import ImportSource, open_source
from collector.import_statements import LabelTable, NamePattern, parse_table, read_table
from collector.import_summary import FolderImportSummary, Unreadable, advice, first_advice
from collector.ledger.record import TOOL

if TYPE_CHECKING:
    from sqlalchemy import Connection

BATCH = 200


def import_folder(
    folder: Path | str,
    workspace: Workspace,
    *,
    field: str = "damage",
    label: str | None = None,
    brand: str | None = None,
    model: str | None = None,
    source: str | None = None,
    licence: str | None = None,
    author: str | None = None,
    labels: Path | str | Sequence[Path | str] | None = None,
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
        A folder, searched to any depth, a zip or tar archive, which is not unpacked to disk, or a
        data set of Hugging Face's library (``save_to_disk``, or Parquet with the pictures in it).
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
    licence, author : str, optional
        Licence of every picture, such as ``CC BY 4.0``, and whom to name. Without them, pictures
        keep those that an earlier import of the same files gave.
    labels : path or list of paths, optional
        Tables with one row per picture, see `collector.import_statements`; they take precedence
        over folders, later ones over earlier ones. ``metadata.csv`` in the folder is read without
        being named.
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
        `folder` is neither folder, archive nor data set, `field` is not a field, `label_from` is
        wrong, or `source`, `licence` or `author` is blank.
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
    for name, value in (("source", source), ("licence", licence), ("author", author)):
        if value is not None and not value.strip():
            raise UsageError(f"the {name} can't be blank", hint=f"leave out --{name}")
    skipped = Skipped()
    opened = open_source(folder, skipped, field)
    names = opened.names()
    found_tables, unread = _tables_beside(opened, names, field)
    pattern = [NamePattern(label_from, field)] if label_from else []
    told_by = [labels] if isinstance(labels, Path | str) else labels or []
    tables = [read_table(Path(each), field) for each in told_by]
    written = [written_name(name) for name in names]
    for table in (*found_tables, *tables):
        table.bind(written, _path_of_rows(folder))
    statements: list[LabelTable | NamePattern] = [*found_tables, *pattern, *tables]
    silent = tuple(each.base for each in found_tables if field in each.fields)
    if any(field in each.fields for each in statements[len(found_tables) :]):
        silent = ("",)
    given = Given(field, label, brand, model, silent=silent)
    places = picture_paths(names, given, statements, opened.told())
    run = _Import(
        workspace, opened, field, brand, model,
        origin=nfc((source or folder.resolve().name or "import").strip()),
        stated={
            name: nfc(value.strip())
            for name, value in (("origin", source), ("licence", licence), ("author", author))
            if value is not None
        },
    )  # fmt: skip
    with progress.task("import", total=len(places)) as tick, SoftInterrupt() as interrupt:
        for batch in _batches(read_all(places, opened, workspace, skipped, interrupt), BATCH):
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
            hint=first_advice(skipped, names),
        )
    corrections = correct(workspace.catalog, opened.root, run.present, len(run.relabelled))
    told = [*tables, *(each for each in found_tables if each.needs_a_look)]
    named = [Path(each).resolve().as_posix() for each in told_by]
    lines = advice(opened.root, run.unreadable, skipped, corrections, told, unread, named)
    lines += [remark for each in pattern if (remark := each.remark()) is not None]
    return run.summary(skipped, corrections, time.monotonic() - started, lines)


@dataclass
class _Import:
    """What an import has stored so far."""

    workspace: Workspace
    source: ImportSource
    subject: str
    brand: str | None
    model: str | None
    origin: str
    stated: dict[str, str]
    counts: Counter[str] = field(default_factory=Counter)
    unreadable: Unreadable = field(default_factory=Unreadable)
    labels: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    present: dict[str, str] = field(default_factory=dict)
    relabelled: set[str] = field(default_factory=set)

    def store(self, batch: Sequence[Read]) -> None:
        """Write one batch, in one transaction."""
        catalog = self.workspace.catalog
        with catalog.begin() as connection:
            rows = []
            for place, found in batch:
                if found is not None and self._register(connection, *found):
                    if found[2]["format"] is None:
                        self.unreadable.add(found[1], place.relative)
                    rows.append(_sighting(place, found[0], self))
                    self.present[place.relative] = found[0].sha256
                    said = dict(place.labels)
                    self.labels.update([said[self.subject]] if self.subject in said else [])
                    self.counts["unlabelled"] += self.subject not in said
                    self.splits.update([place.split] if place.split else [])
            older = [digest("import", row["file"], row["sha256"]) for row in rows]
            rows, withdrawn = keep_said(connection, rows, older)
            known = _stated_before(connection, rows)
            for row in rows:
                row.update({"origin": self.origin} | known.get(row["key"], {}) | self.stated)
            self.relabelled |= {sha256 for sha256, _, _ in withdrawn}
            catalog.upsert(schema.sightings, rows, connection=connection)
            withdraw(catalog, connection, withdrawn)
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
            self.workspace.blobs.remove([blob.sha256])
            self.counts["forgotten"] += 1
            return False
        self.counts["pictures" if new else "duplicates"] += 1
        return True

    def summary(
        self, skipped: Skipped, corrections: Corrections, seconds: float, advice: list[str]
    ) -> FolderImportSummary:
        """Return the counts."""
        counts = self.counts
        return FolderImportSummary(
            files=counts["pictures"] + counts["duplicates"], pictures=counts["pictures"],
            duplicates=counts["duplicates"], unreadable=self.unreadable.total,
            skipped=skipped.total, forgotten=counts["forgotten"], seconds=seconds,
            labels=dict(self.labels), given_splits=dict(self.splits),
            skipped_kinds=dict(skipped.counts), superseded=corrections.superseded,
            gone=len(corrections.gone), conflicts=len(corrections.conflicts),
            unlabelled=counts["unlabelled"], advice=tuple(advice),
        )  # fmt: skip


def _tables_beside(
    source: ImportSource, names: Sequence[str], field: str
) -> tuple[list[LabelTable], list[str]]:
    """Return the tables that nobody named, and why others can't be read."""
    tables, unread = [], []
    for name in filter(is_metadata, names):
        base = PurePosixPath(written_name(name)).parent
        try:
            tables.append(parse_table(source.table(name), Path(name), field, base=base))
        except ConfigError as error:
            unread.append(str(error))
        except OSError as error:
            unread.append(f"{written_name(name)}: {error}")
    return tables, unread


def _path_of_rows(root: Path) -> str:
    """Return the path that rows may name files by: an archive counts as the folder in it."""
    path = root.resolve()
    if path.is_file():
        path = path.with_name(path.name.partition(".")[0])
    return path.as_posix()


def _stated_before(
    connection: Connection, rows: Sequence[dict[str, Any]]
) -> dict[str, dict[str, str]]:
    """Return what earlier imports stated of whole roots, by the keys of sightings."""
    table, names = schema.sightings, ("origin", "licence", "author")
    query = select(table.c.key, *(table.c[name] for name in names)).where(
        table.c.key.in_([row["key"] for row in rows])
    )
    return {
        row.key: {name: value for name in names if (value := getattr(row, name))}
        for row in connection.execute(query)
    }


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


def _batches(items: Iterable[Read], size: int) -> Iterator[list[Read]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
