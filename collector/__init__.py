"""collector: from a brand's name to original pictures with a pedigree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bodyshop.lazy import lazy_exports

if TYPE_CHECKING:
    from collector.brands import Brands, load_brands, parse_brands
    from collector.canary import Canary, check_sources, describe_browser
    from collector.crawl import CollectSummary, collect
    from collector.evidence import (
        refusals_table,
        sightings_table,
        write_refusals,
        write_sightings,
    )
    from collector.folder import ImportSummary, import_folder
    from collector.mix import MixSummary, parse_mix, select_mix
    from collector.planning import Plan, plan
    from collector.recipe import Recipe, load_recipe
    from collector.source import Source, Tools
    from collector.summary import summarise

__all__ = [
    "Brands",
    "Canary",
    "CollectSummary",
    "ImportSummary",
    "MixSummary",
    "Plan",
    "Recipe",
    "Source",
    "Tools",
    "check_sources",
    "collect",
    "describe_browser",
    "import_folder",
    "load_brands",
    "load_recipe",
    "parse_brands",
    "parse_mix",
    "plan",
    "refusals_table",
    "select_mix",
    "sightings_table",
    "summarise",
    "write_refusals",
    "write_sightings",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Brands": "brands",
        "load_brands": "brands",
        "parse_brands": "brands",
        "Canary": "canary",
        "check_sources": "canary",
        "describe_browser": "canary",
        "CollectSummary": "summary",
        "collect": "crawl",
        "refusals_table": "evidence",
        "write_refusals": "evidence",
        "sightings_table": "evidence",
        "write_sightings": "evidence",
        "MixSummary": "mix",
        "parse_mix": "mix",
        "select_mix": "mix",
        "Source": "source",
        "Tools": "source",
        "ImportSummary": "folder",
        "import_folder": "folder",
        "summarise": "summary",
        "Plan": "planning",
        "plan": "planning",
        "Recipe": "recipe",
        "load_recipe": "recipe",
    },
)
