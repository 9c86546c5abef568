"""`bodyshop inspect`: two inspections of one car, rendered before and after."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bodyshop.cli import main
from bodyshop.inspection import inspect
from bodyshop.inspection.geometry import Placement, landmarks, lay_over
from bodyshop.inspection.news import new_regions, new_windows, rise_of_evidence
from bodyshop.inspection.pairing import pair_views
from bodyshop.prediction import run_answers
from bodyshop_core.errors import NothingFoundError, UnreadableImageError, UsageError
from showroom.inspections import InspectedView, build_inspection
from train.windows.grid import boxes

SEED, VIEWS = 100, (1, 4, 6)


@pytest.fixture(scope="module")
def car(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[InspectedView]]:
    """A car with three views, one picture that has no partner, and one that is none."""
    root = tmp_path_factory.mktemp("car")
    views = build_inspection(root, seed=SEED, views=VIEWS)
    (extra,) = build_inspection(root / "other", seed=1, views=(8,))
    assert extra.before is not None
    shutil.copy(extra.before, root / "before" / "<i>lone.jpg")
    (root / "after" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    (root / "after" / "upload failed.jpg").touch()
    (root / "after" / "._1.jpg").write_bytes(b"left by a Mac")
    return root, views


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def test_views_are_paired_and_new_damage_is_reported_where_it_is(car, tmp_path, capsys) -> None:
    root, views = car
    words = ("--json", "-w", str(tmp_path / "none"), "inspect")
    folders = (str(root / "before"), str(root / "after"))
    assert run(*words, *folders, "--out", str(tmp_path / "out")) == 0
    found = json.loads(capsys.readouterr().out)
    partner = {str(view.before): view for view in views}
    assert len(found["pairs"]) == len(VIEWS)
    for pair in found["pairs"]:
        view = partner[pair["before"]["picture"]]
        assert pair["after"]["picture"] == str(view.after)
        if pair["new_damage"]:
            assert view.new > 0.01
            left, top, right, bottom = pair["new_damage"][0]["box"]
            assert view.box is not None
            assert left < view.box[2] and right > view.box[0]
            assert top < view.box[3] and bottom > view.box[1]
    assert found["new_damage"] >= 1 and found["pairs"][0]["new_damage"]
    assert found["unpaired_before"] == [str(root / "before" / "<i>lone.jpg")]
    assert [one["picture"] for one in found["unreadable"]] == [
        str(root / "after" / name) for name in ("torn.jpg", "upload failed.jpg")
    ]
    assert json.loads(Path(found["file"]).read_text("utf-8")) == found
    page = Path(found["page"]).read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 2 * len(VIEWS) + 1
    assert "&lt;i&gt;lone.jpg" in page and "<i>lone" not in page
    assert "http" not in page and 'src="data' in page


def test_a_dry_run_pairs_and_writes_nothing(car, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    root, _ = car
    folders = (str(root / "before"), str(root / "after"))
    assert run("--json", "inspect", *folders, "--dry-run") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["pairs"]) == len(VIEWS) and found["page"] is None
    assert {pair["after"]["label"] for pair in found["pairs"]} == {None}
    assert not list(tmp_path.iterdir())


def test_two_cars_have_no_view_in_common(car, tmp_path) -> None:
    root, _ = car
    lone = root / "before" / "<i>lone.jpg"
    with pytest.raises(NothingFoundError, match="shows the same view"):
        inspect([lone], root / "after")
    with pytest.raises(UsageError, match="in both inspections"):
        inspect(root / "before", [lone])


def test_files_are_told_by_where_they_lie_and_broken_ones_are_named(
    car, tmp_path, monkeypatch
) -> None:
    root, _ = car
    monkeypatch.chdir(root / "after")
    with pytest.raises(UsageError, match="in both inspections"):
        inspect(root / "before", Path("../before"))
    torn = [root / "after" / "torn.jpg"]
    with pytest.raises(NothingFoundError, match=r"unreadable: .*torn\.jpg"):
        inspect(root / "before", torn)
    taken = tmp_path / "report"
    taken.write_text("of last year")
    with pytest.raises(UsageError, match="is a file"):
        inspect(root / "before", root / "after", out=taken / "today")


def photo(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (24, 36, 3), np.uint8)
    return np.asarray(Image.fromarray(noise).resize((480, 320), Image.Resampling.BICUBIC))


def test_a_moved_picture_is_laid_over_the_first_and_another_is_not() -> None:
    first = photo(1)
    moved = np.asarray(
        Image.fromarray(first).transform(
            (480, 320), Image.Transform.AFFINE, (0.9, 0.02, 10, -0.02, 0.9, 12)
        )
    )
    found = lay_over(landmarks(first), landmarks(moved))
    assert found is not None and found.matches > 30
    box = np.array([[0.3, 0.3, 0.6, 0.7]])
    assert np.abs(found.back(found.forward(box)) - box).max() < 0.03
    x, y = 0.9 * 240 + 0.02 * 160 + 10, -0.02 * 240 + 0.9 * 160 + 12  # where (240, 160) came from
    middle = found.forward(np.array([[x / 480, y / 320, x / 480, y / 320]]))[0]
    assert np.abs(middle - 0.5).max() < 0.02
    other = lay_over(landmarks(first), landmarks(photo(2)))
    assert other is None or other.matches < 20
    mirrored = lay_over(landmarks(first), landmarks(np.ascontiguousarray(first[:, ::-1])))
    assert mirrored is None or mirrored.matches < 20
    blank = np.zeros((100, 100, 3), np.uint8)
    assert lay_over(landmarks(blank), landmarks(first)) is None


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_no_picture_is_in_two_pairs_and_every_pair_is_likely_enough(n, m, seed) -> None:
    random = np.random.default_rng(seed)
    similarity = random.uniform(-1, 1, (n, m))
    matches = random.integers(0, 200, (n, m))
    found = pair_views(similarity, lambda i, j: Placement(np.eye(2, 3), int(matches[i, j])))
    assert len({pair.before for pair in found}) == len({pair.after for pair in found}) == len(found)
    for pair in found:
        i, j = pair.before, pair.after
        assert similarity[i, j] + min(matches[i, j], 100) / 100 >= 0.8


def test_what_looked_like_damage_before_is_not_new() -> None:
    places = boxes()
    before = np.full(len(places), -6, np.float32)
    after = before.copy()
    after[20] = 1.0
    (one,) = new_windows(rise_of_evidence(before, after, places, None), places, None)
    assert np.allclose(one.box, places[20], atol=1e-3) and one.score == 5.0
    before[20] = 1.0
    assert new_windows(rise_of_evidence(before, after, places, None), places, None) == ()


def test_the_camera_may_have_moved() -> None:
    places = boxes()
    right = Placement(np.array([[1, 0, 2 / 14], [0, 1, 0]], float), 50)
    moved = int(np.abs(places - (places[0] + [2 / 14, 0, 2 / 14, 0])).sum(axis=1).argmin())
    before, after = (np.full(len(places), -6, np.float32) for _ in range(2))
    before[0] = after[moved] = 2.0
    assert new_windows(rise_of_evidence(before, after, places, right), places, right) == ()


def test_of_a_mask_only_regions_off_earlier_damage_are_new() -> None:
    before = {"dent": np.zeros((100, 200), bool)}
    before["dent"][40:50, 40:60] = True
    after = {"scratch": np.zeros((200, 400), bool)}  # twice as large, ten per cent further right
    after["scratch"][80:100, 120:160] = True
    after["scratch"][150:170, 300:350] = True
    right = Placement(np.array([[1, 0, 0.1], [0, 1, 0]], float), 50)
    (one,) = new_regions(before, after, {"scratch": 0.9}, right)
    assert one.box == (0.75, 0.75, 0.875, 0.85) and one.kind == "scratch" and one.score == 0.9
    assert one.before_box == (0.65, 0.75, 0.775, 0.85)
    assert len(new_regions({}, after, {}, right)) == 2
    assert new_regions(before, {}, {}, right) == ()


def test_a_pair_that_the_segmenter_cant_see_is_not_called_unchanged(
    car, tmp_path, monkeypatch
) -> None:
    class TooThin:
        def segment(self, files):
            raise UnreadableImageError(f"{files[0].name} is too thin: 600 squares")

    monkeypatch.setattr(run_answers, "open_segmenter", lambda *_, **__: TooThin())
    _, views = car
    files = [
        [getattr(view, when) for view in views if view.new > 0.01][:2]
        for when in ("before", "after")
    ]
    found = inspect(*files, segmenter=tmp_path / "thin", out=tmp_path / "out")
    asked = [pair for pair in found.pairs if pair.after.label != "whole"]
    assert asked and [pair.not_judged for pair in asked] == [
        f"{Path(pair.before.picture).name} is too thin: 600 squares" for pair in asked
    ]
    assert (found.not_judged, found.unreadable) == (len(asked), ())
    assert json.loads((tmp_path / "out" / "inspection.json").read_text()) == json.loads(
        json.dumps(found.as_dict(), default=str)
    )
    page = (tmp_path / "out" / "inspection.html").read_text("utf-8")
    assert page.count("not judged</span>") == len(asked)
    assert page.count("is too thin: 600 squares") == len(asked)
    assert page.count("nothing new") == len(found.pairs) - len(asked)
    assert f"{len(asked)} not judged</h1>" in page
