"""All pictures of a workspace as columns in memory, where filtering takes no query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop.desk.filters import CHOICES, NOTHING
from bodyshop.export.rows import gold_pictures, manifest_rows
from bodyshop_core.catalog import Field, Origin, effective_labels, schema
from bodyshop_core.catalog.split_sets import newest_split_set

if TYPE_CHECKING:
    import pyarrow as pa

    from bodyshop_core.workspace import Workspace

MOST_PATCHED = 500
"""Pictures from which on reading the whole catalog again is no slower."""

_NUMBERS = {"width", "height", "sharpness", "p_car", "disagreement", "x", "y"}
_SHOWN = (
    "sha256", "file", "source", "origin", "label", "predicted", "disagreement", "brand", "model",
    "width", "height", "sharpness", "p_car", "framing", "verdict", "reasons", "cluster", "group",
    "representative", "split", "decision", "said", "gold", "placed", "licence", "x", "y",
    "words",
)  # fmt: skip


def load_table(
    workspace: Workspace,
    predictions: dict[str, tuple[str, float]] | None = None,
    places: dict[str, tuple[float, float]] | None = None,
) -> pa.Table:
    """Read the catalog.

    Parameters
    ----------
    workspace : Workspace
        Curated or not.
    predictions : dict of str to (str, float), optional
        sha256 -> label that an out-of-fold classifier would give, and its disagreement with the
        present one (0 to 1).
    places : dict of str to (float, float), optional
        sha256 -> place on the map.

    Returns
    -------
    pyarrow.Table
        A row per picture in the order of the sha256: the columns of the manifest that the desk
        shows, ``decision`` (a person's keep or reject), ``placed`` (the cluster that
        a person put it into), ``said`` (``yes``: a person decided one of these, or the label),
        ``predicted``, ``disagreement``, ``x`` and ``y`` (its place on the map), and ``words``
        (title, caption, query and address in small letters).
    """
    import pyarrow as pa

    rows = manifest_rows(workspace)
    decided, words = _decisions(workspace), _words(workspace)
    human, placed = _labels_by_people(workspace), _placed(workspace)
    for row in rows:
        sha256 = row["sha256"]
        row["decision"] = decided[sha256].decision if sha256 in decided else None
        row["placed"] = placed.get(sha256)
        row["label"] = human.get(sha256, row["label"])
        row["said"] = "yes" if row["decision"] or row["placed"] or sha256 in human else None
        row["predicted"], row["disagreement"] = (predictions or {}).get(sha256, (None, None))
        row["x"], row["y"] = (places or {}).get(sha256, (None, None))
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
        if name in ("cluster", "group", "placed", "sha256"):
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


def patched(table: pa.Table, workspace: Workspace, pictures: Sequence[str]) -> pa.Table:
    """Return the table after a person decided about some pictures.

    Parameters
    ----------
    table : pyarrow.Table
        As `load_table` made it.
    workspace : Workspace
        Its workspace.
    pictures : sequence of str
        At most `MOST_PATCHED`: label, framing and decision of each are read again.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    decided = _decisions(workspace, pictures)
    labels, framings = _without_people(workspace, pictures)
    human = _labels_by_people(workspace, pictures)
    labels |= human
    new: dict[str, dict[str, str | None]] = {
        "label": {}, "framing": {}, "decision": {}, "said": {}, "gold": {}, "placed": {}
    }  # fmt: skip
    gold, placed = gold_pictures(workspace, pictures), _placed(workspace, pictures)
    for sha256 in pictures:
        row = decided.get(sha256)
        new["label"][sha256] = labels.get(sha256)
        new["framing"][sha256] = (row.framing if row else None) or framings.get(sha256)
        new["decision"][sha256] = row.decision if row else None
        new["gold"][sha256] = "yes" if sha256 in gold else None
        new["placed"][sha256] = placed.get(sha256)
        new["said"][sha256] = "yes" if row or sha256 in placed or sha256 in human else None
    changed = pc.is_in(table["sha256"], pa.array(pictures, pa.string()))
    order = table["sha256"].filter(changed).to_pylist()
    for name, values in new.items():
        mask = changed.combine_chunks()
        column = table[name].combine_chunks()
        fresh = pc.replace_with_mask(
            column, mask, pa.array([values[each] for each in order], pa.string())
        )
        table = table.set_column(table.column_names.index(name), name, fresh)
    return table


def shown_target(workspace: Workspace) -> tuple[str, str]:
    """Return the newest split set, empty if there is none, and what its labels are about."""
    newest = newest_split_set(workspace.catalog)
    return ("", Field.DAMAGE.value) if newest is None else (newest.name, newest.target)


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


def _decisions(workspace: Workspace, among: Sequence[str] | None = None) -> dict[str, Any]:
    table = schema.decisions
    query = select(table.c.sha256, table.c.decision, table.c.framing)
    if among is not None:
        query = query.where(table.c.sha256.in_(among))
    with workspace.catalog.read() as connection:
        return {str(row.sha256): row for row in connection.execute(query).all()}


def _placed(workspace: Workspace, among: Sequence[str] | None = None) -> dict[str, str]:
    """Return the cluster that a person put pictures into; the next curate follows it."""
    table = schema.cluster_decisions
    query = select(table.c.sha256, table.c.cluster)
    if among is not None:
        query = query.where(table.c.sha256.in_(among))
    with workspace.catalog.read() as connection:
        return {sha256: cluster[:8] for sha256, cluster in connection.execute(query)}


def _labels_by_people(
    workspace: Workspace, among: Sequence[str] | None = None
) -> dict[str, str | None]:
    """Return labels that people gave: they count at once, those of a split set from curate on."""
    found = effective_labels(workspace.catalog, shown_target(workspace)[1], among=among)
    return {sha256: each.value for sha256, each in found.items() if each.origin == Origin.HUMAN}


def _without_people(
    workspace: Workspace, pictures: Sequence[str]
) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """Return label and framing as `load_table` would without decisions."""
    verdicts, scores, splits = schema.verdicts, schema.gate_scores, schema.splits
    name, target = shown_target(workspace)
    found = effective_labels(workspace.catalog, target, among=pictures)
    labels: dict[str, str | None] = {sha256: each.value for sha256, each in found.items()}
    framed = select(scores.c.sha256, scores.c.framing).join(
        verdicts, (verdicts.c.sha256 == scores.c.sha256) & (verdicts.c.gate == scores.c.gate)
    )
    split = select(splits.c.sha256, splits.c.label).where(splits.c.split_set == name)
    with workspace.catalog.read() as connection:
        framings = connection.execute(framed.where(scores.c.sha256.in_(pictures))).all()
        rows = connection.execute(split.where(splits.c.sha256.in_(pictures)))
        labels |= {row.sha256: row.label for row in rows}
    return labels, {row.sha256: row.framing for row in framings}
