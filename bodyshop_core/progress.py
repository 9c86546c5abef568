"""How library code reports its progress, without printing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Tick(Protocol):
    """Called each time some of a task's units are done."""

    def __call__(self, n: int = 1, note: str = "") -> None:
        """Count `n` finished units; `note` names the current one."""


class Progress(Protocol):
    """What a caller passes in to receive the progress of a long function."""

    def task(self, name: str, total: int | None = None) -> AbstractContextManager[Tick]:
        """Open a task of `total` units (None: unknown) and yield its tick."""

    def log(self, message: str) -> None:
        """Report something that a person should read."""


class Silent:
    """A `Progress` that does nothing: the default of every library function."""

    @contextmanager
    def task(self, name: str, total: int | None = None) -> Iterator[Tick]:
        """Yield a tick that does nothing."""
        yield no_tick

    def log(self, message: str) -> None:
        """Do nothing."""


def no_tick(n: int = 1, note: str = "") -> None:
    """Do nothing: the tick of those who need not know."""


SILENT: Progress = Silent()
