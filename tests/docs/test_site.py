"""What the site shows of the program is made from the program; its notebook runs."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest
import typer
from code_blocks import REPOSITORY, pages

from bodyshop.cli import app
from bodyshop_core.catalog import schema
from bodyshop_core.errors import BodyshopError

NOTEBOOKS = sorted((REPOSITORY / "docs" / "tutorials").glob("*.ipynb"))


@pytest.fixture(scope="module")
def reference():
    place = REPOSITORY / "docs" / "_extensions" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines_of_commands(command, name="bodyshop"):
    for child in getattr(command, "commands", {}).values():
        if getattr(child, "commands", None):
            yield from lines_of_commands(child, f"{name} {child.name}")
        elif not child.hidden:
            yield f"{name} {child.name}"


def test_every_command_is_in_the_reference_with_a_meaning_for_every_option(reference):
    text = reference.part("commands")
    described = set(re.findall(r"^#+ (bodyshop .+)$", text, re.M))
    assert described >= set(lines_of_commands(typer.main.get_command(app)))
    options = [line for line in text.splitlines() if line.startswith("| `-")]
    assert len(options) > 50
    assert not [line for line in options if line.rstrip("| ").endswith("`")]


def test_every_table_and_column_of_the_catalog_is_in_the_reference(reference):
    text = reference.part("tables")
    for table in schema.metadata.tables.values():
        _, _, section = text.partition(f"## {table.name}\n")
        section = section.partition("\n## ")[0]
        assert all(f"| `{column.name}`" in section for column in table.columns)


def test_every_error_is_in_the_reference_with_its_exit_code(reference):
    text = reference.part("errors")
    for cls in BodyshopError.__subclasses__():
        if cls.__module__.startswith("bodyshop"):
            assert f"| `{cls.__name__}` | {cls.exit_code} |" in text


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_part_that_a_page_asks_for_can_be_made(page, reference):
    for found in reference.PLACEHOLDER.finditer(page.read_text(encoding="utf-8")):
        assert "| --- |" in reference.part(found["name"])


@pytest.mark.slow
@pytest.mark.timeout(1500)  # its 516 pictures take some 140 CPU-seconds to render
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(notebook, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__docs__"}
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    for number, code in enumerate(codes):
        exec(compile(code, f"{notebook.name}, cell {number}", "exec"), names)
    assert "test pictures" in capsys.readouterr().out
    assert names["trained"].accuracy > 0.8


def test_notebooks_are_kept_without_outputs():
    assert NOTEBOOKS
    for notebook in NOTEBOOKS:
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            assert not cell.get("outputs"), notebook.name
