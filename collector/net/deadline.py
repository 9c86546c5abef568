"""The deadline of a whole request, however slowly its bytes arrive."""

from __future__ import annotations

import heapq
import itertools
import socket
import threading
import time


class Deadline:
    """Ends a thread's request at a fixed time by shutting its socket down.

    Use as a context manager, once, in the thread that makes the request.

    A timeout of `requests` starts again with every byte: a server that sends one byte per second
    never exceeds it.
    """

    _threads = threading.local()

    def __init__(self, thread: DeadlineThread, seconds: float) -> None:
        self._deadlines = thread
        self._at = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self.expired = False
        self.over = False

    @classmethod
    def current(cls) -> Deadline | None:
        """Return the deadline of the calling thread's request."""
        return getattr(cls._threads, "deadline", None)

    @property
    def seconds_left(self) -> float:
        """Seconds until the request is ended; negative when it should be."""
        return self._at - time.monotonic()

    def __enter__(self) -> Deadline:
        Deadline._threads.deadline = self
        self._deadlines.add(self._at, self)
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        self._sockets.clear()
        Deadline._threads.deadline = None

    def guard(self, connection: socket.socket) -> None:
        """Register a socket that is shut down when the time is over."""
        self._sockets.append(connection)

    def expire(self) -> None:
        """End the request unless it is over; the deadline thread calls this."""
        if self.over:
            return
        self.expired = True
        for connection in list(self._sockets):
            # The request may have closed it at the same moment: then there is nothing to end.
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class DeadlineThread:
    """One thread that ends every request that exceeds its deadline; use as a context manager."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Deadline]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)

    def __enter__(self) -> DeadlineThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def add(self, at: float, deadline: Deadline) -> None:
        """Have `deadline` expire at `at` on the monotonic clock."""
        with self._changed:
            heapq.heappush(self._heap, (at, next(self._count), deadline))
            if self._heap[0][2] is deadline:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                while self._heap and self._heap[0][2].over:
                    heapq.heappop(self._heap)  # a finished request wakes nobody
                if not self._heap:
                    self._changed.wait()
                    continue
                wait = self._heap[0][0] - time.monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                _, _, deadline = heapq.heappop(self._heap)
            deadline.expire()
