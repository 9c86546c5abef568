"""The crawl's ledger in the catalog: what was found, what became of it, and what is left to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert

from bodyshop_core import __version__
from bodyshop_core.catalog import FACTS, Catalog, add_labels, now, schema
from bodyshop_core.workspace import Workspace
from collector.candidate import Candidate, Task, digest, url_key
from collector.net.address import host_of

TOOL = f"bodyshop {__version__}"
TEMPORARY = ("over_limit", "robots_unreachable", "host_disabled")
"""Outcomes of the run, not of the picture: the next run looks again."""


@dataclass(frozen=True)
class DownloadRecord:
    """What became of a candidate, for the ledger."""

    candidate: Candidate
    state: str
    error_class: str = ""
    error: str = ""
    attempts: int = 0
    entry: dict[str, Any] | None = None
    permission: dict[str, Any] | None = None


_CHUNK = 500  # parameters of one statement; SQLite's own limit is 32,766


class CrawlLedger:
    """Reads and writes `pages`, `candidates`, `sightings`; for the driving thread alone."""

    def __init__(self, workspace: Workspace) -> None:
        self._catalog: Catalog = workspace.catalog

    def open_tasks(self, tasks: Sequence[Task], *, refresh: bool = False) -> list[Task]:
        """Enter tasks and return those still to be done; a failed one is never marked as done."""
        pages = schema.pages
        rows = [
            {
                "key": task.key, "source": task.source, "url": task.url, "brand": task.brand,
                "model": task.model, "query": task.query, "state": "queued", "found": 0,
            }
            for task in {task.key: task for task in tasks}.values()
        ]  # fmt: skip
        if not rows:
            return []
        with self._catalog.begin() as connection:
            connection.execute(insert(pages).on_conflict_do_nothing(), rows)
            done = set(
                connection.execute(select(pages.c.key).where(pages.c.state == "done")).scalars()
            )
        return [task for task in tasks if refresh or task.key not in done]

    def last_found(self, task: Task) -> int:
        """Return how much this task brought when it last succeeded; 0 when it never did."""
        query = select(schema.pages.c.found).where(schema.pages.c.key == task.key)
        with self._catalog.read() as connection:
            return int(connection.execute(query).scalar_one_or_none() or 0)

    def close_task(
        self, task: Task, state: str, *, found: int | None = None, error_class: str = "",
        error: str = "", recipe_version: str = "",
    ) -> None:  # fmt: skip
        """Note how a task ended; `found` None keeps what an earlier run found."""
        values: dict[str, Any] = {
            "state": state, "error_class": error_class or None, "error": error[:2000] or None,
            "recipe_version": recipe_version or None, "visited_at": now(),
        }  # fmt: skip
        if found is not None:
            values["found"] = found
        with self._catalog.begin() as connection:
            connection.execute(
                update(schema.pages).where(schema.pages.c.key == task.key).values(values)
            )

    def enter(self, task: Task, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Enter candidates and return those the ledger did not have."""
        with self._catalog.begin() as connection:
            return self.enter_in(connection, task, candidates)

    def enter_in(
        self, connection: Connection, task: Task, candidates: Sequence[Candidate]
    ) -> list[Candidate]:
        """Do as `enter` inside a transaction."""
        table = schema.candidates
        by_key: dict[str, Candidate] = {}
        for candidate in candidates:
            by_key.setdefault(candidate.key, candidate)
        keys = list(by_key)
        for at in range(0, len(keys), _CHUNK):
            known = select(table.c.key).where(table.c.key.in_(keys[at : at + _CHUNK]))
            for key in connection.execute(known).scalars():
                del by_key[key]
        if by_key:
            entered, page = now(), task.key
            rows = [_candidate_row(page, candidate, entered) for candidate in by_key.values()]
            connection.execute(_NEW_CANDIDATE, rows)
        return list(by_key.values())

    def queued(self) -> list[Candidate]:
        """Return what an earlier run left: queued, or turned away for a reason of that run."""
        table = schema.candidates
        query = (
            select(table.c.details)
            .where((table.c.state == "queued") | table.c.error_class.in_(TEMPORARY))
            .order_by(table.c.updated_at, table.c.key)
        )
        with self._catalog.read() as connection:
            return [Candidate.from_dict(each) for each in connection.execute(query).scalars()]

    def requeue_failed(self, error_class: str | None = None) -> int:
        """Queue failed candidates again, all or those of one class; return how many."""
        table = schema.candidates
        statement = update(table).where(table.c.state == "failed")
        if error_class:
            statement = statement.where(table.c.error_class == error_class)
        values = {"state": "queued", "error_class": None, "error": None, "attempts": 0}
        with self._catalog.begin() as connection:
            return int(connection.execute(statement.values(values)).rowcount)

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

    def have(self) -> dict[str, dict[str, Any]]:
        """Return `url_key` -> what was downloaded from it, so that no address is asked twice."""
        c, s = schema.candidates.c, schema.sightings.c
        query = select(
            c.url, s.url, s.sha256, s.final_url, s.status, s.etag, s.content_type, s.url_candidate,
            s.permission, s.last_modified, schema.images.c.extension, schema.images.c.bytes,
        ).select_from(
            schema.candidates.join(schema.sightings, (s.sha256 == c.sha256) & (s.url == c.url))
            .join(schema.images, schema.images.c.sha256 == s.sha256)
        ).where(c.state.in_(("done", "duplicate")), s.capture == "bytes")  # fmt: skip
        found: dict[str, dict[str, Any]] = {}
        with self._catalog.read() as connection:
            for row in connection.execute(query):
                found[url_key(row[0])] = {
                    "sha256": row[2], "url": row[3], "status": row[4], "etag": row[5],
                    "content_type": row[6], "url_candidate": row[7], "permission": row[8] or {},
                    "last_modified": row[9], "extension": row[10], "size": row[11], "facts": None,
                    "at": now(),
                }  # fmt: skip
        return found

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

    def settle(self, settled: Iterable[DownloadRecord]) -> dict[str, str]:
        """Write outcomes in one transaction; return candidate key -> the state written.

        A download whose bytes the catalog has already becomes ``duplicate``: a sighting, no new
        picture.
        """
        batch = list(settled)
        if not batch:
            return {}
        with self._catalog.begin() as connection:
            return self.settle_in(connection, batch)

    def settle_in(self, connection: Connection, batch: Sequence[DownloadRecord]) -> dict[str, str]:
        """Do as `settle` inside a transaction: one statement per table, whatever the number."""
        known = _known_images(connection, [e.entry["sha256"] for e in batch if e.entry])
        states: dict[str, str] = {}
        images: list[dict[str, Any]] = []
        added = now()
        for each in batch:
            states[each.candidate.key] = each.state
            if each.entry is None:
                continue
            new = each.entry["facts"] is not None and each.entry["sha256"] not in known
            states[each.candidate.key] = "done" if new else "duplicate"
            if new:
                known.add(each.entry["sha256"])
                images.append(_image_row(each.entry, added))
        if images:
            connection.execute(_NEW_IMAGE, images)
        stored = [(each.candidate, each.entry) for each in batch if each.entry is not None]
        rows = {row["key"]: row for row in (sighting_row(*pair) for pair in stored)}
        self._catalog.upsert(schema.sightings, rows.values(), connection=connection)
        labels = {label for pair in stored for label in _labels(*pair)}
        add_labels(self._catalog, sorted(labels), connection=connection)
        connection.execute(_OUTCOME, [_outcome(each, states, added) for each in batch])
        # A refusal leaves no sighting: what was said about it is kept with the candidate.
        if told := [_permission_row(each) for each in batch if each.permission]:
            connection.execute(_KEEP_PERMISSION, told)
        return states

    def ingest(self, entries: Iterable[dict[str, Any]]) -> int:
        """Bring in what a killed run had finished; return how many were new to the ledger."""
        table, count = schema.candidates, 0
        with self._catalog.begin() as connection:
            for entry in entries:
                row = connection.execute(
                    select(table.c.details, table.c.state).where(table.c.key == entry["key"])
                ).first()
                if row is None or row.state in {"done", "duplicate"}:
                    continue
                candidate = Candidate.from_dict(row.details)
                self.settle_in(
                    connection, [DownloadRecord(candidate, "done", attempts=1, entry=entry)]
                )
                count += 1
        return count

    def tombstones(self) -> dict[str, set[str]]:
        """Return kind (``sha256``, ``url``, ``host``) -> what was erased on request."""
        found: dict[str, set[str]] = {"sha256": set(), "url": set(), "host": set()}
        with self._catalog.read() as connection:
            for kind, value in connection.execute(
                select(schema.tombstones.c.kind, schema.tombstones.c.value)
            ):
                found[kind].add(url_key(value) if kind == "url" else value.lower())
        return found


