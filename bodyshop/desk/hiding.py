"""Number plates and faces that are proposed: which wait for a person, and the row of a decision."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop.desk.waiting import Waiting
from bodyshop.export.hiding import KINDS
from bodyshop.export.proposed import (
    Region,
    decided_regions,
    proposals,
    stored_proposals,
)
from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import BodyshopError, NothingFoundError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bodyshop_core.workspace import Workspace

_READ_AHEAD = 20
_PART = 500


class HidingQueue:
    """The kept pictures with proposed regions; those not searched yet are, beside the requests.

    Parameters
    ----------
    workspace : Workspace
        Keeps proposals and decisions.
    read_only : bool
        Search nothing, since what is found is kept.
    """

    def __init__(self, workspace: Workspace, *, read_only: bool = False) -> None:
        self.workspace, self.read_only = workspace, read_only
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._waiting = Waiting({}, {})
        self._refreshed: set[str] = set()
        self._searched = self._of = self._unread = 0
        self._state: dict[str, Any] = {"state": "idle"}

    def start(self) -> dict[str, Any]:
        """Read what was proposed and decided, and search the rest, unless that is done already."""
        with self._lock:
            if self._state["state"] != "running":
                self._state = {"state": "running"}
                threading.Thread(target=self._run, name="hiding", daemon=True).start()
        return self.state()

    def stop(self) -> None:
        """End the search; what was found is kept."""
        self._stop.set()

    def state(self) -> dict[str, Any]:
        """Return how it stands.

        Returns
        -------
        dict
            ``state`` (``idle``, ``running``, ``done``, ``failed``); ``searched`` of ``of`` kept
            pictures, but for ``unread`` ones; ``waiting``, regions about which nobody said
            anything, in ``pictures``; when failed ``error``.
        """
        with self._lock:
            return {
                **self._state, "searched": self._searched, "of": self._of, "unread": self._unread,
                "waiting": self._waiting.regions, "pictures": self._waiting.pictures,
            }  # fmt: skip

    def next(self, after: str, step: int) -> dict[str, Any] | None:
        """Return the picture behind (or before) another one that waits, None where none does."""
        while True:
            with self._lock:
                names = self._waiting.near(after, step, _READ_AHEAD)
            if not names:
                return None
            self.refresh(names)
            with self._lock:
                found = next((sha256 for sha256 in names if sha256 in self._waiting), None)
            if found is not None:
                return self._shown(found)
            after = names[-1]

    def picture(self, sha256: str) -> dict[str, Any]:
        """Return the size of a picture and its regions, each with what was said about it.

        Raises
        ------
        NothingFoundError
            Nothing is proposed there.
        """
        self.refresh([sha256])
        return self._shown(sha256)

    def refresh(self, pictures: Sequence[str]) -> None:
        """Read again what people said about some pictures, and whether they are still kept."""
        kept = _kept_among(self.workspace, pictures)
        decided = decided_regions(self.workspace, list(pictures))
        with self._lock:
            self._refreshed.update(pictures)
            for sha256 in pictures:
                if sha256 in kept:
                    self._waiting.decide(sha256, decided.get(sha256, {}))
                elif self._waiting.remove(sha256):
                    self._searched -= 1
                    self._of -= 1

    def _shown(self, sha256: str) -> dict[str, Any]:
        with self._lock:
            found = self._waiting.of(sha256)
        if found is None:
            raise NothingFoundError(f"nothing is proposed in {sha256[:12]}")
        (width, height), regions = found[0].size, found[0].regions
        shown = [
            {"kind": kind, "box": list(box), "hide": found[1].get((kind, box))}
            for kind, box in regions
        ]
        return {"sha256": sha256, "width": width, "height": height, "regions": shown}

    def _run(self) -> None:
        state: dict[str, Any] = {"state": "done"}
        try:
            self._search()
        except BodyshopError as error:
            state = {"state": "failed", "error": str(error)}
        except Exception as error:  # noqa: BLE001 - a thread's error would be lost: it is shown
            state = {"state": "failed", "error": f"{type(error).__name__}: {error}"}
        with self._lock:
            self._state = state

    def _search(self) -> None:
        with self._lock:
            self._refreshed.clear()
        kept = _kept(self.workspace)
        known = {
            sha256: each
            for sha256, each in stored_proposals(self.workspace).items()
            if sha256 in kept
        }
        waiting = Waiting(known, decided_regions(self.workspace))
        with self._lock:
            self._waiting, self._unread = waiting, 0
            self._searched, self._of = len(known), len(kept)
            since = list(self._refreshed)
        self.refresh(since)  # decided while this was read
        rest = {sha256: read for sha256, read in kept.items() if sha256 not in known}
        if self.read_only or not rest:
            return
        for sha256, found in proposals(self.workspace, rest, at_once=1, skip=self._skip):
            with self._lock:
                self._searched += 1
                self._waiting.add(sha256, found)
            if found.regions:
                self.refresh([sha256])  # erased meanwhile, or decided before
            if self._stop.is_set():
                return

    def _skip(self, sha256: str, error: BodyshopError) -> None:
        with self._lock:
            self._unread += 1


def read_regions(given: Any) -> dict[Region, bool | None]:
    """Read regions that the page sent, each with what it showed that was said about it.

    Raises
    ------
    UsageError
        They are none.
    """
    found: dict[Region, bool | None] = {}
    try:
        for each in given or ():
            left, top, width, height = (int(number) for number in each["box"])
            seen = each.get("hide")
            found[str(each["kind"]), (left, top, width, height)] = (
                None if seen is None else bool(seen)
            )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise UsageError("these are no regions", hint="each has a kind and a box") from error
    return found


def decision_row(
    connection: Connection, sha256: str, seen: Mapping[Region, bool | None], hide: bool, by: str
) -> dict[str, Any]:
    """Return a picture's row of `hiding_decisions` after regions were confirmed or refused.

    Raises
    ------
    UsageError
        No region is named, or one that was not proposed, or about which something else was said
        than the person saw.
    """
    if not seen:
        raise UsageError("no region is chosen")
    said: dict[Region, Mapping[str, Any]] = {}
    query = select(schema.hiding_decisions.c.regions).where(
        schema.hiding_decisions.c.sha256 == sha256
    )
    for each in connection.scalar(query) or ():
        left, top, width, height = each["box"]
        said[each["kind"], (left, top, width, height)] = each
    proposed = {*said, *_proposed_in(connection, sha256)}
    for (kind, box), hidden in seen.items():
        if (kind, box) not in proposed:
            raise UsageError(f"no {kind} are proposed there", hint="open the queue again")
        _check_unchanged(said.get((kind, box)), hidden)
        said[kind, box] = {"kind": kind, "box": list(box), "hide": hide, "by": by}
    return {"sha256": sha256, "regions": list(said.values()), "by": by, "at": now()}


def _check_unchanged(said: Mapping[str, Any] | None, seen: bool | None) -> None:
    """Refuse to replace what somebody said that the person who decides didn't see."""
    if said is None:
        if seen is not None:
            raise UsageError("what was said about this was taken back since", hint="look again")
    elif said["hide"] != seen:
        who, what = said["by"].removeprefix("desk:"), "it is one" if said["hide"] else "it is none"
        raise UsageError(f"{who} said since: {what}", hint="look again; a second answer counts")


