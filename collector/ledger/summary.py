"""The state of a collection, per brand and model, read from the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from sqlalchemy import Connection, func, select

from bodyshop_core.catalog import Catalog, schema
from bodyshop_core.summary import Summary

IMBALANCED = 0.5
"""The summary names models with less than this part of the mean (AutoCrawler's rule)."""

_COUNTED = ("found", "downloaded", "duplicate", "refused", "failed", "waiting")
_STATES = {"done": "downloaded", "duplicate": "duplicate", "refused": "refused", "failed": "failed"}


@dataclass(frozen=True)
class ModelCounts:
    """Counts of one model."""

    brand: str
    model: str
    found: int = 0
    downloaded: int = 0
    duplicate: int = 0
    refused: int = 0
    failed: int = 0
    waiting: int = 0


@dataclass(frozen=True)
class CollectSummary(Summary):
    """The state of the collection after a run.

    ``found = downloaded + duplicate + refused + failed + waiting``. The counts are those of the
    whole ledger, so that a second run with nothing to do reports the same; `new` is what this run
    added.

    Parameters
    ----------
    refused_by, failed_by : dict
        Reason or error class -> pictures.
    pages : dict
        State -> pages, spinners and queries.
    empty : tuple of str
        Pages and queries that found nothing or were refused, and where their evidence is.
    partial : tuple of str
        Pages and queries of which something is known to be missing, and what.
    imbalanced : tuple of str
        Models with less than half of the mean.
    spinners : int
        360° viewers.
    incomplete : tuple of str
        Those with missing frames, or without a complete turn.
    """

    found: int
    downloaded: int
    duplicate: int
    refused: int
    failed: int
    waiting: int
    new: int
    seconds: float
    refused_by: dict[str, int] = field(default_factory=dict)
    failed_by: dict[str, int] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)
    models: tuple[ModelCounts, ...] = ()
    empty: tuple[str, ...] = ()
    imbalanced: tuple[str, ...] = ()
    spinners: int = 0
    incomplete: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()

    columns: ClassVar[tuple[str, ...]] = ("brand", "model", *_COUNTED)

    def rows(self) -> list[tuple[str | int, ...]]:
        """Return a table of the models."""
        return [tuple(vars(each).values()) for each in self.models]

    def warnings(self) -> list[str]:
        """Return what needs attention: empty pages, failures, incomplete turns, imbalance."""
        found = [f"nothing found: {each}" for each in self.empty]
        found += [f"partial: {each}" for each in self.partial]
        found += [f"failed: {name} {count} times" for name, count in self.failed_by.items()]
        found += [f"incomplete turn: {each}" for each in self.incomplete]
        return found + [f"few pictures: {each}" for each in self.imbalanced]


def summarise(catalog: Catalog, *, new: int = 0, seconds: float = 0.0) -> CollectSummary:
    """Read the summary of the whole ledger."""
    c, p = schema.candidates.c, schema.pages.c
    by_model: dict[tuple[str, str], Counter[str]] = {}
    refused: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    with catalog.read() as connection:
        for brand, model, state, reason, count in connection.execute(
            select(c.brand, c.model, c.state, c.error_class, func.count()).group_by(
                c.brand, c.model, c.state, c.error_class
            )
        ):
            by_model.setdefault((brand, model), Counter())[_STATES.get(state, "waiting")] += count
            if state == "refused":
                refused[reason or "unknown"] += count
            elif state == "failed":
                failed[reason or "unknown"] += count
        for brand, model in connection.execute(select(p.brand, p.model).distinct()):
            by_model.setdefault((brand, model), Counter())
        counted = connection.execute(select(p.state, func.count()).group_by(p.state))
        pages = {str(state): int(count) for state, count in counted}
        empty = _pages(connection, "failed", "refused")
        partial = _pages(connection, "partial")
        turns = _turns(connection)
    models = tuple(
        ModelCounts(brand, model, found=sum(counts.values()), **counts)
        for (brand, model), counts in sorted(by_model.items())
    )
    totals = {name: sum(getattr(each, name) for each in models) for name in _COUNTED}
    return CollectSummary(
        **totals, new=new, seconds=seconds, refused_by=dict(refused.most_common()),
        failed_by=dict(failed.most_common()), pages=pages, models=models, empty=empty,
        imbalanced=_imbalanced(models), spinners=len(turns),
        incomplete=tuple(each for each in turns if each), partial=partial,
    )  # fmt: skip


def found_by_source(catalog: Catalog, tasks: Sequence[str]) -> Counter[str]:
    """Return source -> pictures that some tasks found when they last succeeded."""
    p, found = schema.pages.c, Counter[str]()
    with catalog.read() as connection:
        for at in range(0, len(tasks), 500):
            mine = p.key.in_(tasks[at : at + 500]) & p.state.in_(("done", "partial"))
            query = select(p.source, func.sum(p.found)).where(mine).group_by(p.source)
            found.update({source: int(count) for source, count in connection.execute(query)})
    return found


def _pages(connection: Connection, *states: str) -> tuple[str, ...]:
    """Return the pages and queries that ended in these states, and why."""
    p = schema.pages.c
    rows = connection.execute(
        select(p.source, p.query, p.url, p.error, p.found, p.announced)
        .where(p.state.in_(states))
        .order_by(p.source, p.url)
    )
    return tuple(
        f"{row.source} {row.query or row.url}: "
        + (f"{row.found} of {row.announced}: " if row.announced else "")
        + str(row.error)
        for row in rows
    )


def _turns(connection: Connection) -> list[str]:
    """Return for every viewer what is missing, or an empty text."""
    s = schema.sightings.c
    query = (
        select(s.brand, s.model, s.page_url, func.count(s.frame.distinct()), func.max(s.frames))
        .where(s.spin_group.is_not(None))
        .group_by(s.brand, s.model, s.page_url, s.spin_group)
        .order_by(*(each.asc().nulls_first() for each in (s.brand, s.model, s.page_url)))
    )
    found = []
    for brand, model, page, have, frames in connection.execute(query):
        lack = f"{have} frames, no complete turn" if frames is None else ""
        if frames is not None and have < frames:
            lack = f"{have} of {frames} frames"
        found.append(f"{brand} {model}, {page}: {lack}" if lack else "")
    return found


def _imbalanced(models: tuple[ModelCounts, ...]) -> tuple[str, ...]:
    if len(models) < 2:
        return ()
    mean = sum(each.downloaded for each in models) / len(models)
    return tuple(
        f"{each.brand} {each.model}: {each.downloaded} pictures, the mean is {mean:.0f}"
        for each in models
        if each.downloaded < IMBALANCED * mean
    )
