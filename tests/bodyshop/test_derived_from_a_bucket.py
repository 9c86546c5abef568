"""Masks and variants in a bucket of a real S3 server: the same answers as on disk."""

from __future__ import annotations

import os
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import object_store
import pytest
from dask_cluster import WITHOUT_PRIVILEGES, Cluster
from object_workspaces import (
    empty_cache,
    kill_when_copies,
    objects,
    remote_workspace,
)
from sqlalchemy import select
from training_cases import fill_workspace

from augment import augment, verify
from bodyshop.export import export
from bodyshop.forget import forget
from bodyshop.orphans import orphans
from bodyshop.workspace_copy import copy_workspace
from bodyshop_core.catalog import schema
from bodyshop_core.catalog.derived_names import names_of_masks_and_variants
from bodyshop_core.catalog.variants import current_variants
from bodyshop_core.engine.handshake import HandshakeError
from bodyshop_core.errors import TransientError
from bodyshop_core.snapshots import mask_digests
from bodyshop_core.storage.blob_cache import digest_in
from bodyshop_core.storage.ownership import ForeignPlaceError
from bodyshop_core.workspace import Workspace
from labeling.consensus.update import update_consensus
from labeling.exchange.mask_export import export_masks
from labeling.records.annotations import Annotation, current_masks, store_annotations
from labeling.records.regions import current_instances
from train.data.mask_samples import load_pairs, mask_files, masked_samples
from train.data.samples import load_samples

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server():
    with object_store.started() as running:
        yield running


@pytest.fixture
def both(server, tmp_path, monkeypatch) -> tuple[Workspace, Workspace]:
    """Return two workspaces with the same pictures and masks: on disk, and in the bucket."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    pair = (Workspace.open(tmp_path / "local"), remote_workspace(server, tmp_path / "away"))
    for workspace in pair:
        fill_workspace(workspace, {"damaged": (8, 3, 3), "whole": (6, 2, 2)}, name="main")
        draw(workspace, damaged(workspace))
    return pair


def damaged(workspace: Workspace) -> list[str]:
    return sorted(item.sha256 for item in load_samples(workspace).items if item.label == "damaged")


def draw(workspace: Workspace, pictures: list[str], *, right: int = 80, by: str = "ana") -> None:
    """Draw a dent into pictures, as an import of files or a pull would."""
    said = []
    for sha256 in pictures:
        mask = np.zeros((96, 112), bool)
        mask[20:60, 15 : right + int(sha256[0], 16)] = True
        said.append(
            Annotation(
                sha256, f"import:{by}", "", None, f"import:{by}", "2026-01-01T00:00:00+00:00",
                masks={"dent": mask},
            )
        )  # fmt: skip
    with workspace.catalog.begin() as connection:
        touched = store_annotations(connection, workspace, said)
        update_consensus(connection, workspace, touched)


def made(workspace: Workspace) -> list[tuple[object, ...]]:
    table = schema.variants
    query = select(table.c.sha256, table.c.copy, table.c.digest, table.c.error, table.c.inputs)
    with workspace.catalog.read() as connection:
        return sorted(tuple(row) for row in connection.execute(query))


def contents(folder: Path) -> dict[str, bytes]:
    """Return what an export wrote; of a tar file its pictures and masks."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in {".jpg", ".png", ".json", ".txt"}
    }
    for path in folder.rglob("*.tar"):
        with tarfile.open(path) as archive:
            for member in archive:
                if not member.name.endswith(".json"):  # whose `mask` is the name in the store
                    content = archive.extractfile(member)
                    assert content is not None
                    found[f"{path.name}/{member.name}"] = content.read()
    return found


def files(workspace: Workspace) -> list[str]:
    """Return the names of masks and variants on the workspace's disk, without caches."""
    return [
        path.name
        for folder in (workspace.masks, workspace.variants)
        for path in folder.rglob("*")
        if path.suffix in {".png", ".jpg"}
    ]


def made_objects(server, workspace: Workspace) -> list[str]:
    return [
        each for each in objects(server, workspace) if "/masks/" in each or "/variants/" in each
    ]


def test_labels_training_data_and_exports_are_those_from_disk(server, both, tmp_path):
    for workspace, place in zip(both, ("disk", "bucket"), strict=True):
        assert augment(workspace, "light", copies=2, workers=1).failed == {}
        assert augment(workspace, "light", copies=2, workers=1).made == 0
        checked = verify(workspace)
        assert (checked.different, checked.not_reproducible) == ((), ())
        for name in ("coco", "yolo", "hf", "webdataset"):
            export(workspace, name, tmp_path / place / name)
        export_masks(workspace, "png", tmp_path / place / "masks")
    local, remote = both
    assert made(local) == made(remote) != []
    assert files(remote) == [] and len(made_objects(server, remote)) == len(files(local)) > 20
    assert mask_digests(local) == mask_digests(remote) != {}
    assert contents(tmp_path / "disk") == contents(tmp_path / "bucket") != {}
    ours, theirs = (masked_samples(each, side=64) for each in both)
    assert ours.digest() == theirs.digest()
    pairs = [load_pairs(each.items, each.classes, 64) for each in (ours, theirs)]
    assert all(np.array_equal(*each) for each in zip(*pairs, strict=True))
    assert any(item.variant for item in theirs.items)
    drawn, same = (current_instances(each) for each in both)
    for sha256 in damaged(local):
        (one,), (other,) = drawn[sha256].shapes(), same[sha256].shapes()
        assert np.array_equal(one.mask, other.mask)


