"""Hugging Face data sets as an import reads them: folders of ``save_to_disk``, and Parquet files.

The bytes of a picture are in a column (``{bytes, path}``), and its class in another. A row is named
by its file and number, ``data/train-00000-of-00002.parquet/00000017``; that says nothing about its
class. A picture that is only a path is skipped: the path may lead anywhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import UsageError
from collector.folder_layout import Told, split_of
from collector.folder_walk import EXAMPLES, TOO_LARGE, UNREADABLE, Skipped
from collector.import_bytes import MAX_BYTES, Entry
from collector.import_statements import LABEL_COLUMNS, as_text

if TYPE_CHECKING:
    import pyarrow as pa

DATASET_SUFFIXES = (".parquet", ".arrow")

ONLY_A_PATH = "picture of a data set that is only a path"
DAMAGED = "row behind a damage of its file"

NO_CLASS = -1
"""What the data set library writes as the class of a picture without one."""

_MARKS = ("dataset_dict.json", "dataset_info.json", "state.json")
_BATCH = 32


def is_dataset(path: Path) -> bool:
    """Return whether a path is a Parquet or Arrow file, or a folder of such files with pictures.

    A folder of pictures may hold tables, too; those have no column with pictures.
    """
    if path.is_file():
        return path.suffix.lower() in DATASET_SUFFIXES
    files = _files(path)
    if not files or any((path / mark).is_file() for mark in _MARKS):
        return bool(files)
    try:
        return _columns(_schema(files[0]), "") is not None
    except _damages():
        return False


@dataclass(frozen=True)
class _Columns:
    """Where a file of a data set has what: its picture, its class, and the names of classes."""

    picture: str
    label: str | None
    classes: tuple[str, ...]


@dataclass(frozen=True)
class _File:
    """A file of a data set: its name below the root, the column of pictures, and what rows say."""

    path: Path
    name: str
    picture: str
    told: list[Told]


class DatasetSource:
    """A data set on disk.

    Parameters
    ----------
    path : Path
        A folder or a file, see `is_dataset`.
    field : str
        The column of this name holds the class, else one named label, class or category.
    skipped : Skipped
        Takes what is left out.

    Raises
    ------
    UsageError
        A file can't be read, or none has a column with pictures.
    """

    def __init__(self, path: Path, field: str, skipped: Skipped) -> None:
        place = path.resolve()  # the same names, however the path was typed
        self.root = str(place)
        self.skipped = skipped
        self._files: list[_File] = []
        for file in [path] if path.is_file() else _files(place):
            one = path.is_file()
            name = place.name if one else file.relative_to(place).as_posix()
            try:
                columns = _columns(_schema(file), field)
                if columns is not None:
                    classes = _Classes(columns, name)
                    split = _split(PurePosixPath(file.name if one else name))
                    told = [(split, label) for label in classes.of_rows(file)]
                    self._files.append(_File(file, name, columns.picture, told))
                    skipped.remarks += classes.remarks()
            except _damages() as error:
                raise UsageError(
                    f"{file} can't be read as a data set: {error}",
                    hint="download it again, or take it out of the folder",
                ) from error
        if not self._files:
            raise UsageError(
                f"{path} has no column with pictures",
                hint="a column with pictures holds {bytes, path} per row, or bytes; for a table of "
                f"labels: bodyshop import DIR --labels {path}",
            )

    def names(self) -> list[str]:
        """Return a name per row."""
        return [_row(file.name, row) for file in self._files for row in range(len(file.told))]

    def told(self) -> list[Told]:
        """Return the split and class of every row."""
        return [told for file in self._files for told in file.told]

    def entries(self) -> Iterator[Entry]:
        """Yield every row before a damage of its file; only a few are in memory."""
        at = 0
        for file in self._files:
            row = 0
            try:
                for batch in _batches(file.path, [file.picture]):
                    for value in batch.column(0):
                        data = _bytes_of(value.as_py())
                        yield at + row, len(data or b""), self._load(data, _row(file.name, row))
                        row += 1
            except _damages() as error:
                self._note_damage(file, row, error)
            at += len(file.told)

    def table(self, name: str) -> bytes:
        """Raise: there are no files beside the pictures."""
        raise OSError(f"{name} is no file")

    def _note_damage(self, file: _File, row: int, error: Exception) -> None:
        for lost in range(row, len(file.told)):
            self.skipped.add(DAMAGED, _row(file.name, lost))
        self.skipped.remarks.append(
            f"{file.path} can't be read from row {row} on ({error}): download it again, then "
            "import again; what is before and in other files is imported"
        )

    def _load(self, data: bytes | None, name: str) -> Any:
        def load() -> bytes | None:
            if data is None:
                self.skipped.add(ONLY_A_PATH, name)
            elif len(data) > MAX_BYTES:
                self.skipped.add(TOO_LARGE, name)
            elif not data:
                self.skipped.add(UNREADABLE, name)
            else:
                return data
            return None

        return load


def _files(folder: Path) -> list[Path]:
    """Return the data files of a folder and of the folders in it (``data``, or one per split)."""
    root = folder.resolve()
    found = (
        file
        for suffix in DATASET_SUFFIXES
        for pattern in (f"*{suffix}", f"*/*{suffix}")
        for file in folder.glob(pattern)
    )
    return [
        file
        for file in sorted(found)
        if file.is_file()
        and file.resolve().is_relative_to(root)
        and not file.name.startswith("cache-")  # what `map` and `filter` left behind
    ]


def _schema(file: Path) -> pa.Schema:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.suffix.lower() == ".parquet":
        return pq.read_schema(file)
    with pa.memory_map(str(file)) as source:
        return _opened(source).schema


def _columns(schema: pa.Schema, field: str) -> _Columns | None:
    import pyarrow as pa

    features = _features(schema)
    pictures = [
        each.name
        for each in schema
        if features.get(each.name, {}).get("_type") == "Image"
        or (pa.types.is_struct(each.type) and {"bytes", "path"} <= {f.name for f in each.type})
        or (each.name in ("image", "img", "picture") and _is_binary(each.type))
    ]
    if not pictures:
        return None
    label = next((name for name in (field, *LABEL_COLUMNS, "labels") if name in schema.names), None)
    told = features.get(label or "", {})
    classes = told.get("names") if told.get("_type") == "ClassLabel" else None
    return _Columns(pictures[0], label, tuple(map(str, classes or ())))


def _is_binary(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _features(schema: pa.Schema) -> Mapping[str, Mapping[str, Any]]:
    """Return what the data set library says of its columns, in the schema's metadata."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = told.get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}
    if not isinstance(features, dict):
        return {}
    return {name: facts for name, facts in features.items() if isinstance(facts, dict)}


