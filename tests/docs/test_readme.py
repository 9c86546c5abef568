"""The first commands of README run as they stand, and give the picture that stands beside them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from code_blocks import REPOSITORY
from doc_pictures import save_picture
from PIL import Image

import bodyshop
from showroom.render import render
from showroom.shade import Paint
from showroom.shot import Shot

DOOR = Shot(
    "hatch", Paint((170, 30, 28), 0.3), "plaza", 1, 75, 6, 960, 640, 3,
    focus="door", damage=("scratch", "dent"),
)  # fmt: skip
READMES = ("README.md", "README.ko.md")


def first_commands(readme: str) -> list[list[str]]:
    """The `bodyshop` lines before the section on use."""
    text = (REPOSITORY / readme).read_text(encoding="utf-8")
    start = re.split(r"^## (?:Use it|사용법)", text, flags=re.MULTILINE)[0]
    blocks = re.findall(r"```bash\n(.*?)```", start, re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [words for words in lines if words[:1] == ["bodyshop"]]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(render(DOOR).rgb).save(tmp_path / "photo.jpg", quality=92)
    return tmp_path / "photo.jpg"


@pytest.mark.slow
@pytest.mark.parametrize("readme", READMES)
def test_the_first_commands_run_in_an_empty_folder(readme: str, photo: Path) -> None:
    commands = first_commands(readme)
    assert ["bodyshop", "predict", "photo.jpg", "--annotate"] in commands
    assert ["bodyshop", "doctor", "--models"] in commands
    for _, *words in commands:
        program = "from bodyshop.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=photo.parent, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or words[0] == "doctor", done.stderr
        assert "Traceback" not in done.stderr
    with Image.open(photo.parent / "predicted" / "00000-photo.jpg") as image:
        answer = image.convert("RGB")
    before = np.asarray(Image.open(photo).resize(answer.size), np.int16)
    yellow = np.asarray(answer, np.int16)[..., :2].sum(-1) - before[..., :2].sum(-1)
    assert (yellow > 60).mean() > 0.02
    text = (REPOSITORY / readme).read_text(encoding="utf-8")
    said = re.search(r"(?:damaged|손상) (\d+) %[^]]*\]\(docs/images/predict\.jpg", text)
    (row,) = bodyshop.Predictor.open().predict([photo])
    assert row.label == "damaged" and abs(float(said[1]) - 100 * row.probability) < 3
    answer.thumbnail((640, 640))
    save_picture(answer, "predict.jpg")


@pytest.mark.parametrize("readme", READMES)
def test_installing_predicting_and_the_answer_come_first(readme: str) -> None:
    text = (REPOSITORY / readme).read_text(encoding="utf-8")
    places = [
        text.index(each)
        for each in (
            "pip install",
            "bodyshop predict photo.jpg --annotate",
            "docs/images/predict.jpg",
        )
    ]
    assert places == sorted(places)
    assert text[: places[-1]].count("\n") < 30
