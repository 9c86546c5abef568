"""Pictures of a workspace that are also in a set elsewhere, such as a public test set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sqlalchemy import select

from bodyshop_core.catalog import BlobRef, all_images, schema
from bodyshop_core.engine import read_rows, run_shards
from bodyshop_core.engine.task import Item, Row, answer_each
from bodyshop_core.errors import (
    NothingFoundError,
    UsageError,
)
from bodyshop_core.imaging import sniff
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.storage.local_blobs import LocalBlobs
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace, is_workspace
from bodyshop_core.workspace_settings import blob_store
from curate.duplicates.checks import LIMIT_S as CHECK_LIMIT_S
from curate.duplicates.checks import VERSION as CHECK_VERSION
from curate.duplicates.checks import compare_pairs, kind_of_row
from curate.duplicates.search import near_pairs
from curate.duplicates.signatures import Likeness, Signatures, likeness
from curate.measure.picture import measure_picture
from curate.measure.stage import LIMIT_S, VERSION, measure_images

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class SharedPicture:
    """A picture that both sets have.

    Parameters
    ----------
    sha256 : str
        In the workspace.
    other : str
        The file in the other set.
    kind : str
        ``exact`` (same bytes or pixels), ``near``, ``flip`` or ``crop``.
    distance : int
        Differing bits of their 64-bit hashes.
    """

    sha256: str
    other: str
    kind: str
    distance: int


@dataclass(frozen=True)
class OverlapSummary(Summary):
    """What two sets have in common.

    Parameters
    ----------
    pictures, others : int
        Compared on either side; unreadable ones are not among them.
    shared : tuple of SharedPicture
        Sorted by `sha256`, then `other`.
    """

    pictures: int
    others: int
    shared: tuple[SharedPicture, ...]

    derived: ClassVar[tuple[str, ...]] = ("pictures_shared", "others_shared")

    @property
    def pictures_shared(self) -> int:
        """Pictures of the workspace that the other set has, too."""
        return len({pair.sha256 for pair in self.shared})

    @property
    def others_shared(self) -> int:
        """Files of the other set that the workspace has, too."""
        return len({pair.other for pair in self.shared})


def find_overlap(
    workspace: Workspace,
    against: Path,
    *,
    radius: int = 6,
    engine: str = "local",
    workers: int | None = None,
    progress: Progress = SILENT,
) -> OverlapSummary:
    """Find the pictures of a workspace that are also in a set elsewhere.

    Parameters
    ----------
    workspace : Workspace
        Its pictures are measured first where that is missing.
    against : Path
        A folder of pictures, searched with its subfolders, or another workspace. It is only read;
        its measurements are kept in this workspace, so that asking again is quick.
    radius : int
        Largest distance of two 64-bit hashes that is considered, 0 to 8.
    engine, workers, progress
        As for `bodyshop_core.engine.run_shards`.

    Returns
    -------
    OverlapSummary
        Copies that were re-saved, resized, relit, mirrored or slightly cropped; larger crops need
        feature vectors of both sets and are not searched for.

    Raises
    ------
    NothingFoundError
        There is no picture in `against`.
    UsageError
        `against` is not there or is no folder.
    """
    files = _pictures_in(against, workspace.root)
    if not files:
        raise NothingFoundError(f"there is no picture in {against}")
    measure_images(workspace, engine=engine, workers=workers, progress=progress)
    paths = run_shards(
        measure_files,
        [{"key": key, "blob": BlobRef(path)} for key, path in files.items()],
        workspace.root / "shards" / "against",
        name="measure the other set",
        version=VERSION,
        limit_s=LIMIT_S,
        engine=engine,
        workers=workers,
        progress=progress,
    )
    theirs = [
        row | {"path": str(files[row["key"]])}
        for row in read_rows(paths)
        if row["key"] in files and not row["error"]
    ]
    extensions = all_images(workspace.catalog)
    ours = [row for row in _measured(workspace) if row["sha256"] in extensions]
    found, unclear = _compared(ours, theirs, radius)
    items = [
        {
            "key": f"{ours[i]['sha256']}-{theirs[j]['key']}",
            "first": workspace.blobs.ref(ours[i]["sha256"], extensions[ours[i]["sha256"]]),
            "second": BlobRef(Path(theirs[j]["path"]), theirs[j]["sha256"]),
        }
        for i, j in unclear
    ]
    checked = run_shards(
        compare_pairs,
        items,
        workspace.root / "shards" / "against-pairs",
        name="compare",
        version=CHECK_VERSION,
        limit_s=CHECK_LIMIT_S,
        engine=engine,
        workers=workers,
        progress=progress,
    )
    kinds = {row["key"]: kind_of_row(row) for row in read_rows(checked)}
    for item, (pair, distance) in zip(items, unclear.items(), strict=True):
        kind = kinds[item["key"]]
        if kind is not None:
            found[pair] = (kind, distance)
    shared = [
        SharedPicture(ours[i]["sha256"], theirs[j]["path"], kind, distance)
        for (i, j), (kind, distance) in found.items()
    ]
    shared.sort(key=lambda pair: (pair.sha256, pair.other))
    return OverlapSummary(len(ours), len(theirs), tuple(shared))


def measure_files(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Measure files that are in no catalog; the shard function of `find_overlap`.

    Parameters
    ----------
    items : list of dict
        ``key`` and ``blob`` (a `BlobRef`).

    Returns
    -------
    list of dict
        ``key``, ``sha256`` of the bytes and `measure_picture`'s values, or ``error``.
    """

    def measured(item: Item) -> Row:
        data = item["blob"].read()
        return {"sha256": hashlib.sha256(data).hexdigest(), **measure_picture(data)}

    return answer_each(items, measured)


