"""Seeds, and what a number may depend on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bodyshop_core.quiet_tensorflow import import_tensorflow
from bodyshop_core.version import __version__


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and TensorFlow's global generators."""
    import_tensorflow()
    import keras

    keras.utils.set_random_seed(seed)


def versions() -> dict[str, Any]:
    """Return packages, machine, thread and oneDNN settings: bit-equal runs need all of them."""
    tf = import_tensorflow()
    packages = ("tensorflow", "keras", "numpy", "pillow", "scikit-learn")
    return {
        "bodyshop": __version__,
        **{name: _version(name) for name in packages},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cpus": os.cpu_count(),
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "gpus": len(tf.config.list_physical_devices("GPU")),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
