"""The whole of curate on a small workspace, without the network: its scores are given."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from curated import fill, splits, verdicts
from filling import add_picture, jpeg, photo, pretend_scores, resaved
from PIL import Image
from sqlalchemy import select

import curate
from bodyshop.cli import main
from bodyshop_core.catalog import Reason, now, schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace
from curate import pipeline
from curate.duplicates import pairs
from curate.gate import rules
from curate.gate.gate import Gate
from curate.measure.sharpness import MIN_SHARPNESS
from curate.policy import Policy
from curate.retry import take_back_failures
from curate.splits.assign import SplitError
from curate.verdicts import decide
from curate.verdicts.stage import screening_limits


def test_curate_judges_splits_audits_and_reports(workspace: Workspace) -> None:
    shas = fill(workspace)
    copy = add_picture(workspace, resaved(photo(0)), labels={"damage": "damaged"})
    junk = add_picture(workspace, b"\xff\xd8\xff\xe0 no picture")
    banana = add_picture(workspace, photo(99))
    pretend_scores(workspace, {banana: 0.0})
    summary = curate.curate(workspace, workers=1)
    assert summary.pictures == 15
    assert summary.kept == 12
    assert summary.reasons == {"unreadable": 1, "not_a_car": 1, "near_duplicate": 1}
    assert summary.clusters == 1
    assert summary.splits["pictures"] == 12
    assert summary.splits["leakage_check"]["leaks"] == []
    baseline = summary.audit["baseline"]
    assert baseline["ci95"][0] < baseline["accuracy"] < baseline["ci95"][1]
    assert baseline["feature"] in {each["feature"] for each in summary.audit["features"]}
    assert summary.report.exists()
    found = verdicts(workspace)
    assert found[junk].reasons == ["unreadable"]
    assert found[banana].reasons == ["not_a_car"]
    duplicate = shas[0] if found[shas[0]].reasons else copy
    assert found[duplicate].reasons == ["near_duplicate"]
    assert found[copy].cluster == found[shas[0]].cluster is not None
    assert set(summary.as_dict()) >= {
        *("pictures", "kept", "rejected", "reasons", "clusters", "splits", "audit")
    }


def test_the_terminal_shows_what_matters_and_json_all(
    curated: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for flags in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            main(["curate", "--workspace", str(curated.root), "--workers", "1", *flags])
        assert not ended.value.code
    out = capsys.readouterr().out
    shown, _, told = out.rpartition("Report: ")
    assert len(shown.splitlines()) < 25
    assert "split damage: train" in shown and "duplicates across splits" in shown
    assert "baseline without the car itself" in shown
    assert "{" not in shown
    assert json.loads(told.partition("\n")[2])["audit"]["features"]


@pytest.mark.parametrize(("rule", "least"), [("top5", MIN_SHARPNESS), ("none", 0)])
def test_the_sharpness_of_cars_is_asked_of_cars_only(rule: str, least: float) -> None:
    gate = cast(Gate, SimpleNamespace(rule=SimpleNamespace(name=rule, threshold=0.5)))
    assert screening_limits(Policy(), gate).min_sharpness == least
    own = Policy.model_validate({"quality": {"min_sharpness": 0.3}})
    assert screening_limits(own, gate).min_sharpness == 0.3


def test_classes_lost_to_rejections_are_explained(workspace: Workspace) -> None:
    fill(workspace)
    pretend_scores(workspace)
    policy = Policy.model_validate({"size": {"min_short_side": 5000}})
    with pytest.raises(SplitError, match=r"12 of 12 pictures are rejected \(12 too_small\)"):
        curate.curate(workspace, policy=policy, workers=1)


def test_plain_pictures_and_crowds_of_one_hash_are_told(curated: Workspace) -> None:
    """Of 70 saves of one logo the search pairs each with 64; a grey card has no hash."""
    logo = Image.open(io.BytesIO(photo(50)))
    for number in range(70):
        exif = Image.Exif()
        exif[0x010E] = f"copy {number}"
        buffer = io.BytesIO()
        logo.save(buffer, "PNG", exif=exif)
        add_picture(curated, buffer.getvalue())
    card = add_picture(curated, jpeg(Image.new("RGB", (320, 240), (120, 120, 120))))
    pretend_scores(curated)
    summary = curate.curate(curated, workers=1)
    assert summary.duplicates["heavy"] == 70 and summary.duplicates["plain"] == 1
    assert summary.reasons["exact_duplicate"] == 69  # equal pixels all the same
    assert "too plain" in curate.explain(curated, card).facts["compared"]


def test_a_second_run_changes_nothing_and_loads_no_network(curated: Workspace) -> None:
    before = verdicts(curated), splits(curated), _times(curated.reports / "curate")
    code = (
        "import sys, curate; from bodyshop_core.workspace import Workspace; "
        f"s = curate.curate(Workspace.open({str(curated.root)!r}), workers=1); "
        "assert (s.measured, s.scored) == (0, 0); assert 'tensorflow' not in sys.modules; "
        "assert 'sklearn' not in sys.modules; print('same')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "same\n", done.stderr
    assert (verdicts(curated), splits(curated), _times(curated.reports / "curate")) == before


def _times(folder: Path) -> dict[Path, float]:
    return {path: path.stat().st_mtime for path in folder.rglob("*") if path.is_file()}


def test_a_rejected_picture_leaves_and_returns_to_its_split(curated: Workspace) -> None:
    before = splits(curated)
    sha256 = next(iter(before))
    _decide(curated, sha256, "reject")
    curate.curate(curated, workers=1)
    assert sha256 not in splits(curated)
    assert verdicts(curated)[sha256].reasons == ["human_reject"]
    with curated.catalog.begin() as connection:
        connection.execute(schema.decisions.delete())
    curate.curate(curated, workers=1)
    assert splits(curated) == before


def test_a_picture_that_storage_does_not_give_ends_the_command_and_changes_no_verdict(
    curated: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    before, divided = verdicts(curated), splits(curated)
    new = [add_picture(curated, photo(seed), labels={"damage": "whole"}) for seed in (50, 51)]
    away = curated.image_path(new[0])
    data = away.read_bytes()
    away.unlink()
    pretend_scores(curated)
    command = ["curate", "--workspace", str(curated.root), "--workers", "1"]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "pictures left to do: 1" in told and "forget" in told
    assert (verdicts(curated), splits(curated)) == (before, divided)
    away.write_bytes(data)
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert not ended.value.code
    after = verdicts(curated)
    assert all(Reason.UNREADABLE not in after[sha256].reasons for sha256 in new)


def test_what_an_older_version_wrote_off_is_taken_back_on_request(
    curated: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    before = verdicts(curated)
    one, other = [sha256 for sha256, row in before.items() if row.verdict == "keep"][:2]
    with curated.catalog.begin() as connection:
        for table, sha256 in ((schema.measurements, one), (schema.gate_scores, other)):
            wrong = {"error": "[Errno 2] No such file or directory: 'blobs'"}
            query = table.update().where(table.c.sha256 == sha256).values(**wrong)
            connection.execute(query)
    curate.curate(curated, workers=1)
    for sha256 in (one, other):
        assert verdicts(curated)[sha256].reasons == [Reason.UNREADABLE]
    with pytest.raises(SystemExit) as ended:
        main(["curate", "--retry-failed", "--workspace", str(curated.root), "--workers", "1"])
    assert not ended.value.code
    assert "tried again: 2" in "".join(capsys.readouterr())
    after = {sha256: row.reasons for sha256, row in verdicts(curated).items()}
    again = after.pop(other)  # the real network's answer now, to a picture of no car
    assert Reason.UNREADABLE not in again
    assert after == {sha256: row.reasons for sha256, row in before.items() if sha256 != other}


def _decide(workspace: Workspace, sha256: str, decision: str) -> None:
    row = {
        "sha256": sha256,
        "decision": decision,
        "framing": None,
        "note": None,
        "by": "a tester",
        "at": now(),
    }
    workspace.catalog.upsert(schema.decisions, [row])


def test_a_threshold_is_changed_and_undone_without_measuring_again(curated: Workspace) -> None:
    before = verdicts(curated)
    strict = curate.Policy.model_validate({"quality": {"min_sharpness": 1.0}})
    with pytest.raises(SplitError, match="at least two classes"):
        curate.curate(curated, policy=strict, workers=1)
    assert {row.reasons[0] for row in verdicts(curated).values()} == {Reason.BLURRY.value}
    again = curate.curate(curated, workers=1)
    assert again.measured == 0
    assert {sha: row.verdict for sha, row in verdicts(curated).items()} == {
        sha: row.verdict for sha, row in before.items()
    }


def test_the_summary_counts_what_the_catalog_holds_and_runs_repeat(workspace: Workspace) -> None:
    """One page shows a picture of the folder train and one of test: the first is left out."""
    for seed in range(12):
        page = 1 if seed in (0, 3) else f"x{seed}"
        add_picture(
            workspace,
            photo(seed),
            labels={"damage": ("damaged", "whole")[seed // 4 % 2]},
            given_split=("train", "train", "validation", "test")[seed % 4],
            source="pages",
            page_url=f"https://a.example/{page}",
            brand="B",
            model="M",
        )
    pretend_scores(workspace)
    before: dict[str, Any] = {}
    for _ in range(2):
        summary = curate.curate(workspace, keep_given_splits=True, workers=1)
        found = verdicts(workspace)
        assert summary.kept == sum(row.verdict == "keep" for row in found.values()) == 11
        assert summary.reasons == {"split_bridge": 1}
        assert len(splits(workspace)) == 11
        assert found == (before or found)
        before = found
    judged = curate.judge(workspace)
    assert (judged.changed, judged.kept) == (0, 11)
    page = (workspace.reports / "curate" / "index.html").read_text(encoding="utf-8")
    assert "<b>11</b><span>kept</span>" in page


def test_pictures_erased_while_curate_runs_get_no_verdict(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    shas = fill(workspace, 14)
    pretend_scores(workspace)
    load_facts = pipeline.load_facts

    def erase_after_reading(catalog: Any, **options: Any) -> Any:
        facts = load_facts(catalog, **options)
        with catalog.begin() as connection:
            images = schema.images
            connection.execute(images.delete().where(images.c.sha256.in_(shas[:2])))
        return facts

    monkeypatch.setattr(pipeline, "load_facts", erase_after_reading)
    summary = curate.curate(workspace, workers=1)
    assert summary.pictures == 12
    assert verdicts(workspace).keys() == set(shas[2:])
    assert splits(workspace).keys() == set(shas[2:])


def test_duplicates_are_searched_once_and_the_gate_is_opened_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(workspace)
    pretend_scores(workspace)
    calls: Counter[str] = Counter()

    def counted(module: Any, name: str) -> None:
        function = getattr(module, name)

        def call(*arguments: Any, **options: Any) -> Any:
            calls[name] += 1
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, call)

    counted(pairs, "find_pairs")
    counted(rules, "find_probe")
    counted(decide, "_groups")
    curate.curate(workspace, workers=1)
    assert calls == {"find_pairs": 1, "find_probe": 1, "_groups": 1}


def test_unlabelled_pictures_are_judged_and_not_split(workspace: Workspace) -> None:
    add_picture(workspace, photo(1))
    pretend_scores(workspace)
    summary = curate.curate(workspace, workers=1)
    assert summary.kept == 1
    assert "at least two classes" in summary.splits["skipped"]
    assert summary.audit == {}
    assert summary.report.exists()


def test_explain_says_why_by_sha_file_and_name(curated: Workspace, tmp_path: Path) -> None:
    sha256 = add_picture(curated, photo(77), file="/photos/77.jpg")
    pretend_scores(curated, {sha256: 0.0})
    curate.curate(curated, workers=1)
    file = tmp_path / "same.jpg"
    file.write_bytes(photo(77))
    for asked in (sha256, sha256[:10], str(file), "77.jpg"):
        told = curate.explain(curated, asked)
        assert told.title == f"{sha256[:12]} is rejected: not a car"
        assert "gate.threshold" in told.as_dict()["reasons"]["not_a_car"]
    with pytest.raises(NothingFoundError):
        curate.explain(curated, "nowhere.jpg")


def test_the_target_is_damage_only_when_two_damage_values_are_there(workspace: Workspace) -> None:
    for seed in range(8):
        model = ("Norden Fjell", "Corvo Strada")[seed % 2]
        add_picture(workspace, photo(seed), labels={"damage": "whole", "model": model})
    pretend_scores(workspace)
    summary = curate.curate(workspace, workers=1)
    assert summary.splits["target"] == "model"
    assert set(summary.splits["sizes"]["train"]) == {"Norden Fjell", "Corvo Strada"}


def test_a_detection_that_failed_is_taken_back_and_one_that_found_no_car_is_not(
    workspace: Workspace,
) -> None:
    failed, empty = (add_picture(workspace, photo(seed)) for seed in range(2))
    row = dict.fromkeys(("label", "score", "box", "error")) | {"detector": "ssd"}
    rows = [row | {"sha256": failed, "error": "no memory"}, row | {"sha256": empty}]
    workspace.catalog.upsert(schema.detections, rows)
    assert take_back_failures(workspace) == 1
    with workspace.catalog.read() as connection:
        assert connection.scalars(select(schema.detections.c.sha256)).all() == [empty]
