"""Where the state of every host is kept: in one process, or in a place that several share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol


@dataclass
class HostState:
    """What is known about one host; times in seconds on the clock of its `HostStates`.

    Parameters
    ----------
    interval : float
        Least seconds between the starts of two requests.
    connections : int
        Most requests at the same time.
    gap : float
        Seconds between two requests at present; at least `interval`.
    next_start : float
        When the next request may start.
    cooling_until : float
        When the time ends for which the host asked.
    open : int
        Requests of this process in progress.
    elsewhere : int
        Those of other collectors.
    blocks : int
        429 and 503 in a row.
    disabled : str
        Why the host gets no request any more, or empty.
    busy_until : float
        When to look again whether others have ended a request.
    """

    interval: float
    connections: int
    gap: float
    next_start: float = 0.0
    cooling_until: float = 0.0
    open: int = 0
    elsewhere: int = 0
    blocks: int = 0
    disabled: str = ""
    busy_until: float = 0.0

    @property
    def ready(self) -> float:
        """When the next request may start."""
        return max(self.next_start, self.cooling_until)


class HostStates(Protocol):
    """Keeps a `HostState` per host."""

    def opened(
        self, host: str, fresh: Callable[[], HostState]
    ) -> AbstractContextManager[tuple[HostState, float]]:
        """Give the state of a host and the present time, to read and change.

        Nobody else changes it meanwhile. A host without a state gets `fresh`; the state is never
        less strict than that.
        """

    def seen(self, host: str) -> HostState | None:
        """Return the state as it was when it was opened last, without any wait."""

    def here(self, at: float) -> float:
        """Return what `time.monotonic`, or the clock in its place, shows at a time of a state."""

    def agreed(self, host: str, proposed: str) -> str:
        """Return the name under which a host's state is kept: the first that was proposed."""


class LocalHostStates:
    """The states of one process.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states: dict[str, HostState] = {}
        self._lock = threading.RLock()

    @contextmanager
    def opened(
        self, host: str, fresh: Callable[[], HostState]
    ) -> Iterator[tuple[HostState, float]]:
        """Give the state of a host and the present time, to read and change."""
        with self._lock:
            state = self._states.get(host)
            if state is None:
                state = self._states[host] = fresh()
            yield state, self._clock()

    def seen(self, host: str) -> HostState | None:
        """Return the state."""
        return self._states.get(host)

    def here(self, at: float) -> float:
        """Return the same time."""
        return at

    def agreed(self, host: str, proposed: str) -> str:
        """Return the proposal: there is nobody else."""
        return proposed
