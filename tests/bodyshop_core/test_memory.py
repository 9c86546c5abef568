"""Pages that pictures were in are used again."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from bodyshop_core.engine.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
    keep_freed_memory()
def work():
    pictures = ([np.full((1000, 1000), 7, np.uint8) for _ in range(4)] for _ in range(25))
    return sum(int(one[0, 0]) for four in pictures for one in four)
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
assert work() == 700
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of Linux' C library")
def test_arrays_of_a_picture_do_not_go_back_to_the_system_each_time():
    assert faults("keep") < 0.2 * faults("leave")
