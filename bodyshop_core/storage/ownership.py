"""Whose objects are below an address: one workspace's, by a note that lies beside them."""

from __future__ import annotations

import json
import platform
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bodyshop_core.errors import LostBlobError, UsageError

if TYPE_CHECKING:
    from bodyshop_core.storage.remote_place import RemotePlace

NOTE = "workspace/owner.json"
"""Name of the note below the address."""


class ForeignPlaceError(UsageError):
    """The objects below an address belong to another workspace; nothing of them was changed."""


def read_note(place: RemotePlace) -> dict[str, str] | None:
    """Return what the note at a place says; None when there is none.

    Raises
    ------
    TransientError
        The store does not answer.
    """
    try:
        found = json.loads(place.fetch(NOTE))
    except LostBlobError:
        return None
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def refuse_foreign(place: RemotePlace, note: dict[str, str], own: str | None) -> None:
    """Raise `ForeignPlaceError` unless the note at a place is that of the workspace `own`."""
    if own is not None and note.get("workspace") == own:
        return
    raise ForeignPlaceError(
        f"{place.url} belongs to another workspace: {note.get('catalog', 'unknown')}, first used "
        f"on {note.get('machine', 'unknown')} at {note.get('since', 'unknown')}",
        hint="give each workspace a prefix of its own (blobs in workspace.toml). If the other one "
        f"is gone for good, remove the object {place.address(NOTE)}",
    )


def new_note(place: RemotePlace, own: str) -> bytes:
    """Return the note that a place belongs to the workspace `own`."""
    note = {
        "workspace": own,
        "catalog": place.catalog,
        "machine": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(note).encode()


class _Known:
    """The places that are known to be the caller's own, in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[tuple[str, str | None, str]] = set()

    def has(self, place: RemotePlace, own: str | None) -> bool:
        with self._lock:
            return (place.url, place.endpoint, own) in self._known

    def add(self, place: RemotePlace, own: str) -> None:
        with self._lock:
            self._known.add((place.url, place.endpoint, own))


known = _Known()
