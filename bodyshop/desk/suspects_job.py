"""The search for suspected labels, beside the requests of the page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


class SuspectsJob:
    """Compares every damage label with what a classifier that did not see the picture says.

    Parameters
    ----------
    workspace : Workspace
        Whose labels.
    done : callable
        Called, without arguments, when `predictions` are new.
    """

    def __init__(self, workspace: Workspace, done: Callable[[], None]) -> None:
        self.workspace, self.done = workspace, done
        self.predictions: dict[str, tuple[str, float]] = {}
        """sha256 -> label that the classifier would give, and its doubt about the present one."""
        self._agreement: float | None = None
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {"state": "idle"}

    def start(self) -> dict[str, Any]:
        """Start, unless it runs already; return `state`."""
        with self._lock:
            if self._state["state"] != "running":
                self._state = {"state": "running"}
                threading.Thread(target=self._run, name="suspects", daemon=True).start()
            return dict(self._state)

    def state(self) -> dict[str, Any]:
        """Return how it stands.

        Returns
        -------
        dict
            ``state`` (``idle``, ``running``, ``done``, ``failed``); when done ``checked`` and
            ``suspected`` labels and ``agreement``, the share that the classifier would give, too
            (the out-of-fold accuracy of a linear probe), and ``agreement_before``, that of the
            search before, None at the first; when failed ``error``.
        """
        with self._lock:
            return dict(self._state)

    def _run(self) -> None:
        from bodyshop.suspects import DOUBT, Suspects

        try:
            found = Suspects(self.workspace).judged()
            self.predictions = {
                each.sha256: (each.label if each.agrees else each.instead, each.doubt)
                for each in found
            }
            self.done()
            state: dict[str, Any] = {
                "state": "done",
                "checked": len(found),
                "suspected": sum(each.doubt > DOUBT for each in found),
                "agreement": sum(each.agrees for each in found) / len(found) if found else None,
                "agreement_before": self._agreement,
            }
            self._agreement = state["agreement"]
        except BodyshopError as error:
            state = {"state": "failed", "error": str(error)}
        except Exception as error:  # noqa: BLE001 - a thread's error would be lost: it is shown
            state = {"state": "failed", "error": f"{type(error).__name__}: {error}"}
        with self._lock:
            self._state = state
