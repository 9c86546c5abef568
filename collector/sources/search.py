"""Image searches by recipe: scroll the results, open the full size, accept no preview."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from bodyshop_core.errors import BodyshopError
from collector.brands import Brand, Brands, Model
from collector.browser.consent import ConsentAnswers, refuse_consent
from collector.browser.pointer import click_at
from collector.candidate import Find, Task, UrlCandidate
from collector.errors import ChallengeError
from collector.sources.recipe import SearchRecipe
from collector.sources.source import OpenedPage, Tools
from collector.sources.url_candidates import with_rewrites
from collector.weburl import host_of

SLICE_SECONDS = 6.0
"""Seconds per call into the page, so that downloads start while the list still grows."""


MOST_MISSED = 0.2
"""Part of the results that may have no full-size picture in a complete list: some are gone."""

_STATE = ("rank", "rounds", "still", "missed", "selector", "scripted", "trusted")


class SearchPageSource:
    """The queries of a model on one search engine."""

    needs_browser = True

    def __init__(self, recipe: SearchRecipe, brands: Brands) -> None:
        self.recipe = recipe
        self._override = brands.sources.search.robots == "override"

    def tasks(self, brand: Brand, model: Model) -> Iterable[Task]:
        """One task per query."""
        for query in model.queries:
            label = query.label or model.label or brand.label
            url = self.recipe.url.replace("{query}", quote(query.text, safe=""))
            yield Task(self.recipe.source, url, brand.name, model.name, label, query.text)

    def discover(self, task: Task, tools: Tools) -> Iterator[list[Find]]:
        """Yield the full-size addresses of the results, rank by rank."""
        recipe, limits = self.recipe, tools.limits
        page = tools.open_page(task.url, self._override)
        self._refuse_challenge(tools, page)
        browser = tools.browser
        refuse_consent(browser, ConsentAnswers(), recipe.consent)
        known = recipe.model_dump(mode="json")
        if not browser.await_(
            "T.waitFor(() => T.listReady(given[0]), given[1])",
            known,
            min(recipe.page_ms, 1000 * browser.left),
        ):
            self._refuse_challenge(tools, page)
            self._refuse_shell(tools, page)
            return
        state: dict[str, Any] = {
            "rank": 0, "rounds": 0, "still": 0, "missed": 0, "max": limits.page_items,
            "scripted": False, "trusted": False,
        }  # fmt: skip
        while left := browser.left:
            state["seconds"] = min(SLICE_SECONDS, left)
            answer = browser.await_("T.search(given[0], given[1])", known, state)
            yield [self._find(task, page, found) for found in answer["found"]]
            state |= {key: answer[key] for key in _STATE}
            if answer["stopped"] == "pointer" and not tools.stopping():
                click_at(browser, answer["pointer"]["x"], answer["pointer"]["y"])
                continue
            if answer["stopped"] != "later" or tools.stopping():
                break
            self._refuse_challenge(tools, page)
        else:
            tools.completeness.lacks.append(
                f"there may be more than {state['rank']} results; "
                f"limits.behaviour_seconds is {limits.behaviour_seconds:g}"
            )
        if state["missed"]:
            lack = f"{state['missed']} of {state['rank']} results have no full-size picture"
            tools.log(f"{recipe.source} {task.query!r}: {lack}")
            if state["missed"] > MOST_MISSED * state["rank"]:
                tools.completeness.lacks.append(lack)

    def _find(self, task: Task, page: OpenedPage, found: dict[str, Any]) -> Find:
        recipe = self.recipe
        return Find(
            task.candidate(
                with_rewrites([UrlCandidate(found["url_candidate"], found["url"])]),
                page_url=found["page"] or page.url,
                page_title=found["title"],
                alt=found["alt"],
                selector=found["selector"],
                rank=found["rank"],
                shown=tuple(found["shown"]) if found["shown"] else None,
                thumbnail_hosts=recipe.thumbnail_hosts,
                recipe_version=f"{recipe.name} {recipe.version}",
                permission=page.permission,
                override=self._override,
            )
        )

    def _refuse_shell(self, tools: Tools, page: OpenedPage) -> None:
        """Refuse a page without a result that leads to a challenge: it only asks for JavaScript."""
        html = tools.browser.source()
        if any(re.search(pattern, html) for pattern in self.recipe.blocked.url):
            raise ChallengeError(
                f"{host_of(page.url)} answered with an empty page that leads to a challenge"
            )

    def _refuse_challenge(self, tools: Tools, page: OpenedPage) -> None:
        signs, browser = self.recipe.blocked, tools.browser
        url = browser.url
        if any(re.search(pattern, url) for pattern in signs.url):
            raise ChallengeError(f"{host_of(page.url)} redirected to {url[:120]}, a challenge page")
        if signs.css and browser.run("return !!T.first(arguments[0])", list(signs.css)):
            raise ChallengeError(f"{host_of(page.url)} shows a challenge")
        if signs.text:
            text = str(browser.run("return (T.ofDocument('body') || {}).innerText || ''"))
            if any(re.search(pattern, text) for pattern in signs.text):
                raise ChallengeError(f"{host_of(page.url)} shows a challenge")


def check_names(recipes: Iterable[SearchRecipe]) -> None:
    """Refuse two recipes with the same name: their pictures could not be distinguished.

    Raises
    ------
    BodyshopError
        Naming the recipe.
    """
    seen: set[str] = set()
    for recipe in recipes:
        if recipe.name in seen:
            raise BodyshopError(f"duplicate search recipe {recipe.name!r}")
        seen.add(recipe.name)
