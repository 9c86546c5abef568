"""Whether one workspace's objects would lie inside of another's."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import LostBlobError, TransientError
from bodyshop_core.storage.ownership import NOTE, ForeignPlaceError, read_note

if TYPE_CHECKING:
    from bodyshop_core.storage.remote_place import RemotePlace

REQUESTS = 500
"""So many requests look for places below: a bucket may hold much that is not ours."""

_OWN = re.compile(r"[0-9a-f]{2}|masks|variants|workspace")
"""Folders as a place has them itself."""

_NOTES = NOTE.partition("/")[0]

_Note = dict[str, str]

_APART = "give each workspace a prefix of its own, none inside of another: s3://bucket/a and "

_log = logging.getLogger(__name__)


def refuse_nested(place: RemotePlace, own: str) -> None:
    """Raise `ForeignPlaceError` if a place is inside of another workspace's, or contains one.

    Raises
    ------
    TransientError
        The store does not answer.
    """
    for outer, note in _around(place):
        if note.get("workspace") != own:
            raise _refused(outer, note, f"{place.url} is inside of {outer.url}, which")
    for inner, note in _below(place):
        if note.get("workspace") != own:
            raise _refused(inner, note, f"{inner.url} is inside of {place.url} and")


def warn_of_place_around(place: RemotePlace, own: str) -> None:
    """Log that a place which is one's own is inside of another workspace's.

    It is no mistake of the one that was there first, and must not keep it from its pictures.
    """
    for outer, note in _around(place):
        if note.get("workspace") != own:
            _log.warning(
                "%s is inside of %s, which belongs to another workspace: %s",
                place.url,
                outer.url,
                note.get("catalog", "unknown"),
            )


def _refused(other: RemotePlace, note: _Note, why: str) -> ForeignPlaceError:
    return ForeignPlaceError(
        f"{why} belongs to another workspace: {note.get('catalog', 'unknown')}",
        hint=f"{_APART}s3://bucket/b. If the other one is gone for good, remove the object "
        f"{other.address(NOTE)}",
    )


def _around(place: RemotePlace) -> Iterator[tuple[RemotePlace, _Note]]:
    """Yield the places that contain this one, nearest first."""
    protocol, _, path = place.url.rstrip("/").partition("://")
    while "/" in path.lstrip("/"):
        path = path.rpartition("/")[0]
        outer = replace(place, url=f"{protocol}://{path}")
        if (note := _note(outer)) is not None:
            yield outer, note


def _below(place: RemotePlace) -> Iterator[tuple[RemotePlace, _Note]]:
    """Yield the places in the folders of this one, nearest first, with `REQUESTS` requests.

    Folders as a place has them itself come last: in a place from before there were notes, they are
    full of its own objects.
    """
    unlikely: deque[RemotePlace] = deque()
    likely, left = deque([place]), REQUESTS
    while (waiting := likely or unlikely) and left > 0:
        folder = waiting.popleft()
        inside: list[str] | None = []
        for page in _pages(folder):
            left -= 1
            inside = None if page is None or inside is None else inside + page
            if left <= 0:
                break
        is_place = inside is None or _NOTES in inside
        if is_place and folder is not place and left > 0:
            left -= 1
            if (note := _note(folder)) is not None:
                yield folder, note
        for name in filter(None, inside or ()):  # of "a//b.jpg" the second folder has none
            inner = replace(folder, url=f"{folder.url.rstrip('/')}/{name}")
            (unlikely if _OWN.fullmatch(name) else likely).append(inner)


def _pages(place: RemotePlace) -> Iterator[list[str] | None]:
    """Yield the names of a place's folders, a list per request; None if it may not be listed."""
    try:
        with place.talking("*", "listed") as filesystem:
            if hasattr(filesystem, "call_s3"):
                yield from _pages_of_s3(place, filesystem)
            else:
                found = filesystem.ls(place.url, detail=True)
                inside = [str(each["name"]) for each in found if each["type"] == "directory"]
                yield sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in inside)
    except LostBlobError:
        yield []
    except TransientError as error:
        if not _is_forbidden(error):
            raise
        yield None


def _pages_of_s3(place: RemotePlace, filesystem: Any) -> Iterator[list[str]]:
    bucket, _, prefix = place.url.rstrip("/").partition("://")[2].partition("/")
    prefix = f"{prefix}/" if prefix else ""
    asked: dict[str, str] = {}
    while True:
        page = filesystem.call_s3(
            "list_objects_v2", Bucket=bucket, Prefix=prefix, Delimiter="/", **asked
        )
        folders = (str(each["Prefix"]) for each in page.get("CommonPrefixes", []))
        yield [each.removeprefix(prefix).rstrip("/") for each in folders]
        if not page.get("IsTruncated"):
            return
        asked = {"ContinuationToken": page["NextContinuationToken"]}


def _note(place: RemotePlace) -> _Note | None:
    """Return the note at a place; None, too, where the store does not let this role look."""
    try:
        return read_note(place)
    except TransientError as error:
        if _is_forbidden(error):
            return None
        raise


def _is_forbidden(error: TransientError) -> bool:
    return isinstance(error.__cause__, PermissionError)
