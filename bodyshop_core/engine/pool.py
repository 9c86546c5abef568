"""Worker processes of this machine and their batches; one that kills its worker is bisected."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bodyshop_core.engine import worker
from bodyshop_core.engine.task import WORKER_DIED, Item, Row, WorkSpec
from bodyshop_core.errors import BodyshopError, UsageError

FAILED_STARTS = 3
"""Workers that may die before they are ready, in a row, until the run is given up."""

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


@dataclass(order=True)
class Batch:
    """Some items of one shard; lower `rank` is computed first."""

    rank: tuple[int, int]
    shard: int = field(compare=False)
    items: list[Item] = field(compare=False)
    deaths: int = field(default=0, compare=False)


class Pool:
    """Worker processes that run one shard function; they start when there is something to do.

    Parameters
    ----------
    payload : bytes
        From `payload_of`.
    workers : int
        Processes.
    threads : int
        Threads that the libraries in each of them may start.
    limit_s : float, optional
        Seconds an item may take; a worker that is silent for that long per item is killed.
    """

    def __init__(
        self, payload: bytes, *, workers: int, threads: int, limit_s: float | None = None
    ) -> None:
        self._todo: queue.PriorityQueue[Batch] = queue.PriorityQueue()
        self._done: queue.SimpleQueue[tuple[str, Batch, Any]] = queue.SimpleQueue()
        environment = _environment(threads)
        self._handles = [
            WorkerHandle(payload, self._todo, self._done, environment, limit_s)
            for _ in range(workers)
        ]
        self._started = False

    def run(self, batches: Sequence[Batch]) -> Generator[tuple[int, list[Row]], None, None]:
        """Compute batches; may be called again when it has ended.

        Yields
        ------
        tuple of (int, list of rows)
            Index of a shard and some of its rows, as they are finished.

        Raises
        ------
        BodyshopError
            Workers can't start, or a worker reported an error that concerns every item. Close the
            pool then.
        """
        for batch in batches:
            self._todo.put(batch)
        open_batches, failed_starts = len(batches), 0
        if not self._started:
            self._started = True
            for handle in self._handles:
                handle.start()
        while open_batches:
            kind, batch, value = self._done.get()
            if kind == "rows":
                open_batches, failed_starts = open_batches - 1, 0
                yield batch.shard, value
            elif kind == "died":
                again, rows = _after_death(batch)
                open_batches += len(again) - 1
                for half in again:
                    self._todo.put(half)
                if rows:
                    yield batch.shard, rows
            elif kind == "unstarted":
                failed_starts += 1
                if failed_starts >= FAILED_STARTS:
                    raise BodyshopError(
                        f"worker processes end during start-up (exit status {value})",
                        hint="their error output is above; try --workers 1, or free some memory",
                    )
                self._todo.put(batch)
            else:
                raise value

    def close(self) -> None:
        """End the processes at once."""
        if self._started:
            for handle in self._handles:
                handle.stop()
            for handle in self._handles:
                handle.join()


def batches_of(shards: Sequence[list[Item]], size: int) -> list[Batch]:
    """Divide shards into batches of at most `size` items, in this order."""
    return [
        Batch((number, start), number, items[start : start + size])
        for number, items in enumerate(shards)
        for start in range(0, len(items), size)
    ]


def _after_death(batch: Batch) -> tuple[list[Batch], list[Row]]:
    """Halve a batch that killed its worker; one item alone gets a second try, then its row."""
    if len(batch.items) > 1:
        middle = len(batch.items) // 2
        return [
            Batch((-1, start), batch.shard, items)
            for start, items in enumerate((batch.items[:middle], batch.items[middle:]))
        ], []
    if batch.deaths == 0:
        return [Batch((-1, 0), batch.shard, batch.items, deaths=1)], []
    return [], [{"key": batch.items[0]["key"], "error": WORKER_DIED}]


def payload_of(spec: WorkSpec) -> bytes:
    """Return what a worker process is started with.

    Raises
    ------
    UsageError
        The shard function can't be imported there.
    """
    for part in (spec.work, spec.initialise):
        if getattr(getattr(part, "func", part), "__module__", None) == "__main__":
            raise UsageError(
                "a shard function defined in the main script can't be found by worker processes",
                hint="move it into a module and import it",
            )
    return pickle.dumps(spec)


def _environment(threads: int) -> dict[str, str]:
    """Share the CPUs among the workers instead of letting each start a thread per CPU."""
    share = str(max(1, threads))
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "NO_ALBUMENTATIONS_UPDATE": "1"}
    return dict.fromkeys(_THREADS, share) | quiet | os.environ


class WorkerHandle(threading.Thread):
    """One worker process and the thread that feeds it.

    The thread lives as long as its process: Linux would otherwise deliver the parent's death signal
    when the thread that started the process ends.
    """

    def __init__(
        self,
        payload: bytes,
        todo: queue.PriorityQueue[Batch],
        done: queue.SimpleQueue[tuple[str, Batch, Any]],
        environment: dict[str, str],
        limit_s: float | None,
    ) -> None:
        super().__init__(daemon=True)
        self._payload, self._todo, self._done = payload, todo, done
        self._environment, self._limit_s = environment, limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()

    def run(self) -> None:
        """Feed batches to the process and report its answers until `stop` is called."""
        while not self._stopping.is_set():
            try:
                batch = self._todo.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                kind, value = self._answer(batch)
            except Exception as error:  # noqa: BLE001 - the driver waits for an answer: it raises it
                kind, value = "failed", self._explained(error)
            if kind in {"died", "unstarted"}:
                self._reap()
            self._done.put((kind, batch, value))
        self._reap()

    def stop(self) -> None:
        """End the thread and its process at once."""
        self._stopping.set()
        process = self._process
        if process is not None:
            process.kill()

    def _answer(self, batch: Batch) -> tuple[str, Any]:
        if self._process is None:
            started, value = self._begin()
            if not started:
                return value
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        timer = None
        if self._limit_s is not None:
            timer = threading.Timer(self._limit_s * len(batch.items), process.kill)
            timer.daemon = True
            timer.start()
        try:
            pickle.dump(batch.items, process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
            return pickle.load(process.stdout)  # from our own child
        except (EOFError, OSError, pickle.UnpicklingError):
            return "died", process.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _begin(self) -> tuple[bool, tuple[str, Any]]:
        self._process = process = subprocess.Popen(
            [sys.executable, "-c", worker.START, json.dumps(sys.path), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
        )
        assert process.stdin is not None and process.stdout is not None
        if self._stopping.is_set():
            process.kill()
        try:
            process.stdin.write(self._payload)
            process.stdin.flush()
            kind, value = pickle.load(process.stdout)  # from our own child
        except (EOFError, OSError, pickle.UnpicklingError):
            return False, ("unstarted", process.wait())
        return kind == "ready", (kind, value)

    def _explained(self, error: Exception) -> Exception:
        if self._process is None and isinstance(error, OSError):
            return BodyshopError(
                f"no worker process can be started: {error}",
                hint="free some memory, end other programs, or try --workers 1",
            )
        return error

    def _reap(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        process.wait()
