"""Processes of this machine, and what differs between Linux, macOS and Windows about them.

Everything that only some systems have is here; the rest of the code asks these functions.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

PARENT_CHECK_S = 1.0
PROC = Path("/proc")


def is_alive(process: int) -> bool:
    """Return whether a process of this machine still runs; a zombie does not.

    Always true on Windows, which has no signal 0: ``os.kill`` would end the process.
    """
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = (PROC / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # no such file system here: what answers to signals is alive
    # A killed process whose parent was killed too stays a zombie until init reaps it.
    return status.rpartition(")")[2].split()[0] != "Z"


def end_with_parent(parent: int) -> None:
    """Make sure that this process does not outlive its parent, however that one ends.

    Parameters
    ----------
    parent : int
        Process id of the parent. On Windows nothing is done: a closed stdin has to end the process.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1  # prctl(2); the signal comes when the parent's thread ends
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
    if os.name == "posix":
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os._exit(1)


def own_session() -> dict[str, Any]:
    """Return arguments of `subprocess.Popen` for a child that Ctrl-C in the terminal spares.

    On POSIX the child leads a process group, which `end_group` ends.
    """
    return {"start_new_session": True} if os.name == "posix" else {}


def end_group(leader: int, *, at_once: bool) -> bool:
    """End a process group that was started with `own_session`, and nothing else.

    Parameters
    ----------
    leader : int
        Process id of the child.
    at_once : bool
        Kill; otherwise ask it to end.

    Returns
    -------
    bool
        Whether there are process groups here: on Windows nothing is done.
    """
    if sys.platform == "win32":
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL if at_once else signal.SIGTERM)
    return True


def group_memory(group: int, *, proc: Path = PROC) -> int:
    """Return the bytes that the processes of a group use; 0 if the system does not report it.

    Pages that several processes share count once, divided among them (the kernel's
    "proportional set size"): the sum of what `ps` shows would count Chromium's code ten times.
    """
    if sys.platform == "win32":
        return 0
    total = 0
    for folder in proc.glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) != group:
                continue
            lines = (folder / "smaps_rollup").read_text().splitlines()
        except OSError:  # it ended meanwhile, or this is no Linux
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 2**10


def take_lock(descriptor: int, *, wait: bool) -> bool:
    """Take the exclusive lock on an open file; False if another process holds it.

    Parameters
    ----------
    descriptor : int
        Of the file; the system frees the lock when it is closed, whatever ends the process.
    wait : bool
        Wait for the present holder.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def allocate(descriptor: int, size: int) -> None:
    """Give an open, empty file its space on the disk: what is mapped later can't find it full.

    Parameters
    ----------
    descriptor : int
        Of the file.
    size : int
        Bytes, more than 0.

    Raises
    ------
    OSError
        There isn't that much space.
    """
    if sys.platform == "linux":
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # of the file system
                raise
        else:
            return
    zeros = memoryview(bytes(2**20))
    while size:
        size -= os.write(descriptor, zeros[:size])


def cpu_count() -> int:
    """Return the number of CPUs this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_linux_root() -> bool:
    """Return whether this is root on Linux, as which Chromium refuses its sandbox."""
    return sys.platform == "linux" and os.geteuid() == 0


def peak_memory_mib() -> float | None:
    """Return the peak resident memory of this process in MiB; None where it can't be read.

    On Linux `getrusage` starts from the parent's peak, /proc/self/status does not. Both count in
    KiB; macOS counts in bytes.
    """
    status = PROC / "self" / "status"
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
