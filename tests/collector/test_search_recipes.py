"""The shipped recipes find every original of the replicas, in each known layout."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sites import Replicas, serve_replicas
from sites.engines import LOST

from collector.brands import parse_brands
from collector.browser import Browser
from collector.candidate import Find, Task
from collector.errors import ChallengeError
from collector.net.address import AddressGuard
from collector.sources.recipe import SearchRecipe, load_recipe
from collector.sources.search import SearchPageSource
from collector.sources.source import OpenedPage, Tools

COUNT = 26
BRANDS = parse_brands(
    """
version: 1
contact: test@example.org
limits: {behaviour_seconds: 40}
brands:
  - name: Norden
    models: [{name: Fjell, queries: [{text: 바람 "파손" & dent, label: damaged}]}]
"""
)


@pytest.fixture(scope="module")
def replicas() -> Iterator[Replicas]:
    with serve_replicas(COUNT) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium: apt-get install chromium chromium-driver")
    guard = AddressGuard(["127.0.0.1"])
    with Browser(guard, "bodyshop-test (test@example.org)", load_seconds=20) as running:
        yield running


@pytest.fixture
def tools(browser: Browser, replicas: Replicas) -> Tools:
    browser.open(f"http://{replicas.hosts['blogs']}/robots.txt")
    browser.driver.delete_all_cookies()
    replicas.log.clear()

    def open_page(url: str, override: bool) -> OpenedPage:
        seen = browser.open(url)
        return OpenedPage(browser.url, seen.status if seen else 200)

    def no_fetch(*_: Any) -> Any:
        raise AssertionError("a search page is read by the browser alone")

    return Tools(
        limits=BRANDS.limits, open_page=open_page, fetch=no_fetch, log=lambda _: None,
        stopping=lambda: False, current_browser=lambda: browser,
    )  # fmt: skip


def search(recipe: SearchRecipe, tools: Tools) -> list[Find]:
    source = SearchPageSource(recipe, BRANDS)
    (task,) = source.tasks(BRANDS.brands[0], BRANDS.brands[0].models[0])
    assert isinstance(task, Task)
    return [find for batch in source.discover(task, tools) for find in batch]


# Engine and layout, whether the list names the page of each result, and results with no original.
LAYOUTS = [
    ("google", {"layout": "current", "consent": "banner"}, True, {LOST}),
    ("google", {"layout": "classic"}, True, set()),
    ("bing", {"layout": "m"}, True, set()),
    ("bing", {"layout": "mediaurl"}, False, set()),
    ("naver", {"layout": "current"}, False, set()),
    ("naver", {"layout": "grid"}, False, set()),
]


@pytest.mark.parametrize(("engine", "variant", "names_page", "lost"), LAYOUTS)
def test_a_recipe_brings_every_original_and_no_thumbnail(
    replicas: Replicas,
    tools: Tools,
    engine: str,
    variant: dict[str, str],
    names_page: bool,
    lost: set[int],
) -> None:
    found = search(replicas.recipe(engine, **variant), tools)
    expected = {i.full: i for i in replicas.items if i.number not in lost}
    assert {f.candidate.url for f in found} == set(expected)
    ranks = [f.candidate.rank for f in found]
    assert ranks == sorted(set(ranks))
    for find in found:
        item = expected[find.candidate.url]
        assert find.candidate.alt.startswith(item.title.split(" <")[0])
        assert find.candidate.recipe_version == f"{engine} 2026-08"
        if names_page:
            assert find.candidate.page_url == item.page


def test_naver_viewer_gives_the_original_when_the_preview_does_not_name_it(
    replicas: Replicas, tools: Tools
) -> None:
    recipe = replicas.recipe("naver").model_copy(update={"metadata": ()})
    found = search(recipe, tools)
    assert {f.candidate.url: f.candidate.page_url for f in found} == {
        i.full: i.page for i in replicas.items
    }


def test_google_consent_page_in_between_is_answered_with_a_refusal(
    replicas: Replicas, tools: Tools
) -> None:
    found = search(replicas.recipe("google", consent="page"), tools)
    assert len(found) == COUNT - 1
    assert len(replicas.log.of("google", prefix="/consent/save")) == 1


@pytest.mark.parametrize("engine", ["google", "bing", "naver"])
def test_a_challenge_page_stops_the_source(replicas: Replicas, tools: Tools, engine: str) -> None:
    with pytest.raises(ChallengeError):
        search(replicas.recipe(engine, blocked="1"), tools)


@pytest.mark.parametrize("engine", ["google", "bing", "naver"])
def test_a_query_without_results_brings_nothing_and_takes_no_preview(
    replicas: Replicas, tools: Tools, engine: str
) -> None:
    recipe = replicas.recipe(engine)
    field = "query" if engine == "naver" else "q"
    empty = recipe.model_copy(
        update={"url": recipe.url.replace(f"{field}={{query}}", f"{field}=none&was={{query}}"),
                "page_ms": 400}
    )  # fmt: skip
    begun = time.monotonic()
    assert search(empty, tools) == []
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize("engine", ["google", "bing", "naver"])
def test_a_shipped_recipe_says_that_it_was_not_checked_live(engine: str) -> None:
    recipe = load_recipe(engine)
    assert recipe.url.startswith("https://")
    assert "Never by this project against the live site" in recipe.checked
    assert recipe.canary.min_images >= 10
