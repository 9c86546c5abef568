"""The crawl's ledger in the catalog: what was found, what became of it, and what is left to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select, update

from bodyshop_core.catalog import Catalog, add_labels, now, pictures_among, schema
from bodyshop_core.catalog.dialect import insert_into
from bodyshop_core.workspace import Workspace
from collector.candidate import Candidate, Task
from collector.ledger.candidate_rows import (
    NEW_CANDIDATE,
    UPDATE_CANDIDATE,
    UPDATE_DETAILS,
    candidate_row,
)
from collector.ledger.journal import Journal
from collector.ledger.known_pictures import known_pictures
from collector.ledger.leases import Leases
from collector.ledger.other_pages import note_page, with_other_pages
from collector.ledger.places import with_places
from collector.ledger.record import JOURNAL_VERSION, DownloadRecord, promised_by
from collector.ledger.shared_bytes import BytesLook, say_something
from collector.ledger.tombstones import Tombstones, read_tombstones
from collector.net.outcome import StoredPicture

TEMPORARY = ("over_limit", "robots_unreachable", "host_disabled")
"""Outcomes of one run, not of the picture: the next run tries these again."""

SUCCESSES = ("done", "partial")
"""States of a page or query whose finds count."""

_QUEUED = {"state": "queued", "error_class": None, "error": None, "attempts": 0}

_CHUNK = 500  # parameters of one statement; SQLite's own limit is 32,766


class CrawlLedger:
    """Reads and writes `pages`, `candidates`, `sightings`; for the driving thread alone.

    Parameters
    ----------
    workspace : Workspace
        Of the collection.
    journal : Journal
        Of the downloads that other threads store at the same time.
    leases : Leases, optional
        Of this collector, if it is one of several.
    alone : bool
        No other collector stores pictures at the same time.
    """

    def __init__(
        self,
        workspace: Workspace,
        journal: Journal,
        *,
        leases: Leases | None = None,
        alone: bool = True,
    ) -> None:
        self._catalog: Catalog = workspace.catalog
        self._blobs, self._journal = workspace.blobs, journal
        self._leases, self._alone = leases, alone and leases is None
        self._tombstones = Tombstones()

    def open_tasks(self, tasks: Sequence[Task], *, refresh: bool = False) -> list[Task]:
        """Enter tasks and return those still to be done; a failed one is never marked as done.

        A partial one is only done again after `reopen_partial`.
        """
        if not tasks:
            return []
        pages = schema.pages
        with self._catalog.begin() as connection:
            enter_tasks(connection, tasks)
            done = set(
                connection.execute(
                    select(pages.c.key).where(pages.c.state.in_(SUCCESSES))
                ).scalars()
            )
        return [task for task in tasks if refresh or task.key not in done]

    def last_found(self, task: Task) -> int:
        """Return how many pictures this task found when it last succeeded, else 0."""
        query = select(schema.pages.c.found).where(schema.pages.c.key == task.key)
        with self._catalog.read() as connection:
            return int(connection.execute(query).scalar_one_or_none() or 0)

    def close_task(
        self, task: Task, state: str, *, found: int | None = None, error_class: str = "",
        error: str = "", recipe_version: str = "", announced: int | None = None,
        keep_success: bool = False,
    ) -> None:  # fmt: skip
        """Note how a task ended; `found` None keeps what an earlier run found.

        With `keep_success` a task that is done or partial stays as it is.
        """
        values: dict[str, Any] = {
            "state": state, "error_class": error_class or None, "error": error[:2000] or None,
            "recipe_version": recipe_version or None, "visited_at": now(), "lease": None,
        }  # fmt: skip
        if found is not None:
            values |= {"found": found, "announced": announced}
        statement = update(schema.pages).where(schema.pages.c.key == task.key)
        if keep_success:
            statement = statement.where(schema.pages.c.state.not_in(SUCCESSES))
        if self._leases is not None and task.key in self._leases.tasks:
            self._leases.tasks.discard(task.key)
            statement = statement.where(schema.pages.c.lease == self._leases.id)
        with self._catalog.begin() as connection:
            connection.execute(statement.values(values))

    def enter(
        self, task: Task, candidates: Sequence[Candidate], *, urgent: Collection[str] = ()
    ) -> list[Candidate]:
        """Enter candidates and return those the ledger did not have.

        One of several collectors gets those that it may download: first those with `urgent` keys,
        of which only this process has the bytes.
        """
        with self._catalog.begin() as connection:
            new = self._enter(connection, task, candidates)
            if self._leases is None:
                return new
            return self._leases.take_new(connection, new, urgent)

    def _enter(
        self, connection: Connection, task: Task, candidates: Sequence[Candidate]
    ) -> list[Candidate]:
        table = schema.candidates
        by_key: dict[str, Candidate] = {}
        for candidate in candidates:
            by_key.setdefault(candidate.key, candidate)
        keys = list(by_key)
        for at in range(0, len(keys), _CHUNK):
            known = select(table.c.key).where(table.c.key.in_(keys[at : at + _CHUNK]))
            have = connection.execute(known).scalars().all()
            note_page(connection, task.key, have)
            for key in have:
                del by_key[key]
        if by_key:
            entered, page = now(), task.key
            rows = [candidate_row(page, candidate, entered) for candidate in by_key.values()]
            connection.execute(NEW_CANDIDATE, rows)
        return list(by_key.values())

    def queued(self) -> list[Candidate]:
        """Return what an earlier run left: queued, or turned away for a reason of that run."""
        table = schema.candidates
        query = (
            select(table.c.details, table.c.key)
            .where((table.c.state == "queued") | table.c.error_class.in_(TEMPORARY))
            .order_by(table.c.updated_at, table.c.key)
        )
        with self._catalog.read() as connection:
            rows = connection.execute(query)
            return [Candidate.from_dict(row.details, key=row.key) for row in rows]

    def pages_of_queued(self) -> dict[str, str]:
        """Return candidate key -> key of its page, of all that is queued."""
        table = schema.candidates
        query = select(table.c.key, table.c.page_key).where(table.c.state == "queued")
        with self._catalog.read() as connection:
            return {row.key: row.page_key for row in connection.execute(query)}

    def requeue_failed(self, error_class: str | None = None) -> int:
        """Queue failed candidates again, all or those of one class; return how many."""
        table = schema.candidates
        statement = update(table).where(table.c.state == "failed")
        if error_class:
            statement = statement.where(table.c.error_class == error_class)
        with self._catalog.begin() as connection:
            return int(connection.execute(statement.values(_QUEUED)).rowcount)

    def reopen_partial(self) -> int:
        """Queue the partial pages and queries again, and their failed pictures; return how many."""
        pages, table = schema.pages, schema.candidates
        partial = pages.c.state == "partial"
        statement = update(pages).where(partial).values(state="queued")
        failed = update(table).where(
            table.c.state == "failed", table.c.page_key.in_(select(pages.c.key).where(partial))
        )
        with self._catalog.begin() as connection:
            connection.execute(failed.values(_QUEUED))
            return int(connection.execute(statement).rowcount)

    def failed_classes(self) -> dict[str, int]:
        """Return error class -> number of failed candidates."""
        table = schema.candidates
        query = (
            select(table.c.error_class, func.count())
            .where(table.c.state == "failed")
            .group_by(table.c.error_class)
        )
        with self._catalog.read() as connection:
            return {str(name): int(count) for name, count in connection.execute(query)}

    def have(self) -> dict[str, StoredPicture]:
        """Return `url_key` -> what was downloaded from it, so that no address is asked twice."""
        with self._catalog.read() as connection:
            return known_pictures(connection)

    def taken(self) -> dict[tuple[str, str], int]:
        """Return (brand, model) -> pictures downloaded so far."""
        c = schema.candidates.c
        query = (
            select(c.brand, c.model, func.count())
            .where(c.state == "done")
            .group_by(c.brand, c.model)
        )
        with self._catalog.read() as connection:
            return {(brand, model): count for brand, model, count in connection.execute(query)}

    def settle(
        self, records: Iterable[DownloadRecord], *, found_by: Task | None = None
    ) -> dict[str, str]:
        """Write outcomes in one transaction; return candidate key -> the state written.

        A download whose bytes the catalog has already becomes ``duplicate``: a sighting, but no new
        picture. A download that a tombstone covers becomes ``refused``, and its bytes are removed:
        every way into the catalog passes here. A further sighting of a picture that was erased in
        the meantime becomes ``queued``: it has to be downloaded again.

        Parameters
        ----------
        records : iterable of DownloadRecord
            At most one per candidate.
        found_by : Task, optional
            The candidates are new: they are entered in the same transaction, and those that the
            ledger has already are left out, and their bytes removed unless a picture has them.
        """
        batch = list(records)
        if not batch:
            return {}
        settled = [] if found_by is not None else promised_by(batch)
        look = BytesLook(self._blobs)

        def before(connection: Connection) -> None:
            self._tombstones = read_tombstones(connection, self._tombstones)
            look.needed = bool(self._tombstones)
            if look.needed:
                pictures = [each.picture for each in batch if each.picture is not None]
                known = pictures_among(connection, [each.sha256 for each in pictures])
                look.look(connection, pictures, known)

        with self._catalog.begin(before=None if self._alone else before) as connection:
            if self._leases is not None and found_by is None:
                keys = [each.candidate.key for each in batch]
                ours = self._leases.still_ours(connection, keys)
                self._leases.candidates.difference_update(keys)
                batch = [each for each in batch if each.candidate.key in ours]
            unwanted, batch = self._without_erased(connection, batch)
            if found_by is not None:
                if self._leases is not None:
                    give = partial(self._leases.placed, connection)
                    batch = with_places(connection, batch, give)
                entered = self._enter(connection, found_by, [each.candidate for each in batch])
                new = {each.key for each in entered}
                old = [each.picture for each in batch if each.candidate.key not in new]
                if self._alone:
                    unwanted += [(each.sha256, each.extension) for each in old if each is not None]
                batch = [each for each in batch if each.candidate.key in new]
            states = self._write(connection, batch, look) if batch else {}
        self._remove_unknown_blobs(unwanted, settled)
        return states

    def _without_erased(
        self, connection: Connection, batch: list[DownloadRecord]
    ) -> tuple[list[tuple[str, str]], list[DownloadRecord]]:
        """Replace downloads that were erased, also while the crawl ran; return their pictures."""
        self._tombstones = read_tombstones(connection, self._tombstones)
        if not self._tombstones:
            return [], batch
        erased: list[tuple[str, str]] = []
        checked: list[DownloadRecord] = []
        for each in batch:
            kind = ""
            if each.picture is not None:
                kind = self._tombstones.covers_picture(each.candidate, each.picture)
                erased += [(each.picture.sha256, each.picture.extension)] if kind else []
            checked.append(each.erased(kind) if kind else each)
        return erased, checked

    def _write(
        self, connection: Connection, batch: Sequence[DownloadRecord], look: BytesLook
    ) -> dict[str, str]:
        """Write one statement per table, whatever the number of records."""
        pictures = [each.picture for each in batch if each.picture]
        known = pictures_among(connection, [each.sha256 for each in pictures])
        if look.needed:  # what the catalog had a moment ago, and has no more
            look.look(connection, pictures, known)
        batch = _requeued(batch, known, look.lost - known)
        stored = [each for each in batch if each.picture is not None]
        states = {each.candidate.key: str(each.state) for each in batch}
        images: list[dict[str, Any]] = []
        at = now()
        for each in stored:
            row = each.image_row(at)
            new = bool(each.picture and each.picture.facts) and row["sha256"] not in known
            states[each.candidate.key] = "done" if new else "duplicate"
            if new:
                known.add(row["sha256"])
                images.append(row)
        if images:
            connection.execute(
                insert_into(connection, schema.images).on_conflict_do_nothing(), images
            )
        sightings = {row["key"]: row for row in (each.sighting_row() for each in stored)}
        self._catalog.upsert(schema.sightings, sightings.values(), connection=connection)
        labels = {label for each in stored for label in each.label_rows()}
        add_labels(self._catalog, sorted(labels), connection=connection)
        updates = [each.candidate_update(states[each.candidate.key], at) for each in batch]
        connection.execute(UPDATE_CANDIDATE, updates)
        # A refusal has no sighting: its permission is kept with the candidate.
        unstored = [each for each in batch if each.picture is None and each.permission]
        if unstored:
            updates = with_other_pages(connection, [each.permission_update() for each in unstored])
            connection.execute(UPDATE_DETAILS, updates)
        return states

    def ingest(self, lines: Iterable[dict[str, Any]]) -> int:
        """Bring in what a killed run had finished; return how many were new to the ledger.

        Left out, and their bytes removed: downloads that were erased in the meantime, those
        whose candidate was erased, and lines of another version of bodyshop.
        """
        table = schema.candidates
        records: dict[str, DownloadRecord] = {}
        unwanted: list[tuple[str, str]] = []
        with self._catalog.read() as connection:
            for line in lines:
                query = select(table.c.details, table.c.state).where(table.c.key == line["key"])
                row = connection.execute(query).first()
                if row is None or line.get("version") != JOURNAL_VERSION:
                    unwanted.append((line["sha256"], line["extension"]))
                elif row.state not in {"done", "duplicate"}:
                    candidate = Candidate.from_dict(row.details, key=line["key"])
                    record = DownloadRecord.from_journal_line(candidate, line)
                    records.setdefault(candidate.key, record)
        settled = self.settle(records.values())  # first: it may want bytes that others do not
        if self._alone:
            self._remove_unknown_blobs(unwanted)
        return len(settled)

    def _remove_unknown_blobs(
        self, pictures: Sequence[tuple[str, str]], settled: Sequence[str] = ()
    ) -> None:
        """Remove the bytes (sha256, extension) of pictures that the catalog does not have.

        Bytes that a worker has promised in the meantime are kept: that download decides about them
        when it is settled. `settled` are the journal's lines that the caller has written.
        """
        if not pictures:
            return
        with self._catalog.read() if self._alone else self._catalog.removing() as connection:
            known = pictures_among(connection, [sha256 for sha256, _ in pictures])
            with self._journal.promised(but=settled) as promised:
                for sha256, _ in pictures:
                    if sha256 not in known | promised:
                        self._blobs.remove([sha256])
                        say_something(connection)

    def tombstones(self) -> Tombstones:
        """Return what was erased on request."""
        with self._catalog.read() as connection:
            return read_tombstones(connection)


def enter_tasks(connection: Connection, tasks: Sequence[Task]) -> None:
    """Enter the tasks that the ledger does not have."""
    rows = [
        {
            "key": task.key, "source": task.source, "url": task.url, "brand": task.brand,
            "model": task.model, "query": task.query, "state": "queued", "found": 0,
        }
        for task in {task.key: task for task in tasks}.values()
    ]  # fmt: skip
    if rows:
        connection.execute(insert_into(connection, schema.pages).on_conflict_do_nothing(), rows)


def _requeued(
    batch: Sequence[DownloadRecord], known: set[str], lost: set[str]
) -> list[DownloadRecord]:
    """Queue what relies on a picture that is neither in the catalog nor brought by the batch."""
    brought = {each.picture.sha256 for each in batch if each.picture and each.picture.facts} - lost
    there = known | brought
    return [
        DownloadRecord(each.candidate, "queued")
        if each.picture is not None and each.picture.sha256 not in there
        else each
        for each in batch
    ]
