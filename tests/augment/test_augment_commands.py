"""`bodyshop augment` and `bodyshop train --augment`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shots import Fill, Shot, jpeg, mask, picture, png, size_of, tree

from augment import load_policy
from augment.contact_sheet import CELL, GAP
from bodyshop.cli import main
from bodyshop_core.workspace import Workspace

POLICY = """\
name: mine
transforms:
  - RandomCropFromBorders: {crop_left: 0.2, crop_right: 0.2, p: 1.0}
  - HorizontalFlip: {p: 0.5}
"""

RECIPE = """\
name: tiny
description: for tests
body: [{conv: 4}, {pool: 2}]
input_size: 32
head: {pooling: max, layers: []}
stages:
  - {name: all, trainable: all, batch_norm: with_layers, epochs: 2, batch_size: 8}
"""


def run(workspace: Workspace, *arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple:
    with pytest.raises(SystemExit) as ended:
        main(["--workspace", str(workspace.root), "--json", *arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def marked(number: int, *, stroke: bool) -> bytes:
    pixels = np.asarray(picture(number, size=(96, 96))) // 4 + 90
    if stroke:
        pixels[40:56, 10:86] = (220, 10, 10)
    return png(Image.fromarray(pixels))


def test_the_command_writes_a_set_and_says_so_in_json(
    workspace: Workspace, fill: Fill, capsys: pytest.CaptureFixture[str]
) -> None:
    fill([Shot(jpeg(picture(n)), mask=png(mask())) for n in range(3)])
    code, out, _ = run(workspace, "augment", "light", "--copies", "2", capsys=capsys)
    summary = json.loads(out)
    assert code == 0
    assert (summary["pictures"], summary["made"], summary["failed"]) == (3, 6, {})
    assert len(list(Path(summary["folder"]).glob("??/*.jpg"))) == 6


def test_preview_on_the_command_line_writes_only_the_sheet(
    workspace: Workspace, fill: Fill, capsys: pytest.CaptureFixture[str]
) -> None:
    fill([Shot(jpeg(picture(n)), mask=png(mask())) for n in range(3)])
    before = {name: digest for name, digest in tree(workspace.root).items() if "sqlite" not in name}
    code, out, _ = run(workspace, "augment", "weather", "--preview", "2", capsys=capsys)
    sheet = Path(json.loads(out)["preview"])
    assert code == 0
    assert size_of(sheet) == (5 * (CELL + GAP) + 3 * GAP, 2 * (CELL + GAP) + GAP)
    after = {name: digest for name, digest in tree(workspace.root).items() if "sqlite" not in name}
    assert after.keys() - before.keys() == {sheet.relative_to(workspace.root).as_posix()}
    run(workspace, "augment", "weather", "--preview", "1", "--copies", "2", capsys=capsys)
    assert size_of(sheet) == (3 * (CELL + GAP) + 3 * GAP, CELL + 2 * GAP)


def test_a_mistake_in_the_policy_ends_in_exit_4_with_line_and_nearest_name(
    workspace: Workspace, fill: Fill, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill([Shot(jpeg(picture(1)))])
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY.replace("HorizontalFlip", "HorizontalFlop"), encoding="utf-8")
    for command in (["augment", str(file)], ["train", "--augment", str(file)]):
        code, _, errors = run(workspace, *command, capsys=capsys)
        assert code == 4
        assert "policy.yaml:4" in errors.replace("\n", "")
        assert "HorizontalFlip" in errors
    assert not workspace.variants.exists()


def test_train_draws_the_policy_anew_in_every_epoch_and_writes_no_variants(
    workspace: Workspace,
    fill: Fill,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from augment.online_augmenter import Augmenter

    sides = {"train": 8, "validation": 4, "test": 4}
    fill(
        [
            Shot(marked(100 * n + k, stroke=stroke), label=label, split=split)
            for k, (label, stroke) in enumerate((("damaged", True), ("whole", False)))
            for split, count in sides.items()
            for n in range(50 * len(split), 50 * len(split) + count)
        ]
    )
    policy, recipe = tmp_path / "policy.yaml", tmp_path / "recipe.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    recipe.write_text(RECIPE, encoding="utf-8")
    drawn: dict[tuple[str, int], bytes] = {}
    real = Augmenter.__call__

    def watched(self, rgb, *, sha256, copy):
        made = real(self, rgb, sha256=sha256, copy=copy)
        drawn[sha256, copy] = made.tobytes()
        assert made.shape == rgb.shape
        return made

    monkeypatch.setattr(Augmenter, "__call__", watched)
    code, out, errors = run(
        workspace, "train", str(recipe), "--augment", str(policy), capsys=capsys
    )
    assert code == 0, errors
    folder = Path(json.loads(out)["folder"])
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert plan["augmenter"] == load_policy(policy).digest
    names = {sha256 for sha256, _ in drawn}
    assert len(names) == 16  # the training part, and of it every picture
    assert {copy for _, copy in drawn} == {0, 1}
    assert sum(drawn[name, 0] != drawn[name, 1] for name in names) > 12
    assert not workspace.variants.exists()


def test_the_segmenter_refuses_a_policy_it_would_not_use(
    workspace: Workspace, fill: Fill, capsys: pytest.CaptureFixture[str]
) -> None:
    fill([Shot(jpeg(picture(1)), mask=png(mask()))])
    code, _, errors = run(workspace, "train", "segment", "--augment", "light", capsys=capsys)
    assert code == 2
    assert "bodyshop augment" in errors