_NEW_CANDIDATE = insert(schema.candidates)
_NEW_IMAGE = insert(schema.images).on_conflict_do_nothing()
_OUTCOME = (
    update(schema.candidates)
    .where(schema.candidates.c.key == bindparam("of_key"))
    .values(
        state=bindparam("to_state"),
        error_class=bindparam("to_class"),
        error=bindparam("to_error"),
        attempts=bindparam("to_attempts"),
        sha256=bindparam("to_sha256"),
        updated_at=bindparam("to_time"),
    )
)
_KEEP_PERMISSION = (
    update(schema.candidates)
    .where(schema.candidates.c.key == bindparam("of_key"))
    .values(details=bindparam("to_details"))
)


def _outcome(settled: DownloadRecord, states: dict[str, str], at: str) -> dict[str, Any]:
    return {
        "of_key": settled.candidate.key,
        "to_state": states[settled.candidate.key],
        "to_class": settled.error_class or None,
        "to_error": settled.error[:2000] or None,
        "to_attempts": settled.attempts,
        "to_sha256": settled.entry["sha256"] if settled.entry else None,
        "to_time": at,
    }


def _permission_row(settled: DownloadRecord) -> dict[str, Any]:
    said = settled.candidate.permission | (settled.permission or {})
    details = settled.candidate.as_dict() | {"permission": said}
    return {"of_key": settled.candidate.key, "to_details": details}


