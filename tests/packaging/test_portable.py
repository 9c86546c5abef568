"""What only POSIX systems have is in one module; the rest can run on Windows, too.

`make lint` also checks the types as on Windows, where the modules have no such names.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from packages import PACKAGES

from augment.policy import parse_policy
from labeling.records.annotations import mask_file

CHECKOUT = Path(__file__).resolve().parents[2]
ALLOWED = {"bodyshop_core/processes.py"}
MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios"}
CALLS = {
    "fork", "forkpty", "getegid", "geteuid", "getgid", "getloadavg", "getpgid", "getuid", "kill",
    "killpg", "mkfifo", "mknod", "nice", "posix_fallocate", "sched_getaffinity", "setgid",
    "setpgid", "setsid", "setuid", "statvfs", "sysconf", "umask", "uname", "wait", "waitpid",
}  # fmt: skip
SIGNALS = {"SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGSTOP", "SIGUSR1", "SIGUSR2"}
PLACES = re.compile(r"^/(proc|dev|tmp)(/|$)")


def files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((CHECKOUT / package).rglob("*.py"))]


def posix_only(tree: ast.AST) -> set[str]:
    """Names that are not there, or mean something else, on Windows."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {each.name for each in names} & MODULES
            case ast.ImportFrom(module=str(module)):
                found |= {module} & MODULES
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in CALLS:
                found.add(f"os.{name}")
            case ast.Attribute(value=ast.Name(id="signal"), attr=name) if name in SIGNALS:
                found.add(f"signal.{name}")
            case ast.keyword(arg="start_new_session" | "preexec_fn" as name):
                found.add(name)
            case ast.Constant(value=str(text)) if PLACES.match(text):
                found.add(text)
    return found


def multiprocessing_ways(tree: ast.AST) -> set[str]:
    """Start methods that are named; a pool that names none would fork on Linux."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="get_context" | "set_start_method"), args=args):
                found |= {ast.unparse(each) for each in args} or {"the default"}
            case ast.Call(func=ast.Name(id="ProcessPoolExecutor"), keywords=keywords):
                if not any(each.arg == "mp_context" for each in keywords):
                    found.add("the default")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_posix_only_calls_are_in_one_module(package):
    for path in files():
        name = path.relative_to(CHECKOUT).as_posix()
        if name.startswith(f"{package}/") and name not in ALLOWED:
            assert not posix_only(ast.parse(path.read_text(encoding="utf-8"))), name


def test_processes_are_spawned_not_forked():
    for path in files():
        ways = multiprocessing_ways(ast.parse(path.read_text(encoding="utf-8")))
        assert ways <= {"'spawn'"}, path


def test_a_posix_only_call_would_be_found():
    code = "import fcntl, os, signal\nos.kill(1, signal.SIGKILL)\nopen('/proc/1/stat')\n"
    assert posix_only(ast.parse(code)) == {"fcntl", "os.kill", "signal.SIGKILL", "/proc/1/stat"}


def test_the_longest_names_in_a_workspace_leave_room_for_its_own_path():
    sha256, name = "a" * 64, "p" * 48
    content = f"name: {name}\ntransforms: [{{HorizontalFlip: {{p: 1}}}}]\n"
    policy = parse_policy(content, name="policy.yaml")
    longest = f"variants/{policy.folder_name}/aa/{sha256}-100.mask10.png"
    assert max(len(longest), len(mask_file(sha256, "scratch " * 20, sha256))) <= 155


def test_packaged_files_have_names_that_windows_accepts():
    reserved = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)
    for package in PACKAGES:
        for path in (CHECKOUT / package).rglob("*"):
            assert not re.search(r'[<>:"|?*\\]|[ .]$', path.name), path
            assert not reserved.match(path.name), path
