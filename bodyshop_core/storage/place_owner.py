"""Who writes to a place: a workspace, by the id that its catalog keeps."""

from __future__ import annotations

from collections.abc import Callable


class Owner:
    """The workspace that writes to a place; its catalog is asked when that is claimed, or before.

    Whoever only reads needs no id, and no right to write one into the catalog. Picklable: a process
    that gets a place to write to has to get it after it was claimed.

    Parameters
    ----------
    find : callable
        Returns the workspace's id; None as long as it has none.
    make : callable
        Returns the workspace's id, and gives it one if need be.
    where : callable, optional
        Returns what tells the workspace's catalog from a copy of it, which has the same id.
    """

    def __init__(
        self,
        find: Callable[[], str | None],
        make: Callable[[], str],
        where: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self.known: str | None = None
        self._where = where
        self._ask: tuple[Callable[[], str | None], Callable[[], str]] | None = (find, make)

    def __getstate__(self) -> dict[str, object]:
        return {"known": self.known, "_ask": None, "_where": dict}

    def find(self) -> str | None:
        """Return the workspace's id, if it has one."""
        self.known = self.known or self._catalog()[0]()
        return self.known

    def make(self) -> str:
        """Return the workspace's id; it gets one if it has none."""
        self.known = self.known or self._catalog()[1]()
        return self.known

    def where(self) -> dict[str, str]:
        """Return what tells the workspace's catalog from a copy of it."""
        return self._where()

    def _catalog(self) -> tuple[Callable[[], str | None], Callable[[], str]]:
        if self._ask is None:
            raise RuntimeError("a place has to be claimed before a worker writes there")
        return self._ask
