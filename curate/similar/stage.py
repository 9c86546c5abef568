"""The nearest neighbours of a picture, and the pictures that are far from all others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sqlalchemy import select

from bodyshop_core import atomic
from bodyshop_core.catalog import Field, effective_labels, schema
from bodyshop_core.catalog.split_sets import newest_split_set
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from curate.gate.extract import extract_features
from curate.gate.feature_store import FeatureStore
from curate.gate.gate import Gate
from curate.gate.stage import load_gate
from curate.report.thumbnails import make_thumbnails
from curate.similar.neighbours import NEIGHBOURS, farthest, nearest_pictures
from curate.targets import resolve_target
from curate.verdicts.explain import find_picture

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace

_VARIABLES = 500


@dataclass(frozen=True)
class SimilarPicture:
    """One picture of an answer.

    Parameters
    ----------
    sha256 : str
        The picture.
    similarity : float
        Cosine of the feature vectors, -1 to 1.
    file : str or None
        Where it was found first: a URL, or the file of an import.
    label, verdict, split : str or None
        As the newest `curate` left them.
    """

    sha256: str
    similarity: float
    file: str | None
    label: str | None
    verdict: str | None
    split: str | None


@dataclass(frozen=True)
class SimilarSummary(Summary):
    """The pictures that answer a question, the likest (or farthest) first.

    Parameters
    ----------
    picture : str
        What was asked about.
    compared : int
        Pictures with features.
    found : tuple of SimilarPicture
        The answer.
    page : Path or None
        A page with the pictures.
    """

    picture: str
    compared: int
    found: tuple[SimilarPicture, ...]
    page: Path | None = None

    columns: ClassVar[tuple[str, ...]] = (
        "picture", "similarity", "label", "verdict", "split", "file"
    )  # fmt: skip

    def rows(self) -> list[tuple[object, ...]]:
        """Return a table."""
        return [
            (one.sha256[:12], f"{one.similarity:.3f}", one.label, one.verdict, one.split, one.file)
            for one in self.found
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {**super().as_dict(), "page": None if self.page is None else str(self.page)}

    def to_arrow(self) -> pa.Table:
        """Return the answer as an Arrow table, one row per picture; ``to_pandas()`` follows."""
        import pyarrow as pa

        return pa.Table.from_pylist([vars(one) for one in self.found])


def find_similar(
    workspace: Workspace,
    picture: str | Path,
    *,
    top: int = 50,
    gate: Gate | None = None,
    page: bool = False,
    progress: Progress = SILENT,
) -> SimilarSummary:
    """Find the pictures that are most like one, by the gate's feature vectors.

    Parameters
    ----------
    workspace : Workspace
        Curated, so that features are stored; memory does not grow with its size.
    picture : str or Path
        A picture of the workspace (sha256, its beginning, file or URL), or any other picture file.
    top : int
        How many.
    gate : Gate, optional
        Whose features; those of the newest `curate` by default.
    page : bool
        Also write a page with the pictures.
    progress : Progress
        Told how many pictures are done.

    Raises
    ------
    NothingFoundError
        There is no such picture, or no features are stored.
    UsageError
        `top` is below 1, or the picture can't be decoded.
    """
    if top < 1:
        raise UsageError(f"top must be 1 or more, not {top}")
    gate = gate or load_gate(workspace)
    store = FeatureStore(workspace.features / gate.fingerprint)
    name, vector = _asked(workspace, store, gate, picture, progress)
    best: list[tuple[float, str]] = []
    compared = 0
    for keys, vectors in store.stream():
        compared += len(keys)
        cosine = vectors @ vector
        nearest = np.argsort(-cosine)[: top + 1]
        best += [(float(cosine[i]), keys[i]) for i in nearest if keys[i] != name]
        best = sorted(best, key=lambda one: (-one[0], one[1]))[:top]
    if not compared:
        raise _no_features(workspace)
    found = _described(workspace, best)
    title = f"Like {name[:12] if name else picture}"
    written = _page(workspace, title, name, found, progress) if page else None
    return SimilarSummary(name or str(picture), compared, found, written)


def find_outliers(
    workspace: Workspace,
    *,
    top: int = 50,
    gate: Gate | None = None,
    page: bool = False,
    progress: Progress = SILENT,
) -> SimilarSummary:
    """Find the pictures that are far from all others: the least like their fifth neighbour.

    Parameters
    ----------
    workspace, top, gate, page, progress
        As for `find_similar`. Kept pictures only.

    Raises
    ------
    NothingFoundError
        Features of fewer than seven kept pictures are stored.
    """
    gate = gate or load_gate(workspace)
    store = FeatureStore(workspace.features / gate.fingerprint)
    neighbours = nearest_pictures(
        store, sorted(_kept(workspace)), scratch=workspace.root, progress=progress
    )
    if len(neighbours) <= NEIGHBOURS + 1:
        kept = len(_kept(workspace))
        raise NothingFoundError(
            f"outliers need {NEIGHBOURS + 2} kept pictures with features; "
            f"{workspace.root} has {len(neighbours)} of {kept}",
            hint="run bodyshop curate first"
            if len(neighbours) < kept
            else "collect or import more pictures, and run bodyshop curate again",
        )
    order = farthest(neighbours, top)
    found = _described(workspace, order)
    written = _page(workspace, "Far from all others", None, found, progress) if page else None
    return SimilarSummary("outliers", len(neighbours), found, written)


def _asked(
    workspace: Workspace,
    store: FeatureStore,
    gate: Gate,
    picture: str | Path,
    progress: Progress,
) -> tuple[str, NDArray[np.float32]]:
    """Return the sha256 (empty for a picture from elsewhere) and the unit vector asked about."""
    try:
        name = find_picture(workspace, picture)
    except NothingFoundError:
        if not Path(picture).is_file():
            raise
        name = ""
    if name:
        batch = store.load([name])
        if len(batch):
            return name, _units(batch.features)[0]
        raise NothingFoundError(
            f"no features of {name[:12]} are stored", hint="run bodyshop curate first"
        )
    for batch in extract_features(gate.load(), [("asked", Path(picture))], progress=progress):
        if len(batch):
            return "", _units(batch.features)[0]
        raise UsageError(f"{picture}: {batch.errors['asked']}")
    raise UsageError(f"{picture} can't be read")


def _units(features: NDArray[Any]) -> NDArray[np.float32]:
    vectors = np.asarray(features, dtype=np.float32)
    return vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12)


def _kept(workspace: Workspace) -> set[str]:
    table = schema.verdicts
    with workspace.catalog.read() as connection:
        query = select(table.c.sha256).where(table.c.verdict == "keep")
        return set(connection.execute(query).scalars())


def _described(
    workspace: Workspace, answer: Sequence[tuple[float, str]]
) -> tuple[SimilarPicture, ...]:
    names = [name for _, name in answer]
    target = resolve_target(workspace.catalog, None)
    labels = effective_labels(workspace.catalog, Field(target))
    current = newest_split_set(workspace.catalog, target)
    verdicts, splits, sightings = schema.verdicts, schema.splits, schema.sightings
    said: dict[str, str] = {}
    split_of: dict[str, str] = {}
    files: dict[str, str] = {}
    with workspace.catalog.read() as connection:
        for part in _parts(names):
            chosen = select(verdicts.c.sha256, verdicts.c.verdict).where(
                verdicts.c.sha256.in_(part)
            )
            said |= dict(connection.execute(chosen).all())
            query = select(sightings.c.sha256, sightings.c.url, sightings.c.file).where(
                sightings.c.sha256.in_(part)
            )
            for sha256, url, file in connection.execute(query.order_by(sightings.c.fetched_at)):
                files.setdefault(sha256, url or file)
            if current is not None:
                of_set = select(splits.c.sha256, splits.c.split).where(
                    splits.c.split_set == current.name, splits.c.sha256.in_(part)
                )
                split_of |= dict(connection.execute(of_set).all())
    return tuple(
        SimilarPicture(
            sha256=name,
            similarity=round(similarity, 4),
            file=files.get(name),
            label=labels[name].value if name in labels else None,
            verdict=said.get(name),
            split=split_of.get(name),
        )
        for similarity, name in answer
    )


def _page(
    workspace: Workspace,
    title: str,
    asked: str | None,
    found: Sequence[SimilarPicture],
    progress: Progress,
) -> Path:
    from jinja2 import Environment, PackageLoader

    folder = workspace.reports / "similar"
    shown = [*([asked] if asked else []), *(one.sha256 for one in found)]
    make_thumbnails(workspace, shown, folder, progress=progress)
    template = Environment(
        loader=PackageLoader("curate.similar"), autoescape=True, trim_blocks=True
    ).get_template("similar.html.j2")
    path = folder / f"{asked[:12] if asked else 'outliers' if asked is None else 'other'}.html"
    atomic.write_text(path, template.render(title=title, asked=asked, found=found))
    return path


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[at : at + _VARIABLES] for at in range(0, len(names), _VARIABLES))


def _no_features(workspace: Workspace) -> NothingFoundError:
    return NothingFoundError(
        f"too few features are stored in {workspace.root}", hint="run bodyshop curate first"
    )
