"""Synthetic rows of a curated workspace, without pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from bodyshop_core.catalog import now, schema
from bodyshop_core.workspace import Workspace
from curate.measure.stage import VERSION

CHUNK = 5_000
LABELS = ("damaged", "whole")


def fill(workspace: Workspace, count: int) -> None:
    """Write `count` pictures with everything that `manifest` shows of them."""
    random, at = np.random.default_rng(7), now()
    names = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]
    workspace.catalog.upsert(schema.split_sets, [{
        "name": "damage", "target": "damage", "seed": 0, "ratios": {}, "options": {}, "audit": None,
        "leakage_check": None, "created_at": at, "revision": 1,
    }])  # fmt: skip
    for start in range(0, count, CHUNK):
        part = names[start : start + CHUNK]
        with workspace.catalog.begin() as connection:
            for table, rows in _rows(part, start, random, at):
                workspace.catalog.upsert(table, rows, connection=connection)


def _rows(
    names: list[str], start: int, random: np.random.Generator, at: str
) -> Iterator[tuple[object, list[dict[str, object]]]]:
    draws = random.random((len(names), 4))

    def row(table: object, **values: object) -> dict[str, object]:
        empty = dict.fromkeys(column.name for column in table.columns)  # type: ignore[attr-defined]
        return empty | values

    images, sightings, labels = [], [], []
    measured, scores, verdicts, splits = [], [], [], []
    for number, (sha256, draw) in enumerate(zip(names, draws.tolist(), strict=True), start):
        kept = draw[0] > 0.3
        images.append(row(schema.images, sha256=sha256, extension="jpg", bytes=90_000,
                          format="JPEG", width=1200, height=800, added_at=at))  # fmt: skip
        sightings.append(row(schema.sightings, key=sha256, sha256=sha256, source="pages",
                             url=f"https://host{number % 9}.example.org/{number}.jpg",
                             origin=f"host{number % 9}.example.org", alt=f"door {number}",
                             fetched_at=at, tool_version="benchmark"))  # fmt: skip
        labels.append(row(schema.labels, sha256=sha256, field="damage", value=LABELS[number % 2],
                          origin="import", annotator="", at=at))  # fmt: skip
        measured.append(row(schema.measurements, sha256=sha256, version=VERSION, width=1200,
                            height=800, sharpness=draw[1], phash=sha256[:16]))  # fmt: skip
        scores.append(row(schema.gate_scores, sha256=sha256, gate="benchmark", p_car=draw[2],
                          framing=("full", "part", "interior")[number % 3]))  # fmt: skip
        verdicts.append(row(schema.verdicts, sha256=sha256, verdict="keep" if kept else "reject",
                            reasons=[] if kept else ["blurry"], details={}, cluster=sha256[:16],
                            representative=sha256, group=sha256[:16], policy="benchmark",
                            gate="benchmark", human=False, decided_at=at))  # fmt: skip
        if kept:
            splits.append(row(schema.splits, split_set="damage", sha256=sha256, group=sha256[:16],
                              split="train" if draw[3] < 0.7 else "test",
                              label=LABELS[number % 2]))  # fmt: skip
    yield from (
        (schema.images, images), (schema.sightings, sightings), (schema.labels, labels),
        (schema.measurements, measured), (schema.gate_scores, scores), (schema.verdicts, verdicts),
        (schema.splits, splits),
    )  # fmt: skip
