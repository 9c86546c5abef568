"""A workspace whose pictures are in a bucket of a real S3 server: the same answers as on disk."""

from __future__ import annotations

import os
from pathlib import Path

import object_store
import pytest
from dask_cluster import WITHOUT_PRIVILEGES, Cluster
from object_workspaces import (
    empty_cache,
    filled,
    kill_when_copies,
    kill_when_stored,
    objects,
    photos,
    remote_workspace,
)
from sqlalchemy import func, select

import collector
import curate
from bodyshop.desk.pictures import show, thumbnail
from bodyshop.export import export, manifest_rows
from bodyshop.forget import forget
from bodyshop_core.catalog import all_images, schema
from bodyshop_core.engine import compute_here
from bodyshop_core.errors import TransientError, UsageError
from bodyshop_core.workspace import Workspace
from curate.measure.picture import measure_pictures
from curate.measure.stage import measure_images, next_items, store_measurements, unmeasured
from curate.verdicts.stage import judge

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server():
    with object_store.started() as running:
        yield running


@pytest.fixture
def away(server, tmp_path, monkeypatch):
    """Return a workspace with its pictures in the bucket; its workers find the credentials."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return remote_workspace(server, tmp_path / "away")


def judged(workspace: Workspace):
    summary = curate.curate(workspace, workers=1).as_dict()
    summary.pop("report")
    return summary, list(manifest_rows(workspace))


def decided(workspace: Workspace) -> list[tuple[object, ...]]:
    """Judge what was measured, and return the rows of both."""
    judge(workspace)
    rows = []
    with workspace.catalog.read() as connection:
        for table in (schema.measurements, schema.verdicts):
            columns = [each for each in table.columns if not each.name.endswith("_at")]
            rows += sorted(map(tuple, connection.execute(select(*columns))), key=repr)
    return rows


def sightings(workspace: Workspace) -> list[tuple[str, ...]]:
    table = schema.sightings
    with workspace.catalog.read() as connection:
        query = select(table.c.sha256, table.c.url, table.c.source)
        return sorted(map(tuple, connection.execute(query)))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in {".jpg", ".png", ".csv"}
    }


def test_import_curate_and_export_give_the_same_from_a_bucket_as_from_disk(server, away, tmp_path):
    folder = photos(tmp_path / "photos", 14)
    local = filled(Workspace.open(tmp_path / "local"), folder)
    remote = filled(away, folder)
    assert len(objects(server, remote)) == 16 and not (remote.root / "blobs").exists()
    for each, name in ((local, "from-disk"), (remote, "from-bucket")):
        judged(each)
        export(each, "imagefolder", tmp_path / name)
    assert judged(local) == judged(remote), "and a second time, with nothing to do"
    assert contents(tmp_path / "from-disk") == contents(tmp_path / "from-bucket") != {}
    sha256 = min(all_images(remote.catalog))
    assert thumbnail(remote, sha256) == thumbnail(local, sha256)
    assert show(remote, sha256) == show(local, sha256)
    page = (remote.reports / "curate" / "index.html").read_text()
    assert "../../blobs" not in page and sha256 in page
    with pytest.raises(UsageError, match=r"no file to link to.*s3://"):
        export(remote, "imagefolder", tmp_path / "links", link="symlink", keep_metadata=True)


def test_kill_9_of_the_store_in_the_middle_puts_pictures_back_and_a_rerun_ends_the_same(
    server, away, tmp_path
):
    folder = photos(tmp_path / "photos", 10)
    local = filled(Workspace.open(tmp_path / "local"), folder)
    remote = filled(away, folder)
    table = schema.measurements
    count = select(func.count(), func.count(table.c.error)).select_from(table)
    try:
        watching = kill_when_copies(server, remote.root / "cache" / "blobs", 3)
        with pytest.raises(TransientError, match=r"left to do: \d+") as caught:
            curate.curate(remote, workers=1)
        watching.join()
        assert caught.value.exit_code == 1 and 0 < len(caught.value.left) < 12
        with remote.catalog.read() as connection:
            done, failed = connection.execute(count).one()
            verdicts = connection.scalar(select(func.count()).select_from(schema.verdicts))
        assert done + len(caught.value.left) == 12 and failed <= 1, "only the cut one failed"
        assert verdicts == 0, "no picture is judged while some could not be read"
    finally:
        server.start()
    for rows in compute_here(measure_pictures, next_items(local, unmeasured(), after="")):
        store_measurements(local.catalog, rows)
    measure_images(remote, workers=1)
    assert decided(local) == decided(remote) != []


def test_kill_9_of_the_store_in_mid_write_and_the_same_import_again_end_the_same(
    server, away, tmp_path
):
    folder = photos(tmp_path / "photos", 60)
    undisturbed = remote_workspace(server, tmp_path / "undisturbed")
    collector.import_folder(folder, undisturbed)
    try:
        watching = kill_when_stored(server, away, 5)
        with pytest.raises(TransientError, match="can't be") as caught:
            collector.import_folder(folder, away)
        watching.join()
        assert caught.value.exit_code == 1
    finally:
        server.start()
    cut = all_images(away.catalog)
    assert all(away.picture(sha256).read() for sha256 in cut), "what the catalog has is stored"
    collector.import_folder(folder, away)
    assert len(cut) < len(all_images(away.catalog)) == 62
    assert all_images(away.catalog) == all_images(undisturbed.catalog)
    assert sightings(away) == sightings(undisturbed)
    names = [
        {name.rpartition("/")[2] for name in objects(server, each)} for each in (away, undisturbed)
    ]
    assert names[0] == names[1] and len(names[0]) == 62, "and no half object is left"


def test_a_changed_object_is_noticed_by_its_sha256(server, away, tmp_path):
    remote = filled(away, photos(tmp_path / "photos", 8))
    judged(remote)
    kept = next(row["sha256"] for row in manifest_rows(remote) if row["split"])
    ref = remote.picture(kept)
    data = ref.read()
    server.filesystem().pipe_file(str(ref), data[:-1] + b"\0")
    empty_cache(remote)
    with pytest.raises(TransientError, match=f"{kept}.*damaged"):
        export(remote, "imagefolder", tmp_path / "export")
    assert remote.blobs.put_bytes(data, ref.suffix[1:]).new
    assert export(remote, "imagefolder", tmp_path / "export").pictures > 0


def test_forget_removes_the_object_its_versions_and_the_copy(server, away, tmp_path):
    filesystem = server.filesystem()
    filesystem.call_s3(
        "put_bucket_versioning",
        Bucket=server.bucket,
        VersioningConfiguration={"Status": "Enabled"},
    )
    remote = filled(away, photos(tmp_path / "photos", 6))
    judged(remote)
    gone, kept = sorted(all_images(remote.catalog))[:2]
    ref = remote.picture(gone)
    filesystem.pipe_file(str(ref), b"another version")
    filesystem.rm_file(str(ref))  # hides it, and keeps all versions
    assert len(remote.blobs.find([gone])) == 3 and ref.path.exists()
    assert forget(remote, gone, dry_run=True).files >= 3
    assert forget(remote, gone).files >= 3
    prefix = remote.blobs.label.removeprefix(f"s3://{server.bucket}/")
    pages = filesystem.call_s3("list_object_versions", Bucket=server.bucket, Prefix=prefix)
    everything = pages.get("Versions", []) + pages.get("DeleteMarkers", [])
    assert [each["Key"] for each in everything if gone in each["Key"]] == [] != everything
    left = [path for path in remote.root.rglob("*") if gone in path.name]
    assert left == [] and remote.picture(kept).read()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root starts a worker of another user",
)
def test_dask_workers_that_see_no_workspace_measure_from_the_bucket(server, away, tmp_path):
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    remote = filled(away, photos(tmp_path / "photos", 8))
    remote.root.chmod(0o700)
    os.chown(remote.root, 65534, 65534)  # nobody's: workers without root's privileges stay outside
    cluster = Cluster(tmp_path)
    try:
        cluster.scheduler()
        for name in ("a", "b"):
            cluster.worker(name, under=WITHOUT_PRIVILEGES)
        cluster.wait_for_workers()
        counts = measure_images(remote, engine=cluster.address)
    finally:
        cluster.close()
    assert (counts.pictures, counts.measured) == (10, 10)
    copies = list((remote.root / "cache" / "blobs").glob("??/*.*"))
    assert len(copies) <= 1, "only what this process read itself: a sample, to compare with"
