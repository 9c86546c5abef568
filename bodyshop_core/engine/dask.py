"""Shards on a Dask cluster, given or local; each worker finds the item that kills its process."""

from __future__ import annotations

import contextlib
import logging
import pickle
import queue
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING, Any

from bodyshop_core.engine.handshake import address_of, shake_hands
from bodyshop_core.engine.pool import payload_of
from bodyshop_core.engine.remote import Job, release, run_shard
from bodyshop_core.engine.task import Item, Row, WorkSpec, put_back
from bodyshop_core.errors import BodyshopError, MissingPartError
from bodyshop_core.processes import cpu_count

if TYPE_CHECKING:
    from distributed import Client, Future, KilledWorker

CONNECT_S = 15

WORKERS_S = 30.0
"""Seconds without any worker, at the start or later, after which the run ends."""

_CHECK_S = 1.0


def compute(
    spec: WorkSpec,
    shards: Sequence[list[Item]],
    *,
    address: str | None = None,
    workers: int | None = None,
    limit_s: float | None = None,
) -> Iterator[tuple[int, list[Row]]]:
    """Run a shard function on Dask, one task per shard.

    An item that kills its process is found on the worker (see `bodyshop_core.engine.remote`). A
    shard that Dask gave up because its workers died, as when machines go away, is put back.

    Parameters
    ----------
    spec : WorkSpec
        What to run; its module must be importable on the workers.
    shards : sequence of lists of items
        Each `BlobRef` in the items must mean the same file on the workers.
    address : str, optional
        A scheduler such as ``tcp://10.0.0.5:8786``; without it a cluster is started on this
        machine.
    workers : int, optional
        Processes of the local cluster.
    limit_s : float, optional
        As for `local.compute`.

    Yields
    ------
    tuple of (int, list of rows)
        Index of a shard and its rows, as they are finished.

    Raises
    ------
    MissingPartError
        The package ``distributed`` is not installed.
    HandshakeError
        A worker or the scheduler runs other code or other packages, or does not see the files.
    BodyshopError
        No scheduler answers at `address`, it has no workers, or it went away.
    """
    try:
        from distributed import KilledWorker
    except ImportError as error:
        raise MissingPartError(
            "engine 'dask' needs the package 'distributed'", hint="pip install 'bodyshop[dask]'"
        ) from error
    payload = payload_of(spec)
    with ExitStack() as stack:
        client = _client(stack, address, max(1, min(workers or cpu_count(), len(shards))))
        _wait_for_workers(client)
        ours = shake_hands(client, [item for items in shards for item in items])
        job = Job(payload, spec.batch_size, limit_s, ours)
        futures = {
            client.submit(run_shard, job, pickle.dumps(items), pure=False): number
            for number, items in enumerate(shards)
        }
        for future, rows in _finished(client, list(futures)):
            number = futures[future]
            future.release()
            if isinstance(rows, KilledWorker):
                rows = [put_back(item, _short(rows)) for item in shards[number]]
            yield number, rows
        with contextlib.suppress(OSError):  # a worker that is gone; its process went with it
            client.run(release, job.key)


def _finished(
    client: Client, futures: list[Future]
) -> Generator[tuple[Future, list[Row] | KilledWorker], None, None]:
    """Yield futures and their results as they end; raise when nobody is left who could end one.

    Results that lay on a worker which went away are "lost" until Dask computed them again. One
    that takes longer to fetch than its patience is fetched once more, with twice the patience.
    """
    ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    lost: set[Future] = set()
    patience = dict.fromkeys(futures, WORKERS_S)
    open_futures, alone_since = len(futures), None
    while open_futures:
        try:
            future = ended.get(timeout=_CHECK_S)
        except queue.Empty:
            if client.status == "running" and client.scheduler_info()["workers"]:
                alone_since = None
            elif alone_since is None:
                alone_since = monotonic()
            elif monotonic() - alone_since > WORKERS_S:
                raise _no_workers(client) from None
            for future in [future for future in lost if future.status != "lost"]:
                lost.remove(future)
                ended.put(future)
            continue
        result = _result(client, future, patience[future])
        if result is None:
            patience[future] *= 2
            lost.add(future)
            continue
        open_futures -= 1
        yield future, result


def _result(client: Client, future: Future, patience_s: float) -> list[Row] | KilledWorker | None:
    """Fetch a shard's rows, or why Dask gave it up; None while it is lost, or took too long."""
    from distributed import KilledWorker

    if future.status == "lost":
        return None
    if future.status == "cancelled":
        raise BodyshopError(
            f"the Dask scheduler at {address_of(client)} went away",
            hint="start it again and run the same command: it resumes",
        )
    try:
        return future.result(timeout=patience_s)
    except KilledWorker as error:
        return error
    except TimeoutError:
        if future.status == "error":
            raise
        return None


def _wait_for_workers(client: Client) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError as error:
        raise _no_workers(client) from error


def _no_workers(client: Client) -> BodyshopError:
    address = address_of(client)
    return BodyshopError(
        f"no worker is connected to the Dask scheduler at {address} since {WORKERS_S:g} seconds",
        hint=f"start some on the machines that shall work: dask worker {address}; then run the "
        "same command again",
    )


def _short(error: Exception) -> str:
    return f"Dask gave its shard up: its workers died ({type(error).__name__})"


def _client(stack: ExitStack, address: str | None, workers: int) -> Client:
    from distributed import Client, LocalCluster

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
