"""How much memory a process group uses."""

from __future__ import annotations

import os
from pathlib import Path

_KIB = 1024


def group_memory(group: int, *, proc: Path = Path("/proc")) -> int:
    """Return the bytes that the processes of a group use; 0 if the system does not report it.

    Pages that several processes share count once, divided among them (the kernel's
    "proportional set size"): the sum of what `ps` shows would count Chromium's code ten times.
    """
    total = 0
    for folder in proc.glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) != group:
                continue
            lines = (folder / "smaps_rollup").read_text().splitlines()
        except (OSError, AttributeError):  # it ended meanwhile, or this is no Linux
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * _KIB
