"""Whose objects are below an address: one workspace's, by a note that lies beside them."""

from __future__ import annotations

import json
import platform
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.errors import LostBlobError, UsageError

if TYPE_CHECKING:
    from bodyshop_core.storage.remote_place import RemotePlace

NOTE = "workspace/owner.json"
"""Name of the note below the address."""


_STAYS = ("file", "database")
"""What of a catalog stays when it is moved."""


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


def refuse_copy(place: RemotePlace, note: dict[str, str], where: dict[str, str]) -> bool:
    """Raise `ForeignPlaceError` if a catalog is a copy of the one that the note is of.

    A folder or a database that was copied by other means than bodyshop's has the same id; what one
    of the two erases, the other would lose. A catalog that was moved, or restored where it was, is
    the one that it was.

    Parameters
    ----------
    place : RemotePlace
        The place.
    note : dict
        The note there, of the same id.
    where : dict
        Of the present catalog, see `bodyshop_core.catalog.whereabouts`; empty: unknown.

    Returns
    -------
    bool
        Whether the note has to be written anew, because the catalog was moved.
    """
    here = (where.get("machine"), where.get("catalog"))
    there = (note.get("machine"), note.get("catalog"))
    known = [key for key in _STAYS if key in where]
    if not known:
        return False
    same = here == there or any(where[key] == note.get(key) for key in known)
    gone = here[0] == there[0] and not _is_file(there[1])
    if not any(key in note for key in _STAYS):  # by an earlier version
        gone = gone or here[0] != there[0]
    elif "database" in note:
        gone = False
    if same or gone:
        return any(note.get(key) != value for key, value in where.items() if key != "machine")
    raise ForeignPlaceError(
        f"{here[1]} is a copy of another catalog, {there[1]} on {there[0]}, whose pictures "
        f"{place.url} has: what is erased or stored here would be missed or unknown there",
        hint="make a copy that has pictures of its own with bodyshop workspace copy, from the "
        "original. If the original is gone for good, or was moved here, remove the object "
        f"{place.address(NOTE)}",
    )


def _is_file(path: str | None) -> bool:
    return path is not None and Path(path).is_file()


def new_note(place: RemotePlace, own: str, where: dict[str, str]) -> bytes:
    """Return the note that a place belongs to the workspace `own`, whose catalog is there."""
    note = {
        "workspace": own,
        "catalog": place.catalog,
        "machine": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(note | where).encode()


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
