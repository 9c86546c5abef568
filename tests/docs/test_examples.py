"""Every Python example of the docs runs, page by page, in the order in which it is read."""

from __future__ import annotations

import itertools

import pytest
from code_blocks import Block, blocks
from doc_scenes import SCENES

DETECTOR = "coco_ssd_mobilenet_v1.tflite"
PAGES = {
    page: list(found)
    for page, found in itertools.groupby(
        blocks("python", "py", "pycon"), key=lambda block: str(block).partition(":")[0]
    )
}


def test_scenes_are_for_pages_with_examples():
    assert SCENES.keys() <= PAGES.keys()


@pytest.mark.parametrize("page", PAGES)
def test_the_python_examples_of_a_page_run(page, tmp_path, monkeypatch, request):
    examples = [block for block in PAGES[page] if not block.why_not]
    if not examples:
        pytest.skip("; ".join(str(block.why_not) for block in PAGES[page]))
    monkeypatch.chdir(tmp_path)
    if page in SCENES:
        SCENES[page]("".join(block.text for block in examples))
    if any(DETECTOR in block.text for block in examples):
        weights = request.getfixturevalue("real_weights")
        (tmp_path / DETECTOR).symlink_to(weights / DETECTOR)
    names: dict[str, object] = {"__name__": "__docs__"}
    for block in examples:
        run(block, names)


def run(block: Block, names: dict[str, object]) -> None:
    """Run an example; a traceback names the page and its line."""
    source = "\n" * block.line + block.text
    exec(compile(source, str(block.page), "exec"), names)