def _known_images(connection: Connection, sha256s: list[str]) -> set[str]:
    known: set[str] = set()
    column = schema.images.c.sha256
    for at in range(0, len(sha256s), _CHUNK):
        query = select(column).where(column.in_(sha256s[at : at + _CHUNK]))
        known.update(connection.execute(query).scalars())
    return known


def _image_row(entry: dict[str, Any], at: str) -> dict[str, Any]:
    return {
        "sha256": entry["sha256"],
        "extension": entry["extension"],
        "bytes": entry["size"],
        "added_at": at,
        **{name: entry["facts"].get(name) for name in FACTS},
    }


def _labels(
    candidate: Candidate, entry: dict[str, Any]
) -> Iterator[tuple[str, str, str, str, str]]:
    sha256, source = entry["sha256"], candidate.source
    yield (sha256, "brand", candidate.brand, "query", source)
    yield (sha256, "model", f"{candidate.brand} {candidate.model}", "query", source)
    if candidate.label:
        yield (sha256, "damage", candidate.label, "query", source)


def _candidate_row(page: str, candidate: Candidate, at: str) -> dict[str, Any]:
    return {
        "key": candidate.key,
        "page_key": page,
        "url": candidate.url,
        "host": host_of(candidate.url),
        "brand": candidate.brand,
        "model": candidate.model,
        "source": candidate.source,
        "details": candidate.as_dict(),
        "state": "queued",
        "attempts": 0,
        "updated_at": at,
    }


def sighting_row(candidate: Candidate, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the row of `sightings` for a candidate and what was downloaded for it."""
    return {
        "key": digest(candidate.key, entry["sha256"]),
        "sha256": entry["sha256"],
        "url": candidate.url,
        "final_url": entry["url"],
        "page_url": candidate.page_url or None,
        "page_title": candidate.page_title or None,
        "alt": candidate.alt or None,
        "caption": candidate.caption or None,
        "selector": candidate.selector or None,
        "file": None,
        "source": candidate.source,
        "brand": candidate.brand,
        "model": candidate.model,
        "query": candidate.query,
        "rank": candidate.rank,
        "spin_group": candidate.spin_group,
        "frame": candidate.frame,
        "frames": candidate.frames,
        "angle_deg": candidate.angle_deg,
        "capture": candidate.capture,
        "url_candidate": entry["url_candidate"],
        "status": entry["status"],
        "etag": entry["etag"] or None,
        "last_modified": entry.get("last_modified") or None,
        "content_type": entry["content_type"] or None,
        "licence": candidate.licence or None,
        "author": candidate.author or None,
        "permission": candidate.permission | (entry["permission"] or {}),
        "given_split": None,
        "fetched_at": entry["at"],
        "tool_version": TOOL,
        "recipe_version": candidate.recipe_version or None,
    }


def forgotten(tombstones: dict[str, set[str]], candidate: Candidate) -> str:
    """Return which tombstone covers a candidate, or nothing."""
    if not (tombstones["url"] or tombstones["host"]):
        return ""
    addresses = [url_candidate.url for url_candidate in candidate.url_candidates] + [
        candidate.page_url
    ]
    return next(filter(None, (covering(tombstones, address) for address in addresses)), "")


def covering(tombstones: Mapping[str, set[str]], address: str) -> str:
    """Return which kind of tombstone, ``url`` or ``host``, covers an address, or nothing."""
    urls, hosts = tombstones.get("url"), tombstones.get("host")
    if urls and url_key(address) in urls:
        return "url"
    if hosts and {host_of(address), (urlsplit(address).hostname or "").lower()} & hosts:
        return "host"
    return ""
