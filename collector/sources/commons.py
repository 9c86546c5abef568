"""Wikimedia Commons: free pictures through the MediaWiki API, with licence and author."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from typing import Any

from collector.brands import Brand, Brands, Model
from collector.candidate import Find, Task, UrlCandidate
from collector.sources.source import Tools
from collector.weburl import host_of

NAME = "commons"
ENDPOINT = "https://commons.wikimedia.org/w/api.php"
PAGE_SIZE = 50
FILES = "6"
"""The namespace of files; other namespaces contain articles without a picture."""

_TAG = re.compile(r"<[^>]*>")


class CommonsSource:
    """The queries of a model on Wikimedia Commons."""

    needs_browser = False

    def __init__(self, brands: Brands) -> None:
        self._config = brands.sources.commons
        self._endpoint = self._config.endpoint or ENDPOINT

    def tasks(self, brand: Brand, model: Model) -> Iterable[Task]:
        """One task per query."""
        for query in model.queries:
            label = query.label or model.label or brand.label
            url = f"{self._endpoint}#{query.text}"
            yield Task(NAME, url, brand.name, model.name, label, query.text)

    def discover(self, task: Task, tools: Tools) -> Iterator[list[Find]]:
        """Yield results page by page, in their order."""
        wanted = min(self._config.per_query, tools.limits.page_items)
        params: dict[str, Any] = {
            "action": "query", "format": "json", "formatversion": 2, "generator": "search",
            "gsrsearch": f"{task.query} filetype:bitmap", "gsrnamespace": FILES,
            "gsrlimit": min(PAGE_SIZE, wanted), "prop": "imageinfo",
            "iiprop": "url|size|mime|user|extmetadata",
        }  # fmt: skip
        rank, more = 0, {"gsroffset": 0}
        while rank < wanted and more:
            answer = tools.fetch_json(self._endpoint, params | more)
            pages = answer.get("query", {}).get("pages", [])
            finds = []
            for page in sorted(pages, key=lambda each: each.get("index", 0)):
                rank += 1
                found = self._find(task, page, rank)
                if rank <= wanted and found is not None:
                    finds.append(found)
            yield finds
            more = answer.get("continue", {})

    def _find(self, task: Task, page: dict[str, Any], rank: int) -> Find | None:
        info = (page.get("imageinfo") or [{}])[0]
        if not info.get("url") or not str(info.get("mime", "")).startswith("image/"):
            return None
        metadata = info.get("extmetadata") or {}
        if self._config.licences and licence_code(metadata) not in self._config.licences:
            return None
        size = (info.get("width"), info.get("height"))
        return Find(
            task.candidate(
                (UrlCandidate("api", info["url"]),),
                page_url=info.get("descriptionurl") or "",
                page_title=page.get("title") or "",
                rank=rank,
                shown=(int(size[0]), int(size[1])) if size[0] and size[1] else None,
                caption=_plain(metadata, "ImageDescription"),
                licence=_plain(metadata, "LicenseUrl") or _plain(metadata, "LicenseShortName"),
                author=_plain(metadata, "Artist") or str(info.get("user") or ""),
                permission={"api": host_of(self._endpoint)},
                override=self._config.robots == "override",
            )
        )


def licence_code(metadata: dict[str, Any]) -> str:
    """Return ``by-sa`` of "cc-by-sa-4.0", ``cc0``, ``pd``: the codes that Openverse uses too."""
    text = _plain(metadata, "License").lower() or _plain(metadata, "LicenseShortName").lower()
    text = re.sub(r"[\s_]+", "-", text)
    text = re.sub(r"-?\d+(\.\d+)*(-\w+)?$", "", text)
    return "cc0" if text in {"cc", "cc0", "cc-zero"} else text.removeprefix("cc-")


def _plain(metadata: dict[str, Any], key: str) -> str:
    """Return a field without the HTML that MediaWiki adds."""
    entry = metadata.get(key)
    value = entry.get("value", "") if isinstance(entry, dict) else ""
    return html.unescape(_TAG.sub(" ", str(value))).strip()
