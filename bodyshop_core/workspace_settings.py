"""``workspace.toml``: where a workspace keeps catalog and pictures, when not in its folder."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, ValidationError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from bodyshop_core.config import StrictModel
from bodyshop_core.errors import ConfigError
from bodyshop_core.storage.blob_cache import BlobCache
from bodyshop_core.storage.blobs import BlobStore
from bodyshop_core.storage.derived_files import DerivedFiles, LocalDerived
from bodyshop_core.storage.local_blobs import LocalBlobs
from bodyshop_core.storage.remote_blobs import RemoteBlobs
from bodyshop_core.storage.remote_derived import RemoteDerived

SETTINGS_FILE = "workspace.toml"

DRIVER = "postgresql+psycopg"


class WorkspaceSettings(StrictModel):
    """The content of ``workspace.toml``.

    Parameters
    ----------
    catalog : str, optional
        ``postgresql+psycopg://USER@HOST/DATABASE``; by default a SQLite file in the workspace.
    blobs : str, optional
        ``s3://BUCKET/PREFIX`` for the original pictures, masks and variants; by default folders in
        the workspace.
    blobs_endpoint : str, optional
        Address of an S3 server that is not Amazon's; by default that of ``AWS_ENDPOINT_URL``.
    blobs_cache_gb : float
        Size of the cache on this machine, in 10^9 bytes; 0 keeps nothing.
    """

    catalog: str | None = None
    blobs: str | None = None
    blobs_endpoint: str | None = None
    blobs_cache_gb: float = Field(default=10.0, ge=0, allow_inf_nan=False)


def load_settings(root: Path) -> WorkspaceSettings:
    """Read a workspace's settings; the defaults when it has no such file.

    Raises
    ------
    ConfigError
        The file is not valid TOML, or has a key or value that is not known.
    """
    file = root / SETTINGS_FILE
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return WorkspaceSettings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the file can't be read: {error}", file=file) from error
    try:
        return WorkspaceSettings.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            first["msg"],
            file=file,
            key=".".join(map(str, first["loc"])),
            allowed=WorkspaceSettings.model_fields,
        ) from error


def catalog_url(root: Path) -> URL | None:
    """Return the database that a workspace names for its catalog; None for its own file.

    Raises
    ------
    ConfigError
        It is no PostgreSQL address, or holds a password.
    """
    text = load_settings(root).catalog
    if text is None:
        return None
    file = root / SETTINGS_FILE
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # whose texts may hold a password
        raise ConfigError(
            "is no database address", file=file, key="catalog", hint=f"such as {DRIVER}://HOST/NAME"
        ) from None
    if url.drivername not in {DRIVER, "postgresql"}:
        raise ConfigError(
            f"{url.drivername} is not supported", file=file, key="catalog", allowed=[f"{DRIVER}://"]
        )
    if url.password is not None or any("password" in key.lower() for key in url.query):
        raise ConfigError(
            "a password does not belong here: the file is copied and shared",
            file=file,
            key="catalog",
            hint="put it into PGPASSWORD, or into ~/.pgpass with mode 0600",
        )
    return url.set(drivername=DRIVER)


def blob_store(root: Path) -> BlobStore:
    """Return the store of the original pictures that a workspace names, or its own folder.

    Raises
    ------
    ConfigError
        It is no S3 address, or holds a password; or others can read the file with the credentials.
    """
    settings, file = load_settings(root), root / SETTINGS_FILE
    if settings.blobs is None:
        return LocalBlobs(root / "blobs")
    for key in ("blobs", "blobs_endpoint"):
        _refuse_secret(getattr(settings, key) or "", file, key)
    url = urlsplit(settings.blobs)
    if url.scheme != "s3" or not url.netloc or url.query or url.fragment:
        raise ConfigError(
            "is no address of a bucket", file=file, key="blobs", hint="such as s3://BUCKET/PREFIX"
        )
    _refuse_open_credentials()
    cache = BlobCache(root / "cache" / "blobs", int(settings.blobs_cache_gb * 1e9))
    return RemoteBlobs(settings.blobs, cache, endpoint=settings.blobs_endpoint)


def derived_files(root: Path, blobs: BlobStore) -> DerivedFiles:
    """Return the store of masks and variants, which are where the original pictures are."""
    return RemoteDerived(blobs.place) if isinstance(blobs, RemoteBlobs) else LocalDerived(root)


def _refuse_secret(text: str, file: Path, key: str) -> None:
    if "@" in urlsplit(text).netloc:
        raise ConfigError(
            "a name or password does not belong here: the file is copied and shared",
            file=file,
            key=key,
            hint="put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or into "
            "~/.aws/credentials with mode 0600",
        )


def _refuse_open_credentials() -> None:
    named = os.environ.get("AWS_SHARED_CREDENTIALS_FILE")
    file = Path(named) if named else Path.home() / ".aws" / "credentials"
    if os.name != "posix" or "AWS_ACCESS_KEY_ID" in os.environ or not file.exists():
        return
    if file.stat().st_mode & 0o077:
        raise ConfigError("others can read the credentials", file=file, hint=f"chmod 600 {file}")
