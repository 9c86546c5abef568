"""The rows of a table of labels: CSV, Parquet, JSON lines, a list in JSON, or COCO's JSON."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

MAX_PARQUET_BYTES = 1_000_000_000
MAX_PARQUET_CELLS = 50_000_000
"""A few bytes of Parquet can stand for any number of equal rows."""


def rows_of_table(data: bytes, suffix: str) -> Iterable[Mapping[str, Any]]:
    """Return the rows of a table as mappings from column to value.

    Parameters
    ----------
    data : bytes
        The file: CSV in UTF-8 or UTF-16, divided by commas, semicolons, tabs or bars.
    suffix : str
        Which kind it is: ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet`` or ``.json``.

    Raises
    ------
    Exception
        It can't be read; each parser has errors of its own.
    """
    if suffix == ".parquet":
        return _parquet(data)
    text = _text(data)
    if suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    if suffix == ".json":
        return _json_rows(json.loads(text))
    head, _, rest = text.partition("\n")
    if told := re.fullmatch(r"sep=(.)\r?", head):  # written by and for Excel
        return list(csv.DictReader(io.StringIO(rest, newline=""), delimiter=told[1]))
    delimiter = "\t" if suffix == ".tsv" else max(",;\t|", key=head.count)
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def _text(data: bytes) -> str:
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        return data.decode("utf-16" if data.startswith(marks) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it is not in UTF-8 (byte {error.start}); save it again as 'CSV UTF-8'"
        ) from error


def _parquet(data: bytes) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(pa.BufferReader(data)) as file:
        facts = file.metadata
        size = sum(facts.row_group(n).total_byte_size for n in range(facts.num_row_groups))
        if size > MAX_PARQUET_BYTES or facts.num_rows * facts.num_columns > MAX_PARQUET_CELLS:
            raise ValueError(f"{facts.num_rows} rows of {size} bytes are too many for labels")
        return list(file.read().to_pylist())


def _json_rows(data: Any) -> list[dict[str, Any]]:
    """Return the rows of a list of objects, or one row per image of COCO's JSON.

    An image that shows several categories has no label.
    """
    if isinstance(data, list):
        return data
    if not isinstance(data, dict) or not {"images", "annotations", "categories"} <= data.keys():
        raise ValueError(
            "neither a list of objects nor COCO's JSON: that has images, annotations and categories"
        )
    names = {each["id"]: str(each["name"]) for each in data["categories"]}
    shown: dict[Any, set[str]] = {}
    for each in data["annotations"]:
        if each["category_id"] not in names:
            raise ValueError(
                f"an annotation has category {each['category_id']}, which is not in it"
            )
        shown.setdefault(each["image_id"], set()).add(names[each["category_id"]])
    return [
        {"file_name": image["file_name"], "label": sorted(shown.get(image["id"], ()))}
        for image in data["images"]
    ]
