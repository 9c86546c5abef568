"""Labels that are in a table or in the names of files, not in the folders.

A table has one row per picture: CSV, Parquet, JSON lines or COCO's JSON. Its columns are found by
their names, as Hugging Face's ``metadata.csv`` and most exports have them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from bodyshop_core.catalog import Field, nfc
from bodyshop_core.errors import ConfigError, UsageError
from bodyshop_core.imaging.types import SUFFIXES
from collector.folder_layout import split_of
from collector.row_matching import ends, loose_matches
from collector.table_files import rows_of_table

FILE_COLUMNS = (
    "file_name", "filename", "file", "filepath", "file_path", "path", "image_path", "image",
    "img_path", "img", "picture", "image_file", "image_filename", "image_name", "img_name", "fname",
    "image_id", "name", "id",
)  # fmt: skip
"""Columns that may name the picture, the first that is there counts; before ``id``, any that ends
in ``_file_name``, as Hugging Face's ImageFolder has it."""

LABEL_COLUMNS = ("label", "class", "category", "target", "label_name", "class_name")
"""Columns that stand for the field of the import."""

_SYNONYMS = {"brand": ("brand", "make", "manufacturer"), "model": ("model",), "damage": ("damage",)}
_SPLIT_COLUMNS = ("split", "subset", "fold_name")

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".json")

_SEVERAL = object()
"""In place of what can be no label: several values."""


class LabelTable:
    """What a table says about files, by their names; nothing until it is bound to them.

    Parameters
    ----------
    rows : iterable of (str, dict)
        Name as the table has it, and its fields and ``split``.
    base : str, optional
        The folder of a table that was found beside its pictures: names are whole paths, so that an
        end of a path says nothing.

    Attributes
    ----------
    repeated : dict
        Name -> the two different things that two of its rows say; the later one counts.
    loose : dict
        File -> row, where they differ by case, suffix or another machine's path.
    remarks : list of str
        What else was not used of it.
    """

    remarks: Sequence[str] = ()

    def __init__(
        self, rows: Iterable[tuple[str, dict[str, str]]], *, base: str | None = None
    ) -> None:
        self._rows: dict[str, dict[str, str]] = {}
        self.repeated: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
        for name, said in rows:
            before = self._rows.get(_normal(name), said)
            if before != said:
                self.repeated[_normal(name)] = (before, said)
            self._rows[_normal(name)] = said
        self.base = "" if base in (None, ".") else _normal(str(base))
        self._exact = base is not None
        self._row_of: dict[str, str] = {}
        self.used: set[str] = set()
        self.ambiguous: dict[str, list[str]] = {}
        self.loose: dict[str, str] = {}
        self.fields = {name for said in self._rows.values() for name in said}

    def __len__(self) -> int:
        return len(self._rows)

    def __call__(self, name: str) -> dict[str, str]:
        """Return what is said about a file that the table was bound to."""
        row = self._row_of.get(name)
        return {} if row is None else dict(self._rows[row])

    @property
    def files(self) -> int:
        """Return how many files it says something about."""
        return len(self._row_of)

    @property
    def unmatched(self) -> list[str]:
        """Return the rows that name no file."""
        return [row for row in self._rows if row not in self.used and row not in self.ambiguous]

    @property
    def needs_a_look(self) -> bool:
        """Whether a table that nobody named says something that was not used."""
        return bool(self.repeated or self.remarks or self.unmatched)

    def bind(self, names: Iterable[str], root: str = "") -> None:
        """Decide which file each row means.

        A row means the file whose path below the root it is. Otherwise it is the end of a path, and
        means a file only if exactly one has this end, and no longer row with the same end means
        another place: ``train/1.png`` never means ``test/1.png``, nor ``1.png`` one of both. Of two
        rows that mean one file, the longer one counts. What is left is matched without regard to
        case and suffix, see `collector.row_matching`.

        Parameters
        ----------
        names : iterable of str
            The files' names below the root, as the import writes them.
        root : str
            The path of the root: a row may name it too.
        """
        names = list(names)
        self._row_of = {name: name for name in names if name in self._rows}
        self.used, self.ambiguous, self.loose = set(self._row_of), {}, {}
        if self._exact:  # nobody named this table: it stands for what it says of files only
            self.fields = {name for row in self._row_of.values() for name in self._rows[row]}
            return
        above = tuple(PurePosixPath(_normal(root)).parts)
        places_of: dict[str, list[str]] = {}
        for name in names:
            for end in ends((*above, *PurePosixPath(name).parts)):
                if end in self._rows and end not in self.used:
                    places_of.setdefault(end, []).append(name)
        longer: dict[str, list[str]] = {}
        for row in self._rows:
            for end in ends(PurePosixPath(row).parts[1:]):
                if end in places_of:
                    longer.setdefault(end, []).append(row)
        for row in sorted(places_of, key=lambda row: -row.count("/")):
            places = [
                other for other in longer.get(row, []) if other not in self._means(places_of[row])
            ]
            if len(places_of[row]) > 1 or places:
                self.ambiguous[row] = [*places_of[row], *places]
            else:
                self.used.add(row)
                self._row_of.setdefault(places_of[row][0], row)
        free = [name for name in names if name not in self._row_of]
        more = loose_matches(self.unmatched, free, above, self._rows)
        self.loose = more.row_of
        self._row_of |= more.row_of
        self.used |= set(more.row_of.values())
        self.ambiguous |= more.ambiguous

    def _means(self, names: Iterable[str]) -> set[str]:
        return {self._row_of[name] for name in names if name in self._row_of}


