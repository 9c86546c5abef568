"""The policy's limits in the whole of curate: what they leave, and what they excuse."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from curated import fill
from filling import add_picture, photo, pretend_scores

import collector
import curate
from bodyshop.cli import main
from bodyshop_core.workspace import Workspace
from curate.policy import Policy
from curate.splits.assign import SplitError


def test_per_class_keeps_as_many_of_each_label(
    curated: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--per-class", "4", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["curate", "--workspace", str(curated.root), "--workers", "1", *words])
    assert not ended.value.code
    told = json.loads(capsys.readouterr().out)
    assert (told["kept"], told["reasons"]) == (8, {"over_quota": 4})


@pytest.mark.parametrize("limit", ["per_source", "per_class"])
def test_limits_too_small_for_splits_are_said_and_are_no_error(
    curated: Workspace, limit: str
) -> None:
    policy = Policy.model_validate({"limits": {limit: 1}})
    summary = curate.curate(curated, policy=policy, new_split="few", workers=1)
    assert summary.kept == (1 if limit == "per_source" else 2)
    out = 12 - summary.kept
    told = f"{out} of 12 pictures are rejected ({out} over_quota)"
    assert told in summary.splits["skipped"]
    assert curate.curate(curated, workers=1).kept == 12  # the first split set is as it was


def _one_damaged_among(workspace: Workspace, *, frames: int = 0) -> None:
    """Fill 12 whole ones and 1 damaged, of which there may be more frames in one spinner."""
    for seed in range(12):
        add_picture(workspace, photo(seed), labels={"damage": "whole"}, file=f"{seed}.jpg")
    for seed in range(20, 21 + frames):
        spin = {"spin_group": "a spinner", "frame": seed} if frames else {}
        add_picture(workspace, photo(seed), labels={"damage": "damaged"}, **spin)
    pretend_scores(workspace)


@pytest.mark.parametrize("limits", [{}, {"per_class": 11}, {"per_source": 4}])
def test_limits_excuse_no_class_that_is_too_small_without_them(
    workspace: Workspace, limits: dict[str, int]
) -> None:
    _one_damaged_among(workspace)
    policy = Policy.model_validate({"limits": limits})
    with pytest.raises(SplitError, match="class 'damaged' has 1 group of"):
        curate.curate(workspace, policy=policy, workers=1)


def test_limits_excuse_no_class_whose_other_pictures_are_of_the_same_group(
    workspace: Workspace,
) -> None:
    _one_damaged_among(workspace, frames=4)
    policy = Policy.model_validate({"limits": {"per_class": 3}})
    with pytest.raises(SplitError, match=r"'damaged' has 1 group of .* over_quota"):
        curate.curate(workspace, policy=policy, workers=1)


def test_a_class_that_is_too_small_by_itself_is_named_before_one_that_limits_made_small(
    workspace: Workspace,
) -> None:
    fill(workspace)
    add_picture(workspace, photo(40), labels={"damage": "written off"}, file="40.jpg")
    pretend_scores(workspace)
    policy = Policy.model_validate({"limits": {"per_class": 2}})
    with pytest.raises(SplitError, match="class 'written off' has 1 group"):
        curate.curate(workspace, policy=policy, workers=1)


def test_limits_excuse_no_class_that_was_lost_to_other_reasons(workspace: Workspace) -> None:
    for seed in range(12):
        add_picture(workspace, photo(seed), labels={"damage": "whole"}, file=f"{seed}.jpg")
    small = [
        add_picture(workspace, photo(seed), labels={"damage": "damaged"}, file=f"{seed}.jpg")
        for seed in range(20, 26)
    ]
    pretend_scores(workspace, dict.fromkeys(small, 0.0))
    policy = Policy.model_validate({"limits": {"per_class": 8}})
    with pytest.raises(SplitError, match=r"found only 'whole'; .*6 not_a_car, 4 over_quota"):
        curate.curate(workspace, policy=policy, workers=1)


@pytest.mark.parametrize("limited", [True, False])
def test_the_command_ends_in_an_error_for_a_small_class_with_limits_and_without(
    workspace: Workspace, tmp_path: Path, limited: bool
) -> None:
    _one_damaged_among(workspace)
    policy = tmp_path / "limits.yaml"
    policy.write_text("limits: {per_class: 11}")
    words = ["--policy", str(policy)] if limited else []
    with pytest.raises(SystemExit) as ended:
        main(["curate", "--workspace", str(workspace.root), "--workers", "1", *words])
    assert ended.value.code == 1


def test_each_import_is_a_source_of_its_own(workspace: Workspace, tmp_path: Path) -> None:
    for number, name in enumerate(("dealer A", "dealer B")):
        for label in ("damaged", "whole"):
            folder = tmp_path / name / label
            folder.mkdir(parents=True)
            for seed in range(5):
                data = photo(100 * number + 10 * (label == "whole") + seed)
                (folder / f"{seed}.jpg").write_bytes(data)
        collector.import_folder(tmp_path / name, workspace, source=name if number else None)
    pretend_scores(workspace)
    policy = Policy.model_validate({"limits": {"per_source": 6}})
    summary = curate.curate(workspace, policy=policy, workers=1)
    assert summary.kept == 12
    sizes = Counter[str]()
    for each in summary.splits["sizes"].values():
        sizes.update(each)
    assert sizes == {"damaged": 6, "whole": 6}
