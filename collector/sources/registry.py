"""Which sources a brands.yaml enables; a new source needs a module and a line here."""

from __future__ import annotations

from collector.brands import Brands
from collector.sources.recipe import recipes_for
from collector.sources.source import Source


def sources_for(brands: Brands) -> dict[str, Source]:
    """Return the sources that a brands.yaml enables, by their names in the catalog."""
    from collector.sources.commons import CommonsSource
    from collector.sources.openverse import OpenverseSource
    from collector.sources.pages import PageSource
    from collector.sources.perspective_api import AngleSource
    from collector.sources.search import SearchPageSource, check_names
    from collector.sources.spinners import SpinnerSource
    from collector.sources.url_list import UrlListSource

    on = brands.sources
    found: dict[str, Source] = {}
    if on.pages.enabled:
        found["pages"] = PageSource(brands)
    if on.spinners.enabled:
        found["spinner"] = SpinnerSource(brands)
    if on.angles.enabled:
        found["spinner:angles"] = AngleSource(brands)
    if on.urls.enabled:
        found["urls"] = UrlListSource(brands)
    if on.openverse.enabled:
        found["openverse"] = OpenverseSource(brands)
    if on.commons.enabled:
        found["commons"] = CommonsSource(brands)
    recipes = recipes_for(on.search.engines, brands.recipes)
    check_names(recipes)
    for recipe in recipes:
        found[recipe.source] = SearchPageSource(recipe, brands)
    return found
