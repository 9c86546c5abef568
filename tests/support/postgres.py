"""A PostgreSQL server of the tests' own, on loopback, run by an ordinary user."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

NOBODY = 65534
"""PostgreSQL refuses to run as root."""


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl; None when PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    return Path(program).parent if program else None


class PostgresServer:
    """Started by `start`, removed with its data by `close`."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="bodyshop-postgres-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            os.chown(self._folder, NOBODY, NOBODY)
            self._as = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # A language's own order of letters, so that tests notice where one relies on it.
        locale = ["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8"]
        self._run("initdb", "-U", "bodyshop", "--auth=trust", "-E", "UTF8", "--no-sync", *locale)

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=500 "
            f"-c unix_socket_directories={self._folder}"
        )
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self._folder / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; ``immediate`` is like a power cut: it recovers at its next start."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """Kill all of its processes; it recovers at its next start."""
        parent = int(self.process)
        own = [parent, *_children(parent)]
        for process in own:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        while any(map(_runs, own)):
            time.sleep(0.01)
        # Where nobody reaps, a zombie has the old number: the server would take it for alive.
        for file in (self._folder / "data" / "postmaster.pid", *self._folder.glob(".s.PGSQL.*")):
            file.unlink()

    @property
    def process(self) -> str:
        """Id of the first of its processes."""
        return (self._folder / "data" / "postmaster.pid").read_text().split()[0]

    def url(self, database: str) -> str:
        """Return the address of a new, empty database."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "bodyshop", database)
        return f"postgresql+psycopg://bodyshop@127.0.0.1:{self.port}/{database}"

    def copy(self, source: str, target: str) -> None:
        """Fill an empty database with what another one holds."""
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "bodyshop")
        file = self._folder / f"{target}.dump"
        self._run("pg_dump", *where, "-Fc", "-Z0", "-f", str(file), source)
        self._run("pg_restore", *where, "-d", target, str(file))
        file.unlink()

    def close(self) -> None:
        if (self._folder / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._binaries / program), *arguments],
            check=True,
            cwd=self._folder,
            env={
                "PATH": "/usr/bin:/bin",
                "PGDATA": str(self._folder / "data"),
                "LC_ALL": "C.UTF-8",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=120,
            **self._as,
        )


def _children(parent: int) -> list[int]:
    listed = subprocess.run(
        ["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]


def _runs(process: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