def read_table(path: Path, field: str) -> LabelTable:
    """Read labels from a file.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet`` or ``.json`` (COCO).
    field : str
        What a column named label, class or category stands for.

    Raises
    ------
    UsageError
        The file is absent or of another kind.
    ConfigError
        It can't be read, or no column names a file or a label.
    """
    if not path.is_file():
        raise UsageError(f"{path} is not a file")
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise UsageError(
            f"{path} is not a table of labels", hint=f"one of: {', '.join(TABLE_SUFFIXES)}"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"it can't be read as a table: {error}", file=path) from error
    return parse_table(data, path, field)


def parse_table(
    data: bytes, path: Path, field: str, *, base: PurePosixPath | None = None
) -> LabelTable:
    """Read labels from the bytes of a file.

    Parameters
    ----------
    data : bytes
        The file.
    path : Path
        Its name, which says its kind.
    field : str
        What a column named label, class or category stands for.
    base : PurePosixPath, optional
        The folder of a ``metadata.csv`` that was found beside its pictures: the names are relative
        to it, and it may hold no labels at all.

    Raises
    ------
    ConfigError
        It can't be read, or no column names a file or a label.
    """
    try:
        rows = list(rows_of_table(data, path.suffix.lower()))
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("a row is not an object with named values")
    except Exception as error:  # each parser has errors of its own, and nesting ends in another
        reason = str(error) or type(error).__name__
        raise ConfigError(f"it can't be read as a table: {reason}", file=path) from error
    if not rows:
        raise ConfigError("the table has no rows", file=path)
    names: dict[str, str] = {}
    # Not only of the first row: in JSON, what is missing is left out.
    for name in dict.fromkeys(name for row in rows for name in row):
        if name is not None:  # what a line of CSV has beyond its columns
            names.setdefault(_column_name(name), str(name))
    own = [name for name in names if name.endswith("_file_name")]
    wanted = (*FILE_COLUMNS[:-1], *own, FILE_COLUMNS[-1])
    file_column = next((names[each] for each in wanted if each in names), None)
    if file_column is None:
        raise ConfigError(
            f"no column names the picture's file (columns: {', '.join(names.values())})",
            file=path,
            allowed=FILE_COLUMNS,
        )
    columns = _columns(names, field, file_column)
    if not columns and base is None:
        raise ConfigError(
            f"no column holds a label (columns: {', '.join(names.values())})",
            file=path,
            allowed=(*Field, *LABEL_COLUMNS),
        )
    said: list[tuple[str, dict[str, str]]] = []
    several: list[str] = []
    nameless = 0
    for row in rows:
        name = as_text(row.get(file_column))
        if not name:
            nameless += 1
            continue
        key = name if base is None else (base / name).as_posix()
        values = {column: _single(row.get(column)) for column in columns}
        several += [name] if any(value is _SEVERAL for value in values.values()) else []
        said.append((key, _said(values, columns)))
    table = LabelTable(said, base=None if base is None else base.as_posix())
    table.remarks = [
        f"{count} rows of {path} {what}"
        for count, what in (
            (len(several), f"have several values for a label, so none ({', '.join(several[:1])})"),
            (nameless, "name no file"),
        )
        if count
    ]
    return table


