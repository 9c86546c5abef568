"""The examples of the guide: recipe, custom source, and the shipped brands.yaml."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

import collector
from bodyshop_core.config import parse_yaml
from bodyshop_core.errors import UsageError
from collector.sources.recipe import SearchRecipe

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "collect.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    (text,) = [
        each for each in found if containing in each and "import collector\n\ncoll" not in each
    ]
    return text


def test_the_brands_yaml_of_the_guide_is_valid():
    brands = collector.parse_brands(block("yaml", "brands:"))
    assert collector.plan(brands).per_source == {
        "pages": 1, "spinner": 1, "urls": 1, "openverse": 2, "commons": 2, "search:bing": 2,
    }  # fmt: skip


def test_the_angles_of_the_guide_are_valid():
    text = """
version: 1
contact: you@example.org
sources: {angles: {enabled: true}}
brands:
  - name: Any
    models:
      - name: Car
"""
    angles = block("yaml", "perspectives={views}").replace("\n", "\n        ")
    brands = collector.parse_brands(text + " " * 8 + angles.rstrip() + "\n")
    turn, single = brands.brands[0].models[0].angles
    assert (turn.answer, single.key.parameter) == ("vehicle.{view}.url", "customer")
    assert collector.plan(brands).per_source == {"spinner:angles": 2}


def test_the_recipe_of_the_guide_is_valid():
    recipe = parse_yaml(block("yaml", "name: mysearch"), SearchRecipe)
    assert recipe.result == (".result", "li.hit")


def test_the_source_of_the_guide_collects(server, brands_for, workspace):
    urls = server.add_pictures(3)
    listing = [
        {"large": server.url(f"/gone/{n}.jpg") if n == 0 else url, "small": url,
         "page": server.url("/kit"), "photographer": "A. Nother"}
        for n, url in enumerate(urls)
    ]  # fmt: skip
    server.add("/api", json.dumps({"pictures": listing}).encode(), "application/json")
    names: dict = {}
    exec(compile(block("python", "class PressKitSource"), "docs/collect.md", "exec"), names)
    source = names["PressKitSource"](server.url("/api"))
    summary = collector.collect(brands_for(), workspace, extra={"presskit": source})
    assert summary.downloaded == 3
    rows = list(collector.sightings_table(workspace))
    assert {row["source"] for row in rows} == {"presskit"}
    assert {row["author"] for row in rows} == {"A. Nother"}


def test_the_source_of_the_guide_has_the_docstrings_that_a_contribution_needs():
    tree = ast.parse(block("python", "class PressKitSource"))
    (source,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    methods = [node for node in source.body if isinstance(node, ast.FunctionDef)]
    public = [node for node in methods if not node.name.startswith("_")]
    assert all(ast.get_docstring(node) for node in (tree, source, *public))


def test_korea_has_33_models_of_five_brands_in_two_languages():
    brands = collector.load_brands(ROOT / "examples" / "korea.yaml")
    models = [model for brand in brands.brands for model in brand.models]
    assert (len(brands.brands), len(models)) == (5, 33)
    for model in models:
        texts = [query.text for query in model.queries]
        assert any(re.search("[가-힣]", text) for text in texts)
        assert any(text.isascii() for text in texts)
        assert {query.label for query in model.queries} == {"whole", "damaged"}
    assert "Not checked" in (ROOT / "examples" / "korea.yaml").read_text(encoding="utf-8")


def test_a_mix_is_chosen_by_source_and_says_where_it_falls_short(server, brands_for, workspace):
    collector.collect(brands_for(server.add_pictures(5)), workspace)
    chosen = collector.select_mix(workspace, mix="urls=3,spinner=2", per_class=5)
    assert [pick.place for pick in chosen.picks] == [1, 2, 3]
    assert chosen.rows() == [("Norden", "Fjell", "spinner", 0, 2)]
    chosen.write(workspace.root / "mix.csv")
    assert len((workspace.root / "mix.csv").read_text().splitlines()) == 4
    with pytest.raises(UsageError, match="sum of the mix is 5"):
        collector.select_mix(workspace, mix="urls=3,spinner=2", per_class=6)
    with pytest.raises(UsageError, match="spinner=120"):
        collector.parse_mix("spinner:120")
