"""`collect`: drive discovery and downloads, and be the only one that writes the catalog."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from bodyshop_core.catalog import nfc
from bodyshop_core.errors import InterruptedByUser, NothingFoundError, UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from collector.brands import Brands
from collector.candidate import Task
from collector.crawl.interrupt import SoftInterrupt
from collector.crawl.run import Crawl
from collector.ledger.summary import CollectSummary, summarise
from collector.sources.registry import sources_for
from collector.sources.source import Source


def collect(
    brands: Brands,
    workspace: Workspace,
    *,
    only: Sequence[str] | str | None = None,
    retry_failed: bool | str | None = None,
    refresh: bool = False,
    headed: bool = False,
    extra: Mapping[str, Source] | None = None,
    browsers: int | None = None,
    workers: int = 16,
    progress: Progress = SILENT,
) -> CollectSummary:
    """Collect the pictures that a brands.yaml asks for; go on where an earlier run stopped.

    Parameters
    ----------
    brands : Brands
        From `load_brands`.
    workspace : Workspace
        Where pictures and ledger go.
    only : str or sequence of str, optional
        ``BRAND`` or ``BRAND/MODEL``; nothing else is touched.
    retry_failed : bool or str, optional
        Try failed downloads again: all (True or ``all``), or those of one error class such as
        ``timeout``.
    refresh : bool
        Visit pages and ask queries again that are done.
    headed : bool
        Show the browser.
    extra : Mapping, optional
        Sources of your own: name in the catalog -> `collector.Source`.
    browsers : int, optional
        Browsers at the same time; default: one per processor, at most four.
    workers : int
        Download threads.
    progress : Progress
        Told about pictures and warnings.

    Returns
    -------
    CollectSummary
        Of the whole ledger.

    Raises
    ------
    NothingFoundError
        A source or a page listed by its address brought nothing, or something brought less than a
        fifth of last time; the rest is saved. The error has the `CollectSummary` as ``summary``.
    InterruptedByUser
        After Ctrl-C; what was in flight is saved.
    MissingPartError
        No browser, though a source needs one.
    UsageError
        `only` names nothing, or `retry_failed` no known class.
    """
    started = time.monotonic()
    sources = sources_for(brands) | dict(extra or {})
    tasks = planned_tasks(brands, sources, only)
    with SoftInterrupt() as interrupt:
        crawl = Crawl(brands, workspace, sources, progress)
        crawl.prepare(tasks, retry_failed=retry_failed, refresh=refresh, scope=_scope(brands, only))
        count = browsers or min(4, os.cpu_count() or 1)
        try:
            crawl.run(interrupt, headed=headed, browsers=count, workers=workers)
        except KeyboardInterrupt as error:
            raise _stopped("stopped at once; what was finished is saved") from error
        summary = summarise(workspace.catalog, new=crawl.new, seconds=time.monotonic() - started)
        if interrupt.requested:
            raise _stopped(f"stopped; {summary.downloaded} pictures are saved")
        _refuse_silence(crawl.yields, crawl.barren, summary)
    return summary


def planned_tasks(
    brands: Brands, sources: dict[str, Source], only: Sequence[str] | str | None = None
) -> list[Task]:
    """List the tasks of a brands.yaml in the order in which they are tried."""
    wanted = _scope(brands, only)
    return [
        task
        for brand in brands.brands
        for model in brand.models
        if (brand.name, model.name) in wanted
        for source in sources.values()
        for task in source.tasks(brand, model)
    ]


def _scope(brands: Brands, only: Sequence[str] | str | None) -> set[tuple[str, str]]:
    cars = [(brand.name, model.name) for brand in brands.brands for model in brand.models]
    if not only:
        return set(cars)
    chosen: set[tuple[str, str]] = set()
    for name in [only] if isinstance(only, str) else only:
        brand, _, model = nfc(name).partition("/")
        hits = {car for car in cars if car[0] == brand and model in {"", car[1]}}
        if not hits:
            raise UsageError(
                f"brands.yaml has no {name!r}", hint=f"it has: {', '.join(map('/'.join, cars))}"
            )
        chosen |= hits
    return chosen


def _stopped(message: str) -> InterruptedByUser:
    return InterruptedByUser(message, hint="the same command goes on where this stopped")


def _refuse_silence(yields: Counter[str], barren: list[str], summary: CollectSummary) -> None:
    """Refuse to call it a success when a source, or a page that was named, brought nothing.

    One query of many may well have no result; a source without any, a named page without a
    picture, and anything that brings less than a fifth of last time have changed.
    """
    silent = sorted(source for source, found in yields.items() if found == 0)
    if not silent and not barren:
        return
    what = f"{', '.join(silent)} brought no picture at all"
    if not silent:
        what = f"{len(barren)} pages or queries brought nothing, or much less than last time"
    saved = f" ({summary.downloaded} pictures from elsewhere are saved)"
    error = NothingFoundError(
        what + (saved if summary.downloaded else ""),
        hint=next(iter([*barren, *summary.empty]), "see: bodyshop doctor --sources brands.yaml"),
    )
    error.summary = summary  # type: ignore[attr-defined]
    raise error
