"""workspace.toml: what it may say."""

from __future__ import annotations

import os
import sys
import traceback

import pytest

from bodyshop_core.errors import ConfigError, MissingPartError
from bodyshop_core.storage.remote_blobs import RemoteBlobs
from bodyshop_core.workspace import Workspace, is_workspace
from bodyshop_core.workspace_settings import catalog_url


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("catalog = 'postgresql+psycopg://me:secret@db/cars'", "password does not belong here"),
        ("catalog = 'postgresql+psycopg://me@db/cars?password=secret'", "password does not belong"),
        ("catalog = 'postgresql://me@db/cars?sslPassword=secret'", "password does not belong"),
        ("catalog = 'postgresql://me:secret@db:abc/cars'", "is no database address"),
        ("catalog = 'mysql://me@db/cars'", r"mysql is not supported.*allowed: postgresql\+psycopg"),
        ("catalog = 'cars.db'", "is no database address"),
        ("catalogue = 'x'", "catalogue.*allowed: catalog"),
        ("catalog = 5", "catalog: .*string"),
        ("catalog = ", "can't be read"),
        ("catalog = '\\ud800'\n\x00", "can't be read"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_allowed(tmp_path, text, told):
    (tmp_path / "workspace.toml").write_text(text)
    with pytest.raises(ConfigError, match=told) as caught:
        Workspace.open(tmp_path)
    assert str(tmp_path / "workspace.toml") in caught.value.message
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    assert not (tmp_path / "bodyshop.sqlite").exists()


def test_without_the_file_or_its_key_the_catalog_is_in_the_folder(tmp_path):
    assert catalog_url(tmp_path) is None and not is_workspace(tmp_path)
    (tmp_path / "workspace.toml").write_text("# nothing yet\n")
    assert catalog_url(tmp_path) is None and is_workspace(tmp_path)
    Workspace.open(tmp_path, create=False)
    assert (tmp_path / "bodyshop.sqlite").exists()


@pytest.mark.sqlite("a catalog.sqlite is put beside the settings")
def test_a_second_catalog_in_the_folder_is_never_passed_over(tmp_path):
    Workspace.open(tmp_path).catalog.close()
    (tmp_path / "workspace.toml").write_text("catalog = 'postgresql://me@db/cars'")
    assert catalog_url(tmp_path).drivername == "postgresql+psycopg"
    with pytest.raises(ConfigError, match="which one is it"):
        Workspace.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("blobs = 's3://key:hunter7@bucket/cars'", "blobs: a name or password does not belong"),
        (
            "blobs = 's3://bucket'\nblobs_endpoint = 'https://me:hunter7@host'",
            "blobs_endpoint: a na",
        ),
        ("blobs = 's3://'", "is no address of a bucket"),
        ("blobs = 's3://bucket/cars?hunter7=1'", "is no address of a bucket"),
        ("blobs = '/mnt/pictures'", "is no address of a bucket"),
        ("blobs = 's3://bucket'\nblobs_cache_gb = -1", "blobs_cache_gb: .*greater than"),
        ("blobs = 's3://bucket'\nblobs_cache_gb = inf", "blobs_cache_gb"),
    ],
)
def test_an_address_of_pictures_that_is_none_is_named(tmp_path, text, told):
    (tmp_path / "workspace.toml").write_text(text)
    with pytest.raises(ConfigError, match=told) as caught:
        Workspace.open(tmp_path)
    assert "hunter7" not in "".join(traceback.format_exception(caught.value))
    assert not (tmp_path / "bodyshop.sqlite").exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_credentials_that_others_can_read_are_refused(tmp_path, monkeypatch):
    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "workspace.toml").write_text("blobs = 's3://bucket/cars/'\nblobs_cache_gb = 0.5")
    credentials.chmod(0o640)
    with pytest.raises(ConfigError, match="others can read the credentials") as caught:
        Workspace.open(root)
    assert "chmod 600" in caught.value.hint
    credentials.chmod(0o600)
    store = Workspace.open(root).blobs
    assert isinstance(store, RemoteBlobs) and store.label == "s3://bucket/cars"
    assert store.place.cache.limit == 500_000_000


def test_pictures_in_a_bucket_without_the_extra_name_it(tmp_path, monkeypatch):
    (tmp_path / "workspace.toml").write_text("blobs = 's3://bucket/cars'")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    workspace = Workspace.open(tmp_path)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingPartError, match="s3fs") as caught:
        workspace.blobs.put_bytes(b"picture", "jpg")
    assert "bodyshop[s3]" in caught.value.hint
