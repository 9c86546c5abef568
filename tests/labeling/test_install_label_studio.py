"""Installing into an environment of its own, by the real venv and pip, from a folder of wheels."""

from __future__ import annotations

import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from bodyshop_core.errors import MissingPartError
from labeling.server import environment


class Told:
    """A `Progress` that keeps what it was told."""

    def __init__(self) -> None:
        self.done, self.notes = 0, []

    @contextmanager
    def task(self, name: str, total: int | None = None):
        assert total is None, "how many packages there will be is not known"

        def tick(n: int = 1, note: str = "") -> None:
            self.done += n
            self.notes.append(note)

        yield tick

    def log(self, message: str) -> None:
        """Not of interest."""


def wheel(folder: Path, name: str, *needs: str, script: str = "") -> None:
    """Write a package without code."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "def main(): pass\n")
        requires = "".join(f"Requires-Dist: {each}\n" for each in needs)
        file.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}"
        )
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        if script:
            file.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{script}={name}:main\n")
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("BODYSHOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(environment, "HEARTBEAT_S", 0.05)
    return folder


@pytest.mark.slow
def test_an_installation_tells_its_packages_steps_and_time(wheels, monkeypatch):
    told = Told()
    monkeypatch.setattr(environment, "REQUIREMENT", "studio==1.0")
    wheel(wheels, "studio", "easel", "brush", script="label-studio")
    wheel(wheels, "brush")
    with pytest.raises(MissingPartError, match="easel"):  # pip's own words
        environment.install()
    assert not environment.is_installed()

    wheel(wheels, "easel")
    assert environment.install(progress=told) == environment.executable()
    assert environment.is_installed()
    assert told.done == 3
    steps = [note.rpartition(", ")[0] for note in told.notes]
    assert any(step.startswith("processing studio") for step in steps)
    assert "unpacking 3 packages" in steps
    seconds = [int(note.rpartition(", ")[2].removesuffix(" s")) for note in told.notes]
    assert seconds == sorted(seconds)

    told = Told()
    assert environment.install(progress=told) == environment.executable()
    assert not told.notes, "installed already"
