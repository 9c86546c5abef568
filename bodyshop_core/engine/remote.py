"""What runs inside a Dask worker: its shards, in a process of their own that may die.

A picture that crashes a decoder ends that process, not the Dask worker: Dask itself would send the
shard on to kill the next worker, and blame its neighbours. So deaths are counted and bisected here,
by the same code as on one machine.
"""

from __future__ import annotations

import hashlib
import pickle
import threading
from contextlib import ExitStack
from dataclasses import dataclass

from bodyshop_core.engine.handshake import HandshakeError, Identity, differences, identity
from bodyshop_core.engine.pool import Pool, batches_of
from bodyshop_core.engine.task import PUT_BACK, Row

IDLE_S = 60.0
"""Seconds after which a process without work ends; its next shard starts another one."""


@dataclass(frozen=True)
class Job:
    """What every shard of a run needs.

    Parameters
    ----------
    payload : bytes
        The pickled `WorkSpec`: only the process that computes imports the shard function.
    batch_size : int
        The most items at a time.
    limit_s : float or None
        Seconds an item may take.
    identity : Identity
        Of the driver.
    """

    payload: bytes
    batch_size: int
    limit_s: float | None
    identity: Identity

    @property
    def key(self) -> str:
        """Digest of what the processes run."""
        return hashlib.sha256(self.payload + str(self.limit_s).encode()).hexdigest()


def run_shard(job: Job, items: bytes) -> list[Row]:
    """Compute a shard in a process beside this one.

    Parameters
    ----------
    job : Job
        What to run.
    items : bytes
        The pickled list of items.

    Returns
    -------
    list of Row
        One per item.

    Raises
    ------
    HandshakeError
        This worker joined later, and runs something else.
    """
    from distributed import get_worker

    address = get_worker().address
    different = differences(job.identity, identity())
    if different:
        raise HandshakeError(
            f"the Dask worker at {address} joined during the run, and runs {', '.join(different)}",
            hint="end it, or install the same there; then run the command again: it resumes",
        )
    pool = _idle.take(job)
    with ExitStack() as stack:
        stack.callback(pool.close)
        batches = batches_of([pickle.loads(items)], job.batch_size)  # from the driver
        rows = [row for _, part in pool.run(batches) for row in part]
        stack.pop_all()
    _idle.keep(job, pool)
    for row in rows:
        if PUT_BACK in row:
            row[PUT_BACK] += f" (on the Dask worker at {address})"
    return rows


def release(key: str) -> None:
    """End the idle processes of a job; the driver asks for it when all shards are done."""
    _idle.close(key)


class _IdlePools:
    """Pools that wait for their next shard: one for each thread of the Dask worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[str, list[tuple[Pool, threading.Timer]]] = {}

    def take(self, job: Job) -> Pool:
        with self._lock:
            waiting = self._pools.get(job.key)
            if waiting:
                pool, timer = waiting.pop()
                timer.cancel()
                return pool
        return Pool(job.payload, workers=1, threads=1, limit_s=job.limit_s)

    def keep(self, job: Job, pool: Pool) -> None:
        timer = threading.Timer(IDLE_S, self._expire, (job.key, pool))
        timer.daemon = True
        with self._lock:
            self._pools.setdefault(job.key, []).append((pool, timer))
        timer.start()

    def close(self, key: str) -> None:
        with self._lock:
            waiting = self._pools.pop(key, [])
        for pool, timer in waiting:
            timer.cancel()
            pool.close()

    def _expire(self, key: str, pool: Pool) -> None:
        with self._lock:
            waiting = self._pools.get(key, [])
            kept = [each for each in waiting if each[0] is not pool]
            if len(kept) == len(waiting):
                return  # taken in the same moment
            self._pools[key] = kept
        pool.close()


_idle = _IdlePools()
