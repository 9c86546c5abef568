"""`plan`: what a brands.yaml would do, before it does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from collector.brands import Brands
from collector.crawl.collect import planned_tasks
from collector.crawl.run import gate_for
from collector.net.address import AddressGuard, host_of
from collector.sources.registry import sources_for


@dataclass(frozen=True)
class CrawlPlan:
    """The tasks of a brands.yaml and the time that politeness alone makes them take.

    Parameters
    ----------
    tasks : tuple of (source, brand, model, what, label)
        In the order in which they are tried.
    hosts : dict
        Host -> pages asked of it; picture hosts are only known while crawling.
    intervals : dict
        Host -> seconds between two requests.
    pictures_seconds : float
        Most time for the pictures: every model brings ``limits.per_model`` and all lie on one host.
    """

    tasks: tuple[tuple[str, str, str, str, str], ...]
    hosts: dict[str, int]
    pictures_seconds: float
    per_source: dict[str, int] = field(default_factory=dict)
    intervals: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> dict[str, float]:
        """Host -> least time; robots.txt and tdmrep.json of each are two requests more."""
        return {host: (n + 2) * self.intervals[host] for host, n in self.hosts.items()}

    @property
    def pages_seconds(self) -> float:
        """Least time for the pages: that of the busiest host."""
        return max(self.seconds.values(), default=0.0)

    columns = ("source", "brand", "model", "page or query", "label")

    def as_dict(self) -> dict[str, Any]:
        """Return it with keys and values that JSON knows."""
        return {
            "tasks": [dict(zip(_KEYS, task, strict=True)) for task in self.tasks],
            "hosts": self.hosts,
            "seconds": {host: round(each, 1) for host, each in self.seconds.items()},
            "per_source": self.per_source,
            "pages_seconds": round(self.pages_seconds, 1),
            "pictures_seconds": round(self.pictures_seconds, 1),
        }

    def notes(self) -> list[str]:
        """Return the hosts and the time, for people."""
        if not self.tasks:
            return ["nothing to do: no source that is switched on has a page or query"]
        asked = sum(self.hosts.values())
        found = [f"{asked} pages and queries on {len(self.hosts)} hosts, at the set politeness:"]
        for host, count in self.hosts.items():
            seconds = _span(self.seconds[host])
            found.append(f"  {host}: {count}, one every {self.intervals[host]:g} s: {seconds}")
        found.append(f"pages and queries, hosts side by side: at least {_span(self.pages_seconds)}")
        found.append(
            f"pictures: at most {_span(self.pictures_seconds)} (if every model brings "
            "limits.per_model and all lie on one host)"
        )
        return found

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return a table of the tasks."""
        return list(self.tasks)


_KEYS = ("source", "brand", "model", "what", "label")


def plan(brands: Brands, *, only: Sequence[str] | str | None = None) -> CrawlPlan:
    """Work out the tasks of a brands.yaml; nothing is fetched, no browser is started.

    Parameters
    ----------
    brands : Brands
        From `load_brands`.
    only : str or sequence of str, optional
        ``BRAND`` or ``BRAND/MODEL``.
    """
    tasks = planned_tasks(brands, sources_for(brands), only)
    hosts = Counter(host_of(task.url) for task in tasks if task.url.startswith("http"))
    gate = gate_for(brands, AddressGuard(brands.allow_hosts))
    models = {(task.brand, task.model) for task in tasks}
    interval = brands.limits.per_host_interval
    return CrawlPlan(
        tasks=tuple(
            (task.source, task.brand, task.model, task.query or task.url, task.label or "")
            for task in tasks
        ),
        hosts=dict(hosts.most_common()),
        pictures_seconds=len(models) * brands.limits.per_model * interval,
        per_source=dict(Counter(task.source for task in tasks)),
        intervals={host: gate.interval(host) for host in hosts},
    )


def _span(seconds: float) -> str:
    """Return ``45 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
