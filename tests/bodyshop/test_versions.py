"""What changed between two snapshots or runs is named picture by picture; old sets are exported."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from export_photos import draw_mask, files_of, split_set
from sqlalchemy import update
from typer.testing import CliRunner

from bodyshop.cli import app
from bodyshop.export import export
from bodyshop.export.destination import RECORD
from bodyshop.forget import forget
from bodyshop.versions import checkout, diff
from bodyshop_core.catalog import add_labels, schema
from bodyshop_core.errors import BodyshopError, NothingFoundError, UsageError
from bodyshop_core.snapshots import list_snapshots, read_state, save_snapshot
from bodyshop_core.workspace import Workspace
from curate import Policy


def judge(workspace: Workspace, name: str, verdict: str, *reasons: str) -> None:
    with workspace.catalog.begin() as connection:
        table = schema.verdicts
        change = {"verdict": verdict, "reasons": list(reasons)}
        connection.execute(update(table).where(table.c.sha256 == name).values(**change))


@pytest.fixture
def changed(curated: tuple[Workspace, list[str]]) -> tuple[Workspace, list[str]]:
    """A snapshot "before", and after it one change of each kind."""
    workspace, names = curated
    save_snapshot(workspace, "before", "as curated")
    judge(workspace, names[0], "reject", "blurry")
    judge(workspace, names[6], "keep")
    add_labels(workspace.catalog, [(names[3], "damage", "whole", "human", "me")])
    placed = dict.fromkeys(names[4:5], ("train", "whole")) | {names[5]: ("test", "whole")}
    split_set(workspace, placed | dict.fromkeys(names[:3], ("train", "파손")))
    draw_mask(workspace, names[1], (0, 0, 3, 3))
    return workspace, names


def test_every_change_is_named_with_its_reason(changed: tuple[Workspace, list[str]]) -> None:
    workspace, names = changed
    found = diff(workspace, "before")
    words = {change.picture.sha256: change.words() for change in found.data.changes}
    assert words[names[0]][0] == "keep → reject (blurry)"
    assert words[names[6]][0] == "reject (blurry, too_small) → keep"
    assert words[names[3]] == [
        "damage: 파손 (import) → whole (human)", "split of damage: validation → none",
    ]  # fmt: skip
    assert words[names[4]] == ["split of damage: validation → train"]
    assert words[names[1]] == ["masks changed"]
    assert names[2] not in words and names[5] not in words
    assert {k: n for k, n in found.data.counts.items() if n} == {
        "rejected": 1, "kept": 1, "label": 1, "split": 2, "masks": 1,
    }  # fmt: skip
    assert found.data.per_class()["파손"]["before"] == 3
    assert found.data.per_class()["파손"]["after"] == 1
    assert found.data.per_origin()["pages"]["rejected"] == 1
    assert json.loads(json.dumps(found.as_dict()))["counts"] == found.data.counts


def test_the_other_way_round_everything_is_turned(changed: tuple[Workspace, list[str]]) -> None:
    workspace, _ = changed
    save_snapshot(workspace, "after")
    forth, back = diff(workspace, "before", "after"), diff(workspace, "after", "before")
    assert forth.data.counts["rejected"] == back.data.counts["kept"] == 1
    assert [c.picture.sha256 for c in forth.data.changes] == [
        c.picture.sha256 for c in back.data.changes
    ]
    from_now = diff(workspace, "now", "before")
    assert from_now.data.counts == back.data.counts
    assert not diff(workspace, "after").data.changes


def test_new_pictures_are_added_and_forgotten_ones_are_in_no_diff(
    curated: tuple[Workspace, list[str]],
) -> None:
    from bodyshop_core.catalog import register_image

    workspace, names = curated
    save_snapshot(workspace, "before")
    blob = workspace.blobs.put_bytes(b"new", "jpg")
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension="jpg", facts={})
    forget(workspace, names[0])
    [change] = diff(workspace, "before").data.changes
    assert (change.kinds, change.picture.sha256) == (("added",), blob.sha256)


def test_the_changed_keys_of_the_policy_are_shown(curated: tuple[Workspace, list[str]]) -> None:
    workspace, _ = curated
    for name, policy in (
        ("a", Policy()),
        ("b", Policy.model_validate({"size": {"max_aspect": 3}})),
    ):
        content = policy.model_dump(mode="json")
        workspace.catalog.upsert(schema.policies, [{"digest": policy.digest, "content": content}])
        with workspace.catalog.begin() as connection:
            connection.execute(update(schema.verdicts).values(policy=policy.digest))
        save_snapshot(workspace, name)
    found = diff(workspace, "a", "b")
    assert found.data.policy() == {"size.max_aspect": [5.0, 3.0]} and not found.data.changes


def test_the_page_is_one_file_with_the_pictures_and_escapes_what_others_wrote(
    changed: tuple[Workspace, list[str]],
) -> None:
    workspace, names = changed
    add_labels(workspace.catalog, [(names[5], "damage", "<script>alert(1)</script>", "human", "x")])
    found = diff(workspace, "before", page=True)
    assert found.page is not None and found.page.parent == workspace.reports / "diff"
    html = found.page.read_text("utf-8")
    assert html.count("data:image/jpeg;base64,") >= 6
    assert not re.search(r'(?:src|href)="(?!data:|/\?sha256=[0-9a-f]{64}")', html)
    assert "<script>" not in html and "&lt;script&gt;" in html
    forget(workspace, names[0])
    assert not found.page.exists()


def run_folder(workspace: Workspace, name: str, state: str, pictures: list[str], **figures) -> None:
    folder = workspace.runs / name
    folder.mkdir(parents=True)
    samples = "".join(f"{sha},train\n" for sha in pictures)
    (folder / "samples.csv").write_text("sha256,split\n" + samples)
    (folder / "plan.json").write_text(
        json.dumps({"seed": 7, "recipe": {"name": name}, "data": "x"})
    )
    (folder / "summary.json").write_text(json.dumps({"snapshot": state, "split_set": "damage"}))
    (folder / "metrics.json").write_text(json.dumps({"test": {"n": 6, **figures}}))


def test_two_runs_show_their_changed_pictures_beside_their_figures(
    changed: tuple[Workspace, list[str]],
) -> None:
    workspace, names = changed
    before, after = diff(workspace, "before").before.state, save_snapshot(workspace, "after").id
    run_folder(workspace, "train-1", before, names[:6], accuracy=0.5)
    run_folder(workspace, "train-2", after, names[1:6], accuracy=0.75)
    found = diff(workspace, "train-1", str(workspace.runs / "train-2"))
    assert found.metrics == {"test.accuracy": (0.5, 0.75)}
    assert found.settings == {"recipe.name": ("train-1", "train-2")}
    shown = {change.picture.sha256 for change in found.data.changes}
    assert names[0] in shown and names[6] not in shown
    run_folder(workspace, "train-3", "", names)
    with pytest.raises(NothingFoundError, match="recorded no snapshot"):
        diff(workspace, "train-1", "train-3")


class Plan:
    """The least that a run is planned by."""

    run = None

    def as_dict(self) -> dict[str, object]:
        return {"format": 2, "kind": "classifier", "recipe": {}, "seed": 7}


def test_a_run_names_the_state_that_it_learned_from(
    curated: tuple[Workspace, list[str]],
) -> None:
    from bodyshop_core.progress import SILENT
    from train.runs.execute import execute
    from train.runs.summary import TrainSummary, read_summary

    seen: list[tuple[str, ...]] = []

    def fit(folder: Path, *, run: str) -> TrainSummary:
        seen.extend(each.runs for each in list_snapshots(workspace).snapshots)
        figures = {"n": 1, "accuracy": 1.0}
        report = folder / "report.html"
        return TrainSummary(run, folder, "r", "damage", "s", "test", figures, {}, {}, report)

    workspace, _ = curated
    named = save_snapshot(workspace, "learned")
    done = execute(workspace, "train", Plan(), fit, anew=True, progress=SILENT)
    assert done.snapshot == named.id == read_summary(done.folder).snapshot
    [listed] = list_snapshots(workspace).snapshots
    assert (listed.name, listed.runs) == ("learned", (done.run,))
    assert seen == [listed.runs]  # a run that never ends names it, too


def test_a_snapshot_is_exported_as_it_was(
    changed: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = changed
    summary = export(workspace, "imagefolder", tmp_path / "out", snapshot="before")
    assert f"train/파손/{names[0]}.jpg" in files_of(tmp_path / "out")
    assert f"validation/파손/{names[3]}.jpg" in files_of(tmp_path / "out")
    record = json.loads((tmp_path / "out" / RECORD).read_text("utf-8"))
    assert record["snapshot"] == summary.snapshot == diff(workspace, "before").before.state
    now = export(workspace, "imagefolder", tmp_path / "out")
    assert now.snapshot == read_state(workspace).id != summary.snapshot
    assert f"train/파손/{names[0]}.jpg" not in files_of(tmp_path / "out")


def test_masks_that_have_changed_since_a_snapshot_are_not_exported_as_its_own(
    changed: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = changed
    for format in ("coco", "hf"):
        with pytest.raises(BodyshopError, match="masks of 1 pictures have changed"):
            export(workspace, format, tmp_path / format, snapshot="before")
        assert not (tmp_path / format).exists()
    export(workspace, "manifest", tmp_path / "m.parquet", snapshot="before")
    masks = dict(zip(*pq.read_table(tmp_path / "m.parquet", columns=["sha256", "mask"])
                     .to_pydict().values(), strict=True))  # fmt: skip
    assert masks[names[0]] and not masks[names[1]]


def test_a_checkout_is_readable_and_read_only(
    changed: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = changed
    policy = Policy()
    workspace.catalog.upsert(
        schema.policies, [{"digest": "p", "content": policy.model_dump(mode="json")}]
    )
    save_snapshot(workspace, "after")
    for _ in range(2):
        done = checkout(workspace, "after", tmp_path / "old")
    assert (done.pictures, done.kept) == (7, 6)
    rows = {
        row["sha256"]: row
        for row in pq.read_table(tmp_path / "old" / "manifest.parquet").to_pylist()
    }
    assert (rows[names[0]]["verdict"], rows[names[0]]["reasons"]) == ("reject", "blurry")
    assert json.loads((tmp_path / "old" / "snapshot.json").read_text("utf-8"))["id"] == done.id
    text = (tmp_path / "old" / "curate.yaml").read_text("utf-8")
    assert Policy.model_validate(yaml.safe_load(text)) == policy
    assert all(not f.stat().st_mode & 0o222 for f in (tmp_path / "old").iterdir())
    checkout(workspace, "before", tmp_path / "old")  # its policy is not known
    assert not (tmp_path / "old" / "curate.yaml").exists()
    (tmp_path / "old" / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="other than a checkout"):
        checkout(workspace, "after", tmp_path / "old")


def test_a_class_that_only_lost_pictures_is_in_the_table_and_long_names_stay_on_one_line(
    curated: tuple[Workspace, list[str]],
) -> None:
    workspace, _ = curated
    name = "before-two-people-looked-at-all-of-the-second-delivery"
    save_snapshot(workspace, name, "")
    before = diff(workspace, name, page=False).data.per_class()
    of = {
        row.label("damage"): row.sha256
        for rows in read_state(workspace).chunks.values()
        for row in rows
        if row.kept
    }
    lost = next(label for label in of if before[label]["after"] > 1)
    add_labels(workspace.catalog, [(of[lost], "damage", "dented", "human", "me")])
    words = ["-w", str(workspace.root), "diff", name, "--no-page"]
    lines = CliRunner().invoke(app, words, catch_exceptions=False).stdout.splitlines()
    assert f"{name} → now" in [line.strip() for line in lines]
    row = next(line for line in lines if line.startswith(f"│ {lost} "))
    kept = [int(cell) for cell in row.split("│")[2:4]]
    assert kept[1] == kept[0] - 1


def test_the_commands_say_what_they_did(
    changed: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, _ = changed
    run = CliRunner()

    def call(*words: str) -> str:
        result = run.invoke(app, ["-w", str(workspace.root), *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    made = json.loads(call("--json", "snapshot", "after", "--note", "two changes"))
    assert made["note"] == "two changes" and made["pictures"] == 7
    assert "two changes" in call("snapshot") and "before" in call("snapshot")
    text = call("diff", "before", "after")
    assert "파손 (import) → whole (human)" in text and "Page: " in text
    found = json.loads(call("--json", "diff", "before", "after", "--no-page"))
    assert found["counts"]["rejected"] == 1 and found["page"] is None and found["pictures"]
    assert "manifest.parquet" in call("checkout", "before", str(tmp_path / "before"))
    assert "Removed" in call("snapshot", "after", "--remove")
