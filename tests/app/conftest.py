from __future__ import annotations

from pathlib import Path

import pytest

from bodyshop.app.demo import DemoReport, run_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> tuple[Path, DemoReport]:
    """The whole job, run once on the smallest showroom: real Chromium, real TensorFlow."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, run_demo(folder, size="tiny", recipe="bottleneck")
