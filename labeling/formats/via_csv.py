"""The CSV export of VIA: one line per region."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from bodyshop_core.errors import ConfigError
from labeling.formats.documents import read_text

COLUMNS = ("filename", "region_shape_attributes", "region_attributes")

LONGEST = 8 << 20
"""Characters of a field: the shape of a region with half a million corners."""


def rows(path: Path) -> list[dict[str, str]]:
    """Return the lines of an export, the first of which names the columns.

    Raises
    ------
    ConfigError
        It is none, or a field is too long.
    """
    # Version 1 writes its first line as a comment.
    lines = csv.DictReader(io.StringIO(read_text(path).removeprefix("#")))
    limit = csv.field_size_limit(LONGEST)
    try:
        if not set(COLUMNS) <= {*(lines.fieldnames or ())}:
            raise ConfigError("not a CSV file of VIA", file=path)
        return list(lines)
    except csv.Error as error:
        raise ConfigError(f"line {lines.line_num} can't be read: {error}", file=path) from error
    finally:
        csv.field_size_limit(limit)


def entries(path: Path) -> dict[str, Any]:
    """Return the pictures of an export with their regions, as VIA's JSON has them.

    Raises
    ------
    ConfigError
        As for `rows`.
    """
    found: dict[str, Any] = {}
    for line, row in enumerate(rows(path), 2):
        length = row.get("file_size") or ""
        entry = found.setdefault(
            f"line {line}" if not row["filename"] else f"{row['filename']}{length}",
            {"filename": row["filename"] or None, "regions": [],
             "size": int(length) if length.isdecimal() and len(length) < 16 else -1,
             "file_attributes": _json_or_text(row.get("file_attributes"))},
        )  # fmt: skip
        shape = _json_or_text(row["region_shape_attributes"])
        if shape == {}:
            continue  # a picture without a region
        entry["regions"].append(
            {"shape_attributes": shape,
             "region_attributes": _json_or_text(row["region_attributes"])}
        )  # fmt: skip
    return found


def _json_or_text(text: str | None) -> Any:
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text
