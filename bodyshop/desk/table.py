"""All pictures of a workspace as columns in memory, where filtering takes no query."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop.desk.filters import CHOICES, NOTHING
from bodyshop.export.rows import manifest_rows
from bodyshop_core.catalog import schema

if TYPE_CHECKING:
    import pyarrow as pa

    from bodyshop_core.workspace import Workspace

_NUMBERS = {"width", "height", "sharpness", "p_car", "disagreement"}
_SHOWN = (
    "sha256", "file", "source", "origin", "label", "predicted", "disagreement", "brand", "model",
    "width", "height", "sharpness", "p_car", "framing", "verdict", "reasons", "cluster", "group",
    "split", "decision", "licence", "words",
)  # fmt: skip


def load_table(
    workspace: Workspace, predictions: dict[str, tuple[str, float]] | None = None
) -> pa.Table:
    """Read the catalog.

    Parameters
    ----------
    workspace : Workspace
        Curated or not.
    predictions : dict of str to (str, float), optional
        sha256 -> label that an out-of-fold classifier would give, and its disagreement with the
        present one (0 to 1).

    Returns
    -------
    pyarrow.Table
        A row per picture in the order of the sha256: the columns of the manifest that the desk
        shows, ``decision`` (a person's keep or reject), ``predicted``, ``disagreement``, and
        ``words`` (title, caption, query and address in small letters).
    """
    import pyarrow as pa

    rows = manifest_rows(workspace)
    decided, words = _decided(workspace), _words(workspace)
    for row in rows:
        sha256 = row["sha256"]
        row["decision"] = decided.get(sha256)
        row["predicted"], row["disagreement"] = (predictions or {}).get(sha256, (None, None))
        row["words"] = words.get(sha256, "")
    return pa.table(
        {
            name: pa.array(
                [row[name] for row in rows], pa.float64() if name in _NUMBERS else pa.string()
            )
            for name in _SHOWN
        }
    )


def facets(table: pa.Table, *, most: int = 200) -> dict[str, list[tuple[str, int]]]:
    """Count the values of each column that can be filtered, the most frequent first.

    Parameters
    ----------
    table : pyarrow.Table
        As `load_table` made it.
    most : int
        Values per column; clusters and groups are left out, there are too many.
    """
    found: dict[str, list[tuple[str, int]]] = {}
    for name in CHOICES:
        if name in ("cluster", "group"):
            continue
        if name == "reason":
            counts = Counter(
                reason
                for joined in table["reasons"].to_pylist()
                for reason in joined.split(";")
                if reason
            )
            found[name] = counts.most_common(most)
            continue
        pairs = table[name].value_counts().to_pylist()
        counted = [(each["values"] or NOTHING, each["counts"]) for each in pairs]
        found[name] = sorted(counted, key=lambda pair: -pair[1])[:most]
    return found


def _decided(workspace: Workspace) -> dict[str, str]:
    table = schema.decisions
    with workspace.catalog.read() as connection:
        return {
            row.sha256: row.decision
            for row in connection.execute(select(table.c.sha256, table.c.decision))
        }


def _words(workspace: Workspace) -> dict[str, str]:
    table = schema.sightings
    columns: list[Any] = [table.c[name] for name in ("page_title", "alt", "caption", "query")]
    query = select(table.c.sha256, table.c.url, table.c.file, *columns)
    found: dict[str, str] = {}
    with workspace.catalog.read() as connection:
        for row in connection.execute(query):
            text = " ".join(str(each) for each in row[1:] if each).lower()
            found[row.sha256] = f"{found[row.sha256]} {text}" if row.sha256 in found else text
    return found
