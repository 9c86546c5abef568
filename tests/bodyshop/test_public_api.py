"""What `import bodyshop` offers is a promise to users."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import bodyshop

NAMES = {
    "PicturePrediction",
    "Predictor",
    "Workspace",
    "augment",
    "collect",
    "curate",
    "find_outliers",
    "find_similar",
    "map_pictures",
    "evaluate",
    "import_folder",
    "inspect",
    "predict",
    "segment",
    "train",
}
"""Add to it freely; taking a name away breaks scripts of users."""


def test_bodyshop_offers_exactly_the_published_names():
    assert set(bodyshop.__all__) - {"__version__"} == NAMES
    assert set(dir(bodyshop)) >= NAMES
    assert isinstance(bodyshop.__version__, str)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_has_a_docstring_and_its_functions_are_fully_typed(name):
    thing = getattr(bodyshop, name)
    assert inspect.getdoc(thing)
    if inspect.isfunction(thing):
        signature = inspect.signature(thing)
        untyped = [p.name for p in signature.parameters.values() if p.annotation is p.empty]
        assert untyped == [] and signature.return_annotation is not signature.empty


def test_importing_bodyshop_imports_no_stage_until_a_name_is_used():
    script = (
        "import sys, bodyshop;"
        "stages = {'collector', 'curate', 'labeling', 'augment', 'train', 'showroom'};"
        "print(sorted(stages & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert result.stdout.strip() == b"[]"


def test_packages_say_that_they_are_typed():
    for package in ("bodyshop", "bodyshop_core", "showroom"):
        (folder,) = find_spec(package).submodule_search_locations
        assert "py.typed" in {file.name for file in Path(folder).iterdir()}
