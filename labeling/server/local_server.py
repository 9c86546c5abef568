"""The workspace's own Label Studio: loopback only, embedded database, no telemetry."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.errors import BodyshopError, MissingPartError, UsageError
from bodyshop_core.locking import locked
from bodyshop_core.processes import end_group, own_session
from bodyshop_core.progress import SILENT, Progress
from labeling.server import environment
from labeling.server.connection import FOLDER, Connection, write_secret

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

HOST = "127.0.0.1"
USER = "admin@bodyshop.local"
START_LIMIT_S = 600.0
"""The first start creates the database: 42 to 87 s on an idle machine."""

STOP_LIMIT_S = 15.0

PRIVATE_UMASK = 0o077
"""Of the server's process: its database and its log hold keys and passwords."""

PASSED_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TMP", "TEMP", "SYSTEMROOT", "USERPROFILE")
"""The only environment variables the server gets: it reads even names such as ``USERNAME``."""


@dataclass(frozen=True)
class AnnotationServer:
    """A running server.

    Parameters
    ----------
    url : str
        Address for the browser.
    user, password : str
        Of the first account; also in ``labelstudio/account.json``.
    key : str
        Key for the API.
    document_root : Path
        The workspace.
    log : Path
        Output of the server.
    process : subprocess.Popen
        The server's process.
    """

    url: str
    user: str
    password: str = field(repr=False)
    key: str = field(repr=False)
    document_root: Path
    log: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def connection(self) -> Connection:
        """Return address and key, for `push` and `pull`."""
        return Connection(self.url, self.key, self.document_root)

    def wait(self) -> None:
        """Block until the server ends.

        Raises
        ------
        BodyshopError
            It ended with an error.
        """
        code = self.process.wait()
        if code not in {0, -signal.SIGINT, -signal.SIGTERM}:
            raise BodyshopError(f"Label Studio exited with code {code}:\n{_tail(self.log)}")


@contextmanager
def serve(
    workspace: Workspace,
    *,
    port: int = 8080,
    install: bool = True,
    backends: bool = False,
    progress: Progress = SILENT,
) -> Iterator[AnnotationServer]:
    """Run the workspace's Label Studio during the block.

    Data, account and log are in the workspace's folder ``labelstudio``. The server reads pictures
    from the workspace and shows them to logged-in users only.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    port : int
        Port on 127.0.0.1; 0 selects a free port.
    install : bool
        Install Label Studio when it is missing (see `labeling.server.environment`).
    backends : bool
        Let the server connect to machine learning backends on this machine. Everybody who has an
        account can then make it send requests to any port here, and into this network.
    progress : Progress
        Reports the steps that take long.

    Yields
    ------
    AnnotationServer
        Ready for requests.

    Raises
    ------
    MissingPartError
        Label Studio is not installed, or does not start.
    UsageError
        The port is in use, or this workspace's server is already running.
    """
    if not install and not environment.is_installed():
        raise MissingPartError(
            "Label Studio is not installed", hint="install and start it: bodyshop label serve"
        )
    program = environment.install(progress=progress)
    home = workspace.root / FOLDER
    keep_private(home)
    running = "this workspace's Label Studio is already running"
    with locked(home / "server.lock", taken=running):
        account = _account(home)
        port = _free_port(port)
        log = home / "server.log"
        url = f"http://{HOST}:{port}"
        log.touch(mode=0o600)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [
                    str(program),
                    "start",
                    "--no-browser",
                    "--internal-host",
                    HOST,
                    "--port",
                    str(port),
                ],
                cwd=home,
                env=_environment(workspace.root, home, account, backends=backends),
                umask=PRIVATE_UMASK,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                **own_session(),
            )
        server = AnnotationServer(
            url, account["user"], account["password"], account["key"], workspace.root, log, process
        )
        try:
            _await(server, progress)
            server.connection().save(workspace)
            yield server
        finally:
            _stop(process)


