"""Rows as CSV and Parquet, written completely or not at all."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = {"width": "int32", "height": "int32", "sharpness": "float64", "p_car": "float64"}


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write RFC 4180 CSV in UTF-8 with a header; None is an empty cell."""
    with (
        atomic.replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([row[column] for column in columns] for row in rows)


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write Parquet: text columns; ``width`` and ``height`` as int32, scores as float64."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {
        column: pa.array([row[column] for row in rows], _type(pa, column)) for column in columns
    }
    with atomic.replacing(path) as temporary:
        pq.write_table(pa.table(arrays), temporary, compression="zstd")


def _type(arrow: Any, column: str) -> pa.DataType:
    name = _NUMBERS.get(column)
    return arrow.string() if name is None else getattr(arrow, name)()
