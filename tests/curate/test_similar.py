"""Questions to the stored features."""

from __future__ import annotations

import json

import numpy as np
import pytest
from filling import add_picture, photo, pretend_scores

import curate
from bodyshop.cli import main
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.workspace import Workspace
from curate.gate.feature_store import FeatureBatch, FeatureStore


@pytest.fixture
def described(workspace: Workspace) -> tuple[Workspace, list[str]]:
    """Ten pictures: eight along a line, one beside the first, one far from all."""
    names = [add_picture(workspace, photo(seed), file=f"/p/{seed}.jpg") for seed in range(10)]
    gate = pretend_scores(workspace)
    vectors = np.zeros((10, 16), np.float16)
    vectors[:8, 0], vectors[:8, 1] = 1, np.linspace(0, 0.7, 8)
    vectors[8, :2] = 1, 0.01
    vectors[9, 5] = 1
    store = FeatureStore(workspace.features / gate.fingerprint)
    for part in (slice(0, 4), slice(4, 10)):
        store.add(FeatureBatch(tuple(names[part]), vectors[part], None, {}))
    curate.curate(workspace, workers=1)
    return workspace, names


def test_the_nearest_come_first_and_the_picture_itself_is_left_out(described):
    workspace, names = described
    found = curate.find_similar(workspace, names[0], top=3)
    assert [one.sha256 for one in found.found] == [names[8], names[1], names[2]]
    assert found.compared == 10
    assert found.found[0].similarity == pytest.approx(1.0, abs=0.001)
    table = found.to_arrow()
    assert table.column("sha256").to_pylist() == [one.sha256 for one in found.found]
    assert found.found[0].file == "/p/8.jpg" and found.found[0].verdict == "keep"


def test_outliers_are_far_from_all_others(described):
    workspace, names = described
    found = curate.find_outliers(workspace, top=2)
    assert found.found[0].sha256 == names[9]
    assert found.found[0].similarity == pytest.approx(0.0, abs=0.01)


def test_the_command_prints_a_table_and_writes_a_page(described, capsys):
    workspace, names = described
    with pytest.raises(SystemExit) as ended:
        main(["similar", names[0][:12], "--top", "2", "--workspace", str(workspace.root), "--json"])
    assert not ended.value.code
    answer = json.loads(capsys.readouterr().out)
    assert [one["sha256"] for one in answer["found"]] == [names[8], names[1]]
    page = (workspace.reports / "similar" / f"{names[0][:12]}.html").read_text()
    assert page.count("<figure") == 2
    for one in (names[0], names[8]):
        assert (workspace.reports / "similar" / "thumbnails" / one[:2] / f"{one}.jpg").is_file()


def test_what_cannot_be_answered_is_an_error(described, tmp_path):
    workspace, names = described
    with pytest.raises(NothingFoundError):
        curate.find_similar(workspace, "ffffff")
    with pytest.raises(UsageError):
        curate.find_similar(workspace, names[0], top=0)
    with pytest.raises(NothingFoundError, match="curate"):
        curate.find_outliers(Workspace.open(tmp_path / "empty"))


def test_two_pictures_have_no_outliers_and_curating_again_is_no_help(workspace):
    names = [add_picture(workspace, photo(seed), file=f"/p/{seed}.jpg") for seed in range(2)]
    gate = pretend_scores(workspace)
    store = FeatureStore(workspace.features / gate.fingerprint)
    store.add(FeatureBatch(tuple(names), np.eye(2, 16, dtype=np.float16), None, {}))
    curate.curate(workspace, workers=1)
    with pytest.raises(
        NothingFoundError, match=r"outliers need 7 kept pictures.* has 2 of 2"
    ) as said:
        curate.find_outliers(workspace)
    assert "collect or import more" in said.value.hint
