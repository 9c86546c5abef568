"""A process for work that may take its process down with it: the caller learns how it ended."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any

from bodyshop_core.errors import BodyshopError
from bodyshop_core.processes import end_with_parent

TERMINATE_S = 5
"""Seconds that a process gets to end before it is killed."""


class WorkerDiedError(BodyshopError):
    """A worker process ended before it answered.

    Parameters
    ----------
    exit_status : int or None
        As `multiprocessing.Process.exitcode`: negative for the signal that ended it.
    """

    def __init__(self, exit_status: int | None) -> None:
        super().__init__(f"the process died: {describe_exit(exit_status)}")
        self.exit_status = exit_status


class WorkerFailedError(BodyshopError):
    """The function raised an exception that is no `BodyshopError`.

    Parameters
    ----------
    error : str
        Type and message of the exception.
    details : str
        Its traceback in the worker.
    """

    def __init__(self, error: str, details: str) -> None:
        super().__init__(error)
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.details)


class WorkerProcess:
    """A process that runs one function after another; started when the first one is submitted.

    Parameters
    ----------
    calls : int, optional
        A new process is started after this many calls; None keeps the first one.
    """

    def __init__(self, *, calls: int | None = None) -> None:
        self._calls = calls
        self._done = 0
        self._process: Any = None
        self._connection: Any = None

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def submit(self, function: Callable[[Any], Any], argument: Any) -> None:
        """Start a call; `function` and `argument` must be picklable.

        A process that died since its last answer is replaced.
        """
        if self._process is not None and not self._process.is_alive():
            self.close()
        if self._connection is None:
            self._start()
        assert self._connection is not None
        self._connection.send((function, argument))

    def result(self) -> Any:
        """Wait for the submitted call and return its value.

        Raises
        ------
        BodyshopError
            The one that the function raised.
        WorkerFailedError
            The function raised another exception.
        WorkerDiedError
            The process ended without an answer.
        """
        assert self._connection is not None, "nothing was submitted"
        try:
            is_value, answer = self._connection.recv()
        except (EOFError, OSError):  # the other end is closed, or was in the middle of an answer
            process = self._process
            process.join()
            self.close()
            raise WorkerDiedError(process.exitcode) from None
        self._done += 1
        if self._done == self._calls:
            self.close()
        if not is_value:
            raise answer
        return answer

    def close(self) -> None:
        """End the process, also in the middle of a call."""
        if self._connection is not None:
            self._connection.close()
            self._process.terminate()
            self._process.join(TERMINATE_S)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
        self._process, self._connection, self._done = None, None, 0

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, os.getpid()))
        self._process.start()
        theirs.close()  # so that the end of the process is the end of the file


def run_alone(function: Callable[[Any], Any], argument: Any) -> Any:
    """Run a function in a new process and return its value; errors as `WorkerProcess.result`."""
    with WorkerProcess() as worker:
        worker.submit(function, argument)
        return worker.result()


def wait_for_any(workers: Sequence[WorkerProcess]) -> list[WorkerProcess]:
    """Wait until calls have ended and return their workers; each has a call in progress."""
    if not workers:
        return []
    connections: dict[Any, WorkerProcess] = {each._connection: each for each in workers}
    return [connections[ready] for ready in wait([*connections])]


def describe_exit(exit_status: int | None) -> str:
    """Describe an exit status of a process in words.

    Parameters
    ----------
    exit_status : int or None
        As `multiprocessing.Process.exitcode`.
    """
    if exit_status is None or exit_status >= 0:
        return f"exit status {exit_status}"
    try:
        name = signal.Signals(-exit_status).name
    except ValueError:
        name = "unknown"
    text = f"ended by signal {-exit_status} ({name})"
    if name == "SIGKILL":
        text += ", which the system sends when memory runs out"
    return text


def _serve(connection: Any, parent: int) -> None:
    end_with_parent(parent)  # also in the middle of a call
    # Ctrl-C reaches the whole group of processes: the parent decides and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            function, argument = connection.recv()
        except EOFError:
            return
        try:
            answer: tuple[bool, Any] = True, function(argument)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent is told
            answer = False, _portable(error)
        connection.send(answer)


def _portable(error: Exception) -> BodyshopError:
    """Return an exception that the parent can unpickle."""
    if isinstance(error, BodyshopError):
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # noqa: BLE001 - an error with an own constructor
            return BodyshopError(error.message, hint=error.hint)
        return error
    return WorkerFailedError(f"{type(error).__name__}: {error}", traceback.format_exc())
