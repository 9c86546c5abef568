"""Address and key of the labelling server; the key never enters catalog, logs or reports."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError, MissingPartError

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

URL = "LABEL_STUDIO_URL"
KEY = "LABEL_STUDIO_API_KEY"
KEY_FILE = "LABEL_STUDIO_API_KEY_FILE"

FOLDER = "labelstudio"
"""Folder in the workspace with the data and the account of its own server."""


class ServerError(BodyshopError):
    """The labelling server refused a request; earlier results are saved."""


class GoneError(MissingPartError):
    """A project or task that the server no longer has."""


@dataclass(frozen=True)
class Connection:
    """A labelling server and the key for it.

    Parameters
    ----------
    url : str
        For example ``http://127.0.0.1:8080``.
    key : str
        Personal access token or legacy token; not in `repr`.
    document_root : Path or None
        Root of the server's local files when it runs on this machine and reads the workspace.
    """

    url: str
    key: str = field(repr=False)
    document_root: Path | None = None

    def __post_init__(self) -> None:
        if not _is_address(self.url):
            raise MissingPartError(
                f"invalid address of a Label Studio server: {self.url!r}",
                hint=f"set {URL} to an address such as http://127.0.0.1:8080",
            )
        if not self.key or any(not "!" <= character <= "~" for character in self.key):
            raise MissingPartError(
                "the Label Studio key is empty or contains a space, line end or invalid character",
                hint=f"copy it again from Account & Settings into {KEY}",
            )

    @property
    def is_local(self) -> bool:
        """Whether the server runs on this machine, so that no proxy must be used."""
        host = urlsplit(self.url).hostname or ""
        return host == "localhost" or host == "::1" or host.startswith("127.")

    @classmethod
    def find(cls, workspace: Workspace, environ: Mapping[str, str] | None = None) -> Connection:
        """Find the server: from the environment, else the workspace's own.

        Parameters
        ----------
        workspace : Workspace
            ``bodyshop label serve`` writes its folder ``labelstudio``.
        environ : mapping, optional
            Used instead of ``os.environ``: ``LABEL_STUDIO_URL`` with ``LABEL_STUDIO_API_KEY``, or
            with ``LABEL_STUDIO_API_KEY_FILE`` (a file that only its owner may read).

        Raises
        ------
        MissingPartError
            No server is configured, or its key is missing or readable by other users.
        """
        environ = os.environ if environ is None else environ
        if url := environ.get(URL):
            return cls(url.rstrip("/"), _key(environ))
        path = workspace.root / FOLDER / "connection.json"
        if not path.exists():
            raise MissingPartError(
                "no Label Studio server is configured",
                hint=f"start one with: bodyshop label serve, or set {URL} and {KEY}",
            )
        _refuse_readable_by_others(path)
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            return cls(stored["url"], stored["key"], Path(stored["document_root"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MissingPartError(
                f"{path} is damaged: {error!r}", hint="start the server again: bodyshop label serve"
            ) from error

    def save(self, workspace: Workspace) -> None:
        """Write the workspace's ``labelstudio/connection.json``, readable by its owner only."""
        stored = {"url": self.url, "key": self.key, "document_root": str(self.document_root)}
        write_secret(workspace.root / FOLDER / "connection.json", json.dumps(stored))


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from the moment of its creation.

    The umask stays as it is: it belongs to all threads of the process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp creates the file with mode 0600.
    handle, name = tempfile.mkstemp(prefix=atomic.TEMPORARY, suffix=path.suffix, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is not a number
    except ValueError:
        return False
    plain = url.isprintable() and " " not in url
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and plain


def _key(environ: Mapping[str, str]) -> str:
    if key := environ.get(KEY):
        return key
    name = environ.get(KEY_FILE)
    if not name:
        raise MissingPartError(f"{URL} is set, but its key is not", hint=f"set {KEY} or {KEY_FILE}")
    path = Path(name).expanduser()
    if not path.is_file():
        raise MissingPartError(f"{KEY_FILE} names {path}, which does not exist")
    _refuse_readable_by_others(path)
    return path.read_text(encoding="utf-8").strip()


def _refuse_readable_by_others(path: Path) -> None:
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise MissingPartError(
            f"{path} contains a key, but other users can read it", hint=f"run: chmod 600 {path}"
        )
