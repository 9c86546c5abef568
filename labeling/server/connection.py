"""Where the labelling server is and its key, which is never in the catalog, logs or reports."""

from __future__ import annotations

import json
import os
import stat
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
"""Folder in the workspace that holds the own server's data and its account."""


class ServerError(BodyshopError):
    """The labelling server refused something; what was done before is saved."""


class GoneError(MissingPartError):
    """A project or task that the server no longer has."""


@dataclass(frozen=True)
class Connection:
    """A labelling server and the key for it.

    Parameters
    ----------
    url : str
        Such as ``http://127.0.0.1:8080``.
    key : str
        Personal access token or legacy token; kept out of `repr`.
    document_root : Path or None
        The server's local-files root when it runs on this machine and can read the workspace.
    """

    url: str
    key: str = field(repr=False)
    document_root: Path | None = None

    def __post_init__(self) -> None:
        if not _is_address(self.url):
            raise MissingPartError(
                f"{self.url!r} is no address of a Label Studio server",
                hint=f"set {URL} to something like http://127.0.0.1:8080",
            )
        if not self.key or any(not "!" <= character <= "~" for character in self.key):
            raise MissingPartError(
                "the Label Studio key is empty or holds blanks, line ends or what no key holds",
                hint=f"copy it again from Account & Settings into {KEY}",
            )

    @property
    def is_near(self) -> bool:
        """Whether the server runs on this machine, where no proxy leads to."""
        host = urlsplit(self.url).hostname or ""
        return host == "localhost" or host == "::1" or host.startswith("127.")

    @classmethod
    def find(cls, workspace: Workspace, environ: Mapping[str, str] | None = None) -> Connection:
        """Find the server: the environment first, then the workspace's own one.

        Parameters
        ----------
        workspace : Workspace
            Its folder ``labelstudio`` is written by ``bodyshop label serve``.
        environ : mapping, optional
            Instead of ``os.environ``: ``LABEL_STUDIO_URL`` with ``LABEL_STUDIO_API_KEY``, or
            ``LABEL_STUDIO_API_KEY_FILE`` (a file only its owner may read).

        Raises
        ------
        MissingPartError
            No server is known, or its key is missing or open to others.
        """
        environ = os.environ if environ is None else environ
        if url := environ.get(URL):
            return cls(url.rstrip("/"), _key(environ))
        path = workspace.root / FOLDER / "connection.json"
        if not path.exists():
            raise MissingPartError(
                "no Label Studio server is known",
                hint=f"start one with: bodyshop label serve, or set {URL} and {KEY}",
            )
        _refuse_open(path)
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
    """Write a file that only its owner may read, never open to others even for a moment."""
    previous = os.umask(0o077)
    try:
        atomic.write_text(path, text + "\n")
    finally:
        os.umask(previous)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return False
    plain = url.isprintable() and " " not in url
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and plain


def _key(environ: Mapping[str, str]) -> str:
    if key := environ.get(KEY):
        return key
    name = environ.get(KEY_FILE)
    if not name:
        raise MissingPartError(
            f"{URL} is set, but the key for it is not", hint=f"set {KEY} or {KEY_FILE}"
        )
    path = Path(name).expanduser()
    if not path.is_file():
        raise MissingPartError(f"{KEY_FILE} names {path}, which is not there")
    _refuse_open(path)
    return path.read_text(encoding="utf-8").strip()


def _refuse_open(path: Path) -> None:
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise MissingPartError(
            f"{path} holds a key but others may read it", hint=f"run: chmod 600 {path}"
        )
