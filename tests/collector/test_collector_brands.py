"""brands.yaml: what is accepted, and how errors are reported."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from bodyshop_core.errors import ConfigError
from collector.brands import load_brands, parse_brands
from collector.crawl.plan import plan
from collector.sources.recipe import load_recipe, recipes_for

SMALL = """
version: 1
contact: me@example.org
brands:
  - name: Norden
    models:
      - name: Fjell
        pages: [https://norden.example/fjell]
        queries: [Norden Fjell, {text: Norden Fjell dent, label: damaged}]
      - 3008
"""


def test_shorthand_numbers_and_labels_are_understood():
    brands = parse_brands(SMALL)
    fjell, number = brands.brands[0].models
    assert fjell.pages[0].url == "https://norden.example/fjell"
    assert [query.label for query in fjell.queries] == [None, "damaged"]
    assert number.name == "3008"


def test_hangul_names_are_stored_composed():
    decomposed = unicodedata.normalize("NFD", "현대")
    brands = parse_brands(SMALL.replace("Norden\n", f"{decomposed}\n", 1))
    assert brands.brands[0].name == "현대"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "        queries:",
            "        querys:",
            ["querys", "unknown key", "mean 'queries'"],
        ),
        ("contact: me@example.org", "contact: me", ["contact", "reach you"]),
        ("https://norden.example", "ftp://norden.example", ["http"]),
        ("https://norden.example", "https://me:pw@norden.example", ["password"]),
        ("      - 3008", "      - Fjell", ["duplicate model"]),
        ("version: 1", "version: 2", ["version"]),
        ("version: 1", "version: 1\nlimits: {min_side: 0}", ["limits.min_side"]),
        ("version: 1", "version: 1\nlimits: {load_seconds: 0}", ["limits.load_seconds"]),
        ("version: 1", "version: 1\nlimits: {behaviour_seconds: 9999}", ["3600"]),
        ("version: 1", "version: 1\nlimits: {page_seconds: 9}", ["page_seconds", "unknown key"]),
        ("version: 1", "version: 1\nsources: {pages: {robots: ignore}}", ["obey", "override"]),
    ],
)
def test_an_error_is_reported_with_its_key_and_what_is_allowed(before, after, told):
    with pytest.raises(ConfigError) as caught:
        parse_brands(SMALL.replace(before, after, 1), name="brands.yaml")
    assert "brands.yaml" in str(caught.value)
    for word in told:
        assert word in str(caught.value)


def test_an_error_is_reported_with_its_line():
    with pytest.raises(ConfigError) as caught:
        parse_brands(SMALL.replace("        pages:", "        page:"), name="brands.yaml")
    assert "brands.yaml:8" in str(caught.value)


def test_relative_paths_start_at_the_file(tmp_path: Path):
    (tmp_path / "list.txt").write_text("https://a.example/1.jpg\n")
    file = tmp_path / "brands.yaml"
    file.write_text(SMALL.replace("      - 3008", "      - {name: X, lists: [{file: list.txt}]}"))
    assert load_brands(file).brands[0].models[1].lists[0].file == tmp_path / "list.txt"


def test_an_unknown_engine_names_the_shipped_ones():
    with pytest.raises(ConfigError, match="bing, google, naver"):
        recipes_for(("altavista",), ())


def test_every_shipped_recipe_loads_and_says_whether_it_was_checked():
    for name in ("google", "bing", "naver"):
        recipe = load_recipe(name)
        assert recipe.name == name
        assert "gainst the live site" in recipe.checked


def test_a_plan_counts_hosts_and_the_time_that_politeness_takes():
    text = SMALL.replace("version: 1", "version: 1\nlimits: {per_host_interval: 2, per_model: 10}")
    found = plan(parse_brands(text))
    assert found.per_source == {"pages": 1}
    assert found.hosts == {"norden.example": 1}
    assert found.pages_seconds == 6  # robots.txt, tdmrep.json and the page, 2 seconds apart
    assert found.pictures_seconds == 20
    assert found.as_dict()["tasks"][0]["what"] == "https://norden.example/fjell"
