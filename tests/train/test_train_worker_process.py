"""The process in which trials and measurements run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

CODE = """
import time
from train.runs.worker_process import WorkerProcess

if __name__ == "__main__":
    WorkerProcess().submit(time.sleep, 600)
    print("submitted", flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(os.name != "posix", reason="on Windows a call in progress is not ended")
def test_a_command_that_is_killed_leaves_no_worker_behind(tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(CODE, encoding="utf-8")
    command = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE)
    assert command.stdout is not None and command.stdout.readline().strip() == b"submitted"
    time.sleep(2)  # until the call is in progress
    workers = psutil.Process(command.pid).children(recursive=True)
    assert workers
    command.kill()
    command.communicate()
    _, left = psutil.wait_procs(workers, timeout=20)
    for each in left:
        each.kill()
    assert not left
