"""Whether one workspace's objects would lie inside of another's."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from bodyshop_core.errors import LostBlobError, TransientError
from bodyshop_core.storage.ownership import NOTE, ForeignPlaceError, read_note

if TYPE_CHECKING:
    from bodyshop_core.storage.remote_place import RemotePlace

FOLDERS = 500
"""So many folders are looked into for places below: a bucket may hold much that is not ours."""

_OWN = re.compile(r"[0-9a-f]{2}|masks|variants|workspace")
"""Folders of a place itself."""

_Answer = TypeVar("_Answer")

_APART = "give each workspace a prefix of its own, none inside of another: s3://bucket/a and "


def refuse_place_around(place: RemotePlace, own: str | None) -> None:
    """Raise `ForeignPlaceError` if another workspace has a place that contains this one.

    Raises
    ------
    TransientError
        The store does not answer.
    """
    for url in _around(place.url):
        outer = replace(place, url=url)
        note = _note(outer)
        if note is not None and (own is None or note.get("workspace") != own):
            raise ForeignPlaceError(
                f"{place.url} is inside of {url}, which belongs to another workspace: "
                f"{note.get('catalog', 'unknown')}",
                hint=f"{_APART}s3://bucket/b. If the other one is gone for good, remove the object "
                f"{outer.address(NOTE)}",
            )


def refuse_places_below(place: RemotePlace, own: str | None) -> None:
    """Raise `ForeignPlaceError` if another workspace has a place inside of this one.

    Raises
    ------
    TransientError
        The store does not answer.
    """
    for inner in _below(place):
        note = _note(inner)
        if note is not None and (own is None or note.get("workspace") != own):
            raise ForeignPlaceError(
                f"{inner.url}, which belongs to another workspace "
                f"({note.get('catalog', 'unknown')}), is inside of {place.url}",
                hint=f"{_APART}s3://bucket/b. If the other one is gone for good, remove the object "
                f"{inner.address(NOTE)}",
            )


def _around(url: str) -> Iterator[str]:
    protocol, _, path = url.rstrip("/").partition("://")
    while "/" in path.lstrip("/"):
        path = path.rpartition("/")[0]
        yield f"{protocol}://{path}"


def _below(place: RemotePlace) -> Iterator[RemotePlace]:
    """Yield what may be places in the folders of this one, nearest first."""
    waiting, looks = deque([place]), 0
    while waiting and looks < FOLDERS:
        outer = waiting.popleft()
        looks += 1
        for name in _folders(outer):
            inner = replace(place, url=f"{outer.url}/{name}")
            yield inner
            if not _OWN.fullmatch(name):
                waiting.append(inner)


def _folders(place: RemotePlace) -> list[str]:
    try:
        with place.talking("*", "listed") as filesystem:
            inside = filesystem.ls(place.url, detail=True)
    except LostBlobError:
        return []
    except TransientError as error:
        return _if_forbidden(error, [])
    found = (each for each in inside if each["type"] == "directory")
    return sorted(str(each["name"]).rstrip("/").rsplit("/", 1)[-1] for each in found)


def _note(place: RemotePlace) -> dict[str, str] | None:
    try:
        return read_note(place)
    except TransientError as error:
        return _if_forbidden(error, None)


def _if_forbidden(error: TransientError, answer: _Answer) -> _Answer:
    """Return an answer where the store does not let this role look; nothing can be known then."""
    if isinstance(error.__cause__, PermissionError):
        return answer
    raise error
