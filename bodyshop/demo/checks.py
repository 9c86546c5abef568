"""Checks of each stage against the ground truth of the showroom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import Reason, schema
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace

if TYPE_CHECKING:
    from showroom import Picture, Truth
    from train import TrainSummary

GATE_RECALL = 0.99
FALSE_ACCEPTS = 0.02
DUPLICATES_FOUND = 0.95
POINTS_ABOVE_BASELINE = 15.0
CANVAS_DIFFERENCE = 12.0
"""Mean grey-level difference below which a captured canvas shows a frame of the spinner."""


@dataclass(frozen=True)
class Finding(Summary):
    """One check.

    Parameters
    ----------
    stage, what : str
        What was checked.
    found : str
        The figure, with its count.
    needed : str
        The bound.
    ok : bool
        Whether it holds.
    """

    stage: str
    what: str
    found: str
    needed: str
    ok: bool


def check_collected(workspace: Workspace, truth: Truth) -> list[Finding]:
    """Compare the collected pictures with those of the site."""
    with workspace.catalog.read() as connection:
        images = set(connection.scalars(select(schema.images.c.sha256)))
        captured = connection.execute(
            select(schema.sightings.c.sha256, schema.sightings.c.brand, schema.sightings.c.model)
            .where(schema.sightings.c.capture.in_(("canvas", "screenshot")))
            .distinct()
        ).all()
    with_file = [p for p in truth.originals() if p.place != "canvas"]
    found = sum(p.sha256 in images for p in with_file)
    frames = [p for p in truth.originals() if p.place == "canvas"]
    matched = _matched_frames(workspace, frames, captured)
    unexpected = images - {p.sha256 for p in with_file} - {sha256 for sha256, *_ in captured}
    return [
        _share("collect", "originals and spinner frames", found, len(with_file), 1.0),
        _share("collect", "canvas spinner frames", matched, len(frames), 1.0),
        Finding(
            "collect", "pictures that are no originals", f"{len(unexpected)}", "0", not unexpected
        ),
    ]


def check_curated(workspace: Workspace, truth: Truth) -> list[Finding]:
    """Compare verdicts, clusters and splits with the ground truth."""
    with workspace.catalog.read() as connection:
        table = schema.verdicts
        verdicts = {
            row.sha256: row
            for row in connection.execute(
                select(table.c.sha256, table.c.verdict, table.c.reasons, table.c.cluster)
            )
        }
        placed = connection.execute(select(schema.splits.c.sha256, schema.splits.c.split)).all()
    pictures = {p.sha256: p for p in truth.pictures if p.sha256 in verdicts}
    known = pictures.values()
    rejected = {s for s in pictures if Reason.NOT_A_CAR.value in verdicts[s].reasons}
    cars = [p for p in known if p.kind == "car" and not p.blurred]
    decoys = [p for p in known if p.kind == "decoy"]
    accepted = sum(p.sha256 not in rejected for p in decoys)
    recall = _share(
        "gate",
        "cars accepted",
        sum(p.sha256 not in rejected for p in cars),
        len(cars),
        GATE_RECALL,
    )
    share = accepted / len(decoys) if decoys else 1.0
    false_accepts = Finding(
        "gate",
        "decoys accepted",
        f"{accepted} of {len(decoys)} ({share:.1%})",
        f"<= {FALSE_ACCEPTS:.0%}",
        bool(decoys) and share <= FALSE_ACCEPTS,
    )
    clusters = {sha256: row.cluster for sha256, row in verdicts.items()}
    return [
        recall,
        false_accepts,
        *_duplicate_findings(truth, pictures, clusters),
        _leaks(truth, pictures, placed),
    ]


def check_trained(trained: TrainSummary) -> list[Finding]:
    """Compare the test accuracy with the baseline of size, framing and other nuisances."""
    accuracy = trained.accuracy
    baseline = float(trained.baseline["audit"]["accuracy"])
    low, high = trained.metrics["ci95"]
    points = 100 * (accuracy - baseline)
    return [
        Finding(
            "train",
            "damage accuracy on the test split",
            f"{accuracy:.1%} [{low:.1%}, {high:.1%}], {points:+.1f} points over the "
            f"shortcut baseline of {baseline:.1%}",
            f">= {POINTS_ABOVE_BASELINE:.0f} points over the baseline",
            points >= POINTS_ABOVE_BASELINE,
        )
    ]


def _share(stage: str, what: str, found: int, total: int, bound: float) -> Finding:
    share = found / total if total else 0.0
    # Of fewer than a hundred, one miss is more than a per cent, and shows nothing.
    needed = "all" if bound == 1.0 else f">= {bound:.0%}, or all but one"
    text = f"{found} of {total} ({share:.1%})"
    enough = share >= bound or (bound < 1.0 and found >= total - 1 > 0)
    return Finding(stage, what, text, needed, total > 0 and enough)


def _roots(truth: Truth) -> dict[str, str]:
    """Return picture id -> id of the picture it was first made from."""
    by_id = truth.by_id()

    def root(picture: Picture) -> str:
        while picture.duplicate_of is not None:
            picture = by_id[picture.duplicate_of]
        return picture.id

    return {picture.id: root(picture) for picture in truth.pictures}


def _duplicate_findings(
    truth: Truth, pictures: Mapping[str, Picture], clusters: Mapping[str, str | None]
) -> list[Finding]:
    roots, by_id = _roots(truth), truth.by_id()
    planted = [
        p
        for p in pictures.values()
        if p.duplicate_of is not None and by_id[p.duplicate_of].sha256 in clusters
    ]
    found = sum(
        clusters[p.sha256] is not None
        and clusters[p.sha256] == clusters[by_id[str(p.duplicate_of)].sha256]
        for p in planted
    )
    members: dict[str, set[str]] = defaultdict(set)
    for sha256, picture in pictures.items():
        cluster = clusters[sha256]
        if cluster is not None:
            members[cluster].add(roots[picture.id])
    joined = sum(len(names) > 1 for names in members.values())
    return [
        _share("duplicates", "planted duplicates found", found, len(planted), DUPLICATES_FOUND),
        Finding("duplicates", "different cars joined", f"{joined} clusters", "0", joined == 0),
    ]


def _leaks(truth: Truth, pictures: Mapping[str, Picture], placed: Iterable[Any]) -> Finding:
    roots = _roots(truth)
    where: dict[str, set[str]] = defaultdict(set)
    count = 0
    for sha256, split in placed:
        if sha256 in pictures:
            where[roots[pictures[sha256].id]].add(split)
            count += 1
    leaks = sum(len(splits) > 1 for splits in where.values())
    found = f"{leaks} in {count} pictures"
    return Finding("splits", "pictures on both sides", found, "0", leaks == 0 and count > 0)


def _matched_frames(workspace: Workspace, frames: list[Picture], captured: Iterable[Any]) -> int:
    """Count the canvas frames that a captured picture shows."""
    import numpy as np

    from bodyshop_core.imaging import fit_square, load_rgb

    def small(rgb: Any) -> Any:
        return fit_square(rgb, 32).astype(np.float32).mean(axis=2)

    by_model: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for sha256, brand, model in captured:
        by_model[brand, model].append(small(load_rgb(workspace.picture(sha256))))
    root = workspace.root.parent / "showroom"
    matched = 0
    for frame in frames:
        views = by_model.get((str(frame.brand), str(frame.model)), [])
        wanted = small(load_rgb(root / frame.file))
        if any(float(np.abs(view - wanted).mean()) < CANVAS_DIFFERENCE for view in views):
            matched += 1
    return matched