def test_what_is_drawn_again_or_lost_is_made_again_and_nothing_else(server, both):
    _, remote = both
    augment(remote, "light", copies=1, workers=0)
    with_masks = [each for each in current_variants(remote.catalog, "main") if each.masks]
    again, lost, *_ = with_masks
    before = {each.sha256: each.file for each in current_variants(remote.catalog, "main")}
    draw(remote, [again.sha256], right=95)
    remote.derived.discard([lost.masks["dent"]])
    empty_cache(remote)
    assert augment(remote, "light", copies=1, workers=0).made == 2
    after = {each.sha256: each for each in current_variants(remote.catalog, "main")}
    assert {name for name in before if before[name] != after[name].file} <= {again.sha256}
    assert after[again.sha256].masks != again.masks and after[lost.sha256].masks == lost.masks
    assert remote.derived.ref(lost.masks["dent"]).read()


def test_forget_leaves_no_mask_no_variant_no_version_and_no_copy(server, both):
    _, remote = both
    filesystem = server.filesystem()
    filesystem.call_s3(
        "put_bucket_versioning",
        Bucket=server.bucket,
        VersioningConfiguration={"Status": "Enabled"},
    )
    try:
        for policy in ("light", "grayscale"):
            augment(remote, policy, copies=1, workers=0)
        gone, kept = (each.sha256 for each in current_variants(remote.catalog, "main")[:2])
        draw(remote, [gone], right=95)  # the mask of before stays, as an object that nobody reads
        name = current_masks(remote)[gone]["dent"]
        remote.derived.restore(name, b"another version")
        filesystem.rm_file(str(remote.derived.ref(name)))  # hides it, and keeps all versions
        remote.derived.ref(current_masks(remote)[kept]["dent"]).read()
        number = len(remote.derived.find([gone])) + len(remote.blobs.find([gone]))
        assert number >= 2 + 3 + 2 and forget(remote, gone, dry_run=True).files >= number
        assert forget(remote, gone).files >= number
        prefix = remote.blobs.label.removeprefix(f"s3://{server.bucket}/")
        pages = filesystem.call_s3("list_object_versions", Bucket=server.bucket, Prefix=prefix)
        everything = pages.get("Versions", []) + pages.get("DeleteMarkers", [])
        assert [each["Key"] for each in everything if gone in each["Key"]] == [] != everything
        assert [path for path in remote.root.rglob("*") if gone in path.name] == []
        assert remote.derived.ref(current_masks(remote)[kept]["dent"]).read()
    finally:
        filesystem.call_s3(
            "put_bucket_versioning",
            Bucket=server.bucket,
            VersioningConfiguration={"Status": "Suspended"},
        )


def test_kill_9_of_the_store_while_variants_are_made_and_a_rerun_end_the_same(server, both):
    local, remote = both
    augment(local, "light", copies=2, workers=1)
    empty_cache(remote)
    try:
        watching = kill_when_copies(
            server, remote.root / "cache" / "blobs", len(damaged(remote)) + 3
        )
        with pytest.raises(TransientError, match=r"left to do: \d+") as caught:
            augment(remote, "light", copies=2, workers=1)
        watching.join()
        assert caught.value.exit_code == 1
        assert {each[3] for each in made(remote)} <= {None}, "no failure is written off"
    finally:
        server.start()
    summary = augment(remote, "light", copies=2, workers=1)
    assert summary.failed == {} and made(remote) == made(local)
    assert len(made_objects(server, remote)) == len(files(local))


def test_there_and_back_with_masks_and_variants(server, both, tmp_path):
    local, _ = both
    augment(local, "light", copies=1, workers=1)
    remote_workspace(server, tmp_path / "moved").catalog.close()
    for file in (tmp_path / "moved").glob("bodyshop.sqlite*"):
        file.unlink()
    counted = copy_workspace(local.root, tmp_path / "moved", dry_run=True)
    summary = copy_workspace(local.root, tmp_path / "moved")
    assert (summary.files, summary.bytes) == (counted.files, counted.bytes)
    moved = Workspace.open(tmp_path / "moved", create=False)
    assert files(moved) == []
    assert len(moved.derived.sizes()) == len(local.derived.sizes()) > 20
    assert all(map(digest_in, moved.derived.sizes())), "so that what is read is kept in the cache"
    assert moved.derived.sizes().keys() == named(moved)
    assert made(moved) == made(local) and mask_digests(moved) == mask_digests(local)
    assert augment(moved, "light", copies=1, workers=0).made == 0
    draw(moved, damaged(moved)[:1], right=95)
    assert augment(moved, "light", copies=1, workers=0).made <= 1
    assert orphans(moved, remove=True, older_than=0).orphans >= 1
    copy_workspace(moved.root, tmp_path / "back")
    back = Workspace.open(tmp_path / "back", create=False)
    assert mask_digests(back) == mask_digests(moved) != mask_digests(local)
    assert back.derived.sizes() == moved.derived.sizes()
    assert not (back.root / "cache").exists()
    assert augment(back, "light", copies=1, workers=0).made == 0
    assert mask_files(back).keys() == set(damaged(back))


