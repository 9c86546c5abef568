"""APIs with pictures of a car from all sides: an address template, and the user's key.

Known examples are the car configurator of Mercedes-Benz (``EXT000`` to ``EXT350``, the response is
JSON) and IMAGIN.studio (``angle=``, the response is the picture). brands.yaml describes both with
the same keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from collector.brands import Angles, Brand, Brands, Model
from collector.candidate import Find, Task, UrlCandidate, digest
from collector.errors import CollectorError
from collector.sources.source import Tools
from collector.spin.frames import angle
from collector.weburl import host_of, is_web_address

NAME = "spinner:angles"


class AngleSource:
    """The entries under ``angles`` of a model; each is a complete turn of the car."""

    needs_browser = False

    def __init__(self, brands: Brands) -> None:
        self._override = brands.sources.angles.robots == "override"

    def tasks(self, brand: Brand, model: Model) -> Iterable[Task]:
        """One task per entry."""
        for entry in model.angles:
            label = entry.label or model.label or brand.label
            url = _with_key(entry)
            yield Task(NAME, url, brand.name, model.name, label, options=(("entry", entry),))

    def discover(self, task: Task, tools: Tools) -> Iterator[list[Find]]:
        """Yield the views in the order of the turn; missing views are reported as incomplete."""
        entry: Angles = task.option("entry")
        names = entry.views.names()
        if entry.answer is None:
            urls = {name: task.url.replace("{view}", quote(name)) for name in names}
        elif "{views}" in task.url:
            answer = tools.fetch_json(task.url.replace("{views}", ",".join(map(quote, names))), {})
            urls = _addresses(answer, entry.answer, names)
        else:
            urls = {}
            for name in names:
                answer = tools.fetch_json(task.url.replace("{view}", quote(name)), {})
                urls |= _addresses(answer, entry.answer, [name])
                if tools.stopping():
                    return
        yield [self._find(task, url, names.index(name), len(names)) for name, url in urls.items()]
        if len(urls) < len(names):
            tools.completeness.lacks.append(f"the API names {len(urls)} of {len(names)} views")

    def _find(self, task: Task, url: str, number: int, count: int) -> Find:
        parts = urlsplit(task.url)
        return Find(
            task.candidate(
                (UrlCandidate("api", url),),
                page_url=f"{parts.scheme}://{parts.netloc}{parts.path}",
                rank=number + 1,
                spin_group=digest(task.url)[:16],
                frame=number,
                frames=count,
                angle_deg=angle(number, count),
                permission={"api": host_of(task.url)},
                override=self._override,
            )
        )


def _with_key(entry: Angles) -> str:
    """Return the address with the name of the key's variable in the place of the key."""
    if entry.key is None or entry.key.parameter is None:
        return entry.url
    joint = "&" if urlsplit(entry.url).query else "?"
    return f"{entry.url}{joint}{quote(entry.key.parameter)}={{{entry.key.variable}}}"


def _addresses(answer: Any, path: str, names: list[str]) -> dict[str, str]:
    """Look up ``vehicle.{view}.url`` for each view; missing views are left out."""
    found: dict[str, str] = {}
    for name in names:
        at = answer
        for step in path.replace("{view}", name).split("."):
            at = at.get(step) if isinstance(at, dict) else None
        if isinstance(at, str) and is_web_address(at):
            found[name] = at
    if not found:
        raise CollectorError(f"the response has no picture at {path}")
    return found
