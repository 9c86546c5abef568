"""Number plates and faces that are proposed: which wait for a person, and the row of a decision."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop.export.hiding import KINDS
from bodyshop.export.proposed import (
    Proposed,
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


class HidingQueue:
    """The kept pictures with proposed regions; those not searched yet are, beside the requests.

    Parameters
    ----------
    workspace : Workspace
        Keeps proposals and decisions.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._proposed: dict[str, Proposed] = {}
        self._decided: dict[str, dict[Region, bool]] = {}
        self._order: list[str] = []
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
            waiting = [len(self._waiting(sha256)) for sha256 in self._order]
            return {
                **self._state, "searched": self._searched, "of": self._of, "unread": self._unread,
                "waiting": sum(waiting), "pictures": sum(each > 0 for each in waiting),
            }  # fmt: skip

    def next(self, after: str, step: int) -> dict[str, Any] | None:
        """Return the picture behind (or before) another one that waits, None where none does."""
        with self._lock:
            place = (
                bisect_right(self._order, after) if step > 0 else bisect_left(self._order, after)
            )
            rest = self._order[place:] if step > 0 else reversed(self._order[:place])
            found = next((sha256 for sha256 in rest if self._waiting(sha256)), None)
        return None if found is None else self.picture(found)

    def picture(self, sha256: str) -> dict[str, Any]:
        """Return the size of a picture and its regions, each with what was said about it.

        Raises
        ------
        NothingFoundError
            Nothing is proposed there.
        """
        with self._lock:
            proposed = self._proposed.get(sha256)
            if proposed is None:
                raise NothingFoundError(f"nothing is proposed in {sha256[:12]}")
            decided = self._decided.get(sha256, {})
            regions = [
                {"kind": kind, "box": list(box), "hide": decided.get((kind, box))}
                for kind, box in proposed.regions
            ]
        width, height = proposed.size
        return {"sha256": sha256, "width": width, "height": height, "regions": regions}

    def refresh(self, pictures: Sequence[str]) -> None:
        """Read again what people said about some pictures."""
        found = decided_regions(self.workspace, list(pictures))
        with self._lock:
            for sha256 in pictures:
                self._decided[sha256] = found.get(sha256, {})

    def _waiting(self, sha256: str) -> list[Region]:
        return self._proposed[sha256].undecided(self._decided.get(sha256, {}))

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
        kept = _kept(self.workspace)
        known = {
            sha256: each
            for sha256, each in stored_proposals(self.workspace).items()
            if sha256 in kept
        }
        decided = decided_regions(self.workspace)
        with self._lock:
            self._decided, self._unread = decided, 0
            self._searched, self._of = len(known), len(kept)
            self._proposed = {sha256: each for sha256, each in known.items() if each.regions}
            self._order = sorted(self._proposed)
        rest = {sha256: read for sha256, read in kept.items() if sha256 not in known}
        for sha256, found in proposals(self.workspace, rest, at_once=1, skip=self._skip):
            with self._lock:
                self._searched += 1
                if found.regions:
                    self._proposed[sha256] = found
                    self._order.insert(bisect_left(self._order, sha256), sha256)
            if self._stop.is_set():
                return

    def _skip(self, sha256: str, error: BodyshopError) -> None:
        with self._lock:
            self._unread += 1


def read_regions(given: Any) -> tuple[Region, ...]:
    """Read regions that the page sent.

    Raises
    ------
    UsageError
        They are none.
    """
    try:
        found = []
        for each in given or ():
            left, top, width, height = (int(number) for number in each["box"])
            found.append((str(each["kind"]), (left, top, width, height)))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError("these are no regions", hint="each has a kind and a box") from error
    return tuple(found)


def decision_row(
    connection: Connection, sha256: str, regions: Sequence[Region], hide: bool, by: str
) -> dict[str, Any]:
    """Return a picture's row of `hiding_decisions` after regions were confirmed or refused.

    Raises
    ------
    UsageError
        No region is named, or one that was not proposed.
    """
    if not regions:
        raise UsageError("no region is chosen")
    said: dict[Region, Mapping[str, Any]] = {}
    query = select(schema.hiding_decisions.c.regions).where(
        schema.hiding_decisions.c.sha256 == sha256
    )
    for each in connection.scalar(query) or ():
        left, top, width, height = each["box"]
        said[each["kind"], (left, top, width, height)] = each
    proposed = {*said, *_proposed_in(connection, sha256)}
    for kind, box in regions:
        if (kind, box) not in proposed:
            raise UsageError(f"no {kind} are proposed there", hint="open the queue again")
        said[kind, box] = {"kind": kind, "box": list(box), "hide": hide, "by": by}
    return {"sha256": sha256, "regions": list(said.values()), "by": by, "at": now()}


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


def _read(workspace: Workspace, sha256: str, extension: str) -> bytes:
    return workspace.blobs.ref(sha256, extension).read_bytes()
