"""What the decisions did to accuracy, beside the requests of the page."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import BodyshopError, NothingFoundError

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


class EffectJob:
    """Fits the linear probe with the labels before and after what people decided.

    Parameters
    ----------
    workspace : Workspace
        Whose labels and stored features.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {"state": "idle"}

    def start(self, field: str) -> dict[str, Any]:
        """Start for a label field, unless it runs already; return `state`."""
        with self._lock:
            if self._state["state"] != "running":
                self._state = {"state": "running"}
                threading.Thread(
                    target=self._run, args=(field,), name="effect", daemon=True
                ).start()
            return dict(self._state)

    def state(self) -> dict[str, Any]:
        """Return how it stands.

        Returns
        -------
        dict
            ``state`` (``idle``, ``running``, ``done``, ``nothing``, ``failed``); when done what
            `bodyshop.effect.Effect` has; ``error`` when failed, and with ``nothing`` what is
            lacking.
        """
        with self._lock:
            return dict(self._state)

    def _run(self, field: str) -> None:
        from bodyshop.effect import effect_of_decisions

        try:
            state = {"state": "done", **effect_of_decisions(self.workspace, field).as_dict()}
        except NothingFoundError as error:
            state = {"state": "nothing", "error": error.message}
        except BodyshopError as error:
            state = {"state": "failed", "error": str(error)}
        except Exception as error:  # noqa: BLE001 - a thread's error would be lost: it is shown
            state = {"state": "failed", "error": f"{type(error).__name__}: {error}"}
        with self._lock:
            self._state = state
