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


def refuse_foreign(place: RemotePlace, note: dict[str, str]) -> None:
    """Raise `ForeignPlaceError` unless the note is that of the place's owner."""
    if note.get("workspace") == place.owner:
        return
    raise ForeignPlaceError(
        f"{place.url} belongs to another workspace: {note.get('catalog', 'unknown')}, first used "
        f"on {note.get('machine', 'unknown')} at {note.get('since', 'unknown')}",
        hint="give each workspace a prefix of its own (blobs in workspace.toml). If the other one "
        f"is gone for good, remove the object {place.address(NOTE)}",
    )


def new_note(place: RemotePlace) -> bytes:
    """Return the note of a place's owner."""
    note = {
        "workspace": place.owner,
        "catalog": place.catalog,
        "machine": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(note).encode()


class _Known:
    """The places that are known to be the caller's own, in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[tuple[str, str | None, str | None]] = set()

    def has(self, place: RemotePlace) -> bool:
        with self._lock:
            return (place.url, place.endpoint, place.owner) in self._known

    def add(self, place: RemotePlace) -> None:
        with self._lock:
            self._known.add((place.url, place.endpoint, place.owner))


known = _Known()
