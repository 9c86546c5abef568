"""Shard functions for the engine's tests; they live in a module so that workers can import them."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from bodyshop_core.errors import MissingPartError

model: list[int] = []


def square(items):
    return [{"key": item["key"], "square": item["n"] ** 2} for item in items]


def square_slowly(items):
    time.sleep(0.02 * len(items))
    return square(items)


def touch(items):
    """Leave one line per computed item, so that a test can count what was computed."""
    for item in items:
        with Path(item["log"]).open("a") as log:
            log.write(f"{item['key']}\n")
    return square_slowly(items)


def raising(items):
    for item in items:
        if item["n"] % 7 == 3:
            raise ValueError(f"seven will not have {item['n']}")
    return square(items)


def poison(items):
    for item in items:
        if item["n"] == 37:
            os.kill(os.getpid(), signal.SIGKILL)
    return square(items)


def killed_once(items):
    """Die like under the kernel's out-of-memory killer: by chance, not because of an item."""
    flag = Path(items[0]["flag"])
    if any(item["n"] == 5 for item in items) and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return square(items)


def hanging(items):
    for item in items:
        if item["n"] == 2:
            time.sleep(600)
    return square(items)


def forgetful(items):
    return square(items)[1:]


def chatty(items):
    print("this must not end up between two answers")
    os.write(1, b"nor this")
    return square(items)


def load_model():
    model.append(os.getpid())


def fail_to_load():
    raise MissingPartError("no weights", hint="get some")


def die_at_start():
    sys.stderr.write("the last words of a worker\n")
    os._exit(3)


def with_model(items):
    return [{"key": item["key"], "loads": len(model), "pid": model[0]} for item in items]


def environment(items):
    import numpy as np

    return [
        {
            "key": i["key"],
            "threads": os.environ["OMP_NUM_THREADS"],
            "vector": np.arange(3, dtype="f2"),
        }
        for i in items
    ]


def read_blobs(items):
    """Read the item's blob, as the stages do; an item may name a file that comes back meanwhile."""
    rows = []
    for item in items:
        if "returns" in item:
            tried = Path(item["returns"])
            if tried.exists():
                item["blob"].path.touch()
            tried.touch()
        rows.append({"key": item["key"], "bytes": len(item["blob"].read())})
    return rows


def open_files(items):
    """Open a file without any thought about what may go wrong."""
    return [{"key": item["key"], "bytes": len(Path(item["file"]).read_bytes())} for item in items]


def square_with_pids(items):
    """Square slowly, and say which process did it and which one started that."""
    time.sleep(0.05 * len(items))
    return [{**row, "pid": os.getpid(), "parent": os.getppid()} for row in square(items)]