def _pictures_in(against: Path, own: Path) -> dict[str, Path]:
    """Return a folder's or workspace's picture files by a key that changes when they change."""
    if not against.is_dir():
        raise UsageError(f"{against} is not a folder", hint="name a folder or a workspace")
    if against.resolve() == own.resolve():
        raise UsageError(f"{against} is this workspace itself")
    folder = _blobs_of(against) if is_workspace(against) else against
    return {_key(path): path for path in _picture_files(folder)}


def _blobs_of(against: Path) -> Path:
    store = blob_store(against)
    if not isinstance(store, LocalBlobs):
        raise UsageError(
            f"the pictures of {against} are at {store.label}, not in a folder",
            hint="copy that workspace to this disk first: bodyshop workspace copy FROM TO",
        )
    return store.root


def _picture_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            with path.open("rb") as file:
                if sniff(file.read(32)) is not None:
                    yield path


def _key(path: Path) -> str:
    state = path.stat()
    text = f"{path.resolve()}\n{state.st_size}\n{state.st_mtime_ns}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _measured(workspace: Workspace) -> list[dict[str, Any]]:
    table = schema.measurements
    query = select(table).where(table.c.version == VERSION, table.c.error.is_(None))
    with workspace.catalog.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _compared(
    ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]], radius: int
) -> tuple[dict[tuple[int, int], tuple[str, int]], dict[tuple[int, int], int]]:
    """Return confirmed pairs (position here, position there), and those to compare by pixels."""
    if not ours or not theirs:
        return {}, {}
    n = len(ours)
    both = Signatures.of([*ours, *theirs])
    found: dict[tuple[int, int], tuple[str, int]] = {}
    for same in ("sha256", "pixel_digest"):
        places: dict[str, list[int]] = {}
        for j, row in enumerate(theirs):
            places.setdefault(row[same], []).append(j)
        for i, row in enumerate(ours):
            for j in places.get(row[same], ()):
                found[i, j] = ("exact", 0)
    unclear: dict[tuple[int, int], int] = {}
    usable = np.flatnonzero(~both.plain)
    for hashes, upright in ((both.phash, True), (np.r_[both.phash[:n], both.mirror[n:]], False)):
        near = near_pairs(hashes[usable], radius=radius, side=usable >= n)
        first, second = usable[near.first], usable[near.second]
        decided = likeness(both, first, second) if upright else _unclear(first)
        for i, j, distance, what in zip(
            first.tolist(), second.tolist(), near.distance.tolist(), decided.tolist(), strict=True
        ):
            pair = (i, j - n)
            if what == Likeness.SAME:
                found.setdefault(pair, ("near", distance))
            elif what == Likeness.UNCLEAR:
                unclear.setdefault(pair, distance)
    return found, {pair: bits for pair, bits in unclear.items() if pair not in found}


def _unclear(pairs: NDArray[np.int64]) -> NDArray[np.int8]:
    return np.full(len(pairs), Likeness.UNCLEAR, dtype=np.int8)
