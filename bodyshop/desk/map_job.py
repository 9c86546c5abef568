"""The map of the set, laid out beside the requests of the page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


class MapJob:
    """Lays the pictures out once, as `bodyshop map` does.

    Parameters
    ----------
    workspace : Workspace
        Whose stored features.
    done : callable
        Called, without arguments, when `places` are there.
    """

    def __init__(self, workspace: Workspace, done: Callable[[], None]) -> None:
        self.workspace, self.done = workspace, done
        self.places: dict[str, tuple[float, float]] = {}
        """sha256 -> x and y; in memory only, so that `forget` has nothing to erase."""
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {"state": "idle"}

    def start(self) -> dict[str, Any]:
        """Start, unless it runs or is done; return `state`."""
        with self._lock:
            if self._state["state"] not in ("running", "done"):
                self._state = {"state": "running"}
                threading.Thread(target=self._run, name="map", daemon=True).start()
            return dict(self._state)

    def state(self) -> dict[str, Any]:
        """Return ``state`` (``idle``, ``running``, ``done``, ``failed``); when failed ``error``."""
        with self._lock:
            return dict(self._state)

    def _run(self) -> None:
        from curate import picture_places

        state: dict[str, Any] = {"state": "done"}
        try:
            self.places = picture_places(self.workspace)
            self.done()
        except BodyshopError as error:
            state = {"state": "failed", "error": str(error)}
        except Exception as error:  # noqa: BLE001 - a thread's error would be lost: it is shown
            state = {"state": "failed", "error": f"{type(error).__name__}: {error}"}
        with self._lock:
            self._state = state
