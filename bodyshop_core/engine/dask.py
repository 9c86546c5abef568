"""Shards on a Dask cluster, given or local; shards whose worker died are run again locally."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from bodyshop_core.engine import local
from bodyshop_core.engine.task import Item, Row, WorkSpec, initialise_once, run_batch
from bodyshop_core.errors import BodyshopError, MissingPartError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 15


def compute(
    spec: WorkSpec,
    shards: Sequence[list[Item]],
    *,
    address: str | None = None,
    workers: int | None = None,
    limit_s: float | None = None,
) -> Iterator[tuple[int, list[Row]]]:
    """Run a shard function on Dask, one task per shard.

    A shard whose worker died is run again by `local.compute`, which finds the one bad item: Dask
    itself would blame the whole shard, and sometimes a neighbour.

    Parameters
    ----------
    spec : WorkSpec
        What to run; its module must be importable on the workers.
    shards : sequence of lists of items
        The paths in the items must mean the same files on the workers.
    address : str, optional
        A scheduler such as ``tcp://10.0.0.5:8786``; without it a cluster is started on this
        machine.
    workers : int, optional
        Processes of the local cluster.
    limit_s : float, optional
        As for `local.compute`; used where a shard is redone.

    Yields
    ------
    tuple of (int, list of rows)
        Index of a shard and its rows, as they are finished.

    Raises
    ------
    MissingPartError
        The package ``distributed`` is not installed.
    BodyshopError
        No scheduler answers at `address`.
    """
    try:
        from distributed import KilledWorker, as_completed
    except ImportError as error:
        raise MissingPartError(
            "engine 'dask' needs the package 'distributed'", hint="pip install 'bodyshop[dask]'"
        ) from error
    lost = []
    with ExitStack() as stack:
        client = _client(stack, address, max(1, min(workers or local.cpu_count(), len(shards))))
        numbers = {
            client.submit(_run_shard, spec, items, pure=False): number
            for number, items in enumerate(shards)
        }
        for future in as_completed(list(numbers), loop=client.loop):
            try:
                rows = future.result()
            except KilledWorker:
                lost.append(numbers[future])
                continue
            finally:
                future.release()
            yield numbers[future], rows
    for number, rows in local.compute(
        spec, [shards[number] for number in lost], workers=workers, limit_s=limit_s
    ):
        yield lost[number], rows


def _run_shard(spec: WorkSpec, items: list[Item]) -> list[Row]:
    initialise_once(spec.initialise)
    rows: list[Row] = []
    for start in range(0, len(items), spec.batch_size):
        rows += run_batch(spec.work, items[start : start + spec.batch_size])
    return rows


def _client(stack: ExitStack, address: str | None, workers: int) -> Client:
    import dask
    from distributed import Client, LocalCluster

    # One death is enough to send a shard to the local engine, which bisects it.
    stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 1}))
    target: Any = address
    if address is None:
        target = stack.enter_context(
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                host="127.0.0.1",
                silence_logs=logging.CRITICAL,
            )
        )
    try:
        return stack.enter_context(Client(target, timeout=CONNECT_S, set_as_default=False))
    except (OSError, ValueError) as error:
        raise BodyshopError(
            f"no Dask scheduler answers at {address}: {error}",
            hint="start one with: dask scheduler, and workers with: dask worker ADDRESS; "
            "or use --engine dask for a cluster on this machine",
        ) from error
