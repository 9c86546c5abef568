"""Objects below an address: written whole or not at all, listed with their versions, removed."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import LostBlobError
from bodyshop_core.storage import nesting, ownership
from bodyshop_core.storage.remote_place import RemotePlace

if TYPE_CHECKING:
    from bodyshop_core.storage.place_owner import Owner

THREADS = 8

_claims: dict[tuple[str, str | None], tuple[tuple[str | int, bool], Future[None]]] = {}
"""Place -> who asks now, and the answer: one thread asks whose it is, the others of the same
workspace share the answer, and those of another one ask after it."""

_claims_lock = threading.Lock()

PART = ".part"
"""How names end of what is being written, or was when its process was killed."""

Stored = tuple[str, str]
"""Name below the place, and version; empty where there are none."""


def claim(place: RemotePlace, *, leave_note: bool = True) -> None:
    """Make sure, before something is written or removed, that a place is the caller's own.

    The first workspace that writes to a place leaves a note there, see
    `bodyshop_core.storage.ownership`. Each process asks once.

    Parameters
    ----------
    place : RemotePlace
        The place.
    leave_note : bool
        False before something that only counts.

    Raises
    ------
    ForeignPlaceError
        It belongs to another workspace; or it is nobody's yet, and inside of such a place or around
        one. Who was there first is not refused.
    TransientError
        The store does not answer.
    """
    if (owner := place.owner) is None or ownership.known.has(place, owner.known):
        return
    key, who = (place.url, place.endpoint), (owner.known or id(owner), leave_note)
    answer: Future[None] = Future()
    while True:
        with _claims_lock:
            by, asked = _claims.setdefault(key, (who, answer))
        if asked is answer:
            break
        if by == who:
            asked.result()
            return
        with contextlib.suppress(Exception):
            asked.result()
    try:
        if not ownership.known.has(place, owner.known):
            _claim(place, owner, leave_note)
        answer.set_result(None)
    except Exception as error:
        answer.set_exception(error)
        raise
    finally:
        answer.cancel()  # by Ctrl-C: nobody waits for ever
        with _claims_lock:
            del _claims[key]


def _claim(place: RemotePlace, owner: Owner, leave_note: bool) -> None:
    found = ownership.read_note(place)
    if found is None and not leave_note:
        return
    if found is None:
        found = _leave_note(place, owner)
    # After the note was read: whoever left it had an id by then.
    ownership.refuse_foreign(place, found, owner.find())
    if ownership.refuse_copy(place, found, owner.where()) and leave_note:
        note = ownership.new_note(place, owner.make(), owner.where())
        _write(place, ownership.NOTE, note, "overwrite")
    nesting.warn_of_place_around(place, owner.make())
    ownership.known.add(place, owner.make())


def _leave_note(place: RemotePlace, owner: Owner) -> dict[str, str]:
    """Return the note at a place that had none: ours, unless another workspace was faster."""
    own = owner.make()
    nesting.refuse_nested(place, own)
    try:
        _write(place, ownership.NOTE, ownership.new_note(place, own, owner.where()), "create")
    except FileExistsError:
        return ownership.read_note(place) or {}
    try:  # once more: a place around or inside may have been taken meanwhile
        nesting.refuse_nested(place, own)
    except ownership.ForeignPlaceError:
        with place.talking(ownership.NOTE, "removed") as filesystem:
            filesystem.rm_file(place.address(ownership.NOTE))
        raise
    return ownership.read_note(place) or {}


def create(place: RemotePlace, name: str, data: bytes) -> None:
    """Write an object that is not there yet.

    Raises
    ------
    FileExistsError
        It is there; only S3 says so, elsewhere it is written again.
    TransientError
        The store does not answer, or refuses.
    """
    claim(place)
    _write(place, name, data, "create")


def overwrite(place: RemotePlace, name: str, data: bytes) -> None:
    """Write an object, in place of what is there.

    Raises
    ------
    TransientError
        The store does not answer, or refuses.
    """
    claim(place)
    _write(place, name, data, "overwrite")


def sizes(place: RemotePlace, folder: str) -> dict[str, int]:
    """Return name below the place -> bytes of all objects in a folder; earlier versions are not.

    Raises
    ------
    TransientError
        The store does not answer.
    """
    return {name: size for name, (size, _) in written(place, folder).items()}


def written(place: RemotePlace, folder: str) -> dict[str, tuple[int, float]]:
    """Return name -> bytes and UNIX time of all objects in a folder, as `sizes`.

    Raises
    ------
    TransientError
        The store does not answer.
    """
    try:
        with place.talking(f"{folder}/*", "listed") as filesystem:
            root = filesystem._strip_protocol(place.url).rstrip("/")
            found = filesystem.find(f"{root}/{folder}", detail=True)
            return {
                str(path).removeprefix(f"{root}/"): (int(about["size"]), _time(about))
                for path, about in found.items()
                if not str(path).endswith(PART)
            }
    except LostBlobError:
        return {}


def folders(place: RemotePlace, folder: str) -> list[str]:
    """Return the names of the folders in a folder, those with nothing but earlier versions, too.

    Raises
    ------
    TransientError
        The store does not answer.
    """
    try:
        with place.talking(f"{folder}/*", "listed") as filesystem:
            if is_s3(filesystem):
                _, prefix = _bucket(place.url)
                pages = _pages(filesystem, place.url, f"{folder}/", Delimiter="/")
                listed = [each["Prefix"] for page in pages for each in page["CommonPrefixes"]]
                return [each.removeprefix(f"{prefix}{folder}/").rstrip("/") for each in listed]
            root = filesystem._strip_protocol(place.url).rstrip("/")
            inside = filesystem.ls(f"{root}/{folder}", detail=True)
            return [
                str(each["name"]).rsplit("/", 1)[-1]
                for each in inside
                if each["type"] == "directory"
            ]
    except LostBlobError:
        return []


def versions(place: RemotePlace, start: str) -> list[Stored]:
    """List objects whose name begins so, with all their versions and the marks that hide them.

    A start that ends with a slash is a folder, with what is in its folders.

    Raises
    ------
    TransientError
        The store does not answer, or does not allow it.
    """
    try:
        with place.talking(f"{start}*", "listed") as filesystem:
            if is_s3(filesystem):
                _, prefix = _bucket(place.url)
                return [
                    (each["Key"].removeprefix(prefix), each.get("VersionId") or "")
                    for page in _pages(filesystem, place.url, start)
                    for each in page.get("Versions", []) + page.get("DeleteMarkers", [])
                ]
            folder, _, name = start.rpartition("/")
            if not name:
                root = filesystem._strip_protocol(place.url).rstrip("/")
                inside = filesystem.find(f"{root}/{folder}")
                return [(str(each).removeprefix(f"{root}/"), "") for each in inside]
            found = filesystem.ls(f"{place.url}/{folder}", False)
            names = [f"{folder}/{str(each).rsplit('/', 1)[-1]}" for each in found]
    except LostBlobError:
        return []
    return [(name, "") for name in names if name.startswith(start)]


def all_versions(place: RemotePlace, starts: Iterable[str]) -> list[Stored]:
    """List what `versions` lists of each start, several at once.

    Raises
    ------
    TransientError
        The store does not answer, or does not allow it.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        return list(chain.from_iterable(pool.map(partial(versions, place), starts)))


