from __future__ import annotations

import re

import pytest
import typer
import yaml
from code_blocks import REPOSITORY, blocks, commands, pages

from bodyshop.cli import GLOBAL_FLAGS, GLOBAL_VALUES, app, normalise

SHELL = list(blocks("bash", "sh", "console"))
YAML = list(blocks("yaml"))


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


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_command_line_of_the_docs_parses(block):
    for words in commands(block):
        if "--help" not in words:
            parse(words)


@pytest.mark.parametrize("block", YAML, ids=str)
def test_every_yaml_block_is_what_it_says(block):
    import augment
    import collector
    import curate

    data = yaml.safe_load(block.text)
    first = block.text.splitlines()[0]
    if block.why_not:
        pytest.skip(block.why_not)
    if "brands" in data:
        collector.parse_brands(block.text)
    elif first.startswith("# curate.yaml"):
        curate.parse_policy(block.text)
    elif first.startswith("# policy.yaml"):
        augment.parse_policy(block.text)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_and_pictures_of_the_docs_exist(page):
    content = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", content):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"
