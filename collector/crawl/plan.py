"""`plan`: what a brands.yaml would do, before it does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from typing import ClassVar

from bodyshop_core.summary import Summary
from collector.brands import Brands
from collector.crawl.collect import planned_tasks
from collector.crawl.context import gate_for
from collector.net.address import AddressGuard
from collector.sources.registry import sources_for
from collector.weburl import host_of, is_web_address


@dataclass(frozen=True)
class PlannedTask:
    """A task of the plan; `what` is its query or its page."""

    source: str
    brand: str
    model: str
    what: str
    label: str


@dataclass(frozen=True)
class CrawlPlan(Summary):
    """The tasks of a brands.yaml, and the least time that the politeness rules require.

    Parameters
    ----------
    tasks : tuple of PlannedTask
        In the order in which they are tried.
    hosts : dict
        Host -> requests for its pages; picture hosts are only known while crawling.
    pictures_seconds : float
        Most time for the pictures: every model has ``limits.per_model`` and all are on one host.
    per_source : dict
        Source -> tasks.
    intervals : dict
        Host -> seconds between two requests.
    """

    tasks: tuple[PlannedTask, ...]
    hosts: dict[str, int]
    pictures_seconds: float
    per_source: dict[str, int] = field(default_factory=dict)
    intervals: dict[str, float] = field(default_factory=dict)

    columns: ClassVar[tuple[str, ...]] = ("source", "brand", "model", "page or query", "label")
    derived: ClassVar[tuple[str, ...]] = ("seconds", "pages_seconds")
    hidden: ClassVar[tuple[str, ...]] = ("intervals",)

    @property
    def seconds(self) -> dict[str, float]:
        """Host -> least time; robots.txt and tdmrep.json of each are two more requests."""
        return {host: round((n + 2) * self.intervals[host], 1) for host, n in self.hosts.items()}

    @property
    def pages_seconds(self) -> float:
        """Least time for the pages: that of the host with the most."""
        return max(self.seconds.values(), default=0.0)

    def notes(self) -> list[str]:
        """Return the hosts and the time, for people."""
        if not self.tasks:
            return ["nothing to do: no enabled source has a page or a query"]
        asked = sum(self.hosts.values())
        found = [f"{asked} pages and queries on {len(self.hosts)} hosts:"]
        for host, count in self.hosts.items():
            seconds = _span(self.seconds[host])
            found.append(f"  {host}: {count}, one every {self.intervals[host]:g} s: {seconds}")
        found.append(f"pages and queries, hosts in parallel: at least {_span(self.pages_seconds)}")
        found.append(
            f"pictures: at most {_span(self.pictures_seconds)} (if every model has "
            "limits.per_model pictures, all on one host)"
        )
        return found

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return a table of the tasks."""
        return [astuple(task) for task in self.tasks]


def plan(brands: Brands, *, only: Sequence[str] | str | None = None) -> CrawlPlan:
    """List the tasks of a brands.yaml; nothing is requested, no browser is started.

    Parameters
    ----------
    brands : Brands
        From `load_brands`.
    only : str or sequence of str, optional
        ``BRAND`` or ``BRAND/MODEL``.
    """
    tasks = planned_tasks(brands, sources_for(brands), only)
    hosts = Counter(host_of(task.url) for task in tasks if is_web_address(task.url))
    gate = gate_for(brands, AddressGuard(brands.allow_hosts))
    models = {(task.brand, task.model) for task in tasks}
    interval = brands.limits.per_host_interval
    return CrawlPlan(
        tasks=tuple(
            PlannedTask(
                task.source, task.brand, task.model, task.query or task.url, task.label or ""
            )
            for task in tasks
        ),
        hosts=dict(hosts.most_common()),
        pictures_seconds=round(len(models) * brands.limits.per_model * interval, 1),
        per_source=dict(Counter(task.source for task in tasks)),
        intervals={host: gate.interval(host) for host in hosts},
    )


def _span(seconds: float) -> str:
    """Return ``45 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