class _Classes:
    """Reads the classes of a file's rows, and notes values that are none."""

    def __init__(self, columns: _Columns, file: str) -> None:
        self._columns, self._file = columns, file
        self._unusable: list[str] = []

    def of_rows(self, file: Path) -> Iterator[str | None]:
        """Yield the class of each row."""
        label = self._columns.label
        for batch in _batches(file, [label] if label else []):
            for value in batch.column(0) if label else [None] * batch.num_rows:
                yield None if value is None else self._class(value.as_py())

    def remarks(self) -> list[str]:
        """Return a line when there were values that are no class."""
        if not self._unusable:
            return []
        values = ", ".join(list(dict.fromkeys(self._unusable))[:EXAMPLES])
        return [
            f"{len(self._unusable)} rows of {self._file} name no class: '{self._columns.label}' is "
            f"{values} there; --labels FILE gives them one"
        ]

    def _class(self, value: Any) -> str | None:
        names = self._columns.classes
        if isinstance(value, float) and (value.is_integer() or math.isnan(value)):
            value = None if math.isnan(value) else int(value)
        if isinstance(value, int) and not isinstance(value, bool) and names:
            if 0 <= value < len(names):
                return names[value].strip() or None
            if value == NO_CLASS:
                return None
        elif value is None or isinstance(value, str | int):
            return as_text(value) or None
        self._unusable.append(repr(value)[:40])
        return None


def _row(file: str, row: int) -> str:
    return f"{file}/{row:08d}"


def _split(file: PurePosixPath) -> str | None:
    """Return the split that the folder of a file, or its name up to the first -, states."""
    named = [file.stem.partition("-")[0], *file.parts[-2::-1]]
    return next((found for name in named if (found := split_of(name)[0])), None)


def _damages() -> tuple[type[Exception], ...]:
    """Return the errors of a damaged file; Arrow's are OSErrors and ValueErrors, mostly."""
    import pyarrow as pa

    return OSError, ValueError, pa.ArrowException


def _batches(file: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of a file, a few rows at a time, checked: the file may be anybody's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.suffix.lower() == ".parquet":
        with pq.ParquetFile(file) as opened:
            if not columns:  # only the number of rows is wanted
                columns = opened.schema_arrow.names[:0]
            for batch in opened.iter_batches(batch_size=_BATCH, columns=columns):
                batch.validate(full=True)
                yield batch
        return
    with pa.memory_map(str(file)) as source:
        for batch in _opened(source):
            chosen = batch.select(columns)
            chosen.validate(full=True)
            for at in range(0, max(chosen.num_rows, batch.num_rows), _BATCH):
                yield chosen.slice(at, _BATCH) if columns else batch.slice(at, _BATCH)


def _opened(source: Any) -> Any:
    """Return a stream of batches; older sets are Arrow files in place of streams."""
    import pyarrow as pa

    try:
        return pa.ipc.open_stream(source)
    except pa.ArrowInvalid:
        reader = pa.ipc.open_file(source)
        return _Batches(reader)


class _Batches:
    """An Arrow file, read like a stream."""

    def __init__(self, reader: Any) -> None:
        self._reader, self.schema = reader, reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return (self._reader.get_batch(n) for n in range(self._reader.num_record_batches))


def _bytes_of(value: Any) -> bytes | None:
    """Return a picture's bytes; None for one that is only a path."""
    if isinstance(value, dict):
        value = value.get("bytes")
    return value if isinstance(value, bytes) else None
