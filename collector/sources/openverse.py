"""Openverse: openly licensed pictures through its API, with licence and author."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from collector.brands import Brand, Brands, Model
from collector.candidate import Find, Task, UrlCandidate
from collector.sources.source import Tools
from collector.weburl import host_of

NAME = "openverse"
ENDPOINT = "https://api.openverse.org/v1/images/"
PAGE_SIZE = 20
"""Most results per request for an anonymous client."""

MAX_RESULTS = 240
"""Most results per query for an anonymous client."""


class OpenverseSource:
    """The queries of a model on Openverse."""

    needs_browser = False

    def __init__(self, brands: Brands) -> None:
        self._config = brands.sources.openverse
        self._endpoint = self._config.endpoint or ENDPOINT

    def tasks(self, brand: Brand, model: Model) -> Iterable[Task]:
        """One task per query."""
        for query in model.queries:
            label = query.label or model.label or brand.label
            url = f"{self._endpoint}#{query.text}"
            yield Task(NAME, url, brand.name, model.name, label, query.text)

    def discover(self, task: Task, tools: Tools) -> Iterator[list[Find]]:
        """Yield results page by page."""
        wanted = min(self._config.per_query, tools.limits.page_items, MAX_RESULTS)
        params: dict[str, Any] = {"q": task.query or "", "page_size": PAGE_SIZE}
        if self._config.licences:
            params["license"] = ",".join(self._config.licences)
        rank = 0
        for page in range(1, -(-wanted // PAGE_SIZE) + 1):
            answer = tools.fetch_json(self._endpoint, params | {"page": page})
            finds = []
            for result in answer.get("results", []):
                rank += 1
                if rank <= wanted and result.get("url"):
                    finds.append(self._find(task, result, rank))
            yield finds
            if rank >= wanted or page >= int(answer.get("page_count", 0)):
                return

    def _find(self, task: Task, result: dict[str, Any], rank: int) -> Find:
        return Find(
            task.candidate(
                (UrlCandidate("api", result["url"]),),
                page_url=result.get("foreign_landing_url") or "",
                page_title=result.get("title") or "",
                rank=rank,
                licence=result.get("license_url") or result.get("license") or "",
                author=result.get("creator") or "",
                permission={"api": host_of(self._endpoint)},
                override=self._config.robots == "override",
            )
        )
