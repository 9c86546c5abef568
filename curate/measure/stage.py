"""Measure every picture of a workspace that has no measurement yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from bodyshop_core.catalog import Catalog, schema
from bodyshop_core.engine import read_rows, run_shards
from bodyshop_core.engine.task import WORKER_DIED
from bodyshop_core.progress import SILENT, Progress, Silent, Tick
from bodyshop_core.workspace import Workspace
from curate.measure.picture import measure_pictures

VERSION = f"measure-2 imagehash-{version('imagehash')}"
"""Stored beside every value; values of another version are never mixed with these."""

SLICE = 20_000
"""Pictures measured between two writes to the catalog: what memory is bounded by."""

LIMIT_S = 60.0
"""Seconds one picture may take; the largest accepted one takes about two."""

_COLUMNS = tuple(
    column.name
    for column in schema.measurements.columns
    if column.name not in {"sha256", "version", "error"}
)


@dataclass(frozen=True)
class MeasureSummary:
    """What a call of `measure` did.

    Parameters
    ----------
    pictures : int
        In the catalog.
    measured : int
        Measured by this call, unreadable ones included.
    unreadable, worker_died : int
        Of those measured by this call.
    """

    pictures: int
    measured: int
    unreadable: int
    worker_died: int

    def as_dict(self) -> dict[str, int]:
        """Return JSON-able counts."""
        return asdict(self)


def measure_images(
    workspace: Workspace,
    *,
    engine: str = "local",
    workers: int | None = None,
    retry_failed: bool = False,
    progress: Progress = SILENT,
) -> MeasureSummary:
    """Measure the pictures that have no measurement of this version.

    Parameters
    ----------
    workspace : Workspace
        Its ``images`` are read, its ``measurements`` are written.
    engine : str
        ``local``, ``dask`` or a Dask scheduler's address; see `bodyshop_core.engine.run_shards`.
    workers : int, optional
        Processes; default one per CPU.
    retry_failed : bool
        Also measure again what was unreadable or killed its worker.
    progress : Progress
        Told how many pictures are done.

    Returns
    -------
    MeasureSummary
        Counts.

    Raises
    ------
    MissingPartError
        The engine is not installed.
    """
    catalog = workspace.catalog
    missing = _unmeasured(retry_failed)
    with catalog.read() as connection:
        pictures = connection.execute(select(func.count()).select_from(schema.images)).scalar_one()
        total = connection.execute(
            select(func.count()).select_from(missing.subquery())
        ).scalar_one()
    if not total:
        return MeasureSummary(pictures, 0, 0, 0)
    out = workspace.root / "shards" / "measure"
    counts = {"measured": 0, "unreadable": 0, "worker_died": 0}
    with progress.task("measure", total=total) as tick:
        last = ""
        while items := _next_items(workspace, missing, after=last):
            paths = run_shards(
                measure_pictures,
                items,
                out,
                version=VERSION,
                engine=engine,
                workers=workers,
                limit_s=LIMIT_S,
                progress=_Within(tick, progress),
            )
            errors = _ingest(catalog, paths, {item["key"] for item in items})
            counts["measured"] += len(items)
            counts["worker_died"] += errors.count(WORKER_DIED)
            counts["unreadable"] += len(errors) - errors.count(WORKER_DIED)
            last = items[-1]["key"]
            for path in paths:
                path.unlink(missing_ok=True)  # now that the catalog has it
    return MeasureSummary(pictures, **counts)


def _unmeasured(retry_failed: bool) -> Select[Any]:
    """Select the pictures that have no (successful) measurement of this version."""
    images, measurements = schema.images, schema.measurements
    known = and_(measurements.c.sha256 == images.c.sha256, measurements.c.version == VERSION)
    absent, failed = measurements.c.sha256.is_(None), measurements.c.error.is_not(None)
    return (
        select(images.c.sha256, images.c.extension)
        .select_from(images.outerjoin(measurements, known))
        .where(or_(absent, failed) if retry_failed else absent)
    )


def _next_items(workspace: Workspace, missing: Select[Any], *, after: str) -> list[dict[str, str]]:
    # By digest rather than by age: a picture that fails again must not come up again.
    column = schema.images.c.sha256
    query = missing.where(column > after).order_by(column).limit(SLICE)
    with workspace.catalog.read() as connection:
        return [
            {"key": sha256, "path": str(workspace.blobs.path(sha256, extension))}
            for sha256, extension in connection.execute(query)
        ]


def _ingest(catalog: Catalog, paths: Iterable[Path], wanted: set[str]) -> list[str]:
    """Write shard rows into the catalog, whole or not at all, and return their errors."""
    rows: list[dict[str, Any]] = []
    for row in read_rows(paths):
        key = row.pop("key")
        if key in wanted:
            rows.append(dict.fromkeys(_COLUMNS) | row | {"sha256": key, "version": VERSION})
    catalog.upsert(schema.measurements, rows)
    return [row["error"] for row in rows if row["error"]]


class _Within(Silent):
    """Passes the ticks of a part on to the task it is a part of."""

    def __init__(self, tick: Tick, progress: Progress) -> None:
        self._tick, self._progress = tick, progress

    @contextmanager
    def task(self, name: str, total: int | None = None) -> Iterator[Tick]:
        yield self._tick

    def log(self, message: str) -> None:
        self._progress.log(message)
