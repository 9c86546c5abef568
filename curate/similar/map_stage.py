"""A map of the whole set: where pictures lie by their features, clusters, doubtful labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select

from bodyshop_core.catalog import Field, Origin, effective_labels, picture_origins, schema
from bodyshop_core.catalog.split_sets import newest_split_set
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.progress import SILENT, Progress
from curate.gate.feature_store import FeatureStore
from curate.gate.gate import Gate
from curate.gate.stage import load_gate
from curate.similar.embedding import Embedding, embed
from curate.similar.map_page import write_pages
from curate.similar.map_summary import MappedPicture, MapSummary
from curate.similar.neighbours import farthest, nearest_pictures
from curate.targets import resolve_target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace

DOUBT = 0.5
"""A label is shown from this probability on that it is wrong."""

MOST_DOUBTED = 20_000
"""Labelled pictures whose labels are judged; of a larger set an even sample."""

MOST_COMPARED = 20_000
"""Kept pictures that are compared with one another; of a larger set an even sample."""

OUTLIERS = 24
"""Pictures shown that are far from all others."""

Disbelief = Callable[
    ["NDArray[np.float32]", Sequence[str], Sequence[str]],
    tuple["NDArray[np.float64]", list[str]],
]
"""Features, labels and groups -> how probable it is that each label is wrong, and what instead."""


def map_pictures(
    workspace: Workspace,
    *,
    clusters: int | None = None,
    gate: Gate | None = None,
    disbelief: Disbelief | None = None,
    progress: Progress = SILENT,
) -> MapSummary:
    """Lay all pictures out by their features, cluster them, and look for wrong labels.

    Parameters
    ----------
    workspace : Workspace
        Curated, so that features are stored.
    clusters : int, optional
        How many; by default one for 25 pictures, 2 to 24.
    gate : Gate, optional
        Whose features; those of the newest `curate` by default.
    disbelief : callable, optional
        Judges the labels of the kept pictures; without it none is.
    progress : Progress
        Told how many thumbnails are done.

    Raises
    ------
    NothingFoundError
        Features of fewer than three pictures are stored.
    """
    gate = gate or load_gate(workspace)
    target = Field(resolve_target(workspace.catalog, None))
    store = FeatureStore(workspace.features / gate.fingerprint)
    known = _known(workspace, target)
    laid_out = embed(store.stream, known, clusters=clusters)
    if len(laid_out.names) < 3:
        raise _too_few(workspace, len(laid_out.names))
    doubts, doubted, why_not = _doubts(workspace, store, known, target, disbelief)
    places = tuple(
        MappedPicture(name, float(x), float(y), int(cluster), **known[name], **doubts.get(name, {}))
        for name, (x, y), cluster in zip(
            laid_out.names, laid_out.places, laid_out.cluster, strict=True
        )
    )
    errors = sorted(
        (one for one in places if one.instead is not None),
        key=lambda one: (-(one.doubt or 0), one.sha256),
    )
    groups = _groups(laid_out, places)
    kept = [one.sha256 for one in places if one.verdict == "keep"]
    compared = kept[:: -(-len(kept) // MOST_COMPARED) or 1]
    neighbours = nearest_pictures(store, compared, scratch=workspace.root, progress=progress)
    far = farthest(neighbours, OUTLIERS)
    shown = {one.sha256: one for one in places}
    outliers = [(shown[name], cosine) for cosine, name in far]
    page, image = write_pages(
        workspace, places, groups, errors, laid_out.explained, why_not, neighbours, outliers,
        progress,
    )  # fmt: skip
    return MapSummary(
        pictures=len(places),
        explained=laid_out.explained,
        clusters=tuple(groups),
        label_errors=tuple(
            {name: getattr(one, name) for name in ("sha256", "label", "instead", "doubt", "file")}
            for one in errors
        ),
        outliers=tuple(
            {"sha256": one.sha256, "similarity": round(cosine, 4), "file": one.file}
            for one, cosine in outliers
        ),
        doubted=doubted,
        not_looked_for=why_not,
        page=page,
        image=image,
        places=places,
    )


def picture_places(
    workspace: Workspace, *, gate: Gate | None = None
) -> dict[str, tuple[float, float]]:
    """Return where `map_pictures` lays each picture: sha256 -> x and y.

    Raises
    ------
    NothingFoundError
        Features of fewer than three pictures are stored.
    """
    gate = gate or load_gate(workspace)
    with workspace.catalog.read() as connection:
        judged = dict.fromkeys(connection.scalars(select(schema.verdicts.c.sha256)))
    store = FeatureStore(workspace.features / gate.fingerprint)
    laid_out = embed(store.stream, judged, clusters=2)
    if len(laid_out.names) < 3:
        raise _too_few(workspace, len(laid_out.names))
    return {
        name: (x, y) for name, (x, y) in zip(laid_out.names, laid_out.places.tolist(), strict=True)
    }


def _too_few(workspace: Workspace, count: int) -> NothingFoundError:
    return NothingFoundError(
        f"features of {count} pictures are stored in {workspace.root}, and a map needs 3",
        hint="import or collect more pictures, and run bodyshop curate",
    )


EXAMPLES = 8
"""Pictures shown of a cluster."""


def _groups(laid_out: Embedding, places: Sequence[MappedPicture]) -> list[dict[str, Any]]:
    groups = []
    for number in range(int(laid_out.cluster.max()) + 1):
        rows = np.flatnonzero(laid_out.cluster == number)
        nearest = rows[np.argsort(laid_out.distance[rows], kind="stable")][:EXAMPLES]
        labels = Counter(places[row].label or "no label" for row in rows.tolist())
        if len(rows):
            groups.append(
                {
                    "cluster": number,
                    "pictures": len(rows),
                    "labels": dict(labels.most_common()),
                    "examples": [places[row].sha256 for row in nearest.tolist()],
                }
            )
    return groups


def _doubts(
    workspace: Workspace,
    store: FeatureStore,
    known: dict[str, dict[str, Any]],
    target: Field,
    disbelief: Disbelief | None,
) -> tuple[dict[str, dict[str, Any]], int, str | None]:
    """Judge the labels of kept pictures; labels that people gave are used, never doubted."""
    if disbelief is None:
        return {}, 0, "nobody asked"
    asked = sorted(
        name for name, facts in known.items() if facts["label"] and facts["verdict"] == "keep"
    )
    asked = asked[:: -(-len(asked) // MOST_DOUBTED) or 1]
    batch = store.load(asked)
    labels = effective_labels(workspace.catalog, target)
    table = schema.verdicts
    with workspace.catalog.read() as connection:
        groups = dict(connection.execute(select(table.c.sha256, table.c.group)).all())
    values = [str(known[name]["label"]) for name in batch.keys]
    try:
        wrong, instead = disbelief(
            batch.features.astype(np.float32), values, [groups.get(n) or n for n in batch.keys]
        )
    except NothingFoundError as error:
        return {}, 0, error.message
    by_people = (Origin.HUMAN, Origin.ANNOTATION)
    doubts: dict[str, dict[str, Any]] = {}
    for name, doubt, other in zip(batch.keys, wrong.tolist(), instead, strict=True):
        doubts[name] = {"doubt": round(doubt, 4)}
        if doubt > DOUBT and labels[name].origin not in by_people:
            doubts[name]["instead"] = other
    return doubts, len(batch), None


def _known(workspace: Workspace, target: Field) -> dict[str, dict[str, Any]]:
    """Return what the map says about each picture that has a verdict."""
    labels = effective_labels(workspace.catalog, target)
    origins = picture_origins(workspace.catalog)
    current = newest_split_set(workspace.catalog, target)
    verdicts, splits, sightings = schema.verdicts, schema.splits, schema.sightings
    files: dict[str, str] = {}
    with workspace.catalog.read() as connection:
        judged = connection.execute(
            select(verdicts.c.sha256, verdicts.c.verdict, verdicts.c.reasons)
        ).all()
        chosen = select(splits.c.sha256, splits.c.split)
        name = "" if current is None else current.name
        split_of = dict(connection.execute(chosen.where(splits.c.split_set == name)).all())
        query = select(sightings.c.sha256, sightings.c.url, sightings.c.file)
        for sha256, url, file in connection.execute(query.order_by(sightings.c.fetched_at)):
            files.setdefault(sha256, url or file)
    return {
        sha256: {
            "label": labels[sha256].value if sha256 in labels else None,
            "split": split_of.get(sha256),
            "verdict": verdict,
            "reasons": ";".join(reasons),
            "source": origins.get(sha256, ""),
            "file": files.get(sha256),
        }
        for sha256, verdict, reasons in judged
    }
