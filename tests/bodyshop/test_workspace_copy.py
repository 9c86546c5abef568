"""`bodyshop workspace copy`: everything arrives, verified, whatever interrupts it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import object_store
import pytest
from filling import add_picture, photo, pretend_scores
from object_workspaces import objects, remote_workspace
from sqlalchemy import JSON, null, select, text, update

import curate
from bodyshop.cli import main
from bodyshop.export import manifest_rows
from bodyshop.forget import forget
from bodyshop.workspace_copy import JOURNAL, copy_workspace
from bodyshop_core.catalog import Catalog, all_images
from bodyshop_core.catalog.schema import metadata, sightings
from bodyshop_core.errors import TransientError, UsageError
from bodyshop_core.workspace import Workspace


@pytest.fixture
def original(tmp_path):
    """Return a small workspace with files of every kind."""
    workspace = Workspace.open(tmp_path / "original")
    for seed in range(6):
        add_picture(workspace, photo(seed), labels={"damage": ("damaged", "whole")[seed % 2]})
    for name in ("masks/ab/a.png", "variants/v/b.jpg", "runs/한글/model.bin", "desk/journal.jsonl"):
        file = workspace.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode() * 1000)
    for name in (".collect.lock", "cache/blobs/aa/x.jpg", "masks/.tmp-host~1~2.png"):
        (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / name).write_bytes(b"not copied")
    return workspace


def rows(workspace: Workspace):
    with workspace.catalog.read() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in metadata.sorted_tables
        }


def files(workspace: Workspace) -> dict[str, bytes]:
    left_out = ("cache", "bodyshop.sqlite", "workspace.toml", "copying.lock")
    return {
        path.relative_to(workspace.root).as_posix(): path.read_bytes()
        for path in workspace.root.rglob("*")
        if path.is_file()
        and not path.relative_to(workspace.root).as_posix().startswith(left_out)
        and not path.name.startswith(".")
    }


def test_a_copy_has_every_row_and_file_and_nothing_of_caches_and_locks(original, tmp_path):
    counted = copy_workspace(original.root, tmp_path / "copy", dry_run=True)
    assert (counted.pictures, counted.copied, counted.files) == (6, 6, 4)
    assert not (tmp_path / "copy").exists()
    summary = copy_workspace(original.root, tmp_path / "copy")
    assert (summary.copied, summary.rows, summary.bytes) == (6, counted.rows, counted.bytes)
    copy = Workspace.open(tmp_path / "copy", create=False)
    assert rows(copy) == rows(original) and files(copy) == files(original)
    assert not (copy.root / "cache").exists() and not (copy.root / JOURNAL).exists()
    with pytest.raises(UsageError, match="is not empty"):
        copy_workspace(original.root, tmp_path / "copy")


@pytest.mark.parametrize("target", ["original", "original/inside", ".", "foreign", "file"])
def test_a_target_that_is_not_an_empty_folder_of_its_own_is_refused(original, tmp_path, target):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "mine.txt").write_text("keep")
    (tmp_path / "file").write_text("keep")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError):
        copy_workspace(original.root, tmp_path / target)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_or_lost_original_is_named_and_the_catalog_waits_for_it(original, tmp_path):
    damaged, lost = sorted(all_images(original.catalog))[:2]
    good = {name: original.image_path(name).read_bytes() for name in (damaged, lost)}
    original.image_path(damaged).write_bytes(b"damaged")
    original.image_path(lost).unlink()
    with pytest.raises(TransientError, match="left to do: 2") as caught:
        copy_workspace(original.root, tmp_path / "copy")
    assert {name for name, _ in caught.value.left} == {damaged, lost}
    assert all_images(Workspace.open(tmp_path / "copy").catalog) == {}
    for name in good:
        original.image_path(name).write_bytes(good[name])
    assert copy_workspace(original.root, tmp_path / "copy").copied == 2
    assert rows(Workspace.open(tmp_path / "copy")) == rows(original)


def test_a_copy_of_another_workspace_is_not_continued(original, tmp_path):
    original.image_path(min(all_images(original.catalog))).unlink()
    with pytest.raises(TransientError):
        copy_workspace(original.root, tmp_path / "copy")
    other = Workspace.open(tmp_path / "other")
    add_picture(other, photo(9))
    with pytest.raises(UsageError, match=f"a part of {original.root}"):
        copy_workspace(other.root, tmp_path / "copy")


def interrupted(original: Workspace, target: Path) -> None:
    """Copy all but one original, which is put back."""
    lost = original.image_path(min(all_images(original.catalog)))
    data = lost.read_bytes()
    lost.unlink()
    with pytest.raises(TransientError):
        copy_workspace(original.root, target)
    lost.write_bytes(data)


def killed_before_the_rows(original: Workspace, target: Path) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bodyshop.workspace_copy.copy_rows", killed)
        with pytest.raises(KeyboardInterrupt):
            copy_workspace(original.root, target)


def test_rows_that_another_command_wrote_into_an_unfinished_copy_are_no_copy(original, tmp_path):
    interrupted(original, tmp_path / "copy")
    copy = Workspace.open(tmp_path / "copy")
    with copy.record_run("curate", {}):
        pass
    with original.record_run("curate", {}):
        pass
    for _ in range(2):
        with pytest.raises(UsageError, match="not those of") as caught:
            copy_workspace(original.root, copy.root)
    assert "remove that catalog's file" in caught.value.hint and (copy.root / JOURNAL).exists()
    copy.catalog.close()
    for file in copy.root.glob("bodyshop.sqlite*"):
        file.unlink()
    assert copy_workspace(original.root, copy.root).copied == 1
    assert rows(Workspace.open(copy.root)) == rows(original)


def test_a_kill_after_the_rows_and_before_the_end_is_finished_by_the_next_call(original, tmp_path):
    interrupted(original, tmp_path / "copy")
    journal = (tmp_path / "copy" / JOURNAL).read_bytes()
    copy_workspace(original.root, tmp_path / "copy")
    (tmp_path / "copy" / JOURNAL).write_bytes(journal)
    assert copy_workspace(original.root, tmp_path / "copy").rows
    copy = Workspace.open(tmp_path / "copy", create=False)
    assert rows(copy) == rows(original) and files(copy) == files(original)


def test_a_copy_is_not_continued_into_another_bucket_or_catalog(original, tmp_path):
    interrupted(original, tmp_path / "copy")
    settings = tmp_path / "copy" / "workspace.toml"
    for line in ('blobs = "s3://cars/all"', 'catalog = "postgresql://nowhere.invalid/cars"'):
        settings.write_text(line)
        for dry_run in (True, False):
            with pytest.raises(UsageError, match="another catalog or bucket"):
                copy_workspace(original.root, tmp_path / "copy", dry_run=dry_run)
    settings.unlink()
    (tmp_path / "copy").rename(tmp_path / "moved")
    assert copy_workspace(original.root, tmp_path / "moved").copied == 1


def test_what_the_target_lost_since_it_was_verified_is_copied_again(original, tmp_path):
    killed_before_the_rows(original, tmp_path / "copy")
    copy = Workspace.open(tmp_path / "copy")
    copy.blobs.remove([max(all_images(original.catalog))])
    (copy.root / "masks/ab/a.png").unlink()
    for dry_run in (True, False):
        summary = copy_workspace(original.root, copy.root, dry_run=dry_run)
        assert (summary.copied, summary.files) == (1, 1)
    assert files(copy) == files(original)


def test_what_was_erased_between_two_calls_does_not_stay_in_the_copy(original, tmp_path):
    target = tmp_path / "copy"
    *_, begun, erased = sorted(all_images(original.catalog))
    mask = original.root / "masks" / "ab" / f"{erased}.png"
    mask.write_bytes(b"a mask")
    killed_before_the_rows(original, target)
    journal = target / JOURNAL  # as a kill leaves it that comes before a picture is verified
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(x for x in lines if begun not in x or '"have"' not in x))
    assert (target / "masks" / "ab" / mask.name).exists()
    assert forget(original, erased).pictures + forget(original, begun).pictures == 2
    copy_workspace(original.root, target)
    copy = Workspace.open(target, create=False)
    assert not [path for path in target.rglob("*") if erased in path.name or begun in path.name]
    assert rows(copy) == rows(original) and files(copy) == files(original)


def test_a_kill_right_after_the_catalogs_file_is_created_is_resumed(
    original, tmp_path, monkeypatch
):
    prepare = Catalog._prepare

    def killed(catalog):
        prepare(catalog)
        if catalog.path.parent == tmp_path / "copy":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "_prepare", killed)
        with pytest.raises(KeyboardInterrupt):
            copy_workspace(original.root, tmp_path / "copy")
    assert (tmp_path / "copy" / "bodyshop.sqlite").exists()
    assert copy_workspace(original.root, tmp_path / "copy").copied == 6


def test_a_kill_while_the_first_line_of_the_journal_is_written_is_resumed(original, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / ".tmp-host~1~2.jsonl").write_bytes(b"{")
    (tmp_path / "copy" / "copying.lock").touch()
    assert copy_workspace(original.root, tmp_path / "copy").copied == 6


def test_null_of_sql_and_null_of_json_stay_what_they_are(original, tmp_path):
    names = sorted(all_images(original.catalog))
    with original.catalog.begin() as connection:
        for value, name in zip((null(), JSON.NULL, {"damage": "whole"}), names, strict=False):
            change = update(sightings).where(sightings.c.sha256 == name).values(said=value)
            connection.execute(change)
    copy_workspace(original.root, tmp_path / "copy")

    def stored(workspace):
        query = "SELECT sha256, said IS NULL, said FROM sightings ORDER BY sha256"
        with workspace.catalog.read() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    assert stored(original)[:2] == [(names[0], 1, None), (names[1], 0, "null")]
    assert stored(Workspace.open(tmp_path / "copy")) == stored(original)


@pytest.mark.slow
def test_kill_9_in_the_middle_and_the_same_command_again_end_the_same(original, tmp_path):
    for seed in range(10, 70):
        add_picture(original, photo(seed, size=(200, 150)))
    start = "from bodyshop.cli import main; main()"
    folders = [str(original.root), str(tmp_path / "copy")]
    command = [sys.executable, "-c", start, "workspace", "copy", *folders]
    kills = 0
    for wait_s in (0.0, 0.05, 0.15):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        journal, limit = tmp_path / "copy" / JOURNAL, time.monotonic() + 60
        while process.poll() is None and not journal.exists() and time.monotonic() < limit:
            time.sleep(0.001)
        time.sleep(wait_s)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait(60)
    assert kills
    if (tmp_path / "copy" / JOURNAL).exists():
        with (tmp_path / "copy" / JOURNAL).open("ab") as file:
            file.write(b'{"have": "cut')
    subprocess.run(command, check=False, timeout=120)
    copy = Workspace.open(tmp_path / "copy", create=False)
    assert rows(copy) == rows(original) and files(copy) == files(original)


def test_the_command_prints_what_it_copied(original, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--json", "workspace", "copy", str(original.root), str(tmp_path / "copy")])
    assert not ended.value.code
    told = json.loads(capsys.readouterr().out)
    assert (told["pictures"], told["copied"], told["files"], told["dry_run"]) == (6, 6, 4, False)


@pytest.mark.slow
def test_there_and_back_through_a_bucket(original, tmp_path, monkeypatch):
    pretend_scores(original)
    curate.curate(original, workers=1)
    with object_store.started() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        away = tmp_path / "away"
        remote_workspace(server, away).catalog.close()
        for file in away.glob("bodyshop.sqlite*"):
            file.unlink()
        assert copy_workspace(original.root, away).copied == 6
        remote = Workspace.open(away, create=False)
        assert len(objects(server, remote)) == 6 and not (away / "blobs").exists()
        assert list(manifest_rows(remote)) == list(manifest_rows(original))
        name = min(all_images(remote.catalog))
        data = remote.blobs.fetch(name, "jpg")
        server.filesystem().pipe_file(str(remote.picture(name)), data[:-1] + b"\0")
        with pytest.raises(TransientError, match="damaged"):
            copy_workspace(away, tmp_path / "back")
        assert remote.blobs.put_bytes(data, "jpg").new
        copy_workspace(away, tmp_path / "back")
    shutil.rmtree(away)
    back = Workspace.open(tmp_path / "back", create=False)
    assert rows(back) == rows(original) and files(back) == files(original)
    assert curate.curate(back, workers=1).pictures == 6