def keep_private(home: Path) -> None:
    """Let only the owner read the folder of the server and what is in it, also from before.

    Parameters
    ----------
    home : Path
        Created when missing.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in (home, *home.rglob("*")):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            continue
        mode = path.stat().st_mode & 0o777
        if mode & PRIVATE_UMASK:
            path.chmod(mode & ~PRIVATE_UMASK)


def _account(home: Path) -> dict[str, str]:
    path = home / "account.json"
    if path.exists():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            return {name: str(stored[name]) for name in ("user", "password", "key")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MissingPartError(
                f"{path} is damaged: {error!r}",
                hint=f"restore the file, or move {home} away to start with an empty server",
            ) from error
    if (home / "label_studio.sqlite3").exists():
        raise MissingPartError(
            f"{path} is missing, so nobody can log in to the server in {home}",
            hint=f"restore the file, or move {home} away to start with an empty server",
        )
    # The server reads password and token only when it creates its first user.
    account = {"user": USER, "password": secrets.token_urlsafe(12), "key": secrets.token_hex(20)}
    write_secret(path, json.dumps(account))
    return account


def _environment(
    root: Path, home: Path, account: dict[str, str], *, backends: bool
) -> dict[str, str]:
    passed = {name: os.environ[name] for name in PASSED_VARIABLES if name in os.environ}
    return passed | {
        "HOME": str(home),
        "LABEL_STUDIO_BASE_DATA_DIR": str(home),
        "LABEL_STUDIO_USERNAME": account["user"],
        "LABEL_STUDIO_PASSWORD": account["password"],
        "LABEL_STUDIO_USER_TOKEN": account["key"],
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(root),
        "LABEL_STUDIO_ML_BLOCK_LOCAL_IP": "false" if backends else "true",
        # It also checks the webhook that it makes for each backend by itself.
        "LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "false" if backends else "true",
        "PYTHONUNBUFFERED": "1",
    }


def _free_port(port: int) -> int:
    # Label Studio uses the next port without a message when one is taken: check it first.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"port {port} on {HOST} is in use", hint="choose another port with --port"
            ) from error
        return int(probe.getsockname()[1])


def _await(server: AnnotationServer, progress: Progress) -> None:
    import requests

    session = requests.Session()
    session.trust_env = False  # a proxy or .netrc must not be used for loopback
    started = time.monotonic()
    progress.log(f"starting Label Studio at {server.url} (the first start takes a minute or two)")
    with progress.task("start Label Studio"):  # nothing to count
        while True:
            if server.process.poll() is not None:
                raise MissingPartError(
                    f"Label Studio exited with code {server.process.returncode} during its start:\n"
                    f"{_tail(server.log)}",
                    hint=f"the complete log is {server.log}",
                )
            if time.monotonic() - started > START_LIMIT_S:
                raise MissingPartError(
                    f"Label Studio did not start within {START_LIMIT_S:.0f} s",
                    hint=f"the log is {server.log}",
                )
            try:
                # With the key, so that another server on that port is not mistaken for this one.
                answer = session.get(
                    f"{server.url}/api/current-user/whoami",
                    headers={"Authorization": f"Token {server.key}"},
                    timeout=10,
                )
            except requests.RequestException:
                time.sleep(0.5)
                continue
            if answer.status_code == 200:
                return
            if answer.status_code in {401, 403}:
                raise MissingPartError(
                    f"the server at {server.url} refuses the workspace's account",
                    hint=f"move {server.log.parent} away to start with an empty server",
                )
            time.sleep(0.5)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the server and its child processes."""
    if process.poll() is not None:
        return
    _end(process, at_once=False)
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        _end(process, at_once=True)
        process.wait(STOP_LIMIT_S)


def _end(process: subprocess.Popen[bytes], *, at_once: bool) -> None:
    if not end_group(process.pid, at_once=at_once):
        process.terminate()


def _tail(log: Path, lines: int = 12) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
