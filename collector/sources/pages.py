"""Brand pages: every picture of a page, by element, style, metadata and request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urljoin

from collector.brands import Brand, Brands, Model
from collector.browser.consent import ConsentAnswers, refuse_consent
from collector.browser.exploring import estimate_of, see_whole_page
from collector.candidate import REWRITTEN, Find, Task, UrlCandidate
from collector.errors import CollectorError
from collector.net.declared import ANSWERS
from collector.sources.full_size import rewrite_rules
from collector.sources.inline_pictures import inline_pictures
from collector.sources.json_pictures import json_items
from collector.sources.source import OpenedPage, Tools
from collector.sources.url_candidates import PagePicture, pictures_of, with_rewrites
from collector.weburl import is_web_address, url_key

NAME = "pages"
MAX_REPLACED = 3
"""A page that a script replaces while it is looked at is opened again at its new address."""

FEW = 3
"""A page with fewer pictures whose consent manager waits may show the others only afterwards."""

LD_SELECTOR = 'script[type="application/ld+json"]'
_MAX_DEPTH = 40  # of JSON-LD; deeper nesting is an attack


class PageSource:
    """The pages listed under ``pages`` of a model."""

    needs_browser = True

    def __init__(self, brands: Brands) -> None:
        self._override = brands.sources.pages.robots == "override"

    def tasks(self, brand: Brand, model: Model) -> Iterable[Task]:
        """One task per page."""
        for page in model.pages:
            label = page.label or model.label or brand.label
            yield Task(NAME, page.url, brand.name, model.name, label)

    def discover(self, task: Task, tools: Tools) -> Iterator[list[Find]]:
        """Open the page, see all of it, and list its pictures and those of the network log."""
        url = task.url
        for _ in range(MAX_REPLACED):
            page = tools.open_page(url, self._override)
            loader = tools.browser.loader()
            answers = refuse_consent(tools.browser, ConsentAnswers())
            lacks = see_whole_page(tools.browser, answers, tools.limits.page_items)
            content = tools.browser.await_("T.collect(given[0])", tools.limits.page_items)
            url = tools.browser.url
            if tools.browser.loader() == loader:
                break
            if not is_web_address(url):  # an empty page is what is left of one that was lost
                url = task.url
        else:  # nothing is known about the permission of the page that is open now
            raise CollectorError(f"{task.url} replaces itself again and again, last by {url[:200]}")
        if answers.given:
            page.permission["consent"] = answers.given
        finds = self._finds(task, page, content, tools)
        kept = finds[: tools.limits.page_items]
        inline = inline_pictures(
            tools.browser, task, page, tools.limits,
            room=tools.limits.page_items - len(kept), title=content["title"],
        )  # fmt: skip
        tools.hold((each for each in tools.browser.responses() if each.status in ANSWERS), kept)
        yield [*kept, *inline.finds]
        count = len(finds) + len(inline.finds)
        known = tools.completeness
        estimate = estimate_of(tools.browser, found=count, limit=tools.limits.page_items)
        known.announced = estimate.announced
        known.lacks = [*lacks, *inline.lacks, *estimate.lacks]
        if answers.waits and (known.lacks or count < FEW):
            known.lacks.insert(0, f"waits for consent: {answers.waits}")

    def _finds(
        self, task: Task, page: OpenedPage, content: dict[str, Any], tools: Tools
    ) -> list[Find]:
        noted = [item for entry in content["json"] for item in json_items(entry, page.url)]
        pictures = pictures_of([*content["items"], *noted])
        licences: dict[str, str] = {}
        for url, licence in json_ld_images(content["ld"], page.url):
            licences[url_key(url)] = licence
            pictures = _joined(pictures, url, "json_ld")
        claimed = set().union(*(picture.claimed for picture in pictures)) if pictures else set()
        claimed |= {url_key(url) for url in content["strange"] if is_web_address(url)}
        for seen in tools.browser.responses():
            if not seen.is_image or seen.status not in ANSWERS or not is_web_address(seen.url):
                continue
            known = {url_key(url) for url in seen.urls if is_web_address(url)}  # redirects, too
            if claimed.isdisjoint(known):
                claimed |= known
                url_candidate = UrlCandidate("network", seen.url)
                pictures.append(PagePicture([url_candidate], {url_key(seen.url)}, kind="network"))
        finds: list[Find] = []
        rules = f"full_size {rewrite_rules().version}"
        for picture in pictures:
            if picture.is_small(tools.limits.min_side):
                continue
            candidates = with_rewrites(picture.url_candidates)
            licence = next((licences[key] for key in picture.claimed if licences.get(key)), "")
            finds.append(
                Find(
                    task.candidate(
                        candidates,
                        page_url=page.url,
                        page_title=content["title"],
                        rank=len(finds) + 1,
                        alt=picture.alt,
                        caption=picture.caption,
                        selector=picture.selector,
                        shown=picture.shown,
                        icon=picture.icon,
                        licence=licence or content["licence"],
                        permission=page.permission,
                        override=self._override,
                        recipe_version=rules
                        if any(e.name == REWRITTEN for e in candidates)
                        else "",
                    )
                )
            )
        return finds


def _names(candidates: Iterable[UrlCandidate]) -> set[str]:
    return {each.name for each in candidates}


def json_ld_images(blocks: Iterable[str], base: str) -> list[tuple[str, str]]:
    """Return (address, licence) of the pictures named by a page's JSON-LD blocks.

    Parameters
    ----------
    blocks : iterable of str
        Contents of ``<script type="application/ld+json">``; invalid JSON is skipped, as search
        engines do.
    base : str
        The page's address.
    """
    found: dict[str, str] = {}
    for block in blocks:
        try:
            data = json.loads(block)
        except (ValueError, RecursionError):
            continue
        for url, licence in _images_in(data):
            try:
                absolute = urljoin(base, url)
            except ValueError:  # "http://["
                continue
            if is_web_address(absolute):
                found.setdefault(absolute, licence)
    return list(found.items())


def _images_in(node: Any, licence: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(node, list):
        for each in node:
            yield from _images_in(each, licence, depth + 1)
    elif isinstance(node, dict):
        own = node.get("license") or licence
        own = own.get("@id", "") if isinstance(own, dict) else str(own)
        if "ImageObject" in str(node.get("@type", "")):
            for key in ("contentUrl", "url"):
                if isinstance(node.get(key), str):
                    yield node[key], own
                    break
        for key, value in node.items():
            if key in {"image", "images", "photo", "photos"} and isinstance(value, str | list):
                for each in value if isinstance(value, list) else [value]:
                    if isinstance(each, str):
                        yield each, own
            if isinstance(value, dict | list):
                yield from _images_in(value, own, depth + 1)


def _joined(pictures: list[PagePicture], url: str, name: str) -> list[PagePicture]:
    """Add an address that the page only mentions, unless one of its pictures has it already."""
    key = url_key(url)
    if any(key in picture.claimed for picture in pictures):
        return pictures
    return [
        *pictures,
        PagePicture([UrlCandidate(name, url)], {key}, kind=name, selector=LD_SELECTOR),
    ]
