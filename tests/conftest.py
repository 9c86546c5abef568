"""Fixtures every room may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from consumers import FIFTYONE, HEAVY, LIGHT, Reader
from hypothesis import settings

from bodyshop_core.workspace import Workspace

pytest_plugins = ["on_postgres"] if os.environ.get("BODYSHOP_TEST_CATALOG") == "postgresql" else []
REPOSITORY = Path(__file__).resolve().parent.parent


settings.register_profile("bodyshop", deadline=None)  # how busy the machine is proves nothing
settings.load_profile("bodyshop")


def pytest_configure() -> None:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace.open(tmp_path / "workspace")


def _shared(part: str) -> Path:
    root = Path(os.environ.get("BODYSHOP_REAL_DATA", REPOSITORY.parent / "shared"))
    folder = root / part
    if not folder.is_dir():
        pytest.skip(f"the real {part} are not here: set BODYSHOP_REAL_DATA to the folder with them")
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real photos (damage, not_car, masks, models, near_duplicates)."""
    return _shared("data")


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """Folder of real VGG16, MobileNetV2 and COCO detector weights."""
    return _shared("weights")


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Runs scripts with the light consumers of our exports."""
    return Reader(tmp_path_factory.mktemp("consumers"), LIGHT)


@pytest.fixture(scope="session")
def heavy_reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Runs scripts with the consumers that need PyTorch."""
    return Reader(tmp_path_factory.mktemp("heavy-consumers"), HEAVY)


@pytest.fixture(scope="session")
def fiftyone_reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Runs scripts with FiftyOne."""
    return Reader(tmp_path_factory.mktemp("fiftyone"), FIFTYONE)
