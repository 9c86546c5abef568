"""Type checkers see what users import, on the installed packages."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import augment
import bodyshop
import collector
import curate
import labeling
import showroom
import train

PUBLIC = (bodyshop, collector, curate, labeling, augment, train, showroom)

SCRIPT = """\
from pathlib import Path

import augment
import bodyshop
import collector
import curate
import labeling
import train

workspace = bodyshop.Workspace.open(Path("workspace"))
collected = collector.collect(collector.load_brands(Path("brands.yaml")), workspace)
curated = curate.curate(workspace)
masks = labeling.export_masks(workspace, "png", Path("masks"))
variants = augment.augment(workspace, "light", copies=2)
trained = train.train(workspace, "default", target="damage")
reveal_type(collected.downloaded)
reveal_type(curated.kept)
reveal_type(variants.split_set)
reveal_type(trained.folder)
reveal_type(bodyshop.train)
"""

REVEALED = re.compile(r'user\.py:(\d+): note: Revealed type is "(.*)"')


Mypy = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """What mypy has learned about the libraries: reading them again takes most of the time."""
    return tmp_path_factory.mktemp("mypy")


@pytest.fixture
def mypy(elsewhere, cache: Path) -> Mypy:
    """Check a user's script strictly, in a folder where only installed packages are found."""
    folder, environment = elsewhere

    def check(text: str) -> subprocess.CompletedProcess[str]:
        (folder / "user.py").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), "user.py"]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    return check


def revealed(text: str, mypy: Mypy) -> dict[str, str]:
    """Return the type of each expression that a user's script reveals; mypy must not complain."""
    done = mypy(text)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = text.splitlines()
    return {
        lines[int(number) - 1].removeprefix("reveal_type(")[:-1]: type_
        for number, type_ in REVEALED.findall(done.stdout)
    }


def without_brackets(type_: str) -> str:
    """Return a type without what stands in brackets, such as the values of a JSON object."""
    while (inner := re.sub(r"\[[^\[\]]*\]", "", type_)) != type_:
        type_ = inner
    return type_


def test_every_exported_name_has_a_type_in_a_strict_script(mypy):
    names = [f"{module.__name__}.{name}" for module in PUBLIC for name in module.__all__]
    imports = [f"import {module.__name__}" for module in PUBLIC]
    text = "\n".join([*imports, *(f"reveal_type({name})" for name in names), ""])
    types = revealed(text, mypy)
    assert set(types) == set(names)
    untyped = {n: t for n, t in types.items() if re.search(r"\bAny\b", without_brackets(t))}
    assert untyped == {}


def test_a_users_script_gets_the_types_of_results(mypy):
    types = revealed(SCRIPT, mypy)
    assert {name: types[name] for name in types if name != "bodyshop.train"} == {
        "collected.downloaded": "int",
        "curated.kept": "int",
        "variants.split_set": "str",
        "trained.folder": "pathlib.Path",
    }
    assert types["bodyshop.train"].endswith(".TrainSummary")


def test_a_name_that_is_not_exported_is_an_error(mypy):
    done = mypy("import curate\ncurate.no_such_name()\n")
    assert 'Module has no attribute "no_such_name"' in done.stdout
