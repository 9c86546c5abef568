"""Hugging Face data sets as an import reads them: folders of ``save_to_disk``, and Parquet files.

The bytes of a picture are in a column (``{bytes, path}``), and its class in another. Both are given
names as if they were files: ``train/damaged/00000017.jpg``. A picture that is only a path is
skipped: the path may lead anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import UsageError
from collector.folder_layout import split_of
from collector.folder_walk import TOO_LARGE, UNREADABLE, Skipped
from collector.import_bytes import MAX_BYTES, Entry
from collector.import_statements import LABEL_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

DATASET_SUFFIXES = (".parquet", ".arrow")

ONLY_A_PATH = "picture of a data set that is only a path"

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
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class _Columns:
    """Where a file of a data set has what: its picture, its class, and the names of classes."""

    picture: str
    label: str | None
    classes: tuple[str, ...]


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
        self.root = str(path.resolve())
        self.skipped = skipped
        files = [path] if path.is_file() else _files(path)
        self._files: list[tuple[Path, _Columns, list[str]]] = []
        for file in files:
            try:
                columns = _columns(_schema(file), field)
                if columns is not None:
                    split = _split(file, path)
                    self._files.append((file, columns, list(_names(file, columns, split))))
            except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors, mostly
                raise UsageError(f"{file} can't be read as a data set: {error}") from error
        if not self._files:
            raise UsageError(
                f"{path} has no column with pictures",
                hint="a column with pictures holds {bytes, path} per row, or bytes",
            )

    def names(self) -> list[str]:
        """Return a name per row."""
        return [name for _, _, names in self._files for name in names]

    def entries(self) -> Iterator[Entry]:
        """Yield every row; only a few are in memory."""
        at = 0
        for file, columns, names in self._files:
            row = 0
            for batch in _batches(file, [columns.picture]):
                for value in batch.column(0):
                    data = _bytes_of(value.as_py())
                    yield at + row, len(data or b""), self._load(data, names[row])
                    row += 1
            at += len(names)

    def table(self, name: str) -> bytes:
        """Raise: there are no files beside the pictures."""
        raise OSError(f"{name} is no file")

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


def _names(file: Path, columns: _Columns, split: str | None) -> Iterator[str]:
    """Yield a name per row: split, class, number and suffix."""
    stem = file.stem if file.parent.name == split else f"{file.parent.name}-{file.stem}"
    row = 0
    for batch in _batches(file, [columns.label] if columns.label else []):
        for value in batch.column(0) if columns.label else [None] * batch.num_rows:
            label = _class(None if value is None else value.as_py(), columns.classes)
            parts = [part for part in (split, label, f"{stem}-{row:08d}") if part]
            yield "/".join(parts)
            row += 1


def _class(value: Any, names: tuple[str, ...]) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and names:
        return names[value].replace("/", "-") if 0 <= value < len(names) else None
    if isinstance(value, str | int | bool):
        return str(value).strip().replace("/", "-") or None
    return None


def _split(file: Path, root: Path) -> str | None:
    """Return the split that the folder of a file, or its name up to the first -, states."""
    named = [file.stem.partition("-")[0]]
    if file != root:
        named += file.relative_to(root).parts[-2::-1]
    return next((found for name in named if (found := split_of(name)[0])), None)


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