def delete(place: RemotePlace, stored: Iterable[Stored]) -> None:
    """Remove objects and versions, several at once.

    Raises
    ------
    TransientError
        The store does not answer, or does not allow it.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(partial(_delete, place), stored))


def label(place: RemotePlace, stored: Stored) -> str:
    """Return what messages call an object or a version."""
    name, version = stored
    return f"{place.url}/{name}" + (f" (version {version})" if version else "")


def is_s3(filesystem: Any) -> bool:
    """Return whether a file system of fsspec is that of S3."""
    named = filesystem.protocol
    return "s3" in ((named,) if isinstance(named, str) else tuple(named))


def _delete(place: RemotePlace, stored: Stored) -> None:
    claim(place)
    name, version = stored
    with place.talking(name, "removed") as filesystem:
        if not is_s3(filesystem):
            filesystem.rm_file(f"{place.url}/{name}")
            return
        bucket, prefix = _bucket(place.url)
        key = {"VersionId": version} if version else {}
        filesystem.call_s3("delete_object", Bucket=bucket, Key=f"{prefix}{name}", **key)


def _write(place: RemotePlace, name: str, data: bytes, mode: str) -> None:
    with place.talking(name, "written") as filesystem:
        address = place.address(name)
        if not is_s3(filesystem):
            filesystem.makedirs(address.rsplit("/", 1)[0], exist_ok=True)
            _write_whole(filesystem, address, data)
            return
        try:
            filesystem.pipe_file(address, data, mode=mode)
        except OSError as error:
            if _code(error) in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise FileExistsError(address) from error
            raise


def _write_whole(filesystem: Any, address: str, data: bytes) -> None:
    """Write a file under another name first: not every file system writes whole or not at all."""
    temporary = f"{address}.{uuid.uuid4().hex[:12]}{PART}"
    filesystem.pipe_file(temporary, data)
    filesystem.mv(temporary, address)


def _time(about: dict[str, Any]) -> float:
    """Return when an object was written, as the file systems of fsspec say it."""
    found = about.get("LastModified") or about.get("mtime") or about.get("created") or time.time()
    return float(found.timestamp() if isinstance(found, datetime) else found)


def _code(error: OSError) -> str:
    """Return what S3 calls an error; empty for errors of other kinds."""
    answer = getattr(error.__cause__, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))


def _bucket(url: str) -> tuple[str, str]:
    """Return bucket and prefix (empty, or ending with a slash) of an address."""
    bucket, _, prefix = url.partition("://")[2].partition("/")
    return bucket, f"{prefix}/" if prefix else ""


def _pages(filesystem: Any, url: str, start: str, **more: str) -> list[dict[str, Any]]:
    """Ask for all versions of the objects whose name begins so, page by page."""
    bucket, prefix = _bucket(url)
    pages: list[dict[str, Any]] = []
    asked: dict[str, str] = {}
    while True:
        page = filesystem.call_s3(
            "list_object_versions", Bucket=bucket, Prefix=f"{prefix}{start}", **more, **asked
        )
        pages.append({"CommonPrefixes": [], **page})
        if not page.get("IsTruncated"):
            return pages
        asked = {
            "KeyMarker": page["NextKeyMarker"],
            "VersionIdMarker": page.get("NextVersionIdMarker", ""),
        }
