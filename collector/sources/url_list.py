"""A plain list of picture addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bodyshop_core.errors import ConfigError
from collector.brands import Brand, Brands, Model
from collector.candidate import Find, Task, UrlCandidate
from collector.sources.source import Tools

NAME = "urls"
_BATCH = 200


class UrlListSource:
    """The lists of a model: a text file with one address per line, or addresses in brands.yaml."""

    needs_browser = False

    def __init__(self, brands: Brands) -> None:
        self._override = brands.sources.urls.robots == "override"

    def tasks(self, brand: Brand, model: Model) -> Iterable[Task]:
        """One task per list."""
        for number, item in enumerate(model.lists):
            label = item.label or model.label or brand.label
            name = str(item.file) if item.file else f"brands.yaml#{number}"
            options = (("file", item.file), ("urls", item.urls))
            yield Task(NAME, f"list:{name}", brand.name, model.name, label, options=options)

    def discover(self, task: Task, tools: Tools) -> Iterator[list[Find]]:
        """Yield the addresses in their order; the log counts the invalid ones."""
        batch: list[Find] = []
        for rank, url in enumerate(self._urls(task), 1):
            url_candidates = (UrlCandidate("listed", url),)
            facts = {"page_url": "", "rank": rank, "override": self._override}
            batch.append(Find(task.candidate(url_candidates, **facts)))
            if len(batch) == _BATCH:
                yield batch
                batch = []
        yield batch

    def _urls(self, task: Task) -> Iterator[str]:
        yield from task.option("urls", ())
        file: Path | None = task.option("file")
        if file is None:
            return
        try:
            with file.open(encoding="utf-8-sig") as lines:
                for line in lines:
                    url = line.strip()
                    if url and not url.startswith("#"):
                        yield url
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the list of urls cannot be read: {error}", file=file) from error
