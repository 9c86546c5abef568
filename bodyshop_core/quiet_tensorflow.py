"""Import of TensorFlow without its start-up messages."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from bodyshop_core.extras import need_extra


def import_tensorflow() -> ModuleType:
    """Import TensorFlow once, with its start-up messages kept off stderr.

    Returns
    -------
    module
        ``tensorflow``. Keras is set to log instead of writing to stdout.

    Raises
    ------
    MissingPartError
        The extra ``train`` is not installed.
    """
    logging.getLogger("tensorflow").addFilter(_is_news)
    # A GPU's memory is taken as it is needed, so that two processes can share one; read at its
    # first use.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    need_extra("train", "training and converting networks")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow's C++ start-up lines ignore that level, so they are caught at the descriptor.
    with stderr_to_null():
        import keras
        import tensorflow

        tensorflow.config.list_physical_devices()
    keras.config.disable_interactive_logging()
    return sys.modules["tensorflow"]


def _is_news(record: logging.LogRecord) -> bool:
    # Each network has a compiled function of its own; TensorFlow takes several for one traced anew.
    return "triggered tf.function retracing" not in str(record.msg)


@contextmanager
def stderr_to_null() -> Iterator[None]:
    """Redirect file descriptor 2 to the null device: C++ code bypasses `sys.stderr`."""
    sys.stderr.flush()
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
