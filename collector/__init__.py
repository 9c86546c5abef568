"""collector: from a brand's name to original pictures with a pedigree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bodyshop.lazy import lazy_exports

if TYPE_CHECKING:
    from collector.brands import Brands, load_brands, parse_brands
    from collector.crawl import CollectSummary, collect
    from collector.folder import ImportSummary, import_folder
    from collector.planning import Plan, plan
    from collector.recipe import Recipe, load_recipe

__all__ = [
    "Brands",
    "CollectSummary",
    "ImportSummary",
    "Plan",
    "Recipe",
    "collect",
    "import_folder",
    "load_brands",
    "load_recipe",
    "parse_brands",
    "plan",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Brands": "brands",
        "load_brands": "brands",
        "parse_brands": "brands",
        "CollectSummary": "crawl",
        "collect": "crawl",
        "ImportSummary": "folder",
        "import_folder": "folder",
        "Plan": "planning",
        "plan": "planning",
        "Recipe": "recipe",
        "load_recipe": "recipe",
    },
)
