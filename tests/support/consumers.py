"""Programs that read what we export, installed in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

LIGHT = (
    "pycocotools", "supervision", "pillow", "datasets", "mlcroissant", "webdataset",
    "label-studio-converter",
)  # fmt: skip

HEAVY = ("torch", "torchvision", "pycocotools", "ultralytics")

FIFTYONE = ("fiftyone", "pycocotools")

NAMES = {LIGHT: "LIGHT", HEAVY: "HEAVY", FIFTYONE: "FIFTYONE"}


class Reader:
    """Runs scripts with the Python of an environment.

    Parameters
    ----------
    folder : Path
        The environment is made in it.
    packages : sequence of str
        What is installed; when that fails, the test is skipped. The Python of an environment that
        has them already is taken from BODYSHOP_TEST_CONSUMERS_LIGHT, _HEAVY or
        _FIFTYONE.
    """

    def __init__(self, folder, packages):
        self.folder = folder
        # No setting of this environment reaches that one, and no reader goes to the network.
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        self.environment |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "YOLO_OFFLINE": "1"}
        self.environment |= {"HF_HOME": str(folder / "hf"), "YOLO_CONFIG_DIR": str(folder)}
        self.environment |= {"YOLO_AUTOINSTALL": "false", "CUDA_VISIBLE_DEVICES": ""}
        self.environment |= {"FIFTYONE_DO_NOT_TRACK": "true", "HOME": str(folder)}
        if ready := os.environ.get(f"BODYSHOP_TEST_CONSUMERS_{NAMES[packages]}"):
            self.python = ready
            return
        subprocess.run(
            [sys.executable, "-m", "venv", folder / "venv"], check=True, env=self.environment
        )
        self.python = folder / "venv" / "bin" / "python"
        made = subprocess.run(
            [self.python, "-m", "pip", "install", "-q", *packages], capture_output=True, text=True,
            check=False, env=self.environment,
        )  # fmt: skip
        if made.returncode:
            pytest.skip(f"the consumers can't be installed: {made.stderr[-300:]}")

    def __call__(self, script, *words):
        """Run a script from a folder of its own; returns the last line it prints, as JSON."""
        done = subprocess.run(
            [self.python, "-c", textwrap.dedent(script), *map(str, words)], capture_output=True,
            text=True, check=False, env=self.environment, cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])
