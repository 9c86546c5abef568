"""``workspace.toml``: where a workspace keeps its catalog, when that is not the folder itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from bodyshop_core.config import StrictModel
from bodyshop_core.errors import ConfigError

SETTINGS_FILE = "workspace.toml"

DRIVER = "postgresql+psycopg"


class WorkspaceSettings(StrictModel):
    """The content of ``workspace.toml``.

    Parameters
    ----------
    catalog : str, optional
        ``postgresql+psycopg://USER@HOST/DATABASE``; by default a SQLite file in the workspace.
    """

    catalog: str | None = None


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
