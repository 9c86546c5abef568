"""Who works on what, of several collectors on one ledger: leases that end with their collector.

A page or candidate in progress carries the id of its collector (`collector.ledger.membership`).
Leases are given, and outcomes are written, inside `Catalog.begin`, which lets one writer in at a
time: two collectors never choose at once (``SKIP LOCKED`` would have nothing to skip), and one that
was silent for too long finds out in the transaction that would have written its outcome. Only for
PostgreSQL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    func,
    select,
    text,
    tuple_,
    update,
)

from bodyshop_core.catalog import Catalog, schema
from collector.candidate import Candidate, Task
from collector.ledger.known_pictures import known_pictures
from collector.ledger.membership import Membership
from collector.net.outcome import StoredPicture
from collector.weburl import host_of, is_web_address, url_key

AT_ONCE = 1000
"""Candidates that one collector holds."""

PER_HOST = 64
PER_HOST_SECONDS = 2.0
"""Most candidates on one host with all collectors: those of the next seconds, at most 64.

Enough for the time until the next look at the ledger, few enough to share the work.
"""

LOOK_AHEAD = 200
"""Open pages among which those of the least busy hosts are chosen."""

OVER_LIMIT = 400
"""Candidates of models that have all of their pictures, settled at a time."""

_CHUNK = 500


@dataclass
class LeasedWork:
    """What a collector got to do.

    Parameters
    ----------
    tasks : list of Task
        Pages and queries.
    candidates : list of Candidate
        Downloads.
    pages : dict
        Candidate key -> key of its page.
    over_limit : list of Candidate
        To be refused: their models have all of their pictures.
    elsewhere : int
        Pages, queries and downloads of its plan that others are at.
    """

    tasks: list[Task] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)
    over_limit: list[Candidate] = field(default_factory=list)
    elsewhere: int = 0

    def __bool__(self) -> bool:
        return bool(self.tasks or self.candidates or self.over_limit)


class Leases:
    """The leases of one collector; for its driving thread alone.

    Parameters
    ----------
    member : Membership
        The collector.
    scope : collection of (brand, model)
        What it may download.
    per_model : int
        Most pictures of a model.
    needs_browser : callable
        Returns whether a task does.

    Attributes
    ----------
    candidates, tasks : set of str
        Keys of what it has to do.
    have : dict
        `url_key` -> what was downloaded from it, of the addresses that came up so far.
    """

    def __init__(
        self,
        member: Membership,
        scope: Collection[tuple[str, str]],
        per_model: int,
        needs_browser: Callable[[Task], bool],
    ) -> None:
        self.member, self.id = member, member.id
        self.candidates: set[str] = set()
        self.tasks: set[str] = set()
        self.have: dict[str, StoredPicture] = {}
        self._open, self._full = set(scope), set[tuple[str, str]]()
        self._per_model, self._needs_browser = per_model, needs_browser

    def still_ours(self, connection: Connection, keys: Sequence[str]) -> set[str]:
        """Return those of some candidates that no other collector has taken over.

        Raises
        ------
        LeaseLostError
            All of them may have been.
        """
        self.member.others(connection)
        table, found = schema.candidates, set[str]()
        for at in range(0, len(keys), _CHUNK):
            part = table.c.key.in_(keys[at : at + _CHUNK]) & (table.c.lease == self.id)
            found.update(connection.scalars(select(table.c.key).where(part)))
        return found

    def take(
        self, connection: Connection, *, room: int, pending: list[Task], free: Mapping[bool, int]
    ) -> LeasedWork:
        """Lease what may be done next.

        Parameters
        ----------
        connection : Connection
            Of a transaction from `Catalog.begin`.
        room : int
            Most downloads.
        pending : list of Task
            Of the plan, in its order; those that are taken here or done elsewhere are removed.
        free : Mapping
            Most pages that need a browser (True), and most that don't (False).
        """
        others = self.member.others(connection)
        work = LeasedWork()
        self._take_tasks(connection, work, pending, dict(free), others)
        places = self._places(connection, others)
        if room > 0:
            self._take_candidates(connection, work, room, places, others)
            if not work.candidates:
                self._take_over_limit(connection, work, others)
        work.elsewhere += self._at_work(connection, others)
        return work

    def take_new(
        self, connection: Connection, found: Sequence[Candidate], urgent: Collection[str]
    ) -> list[Candidate]:
        """Lease candidates that were entered in this transaction.

        `urgent` are the keys of those that only this collector has the bytes of; the rest is
        shared with the others, if there are any.
        """
        others = self.member.others(connection)
        chosen = [each for each in found if each.key in urgent]
        if not others:
            room = max(0, AT_ONCE - len(self.candidates) - len(chosen))
            chosen += [each for each in found if each.key not in urgent][:room]
        return self._lease(connection, chosen, self._places(connection, others), others)

    def placed(self, connection: Connection, found: Sequence[Candidate]) -> list[Candidate]:
        """Return those of some new candidates that have a place, and whose bytes are there."""
        left, placed = self._places(connection, self.member.others(connection)), list[Candidate]()
        for each in found:
            car = (each.brand, each.model)
            if left[car] > 0:
                left[car] -= 1
                placed.append(each)
        return placed

    def _take_tasks(
        self, connection: Connection, work: LeasedWork, pending: list[Task],
        free: dict[bool, int], others: list[str],
    ) -> None:  # fmt: skip
        """Take tasks of the hosts on which the fewest pages are open."""
        pages, ready, open_on = schema.pages, list[Task](), Counter[str]()
        at = 0
        while at < len(pending) and len(ready) < LOOK_AHEAD:
            part = pending[at : at + LOOK_AHEAD]
            query = select(pages.c.key, pages.c.lease).where(pages.c.state == "queued")
            rows = connection.execute(query.where(pages.c.key.in_([each.key for each in part])))
            lease_of = {row.key: row.lease for row in rows}
            keep = [each for each in part if each.key in lease_of]
            pending[at : at + len(part)] = keep
            at += len(keep)
            elsewhere = [each for each in keep if lease_of[each.key] in others]
            open_on.update(map(_host, elsewhere))
            work.elsewhere += len(elsewhere)
            ready += [each for each in keep if lease_of[each.key] not in others]
        while fit := [each for each in ready if free.get(self._needs_browser(each), 0) > 0]:
            chosen = min(fit, key=lambda each: open_on[_host(each)])
            ready.remove(chosen)
            pending.remove(chosen)
            open_on[_host(chosen)] += 1
            free[self._needs_browser(chosen)] -= 1
            work.tasks.append(chosen)
        keys = [each.key for each in work.tasks]
        if keys:
            connection.execute(update(pages).where(pages.c.key.in_(keys)).values(lease=self.id))
            self.tasks.update(keys)

    def _places(self, connection: Connection, others: list[str]) -> Counter[tuple[str, str]]:
        """Return how many pictures each model of the scope may still get."""
        c = schema.candidates.c
        car = tuple_(c.brand, c.model)
        places = Counter(dict.fromkeys(self._open, self._per_model))
        if not self._open:
            return places
        done = select(c.brand, c.model, func.count()).where(
            c.state == "done", car.in_(sorted(self._open))
        )
        for brand, model, count in connection.execute(done.group_by(c.brand, c.model)):
            places[brand, model] -= count
        full = {each for each in self._open if places[each] <= 0}
        self._full |= full
        self._open -= full
        leased = select(c.brand, c.model, func.count()).where(
            c.state == "queued", c.lease.in_([*others, self.id])
        )
        for brand, model, count in connection.execute(leased.group_by(c.brand, c.model)):
            places[brand, model] -= count
        return places

    def _take_candidates(
        self, connection: Connection, work: LeasedWork, room: int,
        places: Mapping[tuple[str, str], int], others: list[str],
    ) -> None:  # fmt: skip
        cars = sorted(each for each in self._open if places[each] > 0)
        if not cars:
            return
        rows = connection.execute(
            _PICK,
            {
                "live": [*others, self.id], "room": room,
                "most": PER_HOST, "seconds": PER_HOST_SECONDS,
                "brands": [brand for brand, _ in cars], "models": [model for _, model in cars],
            },
        ).all()  # fmt: skip
        found = self._read(connection, [row.key for row in rows])
        work.candidates = self._lease(connection, found, places, others)
        work.pages = {row.key: row.page_key for row in rows}

    def _take_over_limit(self, connection: Connection, work: LeasedWork, others: list[str]) -> None:
        """Take what is left of models that have all of their pictures.

        A further sighting of a picture that is there needs no place.
        """
        if not self._full:
            return
        c = schema.candidates.c
        free = c.lease.is_(None) | c.lease.not_in([*others, self.id])
        query = select(c.key).where(
            c.state == "queued", free, tuple_(c.brand, c.model).in_(sorted(self._full))
        )
        found = self._read(connection, connection.scalars(query.limit(OVER_LIMIT)).all())
        known = self._known(connection, found)
        nobody: Mapping[tuple[str, str], int] = Counter()
        work.candidates = self._lease(
            connection, [each for each in found if url_key(each.url) in known], nobody, others
        )
        taken = {each.key for each in work.candidates}
        work.over_limit = [each for each in found if each.key not in taken]
        self._note(connection, work.over_limit)

    def _lease(
        self, connection: Connection, found: Sequence[Candidate],
        places: Mapping[tuple[str, str], int], others: list[str],
    ) -> list[Candidate]:  # fmt: skip
        """Lease those that have a place, and whose address nobody else is asking."""
        if not found:
            return []
        c = schema.candidates.c
        asked = select(c.address).where(
            c.state == "queued", c.lease.in_(others), c.address.in_([e.address for e in found])
        )
        busy = set(connection.scalars(asked)) if others else set()
        self.have.update(self._known(connection, found))
        left, taken = Counter(places), []
        for each in found:
            car = (each.brand, each.model)
            if each.address in busy:
                continue
            if url_key(each.url) not in self.have or any(a.unproven for a in each.url_candidates):
                if left[car] <= 0:
                    continue
                left[car] -= 1
            taken.append(each)
        self._note(connection, taken)
        return taken

    def _note(self, connection: Connection, taken: Iterable[Candidate]) -> None:
        table, keys = schema.candidates, [each.key for each in taken]
        if keys:
            connection.execute(update(table).where(table.c.key.in_(keys)).values(lease=self.id))
            self.candidates.update(keys)

    @staticmethod
    def _known(connection: Connection, found: Sequence[Candidate]) -> dict[str, StoredPicture]:
        return known_pictures(connection, sorted({each.address for each in found}))

    @staticmethod
    def _read(connection: Connection, keys: Sequence[str]) -> list[Candidate]:
        table = schema.candidates
        query = select(table.c.key, table.c.details).where(table.c.key.in_(keys))
        by_key = {row.key: row.details for row in connection.execute(query)} if keys else {}
        return [Candidate.from_dict(by_key[key], key=key) for key in keys]

    def _at_work(self, connection: Connection, others: list[str]) -> int:
        """Return the number of downloads of the scope that others are at."""
        c = schema.candidates.c
        scope = self._open | self._full
        if not others or not scope:
            return 0
        query = select(func.count()).where(
            c.state == "queued", c.lease.in_(others), tuple_(c.brand, c.model).in_(sorted(scope))
        )
        return int(connection.execute(query).scalar_one())


def complete_addresses(catalog: Catalog) -> None:
    """Fill the column ``address`` of candidates that an older version entered.

    In many transactions: others write between them.
    """
    table = schema.candidates
    missing = select(table.c.key, table.c.details).where(table.c.address.is_(None))
    missing = missing.order_by(table.c.key).limit(_CHUNK)
    statement = update(table).where(table.c.key == bindparam("of_key"))
    statement = statement.values(address=bindparam("to_address"))
    after = ""
    while True:
        with catalog.begin() as connection:
            rows = connection.execute(missing.where(table.c.key > after)).all()
            if not rows:
                return
            values: list[dict[str, Any]] = [
                {"of_key": row.key, "to_address": Candidate.from_dict(row.details).address}
                for row in rows
            ]
            connection.execute(statement, values)
        after = rows[-1].key


def _host(task: Task) -> str:
    return host_of(task.url) if is_web_address(task.url) else ""


_PICK = text("""
WITH RECURSIVE waiting (host) AS (
    (SELECT host FROM candidates WHERE state = 'queued' ORDER BY host LIMIT 1)
    UNION ALL
    SELECT (SELECT c.host FROM candidates c WHERE c.state = 'queued' AND c.host > w.host
            ORDER BY c.host LIMIT 1)
    FROM waiting w WHERE w.host IS NOT NULL
), busy AS (
    SELECT host, count(*) AS number FROM candidates
    WHERE state = 'queued' AND lease = ANY (:live) GROUP BY host
)
SELECT free.key, free.page_key
FROM waiting w LEFT JOIN busy ON busy.host = w.host
LEFT JOIN hosts named ON named.host = w.host
LEFT JOIN hosts ON hosts.host = coalesce(named.counts_as, w.host)
CROSS JOIN LATERAL (
    SELECT least(:most, greatest(4, ceil(:seconds / nullif(hosts.gap, 0)))) AS most
) room
CROSS JOIN LATERAL (
    SELECT q.key, q.page_key, q.updated_at,
           row_number() OVER (ORDER BY q.updated_at, q.key) + coalesce(busy.number, 0) AS place
    FROM candidates q
    WHERE q.host = w.host AND q.state = 'queued' AND (q.lease IS NULL OR q.lease <> ALL (:live))
      AND (q.brand, q.model) IN
          (SELECT * FROM unnest(CAST(:brands AS text[]), CAST(:models AS text[])))
    ORDER BY q.updated_at, q.key LIMIT :most
) free
WHERE w.host IS NOT NULL AND free.place <= room.most
ORDER BY free.place, free.updated_at, free.key LIMIT :room
""")
"""The candidates of the hosts on which the fewest are leased, the oldest of each host first.

The first part walks over the hosts by the index `candidates_queued`, instead of reading all rows.
"""
