"""A worker process: reads batches from stdin, answers on stdout, and dies with its parent.

It is started as a fresh interpreter rather than forked, so that TensorFlow's threads in the parent
do no harm, and without re-importing the caller's main module, so that scripts and notebooks need no
``if __name__ == "__main__"``.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from typing import Any, BinaryIO

from bodyshop_core.engine.task import WorkSpec, initialise_once, run_batch
from bodyshop_core.errors import BodyshopError
from bodyshop_core.processes import end_with_parent

START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from bodyshop_core.engine.worker import main; main(int(sys.argv[2]))"
)
"""Run by ``python -c``; its arguments are the parent's ``sys.path`` as JSON and its process id."""


def main(parent: int) -> None:
    """Serve batches until stdin ends.

    Messages are pickles. In: a `WorkSpec`, then lists of items. Out: ``("ready", None)``, then
    for each list ``("rows", rows)``; or ``("failed", exception)`` once, when no further item can
    be computed.
    """
    end_with_parent(parent)
    # Ctrl-C reaches the whole process group; the driver decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tasks = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints to stdout in here must not end up between two answers
    try:
        spec: WorkSpec = pickle.load(tasks)  # from the parent process, not from outside
        initialise_once(spec.initialise)
        _send(answers, "ready", None)
        while True:
            items = pickle.load(tasks)
            _send(answers, "rows", run_batch(spec.work, items))
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001 - handed to the driver, which raises it
        _send(answers, "failed", _picklable(error))


def _send(answers: BinaryIO, kind: str, value: Any) -> None:
    pickle.dump((kind, value), answers, protocol=pickle.HIGHEST_PROTOCOL)
    answers.flush()


def _picklable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - an exception whose class can't be rebuilt elsewhere
        return BodyshopError(f"{type(error).__name__}: {error}")
    return error
