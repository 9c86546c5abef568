"""Canaries: ask each source whether it still brings what it should."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from bodyshop_core.errors import BodyshopError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from collector.brands import Brand, Brands, Model, Query
from collector.browser import find_browser
from collector.candidate import Find, Task
from collector.crawl.discovery import DiscoveryPool, TaskResult
from collector.crawl.downloads import Fetcher
from collector.crawl.run import gate_for
from collector.ledger.journal import Journal
from collector.net.address import AddressGuard
from collector.net.api_keys import keys_of
from collector.net.http import user_agent
from collector.sources.registry import sources_for
from collector.sources.search import SearchPageSource
from collector.sources.source import Source

API_QUERY = "Hyundai Sonata"
ENOUGH = 1
_GUESSES = {
    "zero_results": "the page has changed: mend the recipe's selectors (docs/collect.md)",
    "challenge": "the host asks for a proof of humanity: try much later, more slowly",
    "robots": "robots.txt forbids it; an override is per source: robots: override",
    "rate_limited": "the host asks to wait: raise limits.per_host_interval",
    "robots_unreachable": "its robots.txt can't be read, so it is left alone: is there a network?",
    "page_load": "is there a network?",
}


@dataclass(frozen=True)
class SourceCheck:
    """How one source does.

    Parameters
    ----------
    found : str
        What it brought, for people.
    fix : str
        What to do when it is not `ok`.
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
        There is none.
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
    """Ask each source of a brands.yaml for one thing it should know; nothing is kept.

    Search recipes are asked their canary query and must bring its ``min_images``; the licensed
    sources are asked for a common car; pages and spinners: the first of each.

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
    found: dict[str, int] = dict.fromkeys(asked, 0)
    closed: dict[str, TaskResult] = {}
    crashed: list[BaseException] = []
    over = threading.Event()

    def on_finds(task: Task, finds: list[Find]) -> None:
        found[task.source] += len(finds)

    def on_closed(each: TaskResult) -> None:
        closed[each.task.source] = each
        if len(closed) == len(asked):
            over.set()

    def crash(error: BaseException) -> None:
        crashed.append(error)
        over.set()

    guard = AddressGuard(brands.allow_hosts)
    gate, agent = gate_for(brands, guard), user_agent(brands.contact)
    with tempfile.TemporaryDirectory(prefix="bodyshop-canary-") as folder:
        workspace = Workspace.open(Path(folder))
        with (
            progress.task("sources", total=len(asked)),
            Fetcher(
                limits=brands.limits, agent=agent, guard=guard, gate=gate,
                journal=Journal(Path(folder) / "incoming"), blobs=workspace.blobs,
                report=lambda _settled: None, crash=crash, workers=1,
                keys=keys_of(brands),
            ) as fetcher,
            DiscoveryPool(
                list(asked.values()), sources, brands=_short(brands), workspace=workspace,
                fetcher=fetcher, guard=guard, gate=gate, agent=agent, on_finds=on_finds,
                on_closed=on_closed, crash=crash, log=progress.log, last_found={}, headed=headed,
                browsers=1,
            ),
        ):  # fmt: skip
            if asked:
                over.wait()
    if crashed:
        raise crashed[0]
    return [_judge(sources[name], closed[name], found[name]) for name in asked]


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
    """Return the same with only as many items as a canary needs."""
    limits = brands.limits.model_copy(update={"page_items": 60})
    return brands.model_copy(update={"limits": limits})


def _judge(source: Source, closed: TaskResult, found: int) -> SourceCheck:
    least = source.recipe.canary.min_images if isinstance(source, SearchPageSource) else ENOUGH
    if closed.state == "done" and found >= least:
        return SourceCheck(closed.task.source, True, f"{found} pictures")
    what = closed.task.query or closed.task.url
    text = f"{found} pictures for {what!r}, at least {least} were expected"
    if closed.error:
        text += f": {closed.error.partition('; the page as it was')[0]}"
    fix = _GUESSES.get(closed.error_class or "zero_results", "open the page with: --headed")
    return SourceCheck(closed.task.source, False, text, fix)
