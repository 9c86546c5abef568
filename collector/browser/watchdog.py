"""Ends the browser if this program was killed before it could do so."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from bodyshop_core.processes import own_session

_SCRIPT = 'read -r line || { kill -9 "-$1"; sleep 1; rm -rf -- "$2"; }'


class Watchdog:
    """A shell that waits on a pipe from this process; the system closes it whenever we end.

    Parameters
    ----------
    group : int
        Process group of driver and browser.
    profile : Path
        Their profile folder, removed with them.
    """

    def __init__(self, group: int, profile: Path) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        shell = shutil.which("sh")
        if os.name == "posix" and shell:
            self._process = subprocess.Popen(
                [shell, "-c", _SCRIPT, "bodyshop-watchdog", str(group), str(profile)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **own_session(),
            )

    def dismiss(self) -> None:
        """End the watchdog: browser and profile are gone."""
        if self._process is not None:
            self._process.communicate(b"done\n")
            self._process = None
