"""Shards on this machine's processes; a batch that kills its worker is bisected to one item."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from bodyshop_core.engine.pool import Pool, batches_of, payload_of
from bodyshop_core.engine.task import Item, Row, WorkSpec
from bodyshop_core.processes import cpu_count


def compute(
    spec: WorkSpec,
    shards: Sequence[list[Item]],
    *,
    workers: int | None = None,
    limit_s: float | None = None,
) -> Iterator[tuple[int, list[Row]]]:
    """Run a shard function on local processes.

    Parameters
    ----------
    spec : WorkSpec
        What to run.
    shards : sequence of lists of items
        They are computed in this order, in batches.
    workers : int, optional
        Processes; default one per CPU this process may use.
    limit_s : float, optional
        Seconds an item may take; a worker that is silent for that long per item is killed.

    Yields
    ------
    tuple of (int, list of rows)
        Index of a shard and some of its rows, as they are finished.

    Raises
    ------
    BodyshopError
        Workers can't start, or a worker reported an error that concerns every item.
    """
    batches = batches_of(shards, spec.batch_size)
    workers = max(1, min(workers or cpu_count(), len(batches)))
    pool = Pool(payload_of(spec), workers=workers, threads=cpu_count() // workers, limit_s=limit_s)
    with contextlib.closing(pool):
        yield from pool.run(batches)
