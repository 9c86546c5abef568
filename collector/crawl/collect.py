"""`collect`: run discovery and downloads; the only function that writes the catalog."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from bodyshop_core.catalog import nfc
from bodyshop_core.errors import InterruptedByUser, NothingFoundError, UsageError
from bodyshop_core.locking import locked
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from collector.brands import Brands
from collector.browser import GridLauncher, LocalLauncher
from collector.browser.running import Launcher
from collector.candidate import Task
from collector.crawl.interrupt import SoftInterrupt
from collector.crawl.joining import LOCK, joined
from collector.crawl.run import Crawl
from collector.ledger.lost_pictures import note_lost_pictures
from collector.ledger.summary import CollectSummary, found_by_source, summarise
from collector.sources.registry import sources_for
from collector.sources.source import Source


class IncompleteCollectError(NothingFoundError):
    """A source or a page has found nothing, or much less than last time; the rest is saved.

    Parameters
    ----------
    summary : CollectSummary
        Of the whole ledger.
    """

    def __init__(self, message: str, *, hint: str, summary: CollectSummary) -> None:
        super().__init__(message, hint=hint)
        self.summary = summary


def collect(
    brands: Brands,
    workspace: Workspace,
    *,
    only: Sequence[str] | str | None = None,
    retry_failed: bool | str | None = None,
    refresh: bool = False,
    headed: bool = False,
    join: bool = False,
    browser_url: str | None = None,
    proxy_address: str | None = None,
    extra: Mapping[str, Source] | None = None,
    browsers: int | None = None,
    workers: int = 16,
    progress: Progress = SILENT,
) -> CollectSummary:
    """Collect the pictures that a brands.yaml asks for; continue where an earlier run stopped.

    Parameters
    ----------
    brands : Brands
        From `load_brands`.
    workspace : Workspace
        Where pictures and ledger go.
    only : str or sequence of str, optional
        ``BRAND`` or ``BRAND/MODEL``; nothing else is collected.
    retry_failed : bool or str, optional
        Try failed downloads again: all (True or ``all``), or those of one error class such as
        ``timeout``; ``partial``: open the pages again of which something is missing.
    refresh : bool
        Open finished pages and queries again.
    headed : bool
        Show the browser.
    join : bool
        Be one of several collectors on one PostgreSQL catalog, all of them with `join`: they share
        the work and each host's gap. Each ends when nothing is left with any of them.
    browser_url : str, optional
        Address of a Selenium Grid 4 (``http://grid:4444``) whose browsers are used; by default
        those of this machine. The Grid's connections come back to a proxy here, which judges them.
    proxy_address : str, optional
        ``HOST[:PORT]`` at which the nodes of the Grid reach this machine; by default the address
        that it has towards the Grid, and a free port.
    extra : Mapping, optional
        Sources of your own: name in the catalog -> `collector.Source`.
    browsers : int, optional
        Browsers at the same time; default: one per processor, or per free one of the Grid; at most
        four.
    workers : int
        Download threads.
    progress : Progress
        Takes the progress and warnings.

    Returns
    -------
    CollectSummary
        Of the whole ledger.

    Raises
    ------
    NothingFoundError
        A source, or a page that brands.yaml names, found nothing; or something found less than a
        fifth of what it found last time. Everything else is saved. The error is an
        `IncompleteCollectError` with the summary.
    InterruptedByUser
        After Ctrl-C; what was finished is saved.
    MissingPartError
        No browser was found, but a source needs one; or no Grid answers, or the traffic of its
        browsers would not be guarded.
    UsageError
        `only` names no brand or model, or `retry_failed` no known class; or another `collect` runs
        on this workspace and one of the two is not to `join`; or the catalog is a file of SQLite.
    """
    started = time.monotonic()
    launching = _launching(browser_url, proxy_address, headed=headed, places=browsers)
    sources = sources_for(brands) | dict(extra or {})
    tasks = planned_tasks(brands, sources, only)
    company = joined(workspace, progress.log) if join else _alone(workspace)
    with company as shift, launching as launcher, SoftInterrupt() as interrupt:
        crawl = Crawl(brands, workspace, sources, progress, shift)
        crawl.prepare(tasks, retry_failed=retry_failed, refresh=refresh, scope=_scope(brands, only))
        try:
            crawl.run(interrupt, launcher=launcher, workers=workers)
        except KeyboardInterrupt as error:
            raise _stopped("stopped at once; what was finished is saved") from error
        note_lost_pictures(workspace.catalog)
        summary = summarise(workspace.catalog, new=crawl.new, seconds=time.monotonic() - started)
        if interrupt.requested:
            raise _stopped(f"stopped; {summary.downloaded} pictures are saved")
        found = crawl.found_by_source.copy()
        if join:  # what is silent here may have been found by another; `+=` would drop the zeros
            found.update(found_by_source(workspace.catalog, [task.key for task in tasks]))
        _refuse_silence(found, crawl.empty_pages, summary)
    return summary


def _launching(
    browser_url: str | None, proxy_address: str | None, *, headed: bool, places: int | None
) -> AbstractContextManager[Launcher]:
    """Return who starts the browsers, and what has to be ended with them."""
    if browser_url:
        return GridLauncher(browser_url, proxy_address=proxy_address, headed=headed, places=places)
    if proxy_address:
        raise UsageError(
            "--proxy-address is for the browsers of a Grid", hint="name it: --browser-url URL"
        )
    return nullcontext(LocalLauncher(headed=headed, places=places))


@contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    """Refuse to run beside another crawl: each would keep to the rate of a host by itself."""
    hint = (
        "wait until it ends, or stop it: two at a time would ask every host twice as often as "
        "agreed. To collect something else meanwhile, use another --workspace"
    )
    if workspace.catalog.on_server:
        hint += ". Several collectors share the rate if all of them are started with --join"
    here = f"another 'bodyshop collect' is running on {workspace.root}"
    anywhere = f"another 'bodyshop collect' is running on {workspace.catalog.label}"
    with (
        locked(workspace.root / LOCK, taken=here, hint=hint),
        workspace.catalog.claimed("collect", taken=anywhere, hint=hint),
    ):
        yield


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
                f"brands.yaml does not contain {name!r}",
                hint=f"it contains: {', '.join(map('/'.join, cars))}",
            )
        chosen |= hits
    return chosen


def _stopped(message: str) -> InterruptedByUser:
    return InterruptedByUser(message, hint="the same command continues where this one stopped")


def _refuse_silence(
    found_by_source: Mapping[str, int], empty_pages: Sequence[str], summary: CollectSummary
) -> None:
    """Raise an error when a source, or a page that was named, has found nothing.

    One query of many may have no result. But a source without any result, a named page without a
    picture, and anything that finds less than a fifth of last time have changed.
    """
    silent = sorted(source for source, found in found_by_source.items() if found == 0)
    if not silent and not empty_pages:
        return
    what = f"{', '.join(silent)}: no picture was found"
    if not silent:
        what = f"{len(empty_pages)} pages or queries found nothing, or much less than last time"
    saved = f" ({summary.downloaded} pictures of the collection are saved)"
    raise IncompleteCollectError(
        what + (saved if summary.downloaded else ""),
        hint=next(
            iter([*empty_pages, *summary.empty]),
            "check the sources: bodyshop doctor --sources brands.yaml",
        ),
        summary=summary,
    )
