"""What the collector is given to crawl the showroom: a brands.yaml and a search recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from showroom.site.hosts import Hosts
from showroom.site.stock import Stock
from showroom.truth import Picture, ShowroomBrand, ShowroomModel

RECIPE_NAME = "showroom"


def brands_yaml(
    hosts: Hosts, stock: Stock, *, recipe: Path, spinners: bool, search: bool, interval: float
) -> str:
    """Return the text of a brands.yaml for the showroom; see `Site.brands_yaml`."""
    plan = {
        "version": 1,
        "contact": "demo@bodyshop.example",
        "allow_hosts": [getattr(hosts, n) for n in ("site", "cdn", "search", "thumbs", "web")],
        "limits": {"per_model": 500, "per_host_interval": interval, "min_side": _min_side(stock)},
        "sources": {
            "pages": {"enabled": True},
            "spinners": {"enabled": spinners},
            "search": {"engines": [RECIPE_NAME] if search else []},
        },
        "recipes": [str(recipe)] if search else [],
        "brands": [
            {
                "name": brand.name,
                "models": [_model(brand, model, hosts, stock) for model in brand.models],
            }
            for brand in stock.truth.brands
        ],
    }
    return yaml.safe_dump(plan, allow_unicode=True, sort_keys=False, width=100)


def recipe_yaml(hosts: Hosts, stock: Stock) -> str:
    """Return the recipe of the showroom's image search."""
    queries = stock.truth.queries()
    query = queries[0] if queries else "car"
    recipe = {
        "name": RECIPE_NAME,
        "version": "1",
        "checked": "with every run of the tests",
        "url": hosts.url("search", "/search?q={query}"),
        "page_wait": "#results [role=listitem], #no-results",
        "result": ["#results [role=listitem]", "#results .tile"],
        "click": ["button.tile-open"],
        "full_image": ["#preview:not([hidden]) img.preview-full"],
        "source_link": ["#preview:not([hidden]) a.preview-source"],
        "scroll": {"step": 0.9, "max_rounds": 80, "quiet_rounds": 3, "settle_ms": 400},
        "more_button": ["#more:not([hidden])"],
        "consent": ["#consent button[data-consent=reject]"],
        "thumbnail_hosts": [hosts.thumbs],
        "canary": {"query": query, "min_images": max(1, min(10, len(stock.results(query)) // 2))},
    }
    return yaml.safe_dump(recipe, allow_unicode=True, sort_keys=False, width=100)


def _model(
    brand: ShowroomBrand, model: ShowroomModel, hosts: Hosts, stock: Stock
) -> dict[str, Any]:
    base = f"/{brand.slug}/{model.slug}/"
    entry: dict[str, Any] = {"name": model.name}
    if stock.gallery(brand, model):
        entry["pages"] = [{"url": hosts.url("site", base), "label": "whole"}]
    spins = stock.spins(brand, model)
    if spins:
        entry["spinners"] = [
            {"url": hosts.url("site", f"{base}360/{s.group}"), "label": "whole", "kind": "auto"}
            for s in spins
        ]
    queries = {
        p.query: _label(p.query, stock)
        for p in stock.truth.pictures
        if p.query and _belongs(p, brand, model)
    }
    if queries:
        entry["queries"] = [{"text": text, "label": label} for text, label in queries.items()]
    return entry


def _min_side(stock: Stock) -> int:
    """Return 200, or less where the showroom is so small that its originals would be refused."""
    return min([200, *(min(p.width, p.height) for p in stock.truth.originals())])


def _belongs(picture: Picture, brand: ShowroomBrand, model: ShowroomModel) -> bool:
    return picture.brand in (brand.name, brand.slug) and picture.model in (model.name, model.slug)


def _label(query: str, stock: Stock) -> str:
    """Return what the person who typed the query was after: the label most of its cars carry."""
    labels = [p.damage for p in stock.results(query) if p.damage]
    return max(sorted(set(labels)), key=labels.count) if labels else "whole"
