"""Check each source with a canary: a task that must find something."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from bodyshop_core.errors import BodyshopError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from collector.brands import Brand, Brands, Model, Query
from collector.browser import LocalLauncher, find_browser
from collector.candidate import Find, Task
from collector.crawl.context import INCOMING, CrawlContext
from collector.crawl.discovery import DiscoveryPool
from collector.crawl.downloads import Fetcher
from collector.crawl.events import TaskResult
from collector.ledger.journal import Journal
from collector.ledger.record import DownloadRecord
from collector.sources.registry import sources_for
from collector.sources.search import SearchPageSource
from collector.sources.source import Source

API_QUERY = "Hyundai Sonata"
ENOUGH = 1
_HINTS = {
    "zero_results": "the page has changed: correct the recipe's selectors (docs/collect.md)",
    "challenge": "the host shows a captcha: try again much later, with a longer interval",
    "robots": "robots.txt forbids it; an override per source is: robots: override",
    "rate_limited": "the host asks to wait: raise limits.per_host_interval",
    "robots_unreachable": "its robots.txt cannot be read: check the network connection",
    "page_load": "check the network connection",
}


@dataclass(frozen=True)
class SourceCheck:
    """Whether one source works.

    Parameters
    ----------
    found : str
        What it found, for people.
    fix : str
        What to do if it is not `ok`.
    """

    source: str
    ok: bool
    found: str
    fix: str = ""


def describe_browser() -> str:
    """Return browser and driver with their versions.

    Raises
    ------
    MissingPartError
        No browser was found.
    BodyshopError
        They are of different major versions.
    """
    parts = find_browser(versions=True)
    driver = f"driver {parts.driver_version} ({parts.driver})" if parts.driver else "no driver"
    text = f"{parts.browser.name} {parts.browser_version} ({parts.browser}), {driver}"
    if not parts.fits:
        raise BodyshopError(
            f"{text}: the major versions differ", hint="install browser and driver of one version"
        )
    return text


def check_sources(
    brands: Brands, *, headed: bool = False, progress: Progress = SILENT
) -> list[SourceCheck]:
    """Give each source of a brands.yaml one task that must find something; nothing is kept.

    A search recipe gets its canary query and must find ``min_images``; the licensed sources get the
    query of a common car; of pages and spinners the first is opened.

    Parameters
    ----------
    brands : Brands
        From `load_brands`.
    headed : bool
        Show the browser.
    progress : Progress
        Told about each source.

    Returns
    -------
    list of SourceCheck
        One per source that is switched on and has something to do.
    """
    sources = sources_for(brands)
    asked = {name: task for name, source in sources.items() if (task := _task(source, brands))}
    if not asked:
        return []
    results = _Results(len(asked))
    with tempfile.TemporaryDirectory(prefix="bodyshop-canary-") as folder:
        workspace = Workspace.open(Path(folder))
        journal = Journal(workspace.root / INCOMING)
        context = CrawlContext.open(_short(brands), workspace, journal, log=progress.log)
        with (
            progress.task("sources", total=len(asked)),
            Fetcher(context, results, workers=1) as fetcher,
            DiscoveryPool(
                context, list(asked.values()), sources, fetcher, results, last_found={},
                launcher=LocalLauncher(headed=headed, places=1),
            ),
        ):  # fmt: skip
            results.complete.wait()
    if results.crash is not None:
        raise results.crash
    return [_judge(sources[name], results.by_source[name]) for name in asked]


class _Results:
    """The events of a check: one result per source, nothing is downloaded."""

    def __init__(self, sources: int) -> None:
        self._sources = sources
        self.by_source: dict[str, TaskResult] = {}
        self.crash: BaseException | None = None
        self.complete = threading.Event()

    def found(self, task: Task, finds: list[Find]) -> None:
        """Ignore the finds: the result has their number."""

    def settled(self, record: DownloadRecord) -> None:
        """Ignore downloads: there are none."""

    def closed(self, result: TaskResult) -> None:
        """Note the result of a source."""
        self.by_source[result.task.source] = result
        if len(self.by_source) == self._sources:
            self.complete.set()

    def crashed(self, error: BaseException) -> None:
        """Note an error that ends the check."""
        self.crash = self.crash or error
        self.complete.set()


def _task(source: Source, brands: Brands) -> Task | None:
    if isinstance(source, SearchPageSource):
        query = source.recipe.canary.query
    else:
        query = API_QUERY
        first = next(
            (
                task
                for brand in brands.brands
                for model in brand.models
                for task in source.tasks(brand, model)
            ),
            None,
        )
        if first is None or first.query is None:
            return first
    model = Model(name="canary", queries=(Query(text=query),))
    return next(iter(source.tasks(Brand(name="canary", models=(model,)), model)))


def _short(brands: Brands) -> Brands:
    """Return the same brands with only as many items per page as a canary needs."""
    limits = brands.limits.model_copy(update={"page_items": 60})
    return brands.model_copy(update={"limits": limits})


def _judge(source: Source, result: TaskResult) -> SourceCheck:
    least = source.recipe.canary.min_images if isinstance(source, SearchPageSource) else ENOUGH
    name = result.task.source
    if result.state == "done" and result.found >= least:
        return SourceCheck(name, True, f"{result.found} pictures")
    what = result.task.query or result.task.url
    text = f"{result.found} pictures for {what!r}, at least {least} were expected"
    if result.error:
        text += f": {result.error}"
    fix = _HINTS.get(result.error_class or "zero_results", "open the page with: --headed")
    return SourceCheck(name, False, text, fix)
