"""A Dask scheduler and workers, each a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import works

import bodyshop_core

FILE_PRIVILEGES = "-dac_override,-dac_read_search"
WITHOUT_PRIVILEGES = (
    "setpriv", "--bounding-set", FILE_PRIVILEGES, "--inh-caps", FILE_PRIVILEGES,
)  # fmt: skip


class Cluster:
    """A scheduler and workers, each a process with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"

    def scheduler(self, *, before: str = "") -> None:
        code = f"{before}; from distributed.cli.dask_scheduler import main; main()"
        self._start(
            "scheduler", "-c", code.lstrip("; "),
            "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-show",
        )  # fmt: skip

    def worker(self, name: str, *, first: Path | None = None, under: tuple[str, ...] = ()) -> None:
        """Start a worker; modules in `first` come before all others, `under` starts it."""
        self._start(
            name, "-c", "from distributed.cli.dask_worker import main; main()",
            self.address, "--host", "127.0.0.1", "--nworkers", "1", "--nthreads", "1",
            "--no-dashboard", "--name", name, "--local-directory", str(self.folder / name),
            first=first, under=under,
        )  # fmt: skip

    def wait_for_workers(self) -> None:
        """Wait until the scheduler knows the workers that run, and no more that was killed."""
        from distributed import Client

        wanted, until = set(self.processes) - {"scheduler"}, time.monotonic() + 90
        with Client(self.address, timeout=60, set_as_default=False) as client:
            while (known := _names(client)) != wanted:
                assert time.monotonic() < until, f"the scheduler knows {known}, not {wanted}"
                time.sleep(0.05)

    def kill(self, name: str) -> None:
        """End a process and what it started, without a word."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def _start(self, name, *arguments, first=None, under=()):
        own = self.folder / name
        own.mkdir()
        own.chmod(0o777)
        paths = [first, Path(bodyshop_core.__file__).parent.parent, Path(works.__file__).parent]
        with (own / "log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [*under, sys.executable, *arguments],
                cwd=own,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(str(path) for path in paths if path),
                    "PYTHONSAFEPATH": "1",
                    "HOME": str(own),
                },
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )


def _names(client) -> set[str]:
    return {worker["name"] for worker in client.scheduler_info()["workers"].values()}
