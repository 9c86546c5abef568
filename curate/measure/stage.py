"""Measure every picture of a workspace that has no measurement yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from bodyshop_core.catalog import Catalog, schema
from bodyshop_core.engine import compute_shards
from bodyshop_core.engine.task import WORKER_DIED
from bodyshop_core.errors import TransientError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace
from curate.ingest import store_rows
from curate.measure.picture import measure_pictures

VERSION = f"measure-5 imagehash-{version('imagehash')}"
"""Stored beside every value; values of another version are never mixed with these."""

SLICE = 20_000
"""Pictures listed at a time: bounds the memory of the list."""

LIMIT_S = 60.0
"""Seconds one picture may take; the largest accepted one takes about two."""

_COLUMNS = tuple(
    column.name
    for column in schema.measurements.columns
    if column.name not in {"sha256", "version", "error"}
)


@dataclass(frozen=True)
class MeasureSummary(Summary):
    """The outcome of `measure_images`.

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
        ``local``, ``dask`` or a Dask scheduler's address.
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
    TransientError
        Storage did not give some pictures; all others are measured.
    """
    catalog = workspace.catalog
    missing = unmeasured(retry_failed=retry_failed)
    with catalog.read() as connection:
        pictures = connection.execute(select(func.count()).select_from(schema.images)).scalar_one()
        total = connection.execute(
            select(func.count()).select_from(missing.subquery())
        ).scalar_one()
    if not total:
        return MeasureSummary(pictures, 0, 0, 0)
    counts = {"measured": 0, "unreadable": 0, "worker_died": 0}
    left: list[tuple[str, str]] = []
    with progress.task("measure", total=total) as tick:
        last = ""
        while items := next_items(workspace, missing, after=last):
            last = items[-1]["key"]
            try:
                for rows in compute_shards(
                    measure_pictures,
                    items,
                    engine=engine,
                    workers=workers,
                    limit_s=LIMIT_S,
                    tick=tick,
                ):
                    store_measurements(catalog, rows)
                    errors = [row["error"] for row in rows if row["error"]]
                    counts["measured"] += len(rows)
                    counts["worker_died"] += errors.count(WORKER_DIED)
                    counts["unreadable"] += len(errors) - errors.count(WORKER_DIED)
            except TransientError as error:
                left += error.left
    if left:
        raise TransientError.of(left)
    return MeasureSummary(pictures, **counts)


def unmeasured(*, retry_failed: bool = False) -> Select[Any]:
    """Select the pictures that have no (successful) measurement of this version."""
    images, measurements = schema.images, schema.measurements
    known = and_(measurements.c.sha256 == images.c.sha256, measurements.c.version == VERSION)
    absent, failed = measurements.c.sha256.is_(None), measurements.c.error.is_not(None)
    return (
        select(images.c.sha256, images.c.extension)
        .select_from(images.outerjoin(measurements, known))
        .where(or_(absent, failed) if retry_failed else absent)
    )


def next_items(workspace: Workspace, missing: Select[Any], *, after: str) -> list[dict[str, Any]]:
    """Return the next `SLICE` pictures of `unmeasured`: ``key`` (sha256) and ``blob``."""
    # By digest rather than by age: a picture that fails again must not come up again.
    column = schema.images.c.sha256
    query = missing.where(column > after).order_by(column).limit(SLICE)
    with workspace.catalog.read() as connection:
        return [
            {"key": sha256, "blob": workspace.blobs.ref(sha256, extension)}
            for sha256, extension in connection.execute(query)
        ]


def store_measurements(catalog: Catalog, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the rows of one shard into the catalog, in one transaction.

    Parameters
    ----------
    catalog : Catalog
        Is written.
    rows : iterable of Mapping
        ``key`` (sha256) and what `curate.measure.picture.measure_picture` returns, or ``error``.
    """
    measured = [
        dict.fromkeys(_COLUMNS)
        | {name: value for name, value in row.items() if name != "key"}
        | {"sha256": row["key"], "version": VERSION}
        for row in rows
    ]
    store_rows(catalog, schema.measurements, measured)
