"""A PostgreSQL server of a benchmark's own on loopback, and the processor seconds it takes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

ENVIRONMENT = "BODYSHOP_BENCHMARK_SERVER"
"""Holds the process id of the server, for the processes that run the steps."""


@contextmanager
def server() -> Iterator[Any]:
    """Run a server, without fsync; needs PostgreSQL (Debian: apt-get install postgresql)."""
    from postgres import PostgresServer, programs

    binaries = programs()
    if binaries is None:
        sys.exit("PostgreSQL is not installed: apt-get install postgresql")
    running = PostgresServer(binaries)
    try:
        running.start()
        os.environ[ENVIRONMENT] = running.process
        yield running
    finally:
        running.close()


def server_cpu() -> float:
    """Return the CPU-seconds of the server's processes, also of those that ended."""
    parent = os.environ.get(ENVIRONMENT)
    if not parent:
        return 0.0
    listed = subprocess.run(
        ["pgrep", "-P", parent], capture_output=True, text=True, check=False
    ).stdout.split()
    return sum(_ticks(parent)) + sum(sum(_ticks(child)) for child in listed)


def _ticks(process: str) -> list[float]:
    """Return the seconds in user and system mode, of a process and of its ended children."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return []
    numbers = text.rsplit(")", 1)[1].split()[11:15]
    return [int(number) / os.sysconf("SC_CLK_TCK") for number in numbers]
