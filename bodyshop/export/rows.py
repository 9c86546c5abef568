"""The manifest: one row per picture with what the catalog knows about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, Table, select

from bodyshop_core.catalog import effective_labels, picture_origins, schema
from bodyshop_core.catalog.split_sets import choose_split_set, newest_split_set

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bodyshop_core.workspace import Workspace

COLUMNS = (
    "sha256",
    "file",
    "source",
    "label",
    "brand",
    "model",
    "width",
    "height",
    "phash",
    "sharpness",
    "p_car",
    "framing",
    "verdict",
    "reasons",
    "cluster",
    "representative",
    "group",
    "split",
    "mask",
    "licence",
    "permission",
    "origin",
)
"""The contract with other tools; a column is never renamed or moved."""


def manifest_rows(workspace: Workspace, *, split_set: str | None = None) -> list[dict[str, Any]]:
    """Collect a row for every picture, kept or not, in the order of their sha256.

    Parameters
    ----------
    workspace : Workspace
        With a catalog.
    split_set : str, optional
        Split set for the columns label, group and split; default the newest, if any.

    Returns
    -------
    list of dict
        With the keys `COLUMNS`. ``width`` and ``height`` are in pixels after EXIF rotation;
        ``file`` is the imported file's path or the URL; ``reasons`` and ``mask`` (paths relative
        to the workspace) are joined by ``;``; ``permission`` is JSON. Unknown is None.

    Raises
    ------
    UsageError
        There is no split set of this name.
    """
    catalog = workspace.catalog
    chosen = newest_split_set(catalog)
    if split_set is not None:
        chosen = choose_split_set(catalog, split_set)
    name, target = ("", "damage") if chosen is None else (chosen.name, chosen.target)
    labels, brands, models = (
        {sha256: each.value for sha256, each in effective_labels(catalog, field).items()}
        for field in (target, "brand", "model")
    )
    origins = picture_origins(catalog)
    with catalog.read() as connection:
        images = connection.execute(select(schema.images).order_by(schema.images.c.sha256)).all()
        verdicts = _by_sha(connection, schema.verdicts)
        decisions = _by_sha(connection, schema.decisions)
        sightings = _first_sightings(connection)
        measured = _measurements(connection)
        scores = {
            (row.sha256, row.gate): row for row in connection.execute(select(schema.gate_scores))
        }
        splits = _by_sha(connection, schema.splits, schema.splits.c.split_set == name)
        masks = _masks(connection)
    rows = []
    for image in images:
        sha256 = image.sha256
        verdict, sighting = verdicts.get(sha256), sightings.get(sha256)
        size, split = measured.get(sha256), splits.get(sha256)
        score = scores.get((sha256, verdict.gate)) if verdict is not None else None
        brand = brands.get(sha256)
        rows.append(
            {
                "sha256": sha256,
                "file": _get(sighting, "file") or _get(sighting, "url"),
                "source": _get(sighting, "source"),
                "label": _get(split, "label") or labels.get(sha256),
                "brand": brand,
                "model": _without_brand(models.get(sha256), brand),
                "width": _get(size, "width") or image.width,
                "height": _get(size, "height") or image.height,
                "phash": _get(size, "phash"),
                "sharpness": _get(size, "sharpness"),
                "p_car": _get(score, "p_car"),
                "framing": _get(decisions.get(sha256), "framing") or _get(score, "framing"),
                "verdict": _get(verdict, "verdict"),
                "reasons": ";".join(_get(verdict, "reasons") or ()),
                "cluster": _get(verdict, "cluster"),
                "representative": _get(verdict, "representative"),
                "group": _get(split, "group") or _get(verdict, "group"),
                "split": _get(split, "split"),
                "mask": ";".join(file for _, file in masks.get(sha256, ())),
                "licence": _get(sighting, "licence"),
                "permission": _as_json(_get(sighting, "permission")),
                "origin": origins.get(sha256),
            }
        )
    return rows


def _by_sha(connection: Connection, table: Table, *conditions: Any) -> dict[str, Row[Any]]:
    query = select(table).where(*conditions)
    return {row.sha256: row for row in connection.execute(query)}


def _first_sightings(connection: Connection) -> dict[str, Row[Any]]:
    table = schema.sightings
    query = select(table).order_by(table.c.fetched_at.desc(), table.c.key.desc())
    return {row.sha256: row for row in connection.execute(query)}  # the last one set is the first


def _measurements(connection: Connection) -> dict[str, Row[Any]]:
    """Return the rows of the current measuring version, or else of an older one."""
    from curate.measure.stage import VERSION

    table = schema.measurements
    rows = connection.execute(select(table).order_by(table.c.version)).all()
    old = {row.sha256: row for row in rows}
    return old | {row.sha256: row for row in rows if row.version == VERSION}


def _masks(connection: Connection) -> dict[str, list[tuple[str, str]]]:
    table = schema.annotations
    query = (
        select(table.c.sha256, table.c.label, table.c.file)
        .where(table.c.kind == "mask", table.c.state == "current", table.c.file.is_not(None))
        .order_by(table.c.sha256, table.c.label.asc().nulls_first(), table.c.file)
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for sha256, label, file in connection.execute(query):
        found.setdefault(sha256, []).append((label, file))
    return found


def _get(row: Row[Any] | None, name: str) -> Any:
    return None if row is None else getattr(row, name)


def _without_brand(model: str | None, brand: str | None) -> str | None:
    """Remove the brand from a model, which the catalog stores with its brand."""
    if model is None or brand is None:
        return model
    return model.removeprefix(f"{brand} ") or model


def _as_json(value: Mapping[str, Any] | Iterable[Any] | None) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)
