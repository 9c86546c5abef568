"""What one giant cluster of near-duplicates costs: how it grows with the number of its members.

    python -m benchmarks.curate_crowd PHOTO [--members 250 500 1000 2000] [--turned] [--pairs]

PHOTO is cut by up to 2 %, relit, resized and saved again, every member otherwise, so that hardly
two have the same hash; with `--turned` each lies in one of the eight ways, too. They are measured
and judged as `bodyshop curate` does it, without a gate. Per number of members one row: CPU-seconds
of measuring and of judging, worker processes included, and the comparisons in the catalog by kind.
With `--pairs` only the search is done: how many pairs pixels are asked about (all are copies, so
that is the answer), and its CPU-seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import resource
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance
from sqlalchemy import func, select

import curate
from bodyshop_core.catalog import register_image, schema
from bodyshop_core.imaging import read_header
from bodyshop_core.workspace import Workspace
from curate.duplicates import find_pairs
from curate.duplicates.candidates import Kind
from curate.measure.picture import measure_picture

WAYS = (None, *Image.Transpose)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--members", nargs="+", type=int, default=[250, 500, 1000, 2000])
    parser.add_argument("--turned", action="store_true")
    parser.add_argument("--pairs", action="store_true")
    chosen = parser.parse_args()
    picture = Image.open(chosen.photo).convert("RGB")
    if chosen.pairs:
        count_pairs(picture, chosen.members, turned=chosen.turned)
        return
    for count in chosen.members:
        with tempfile.TemporaryDirectory() as folder:
            workspace = Workspace.open(Path(folder))
            for number in range(count):
                add(workspace, member(picture, number, turned=chosen.turned))
            print(json.dumps({"members": count, **judged(workspace)}), flush=True)


def count_pairs(picture: Image.Image, members: list[int], *, turned: bool) -> None:
    """Print per number of members what is asked and found."""
    copies = [member(picture, number, turned=turned) for number in range(max(members))]
    rows = [
        {**measure_picture(data), "sha256": hashlib.sha256(data).hexdigest()} for data in copies
    ]
    for count in members:
        asked = 0

        def check(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Kind | None]:
            nonlocal asked
            asked += len(pairs)
            return dict.fromkeys(pairs, "near")

        started = cpu_seconds()
        found = find_pairs(rows[:count], check=check)
        spent = round(cpu_seconds() - started, 1)
        told = {"members": count, "asked": asked, "pairs": len(found.pairs), "search_cpu_s": spent}
        print(json.dumps(told), flush=True)


def member(picture: Image.Image, number: int, *, turned: bool) -> bytes:
    """Return copy `number` of a picture: the same bytes at any time."""
    chance = np.random.default_rng(number)
    left, top, right, bottom = chance.uniform(0, 0.01, 4)
    width, height = picture.size
    box = (width * left, height * top, width * (1 - right), height * (1 - bottom))
    scale = chance.uniform(240, 360) / max(picture.size)
    size = (round(width * scale), round(height * scale))
    copy = picture.resize(size, Image.Resampling.LANCZOS, box)
    copy = ImageEnhance.Brightness(copy).enhance(chance.uniform(0.85, 1.1))
    way = WAYS[number % len(WAYS)] if turned else None
    if way is not None:
        copy = copy.transpose(way)
    stream = io.BytesIO()
    copy.save(stream, "JPEG", quality=int(chance.integers(50, 98)))
    return stream.getvalue()


def add(workspace: Workspace, data: bytes) -> None:
    blob = workspace.blobs.put_bytes(data, "jpg")
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension="jpg", facts=read_header(data))


def judged(workspace: Workspace) -> dict[str, Any]:
    """Measure and judge, and return what it cost."""
    started = cpu_seconds()
    curate.measure_images(workspace)
    measured = cpu_seconds()
    policy = curate.parse_policy("gate: {rule: none}\nsize: {min_short_side: 1, min_area: 1}")
    summary = curate.judge(workspace, policy=policy)
    ended = cpu_seconds()
    checks = schema.pair_checks
    with workspace.catalog.read() as connection:
        rows = connection.execute(
            select(checks.c.version, func.count()).group_by(checks.c.version)
        ).all()
    return {
        "measure_cpu_s": round(measured - started, 1),
        "judge_cpu_s": round(ended - measured, 1),
        "compared": {version.rpartition("-")[0]: count for version, count in rows},
        "kept": summary.kept,
        "clusters": summary.clusters,
        "pairs": summary.pairs,
    }


def cpu_seconds() -> float:
    both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in both)


if __name__ == "__main__":
    main()
