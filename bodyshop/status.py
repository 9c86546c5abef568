"""Counts of what is in a workspace."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, cast, distinct, func, select

import collector
from bodyshop_core.catalog import UNKNOWN, in_order, schema, stream
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace

IMBALANCE = 0.5
"""A class with fewer pictures than this share of the mean is warned about, as AutoCrawler does."""

ORIGINS_SHOWN = 20
"""In the table; ``--json`` has all of them."""

CRAWLED = ("found", "downloaded", "duplicate", "waiting", "refused", "failed")


@dataclass(frozen=True)
class Status(Summary):
    """Counts of one workspace.

    Parameters
    ----------
    stages : dict
        Stage -> count name -> number.
    models : list of dict
        Per brand and model: pictures, kept, and what was found: downloaded, duplicate, waiting,
        refused, failed.
    origins : dict
        Origin (a host, or the name of an import) -> ``pictures`` and ``kept``, the largest first.
    reasons : dict
        Reason -> number of rejected pictures.
    splits : dict
        Split set -> split -> label -> number.
    refusals : dict
        Reason -> candidates that were refused.
    failures : dict
        Error class -> candidates whose download failed.
    runs : list of dict
        The newest commands.
    warnings : tuple of str
        What needs attention.
    """

    stages: dict[str, dict[str, int]]
    models: list[dict[str, Any]]
    origins: dict[str, dict[str, int]]
    reasons: dict[str, int]
    splits: dict[str, dict[str, dict[str, int]]]
    refusals: dict[str, int]
    failures: dict[str, int]
    runs: list[dict[str, Any]]
    warnings: tuple[str, ...]

    def tables(self) -> Iterator[tuple[str, Sequence[str], list[Sequence[object]]]]:
        """Yield (title, column headings, rows) for a terminal."""
        yield (
            "Stages",
            ("stage", "count", "number"),
            [(s, name, n) for s, counts in self.stages.items() for name, n in counts.items()],
        )
        columns = ("brand", "model", "pictures", "kept", *CRAWLED)
        yield "Brands", columns, [tuple(row[c] for c in columns) for row in self.models]
        shown = list(self.origins.items())[:ORIGINS_SHOWN]
        yield (
            "Origins"
            if len(shown) == len(self.origins)
            else f"The {ORIGINS_SHOWN} largest origins",
            ("origin", "pictures", "kept"),
            [(name, row["pictures"], row["kept"]) for name, row in shown],
        )
        yield "Rejected", ("reason", "pictures"), list(self.reasons.items())
        yield "Refused", ("reason", "candidates"), list(self.refusals.items())
        yield "Failed", ("error class", "candidates"), list(self.failures.items())
        yield (
            "Splits",
            ("split set", "split", "label", "pictures"),
            [
                (name, split, label, n)
                for name, splits in self.splits.items()
                for split, labels in splits.items()
                for label, n in labels.items()
            ],
        )
        yield (
            "Last commands",
            ("run", "state", "seconds"),
            [(run["id"], run["state"], run["seconds"]) for run in self.runs],
        )


def status(workspace: Workspace) -> Status:
    """Count what is in a workspace.

    Parameters
    ----------
    workspace : Workspace
        An existing workspace; it is only read.
    """
    with workspace.catalog.read() as connection:
        stages = _stages(connection)
        models = _models(connection)
        reasons = _reasons(connection)
        splits = _splits(connection)
        runs = _runs(connection)
        origins = _origins(connection)
    crawl = collector.summarise(workspace.catalog)
    for each in crawl.models:
        row = next(
            (r for r in models if (r["brand"], r["model"]) == (each.brand, each.model)), None
        )
        if row is None:
            models.append(row := _blank(each.brand, each.model))
        row |= {name: getattr(each, name) for name in CRAWLED}
    models.sort(key=lambda row: (row["brand"], row["model"]))
    warnings = (
        *_warnings(models, stages),
        *(f"incomplete 360-degree view: {e}" for e in crawl.incomplete),
    )
    return Status(
        stages, models, origins, reasons, splits, crawl.refused_by, crawl.failed_by, runs, warnings
    )


def _count(connection: Connection, column: Any, *where: Any) -> int:
    return int(connection.scalar(select(func.count(distinct(column))).where(*where)) or 0)


def _stages(connection: Connection) -> dict[str, dict[str, int]]:
    verdicts, candidates = schema.verdicts, schema.candidates
    by_state: dict[str, int] = dict(
        connection.execute(
            select(candidates.c.state, func.count()).group_by(candidates.c.state)
        ).all()
    )
    return {
        "collect": {
            "pages": _count(connection, schema.pages.c.key),
            **{f"candidates {state}": int(n) for state, n in sorted(by_state.items())},
            "pictures": _count(connection, schema.images.c.sha256),
            "sightings": _count(connection, schema.sightings.c.key),
        },
        "curate": {
            "measured": _count(connection, schema.measurements.c.sha256),
            "gated": _count(connection, schema.gate_scores.c.sha256),
            "kept": _count(connection, verdicts.c.sha256, verdicts.c.verdict == "keep"),
            "rejected": _count(connection, verdicts.c.sha256, verdicts.c.verdict == "reject"),
        },
        "label": {
            "masks": _count(
                connection,
                schema.annotations.c.key,
                schema.annotations.c.kind == "mask",
                schema.annotations.c.state == "current",
            ),
            "human decisions": _count(connection, schema.decisions.c.sha256),
        },
        "augment": {"variants": _count(connection, schema.variants.c.file)},
        "train": {
            "runs": _count(
                connection,
                schema.runs.c.id,
                schema.runs.c.command == "train",
                schema.runs.c.state == "done",
            )
        },
    }


def _models(connection: Connection) -> list[dict[str, Any]]:
    seen = schema.sightings
    table: dict[tuple[str, str], dict[str, Any]] = {}

    def row(brand: str | None, model: str | None) -> dict[str, Any]:
        key = (brand or "", model or "")
        return table.setdefault(key, _blank(*key))

    kept = (
        select(seen.c.brand, seen.c.model, func.count(distinct(seen.c.sha256)))
        .join(schema.verdicts, schema.verdicts.c.sha256 == seen.c.sha256)
        .where(schema.verdicts.c.verdict == "keep")
        .group_by(seen.c.brand, seen.c.model)
    )
    every = select(seen.c.brand, seen.c.model, func.count(distinct(seen.c.sha256))).group_by(
        seen.c.brand, seen.c.model
    )
    for name, query in (("pictures", every), ("kept", kept)):
        for brand, model, number in connection.execute(query):
            row(brand, model)[name] = number
    return [table[key] for key in sorted(table)]


def _blank(brand: str, model: str) -> dict[str, Any]:
    return {"brand": brand, "model": model, "pictures": 0, "kept": 0, **dict.fromkeys(CRAWLED, 0)}


def _origins(connection: Connection) -> dict[str, dict[str, int]]:
    """Count pictures by the origin of their first sighting; see `picture_origins`."""
    seen, verdicts = schema.sightings, schema.verdicts
    query = (
        select(seen.c.sha256, seen.c.origin, seen.c.source, verdicts.c.verdict)
        .outerjoin(verdicts, verdicts.c.sha256 == seen.c.sha256)
        .order_by(seen.c.sha256, seen.c.fetched_at, seen.c.key)
    )
    pictures: Counter[str] = Counter()
    stays: Counter[str] = Counter()
    last = None
    for part in stream(connection, query):
        for sha256, origin, source, verdict in part:
            if sha256 != last:
                last = sha256
                pictures[origin or source] += 1
                stays[origin or source] += verdict == "keep"
    images, never = schema.images, seen.c.sha256.is_(None)
    unseen = (
        select(verdicts.c.verdict, func.count())
        .select_from(images)
        .outerjoin(seen, seen.c.sha256 == images.c.sha256)
        .outerjoin(verdicts, verdicts.c.sha256 == images.c.sha256)
        .where(never)
        .group_by(verdicts.c.verdict)
    )
    for verdict, count in connection.execute(unseen):
        pictures[UNKNOWN] += count
        stays[UNKNOWN] += count if verdict == "keep" else 0
    order = sorted(pictures, key=lambda name: (-pictures[name], name))
    return {name: {"pictures": pictures[name], "kept": stays[name]} for name in order}


def _reasons(connection: Connection) -> dict[str, int]:
    counts: Counter[str] = Counter()
    text = cast(schema.verdicts.c.reasons, Text)
    for reasons, number in connection.execute(select(text, func.count()).group_by(text)):
        for reason in json.loads(reasons):
            counts[reason] += number
    return {reason.value: counts[reason] for reason in in_order(counts)}


def _splits(connection: Connection) -> dict[str, dict[str, dict[str, int]]]:
    table = schema.splits
    query = select(table.c.split_set, table.c.split, table.c.label, func.count()).group_by(
        table.c.split_set, table.c.split, table.c.label
    )
    order = {"train": 0, "validation": 1, "test": 2}
    found: dict[str, dict[str, dict[str, int]]] = {}
    for name, split, label, number in sorted(
        connection.execute(query).all(), key=lambda row: (row[0], order.get(row[1], 9), row[2])
    ):
        found.setdefault(name, {}).setdefault(split, {})[label] = number
    return found


def _runs(connection: Connection) -> list[dict[str, Any]]:
    table = schema.runs
    query = select(table.c.id, table.c.state, table.c.seconds, table.c.started_at)
    newest = query.order_by(table.c.started_at.desc()).limit(8)
    return [dict(row._mapping) for row in connection.execute(newest)]


def _warnings(models: list[dict[str, Any]], stages: dict[str, dict[str, int]]) -> tuple[str, ...]:
    warnings = []
    named = [row for row in models if row["brand"] or row["model"]]
    if named:
        mean = sum(row["pictures"] for row in named) / len(named)
        warnings += [
            f"{row['brand']} {row['model']}: {row['pictures']} pictures, "
            f"less than half of the mean ({mean:.0f})"
            for row in named
            if row["pictures"] < IMBALANCE * mean
        ]
    pictures, measured = stages["collect"]["pictures"], stages["curate"]["measured"]
    if measured < pictures:
        warnings.append(f"{pictures - measured} pictures are not curated yet, run: bodyshop curate")
    return tuple(warnings)