def _proposed_in(connection: Connection, sha256: str) -> set[Region]:
    table = schema.hiding_proposals
    query = select(table.c.kind, table.c.boxes).where(
        table.c.sha256 == sha256, table.c.kind.in_(KINDS)
    )
    return {
        (kind, (box[0], box[1], box[2], box[3]))
        for kind, boxes in connection.execute(query)
        for box in boxes
    }


def _kept(workspace: Workspace) -> dict[str, Callable[[], bytes]]:
    images, verdicts = schema.images, schema.verdicts
    query = (
        select(images.c.sha256, images.c.extension)
        .join(verdicts, verdicts.c.sha256 == images.c.sha256)
        .where(verdicts.c.verdict == "keep")
        .order_by(images.c.sha256)
    )
    with workspace.catalog.read() as connection:
        found = connection.execute(query).all()
    return {sha256: partial(_read, workspace, sha256, extension) for sha256, extension in found}


def _kept_among(workspace: Workspace, pictures: Sequence[str]) -> set[str]:
    verdicts = schema.verdicts
    found: set[str] = set()
    with workspace.catalog.read() as connection:
        for start in range(0, len(pictures), _PART):
            part = pictures[start : start + _PART]
            query = select(verdicts.c.sha256).where(
                verdicts.c.sha256.in_(part), verdicts.c.verdict == "keep"
            )
            found.update(connection.scalars(query))
    return found


def _read(workspace: Workspace, sha256: str, extension: str) -> bytes:
    return workspace.blobs.ref(sha256, extension).read_bytes()
