from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from code_blocks import REPOSITORY, Block, blocks, commands, pages, shell_lines

import collector
import curate
import train
from augment.policy import parse_policy as parse_augmentation
from bodyshop.cli import GLOBAL_FLAGS, GLOBAL_VALUES, app, normalise
from bodyshop_core.config import parse_yaml

SHELL = list(blocks("bash", "sh", "console"))
YAML = list(blocks("yaml", "yml"))

KNOWN_KINDS = {"bash", "sh", "console", "yaml", "yml", "python", "py", "pycon", "text", "json"}

ANGLES_STAND_IN = """
contact: you@example.org
sources: {angles: {enabled: true}}
brands:
  - name: Any
    models:
      - name: Car
"""


def parse(words: list[str]) -> None:
    """Parse a command line to its last option without running it."""
    words = normalise(words)
    while words and (words[0] in GLOBAL_FLAGS | GLOBAL_VALUES):
        words = words[2:] if words[0] in GLOBAL_VALUES else words[1:]
    command = typer.main.get_command(app)
    name = "bodyshop"
    while hasattr(command, "commands"):
        name = words.pop(0)
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
    command.make_context(name, words)


def parse_angles(text: str) -> None:
    indented = text.replace("\n", "\n        ").rstrip()
    brands = collector.parse_brands(f"{ANGLES_STAND_IN}        {indented}\n")
    assert len(brands.brands[0].models[0].angles) == text.count("- url:")


def parse_recipe(text: str) -> None:
    parse_yaml(text, type(train.load_recipe("bottleneck")))


def parse_sweep(text: str) -> None:
    sweep = parse_yaml(text, train.SweepSpec)
    space = sweep.grid if sweep.search is None else sweep.search.space
    for key, values in space.items():
        for value in values if isinstance(values, tuple) else (values.low, values.high):
            train.load_recipe(sweep.recipe, overrides={key: value})


def parse_search_recipe(text: str) -> None:
    parse_yaml(text, type(collector.load_recipe("bing")))


FORMATS: dict[str, tuple[Callable[[str, set[str]], bool], Callable[[str], Any]]] = {
    "brands.yaml": (lambda first, keys: "brands" in keys, collector.parse_brands),
    "angles of a brands.yaml": (lambda first, keys: keys == {"angles"}, parse_angles),
    "search recipe": (lambda first, keys: {"result", "url"} <= keys, parse_search_recipe),
    "curation policy": (lambda first, keys: first == "# curate.yaml", curate.parse_policy),
    "augmentation policy": (lambda first, keys: "transforms" in keys, parse_augmentation),
    "training recipe": (lambda first, keys: {"stages", "head"} <= keys, parse_recipe),
    "sweep": (lambda first, keys: keys & {"grid", "search"}, parse_sweep),
}
"""Format -> whether a block is meant to be one (first line, keys), and what reads it."""


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_command_line_of_the_docs_parses(block):
    for words in commands(block):
        if "--help" not in words:
            parse(words)


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_script_and_target_of_the_docs_exists(block):
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for line in shell_lines(block):
        match shlex.split(line, comments=True):
            case ["make", *words]:
                targets = [word for word in words if "=" not in word]
                assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in targets)
            case ["python", "-m", module, *_] if module.partition(".")[0] != "venv":
                root = REPOSITORY if module.startswith("benchmarks.") else None
                file = Path(*module.split(".")).with_suffix(".py")
                assert (root / file).is_file() if root else importlib.util.find_spec(module), line
            case ["python", script, *_] if script.endswith(".py"):
                assert (REPOSITORY / script).is_file(), line


@pytest.mark.parametrize("block", YAML, ids=str)
def test_every_yaml_block_is_what_it_says(block):
    if block.why_not:
        pytest.skip(block.why_not)
    keys, first = set(yaml.safe_load(block.text)), block.text.splitlines()[0].strip()
    meant = [name for name, (is_meant, _) in FORMATS.items() if is_meant(first, keys)]
    assert len(meant) == 1, f"{block}: is it {meant or 'anything that bodyshop reads'}?"
    FORMATS[meant[0]][1](block.text)


def test_a_yaml_block_that_nothing_reads_fails():
    stray = Block(REPOSITORY / "README.md", 1, "yaml", "colour: teal\n", None)
    with pytest.raises(AssertionError, match="anything that bodyshop reads"):
        test_every_yaml_block_is_what_it_says(stray)


def test_no_block_of_the_docs_is_of_a_kind_that_nothing_checks():
    kinds = {
        found for page in pages() for found in re.findall(r"^```(\w+)", page.read_text(), re.M)
    }
    assert kinds <= KNOWN_KINDS


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_and_pictures_of_the_docs_exist(page):
    content = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", content):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"
