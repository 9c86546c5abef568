"""Sets of other things than cars, from the command line: glasses that a detector finds; X-rays."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from filling import photo
from PIL import Image, ImageDraw, ImageFilter

from bodyshop.cli import main

EVERYTHING = "gate: {rule: none}"

TINTS = {"beer": (1.0, 0.75, 0.2), "cup": (1.0, 1.0, 1.0), "soju": (0.3, 0.9, 0.5)}


@pytest.fixture
def run(tmp_path, capsys):
    """Run a command in a workspace of its own; return what it prints as JSON."""
    (tmp_path / "curate.yaml").write_text(EVERYTHING)

    def command(*words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*map(str, words), "--workspace", str(tmp_path / "w"), "--json"])
        out = capsys.readouterr()
        assert not ended.value.code, out.err
        return json.loads(out.out)

    return command


def table_with_glass(kind: str, seed: int) -> Image.Image:
    """A cup of scikit-image's on a drawn background, tinted by its kind."""
    from skimage import data

    random = np.random.default_rng([seed, len(kind), ord(kind[0])])
    background = Image.open(io.BytesIO(photo(int(random.integers(1 << 30)), size=(480, 360))))
    cup = data.coffee()[40:330, 140:480] * np.array(TINTS[kind])
    width = int(random.integers(260, 340))
    shown = Image.fromarray(cup.astype(np.uint8)).resize((width, width * 290 // 340))
    place = (random.integers(0, 480 - width), random.integers(0, 360 - shown.height))
    background.paste(shown, tuple(map(int, place)))
    return background


def x_ray(kind: str, seed: int) -> Image.Image:
    """Two dark lungs in a grey chest; pneumonia is bright patches in them."""
    random = np.random.default_rng([seed, len(kind)])
    picture = Image.new("L", (200, 180), int(random.integers(140, 210)))
    draw = ImageDraw.Draw(picture)
    for x in (25, 110):
        left, top = x + int(random.integers(-15, 15)), int(random.integers(8, 40))
        width, height = int(random.integers(45, 75)), int(random.integers(90, 135))
        draw.ellipse((left, top, left + width, top + height), fill=int(random.integers(25, 55)))
        for rib in range(top + 10, top + height - 10, int(random.integers(14, 26))):
            slope = int(random.integers(-12, 12))
            draw.line((left + 5, rib, left + width - 5, rib + slope), fill=75, width=3)
        for _ in range(6 if kind == "pneumonia" else 0):
            at_x = left + int(random.integers(8, width - 20))
            at_y = top + int(random.integers(15, height - 25))
            draw.ellipse((at_x, at_y, at_x + 18, at_y + 14), fill=190)
    picture = picture.rotate(int(random.integers(-9, 9)), fillcolor=int(random.integers(60, 140)))
    blurred = np.asarray(picture.filter(ImageFilter.GaussianBlur(2)), dtype=float)
    noise = random.normal(0, 5, blurred.shape)
    return Image.fromarray((blurred + noise).clip(0, 255).astype(np.uint8))


def draw_folder(root: Path, draw, kinds, count: int, first: int = 0) -> Path:
    for kind in kinds:
        (root / kind).mkdir(parents=True)
        for seed in range(first, first + count):
            draw(kind, seed).save(root / kind / f"{seed}.jpg", quality=90)
    return root


@pytest.mark.slow
def test_three_kinds_of_glasses_are_detected_and_then_classified(run, tmp_path, real_weights):
    detector = real_weights / "coco_ssd_mobilenet_v1.tflite"
    photos = draw_folder(tmp_path / "photos", table_with_glass, TINTS, 12)
    assert run("import", photos)["labels"] == dict.fromkeys(TINTS, 12)
    curated = run("curate", "--policy", tmp_path / "curate.yaml")
    assert curated["kept"] == 36 and "sizes" in curated["splits"]
    detected = run("detect", detector, "--objects", "cup,wine glass,bottle")
    assert detected["found"] >= 33
    trained = run(
        "train", "grayscale-64", "--epochs", "12", "--set", "data.crop=car",
        "--set", "data.colour=rgb", "--set", "head.activation=softmax", "--no-abroad",
    )  # fmt: skip
    assert trained["accuracy"] > 0.6  # a third by chance; the tint tells
    new = draw_folder(tmp_path / "new", table_with_glass, TINTS, 2, first=50)
    answers = run("predict", new, "--detector", detector, "--objects", "cup,wine glass,bottle")
    labels = {answer["label"] for answer in answers}
    assert len(answers) >= 6 and labels <= {*TINTS, None} and len(labels - {None}) >= 2


@pytest.mark.slow
def test_grey_x_rays_are_imported_curated_learned_and_predicted(run, tmp_path):
    kinds = ("normal", "pneumonia")
    rays = draw_folder(tmp_path / "rays", x_ray, kinds, 20)
    assert run("import", rays)["labels"] == dict.fromkeys(kinds, 20)
    curated = run("curate", "--policy", tmp_path / "curate.yaml")
    assert curated["kept"] == 40 and curated["gate"]["rule"] == "none"
    trained = run("train", "grayscale-64", "--epochs", "10", "--no-abroad")
    assert trained["accuracy"] > 0.7
    new = draw_folder(tmp_path / "new", x_ray, kinds, 4, first=80)
    answers = run("predict", new)
    assert len(answers) == 8
    right = sum(Path(answer["picture"]).parent.name == answer["label"] for answer in answers)
    assert right >= 6
