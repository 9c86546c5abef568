"""`plan`: what a brands.yaml would do, before it does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from collector.address import AddressGuard, host_of
from collector.brands import Brands
from collector.crawl import planned_tasks
from collector.driver import gate_for
from collector.source import sources_for


@dataclass(frozen=True)
class Plan:
    """The tasks of a brands.yaml and the time that politeness alone makes them take.

    Parameters
    ----------
    tasks : tuple of (source, brand, model, what, label)
        In the order in which they are tried.
    hosts : dict
        Host -> pages asked of it; picture hosts are only known while crawling.
    pages_seconds : float
        Least time for the pages: requests of the busiest host times the interval.
    pictures_seconds : float
        Most time for the pictures: every model brings ``limits.per_model`` and all lie on one host.
    """

    tasks: tuple[tuple[str, str, str, str, str], ...]
    hosts: dict[str, int]
    pages_seconds: float
    pictures_seconds: float
    per_source: dict[str, int] = field(default_factory=dict)

    columns = ("source", "brand", "model", "page or query", "label")

    def as_dict(self) -> dict[str, Any]:
        """Return it with keys and values that JSON knows."""
        return {
            "tasks": [dict(zip(_KEYS, task, strict=True)) for task in self.tasks],
            "hosts": self.hosts,
            "per_source": self.per_source,
            "pages_seconds": round(self.pages_seconds, 1),
            "pictures_seconds": round(self.pictures_seconds, 1),
        }

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return a table of the tasks."""
        return list(self.tasks)


_KEYS = ("source", "brand", "model", "what", "label")


def plan(brands: Brands, *, only: Sequence[str] | str | None = None) -> Plan:
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
    return Plan(
        tasks=tuple(
            (task.source, task.brand, task.model, task.query or task.url, task.label or "")
            for task in tasks
        ),
        hosts=dict(hosts.most_common()),
        # robots.txt and tdmrep.json of each host are two requests more.
        pages_seconds=max(
            ((n + 2) * gate.interval(host) for host, n in hosts.items()), default=0.0
        ),
        pictures_seconds=len(models) * brands.limits.per_model * interval,
        per_source=dict(Counter(task.source for task in tasks)),
    )