def named(workspace: Workspace) -> set[str]:
    with workspace.catalog.read() as connection:
        return names_of_masks_and_variants(connection)


def test_what_was_drawn_or_made_again_is_an_orphan_and_nothing_else_is_removed(server, both):
    _, remote = both
    augment(remote, "light", copies=1, workers=0)
    assert orphans(remote, older_than=0).orphans == 0
    again = damaged(remote)[:2]
    kept = set(remote.derived.sizes())
    draw(remote, again, right=95)
    made_again = augment(remote, "light", copies=1, workers=0).made
    young = orphans(remote, remove=True)
    assert (young.orphans, made_again > 0) == (0, True) and young.young >= 2 + made_again
    stranger = f"masks/{'0' * 64}-dent-0123456789.png"
    remote.derived.restore(stranger, b"of no picture of this workspace")
    counted = orphans(remote, older_than=0)
    assert counted.orphans == young.young and not counted.removed
    before = contents_of(remote)
    assert orphans(remote, remove=True, older_than=0) == replace(counted, removed=True)
    assert contents_of(remote) == before
    assert set(remote.derived.sizes()) == named(remote) | {stranger} != kept
    assert orphans(remote, older_than=0).orphans == 0
    assert (
        augment(remote, "light", copies=1, workers=0).made == 0 and verify(remote).different == ()
    )


def contents_of(workspace: Workspace) -> dict[str, bytes]:
    return {name: workspace.derived.fetch(name) for name in sorted(named(workspace))}


def test_two_workspaces_never_share_a_prefix(server, both, tmp_path):
    local, remote = both
    prefix = remote.blobs.label.rpartition("/")[2]
    gone = damaged(remote)[0]
    beside = remote_workspace(server, tmp_path / "beside", prefix=prefix)
    with pytest.raises(ForeignPlaceError, match="belongs to another workspace"):
        forget(beside, gone)
    beside.catalog.close()
    for file in beside.root.glob("bodyshop.sqlite*"):
        file.unlink()
    for source in (local, remote):
        for dry_run in (True, False):
            with pytest.raises(ForeignPlaceError):
                copy_workspace(source.root, beside.root, dry_run=dry_run)
    remote_workspace(server, tmp_path / "apart").catalog.close()
    for file in (tmp_path / "apart").glob("bodyshop.sqlite*"):
        file.unlink()
    copy_workspace(remote.root, tmp_path / "apart")
    apart = Workspace.open(tmp_path / "apart", create=False)
    assert forget(apart, gone).pictures == 1 and apart.derived.find([gone]) == []
    assert remote.picture(gone).read() and remote.derived.ref(current_masks(remote)[gone]["dent"])
    assert len(remote.derived.find([gone])) == 1


def test_an_interrupted_copy_goes_on_after_its_catalog_was_removed(server, both, tmp_path):
    _, remote = both
    remote_workspace(server, tmp_path / "copy").catalog.close()
    for file in (tmp_path / "copy").glob("bodyshop.sqlite*"):
        file.unlink()
    lost = remote.picture(damaged(remote)[0])
    data = lost.read()
    server.filesystem().rm_file(str(lost))
    with pytest.raises(TransientError, match="left to do: 1"):
        copy_workspace(remote.root, tmp_path / "copy")
    for file in (tmp_path / "copy").glob("bodyshop.sqlite*"):
        file.unlink()
    assert remote.blobs.put_bytes(data, lost.suffix[1:]).new
    assert copy_workspace(remote.root, tmp_path / "copy").copied == 1
    copy = Workspace.open(tmp_path / "copy", create=False)
    copy.blobs.claim()
    assert made(copy) == made(remote) and mask_digests(copy) == mask_digests(remote)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root starts a worker of another user",
)
def test_dask_workers_that_see_no_workspace_make_variants_in_the_bucket(server, both, tmp_path):
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    local, remote = both
    augment(local, "light", copies=2, workers=1)
    for workspace in both:
        workspace.root.chmod(0o700)
        os.chown(workspace.root, 65534, 65534)  # nobody's: these workers stay outside
    cluster = Cluster(tmp_path)
    try:
        cluster.scheduler()
        for name in ("a", "b"):
            cluster.worker(name, under=WITHOUT_PRIVILEGES)
        cluster.wait_for_workers()
        summary = augment(remote, "light", copies=2, engine=cluster.address)
        assert summary.failed == {} and made(remote) == made(local)
        with pytest.raises(HandshakeError, match="can't be read"):
            augment(local, "grayscale", copies=1, engine=cluster.address)
    finally:
        cluster.close()
    assert len(made_objects(server, remote)) == len(files(local)) and files(remote) == []
