"""Rows as CSV and Parquet, written completely or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic

if TYPE_CHECKING:
    import pyarrow as pa

PART = 50_000
"""Rows of a row group."""

_NUMBERS = {"width": "int32", "height": "int32", "sharpness": "float64", "p_car": "float64"}


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
    """Write RFC 4180 CSV in UTF-8 with a header; None is an empty cell. Return how many rows."""
    with (
        atomic.replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(columns)
        count = 0
        for part in _parts(rows):
            writer.writerows([row[column] for column in columns] for row in part)
            count += len(part)
    return count


def write_parquet(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
    """Write Parquet: text columns; ``width`` and ``height`` as int32, scores as float64.

    The rows are taken `PART` at a time. Return how many there are.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(column, _kind(column)) for column in columns])
    with (
        atomic.replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        count = 0
        for part in _parts(rows):
            writer.write_table(pa.table(_arrays(part, columns), schema=schema))
            count += len(part)
    return count


def write_features(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    classes: Mapping[str, Sequence[str]],
    lists: Sequence[str],
) -> None:
    """Write Parquet whose schema tells `datasets` the classes behind numbers.

    Source: the key ``huggingface`` of the Arrow schema, as `datasets.Features.arrow_schema` has it.

    Parameters
    ----------
    path : Path
        The file.
    rows, columns
        As in `write_parquet`; the values of the columns in `classes` are class names.
    classes : mapping
        Column -> its classes; the file has their numbers, from 0.
    lists : sequence of str
        Columns that are lists of texts.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = _arrays(rows, [each for each in columns if each not in {*classes, *lists}])
    for column, names in classes.items():
        arrays[column] = pa.array([list(names).index(row[column]) for row in rows], pa.int64())
    for column in lists:
        arrays[column] = pa.array([row[column] for row in rows], pa.list_(pa.string()))
    table = pa.table({column: arrays[column] for column in columns})
    features: dict[str, Any] = {}
    for field in table.schema:
        kind = {"double": "float64"}.get(str(field.type), str(field.type))
        features[field.name] = {"dtype": kind, "_type": "Value"}
        if field.name in classes:
            features[field.name] = {"names": list(classes[field.name]), "_type": "ClassLabel"}
        elif field.name in lists:
            text = {"dtype": "string", "_type": "Value"}
            features[field.name] = {"feature": text, "_type": "List"}
    told = json.dumps({"info": {"features": features}})
    with atomic.replacing(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata({"huggingface": told}), temporary, compression="zstd"
        )


def _parts(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Cut rows into parts; of none, one empty part."""
    rest = iter(rows)
    yield list(islice(rest, PART))
    while part := list(islice(rest, PART)):
        yield part


def _kind(column: str) -> pa.DataType:
    import pyarrow as pa

    return getattr(pa, _NUMBERS.get(column, "string"))()


def _arrays(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, pa.Array]:
    import pyarrow as pa

    return {column: pa.array([row[column] for row in rows], _kind(column)) for column in columns}