class NamePattern:
    """What the names of files say by a regular expression with named groups.

    Parameters
    ----------
    pattern : str
        Groups ``damage``, ``brand``, ``model``, ``label`` (the field) and ``split``. It is matched
        from the start of the file's name, or of its path when it contains ``/``.
    field : str
        What ``label`` stands for.

    Attributes
    ----------
    files, unmatched : int, list of str
        How many names it fitted, and those that it did not fit.

    Raises
    ------
    UsageError
        It is not a regular expression, or has none of the groups.
    """

    def __init__(self, pattern: str, field: str) -> None:
        try:
            self._compiled = re.compile(pattern)
        except re.error as error:
            raise UsageError(f"--label-from is not a regular expression: {error}") from error
        allowed = {*Field, "label", "split"}
        groups = self._compiled.groupindex.keys()
        if not groups or groups - allowed:
            named = ", ".join(sorted(groups)) or "no group"
            wanted = ", ".join(f"(?P<{each}>...)" for each in sorted(allowed))
            raise UsageError(
                f"--label-from {pattern!r} names {named}", hint=f"name its groups: {wanted}"
            )
        self.files, self.unmatched = 0, list[str]()
        self._columns = {name: field if name == "label" else name for name in groups}
        self._whole_path = "/" in pattern
        self.fields = set(self._columns.values()) - {"split"}

    def __call__(self, name: str) -> dict[str, str]:
        """Return what the name of a file says."""
        found = self._compiled.match(name if self._whole_path else PurePosixPath(name).name)
        if found is None:
            if PurePosixPath(name).suffix.lower() in SUFFIXES:
                self.unmatched.append(name)
            return {}
        self.files += 1
        return _said(found.groupdict(), self._columns)

    def remark(self) -> str | None:
        """Say which names it did not fit; None when it fitted all that it was asked about."""
        if not self.unmatched:
            return None
        return (
            f"--label-from fits {self.files} of {self.files + len(self.unmatched)} names "
            f"(not {self.unmatched[0]})"
        )


def _column_name(name: Any) -> str:
    return re.sub(r"[\s_-]+", "_", str(name).strip().lower())


def _columns(names: Mapping[str, str], field: str, file_column: str) -> dict[str, str]:
    """Return column -> field or ``split``."""
    columns: dict[str, str] = {}
    for meaning, synonyms in _SYNONYMS.items():
        found = next((names[each] for each in synonyms if each in names), None)
        if found is not None and found != file_column:
            columns[found] = meaning
    if field not in columns.values():
        found = next((names[each] for each in LABEL_COLUMNS if each in names), None)
        if found is not None:
            columns[found] = field
    found = next((names[each] for each in _SPLIT_COLUMNS if each in names), None)
    if found is not None:
        columns[found] = "split"
    return columns


def _said(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, str]:
    said: dict[str, str] = {}
    for column, meaning in columns.items():
        value = row.get(column)
        if value is not _SEVERAL and (text := as_text(value)):
            said[meaning] = text
    if "model" in said and "brand" in said and not said["model"].startswith(said["brand"] + " "):
        said["model"] = f"{said['brand']} {said['model']}"
    if "split" in said:
        split, _ = split_of(said.pop("split"))
        if split is not None:
            said["split"] = split
    return said


def _single(value: Any) -> Any:
    """Return the value of a cell, or of a list with one value; `_SEVERAL` for anything else."""
    if isinstance(value, list | tuple | dict):
        if isinstance(value, dict) or len(value) > 1:
            return _SEVERAL
        value = next(iter(value), None)
        return _SEVERAL if isinstance(value, list | tuple | dict) else value
    return value


def as_text(value: Any) -> str:
    """Return the text of a cell; empty for one that is missing.

    Whole numbers are written as such: pandas makes 3.0 of a 3 when another row has no value.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return nfc(str(value)).strip()


def _normal(name: str) -> str:
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", "."}]
    return nfc("/".join(parts))
