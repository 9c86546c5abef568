"""The files of other projects' test suites: each gets a verdict or is skipped by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace

SCRIPT = """
import sys
import collector, curate
from bodyshop_core.workspace import Workspace
workspace = Workspace.open(sys.argv[2])
summary = collector.import_folder(sys.argv[1], workspace, label="x")
curate.measure_images(workspace, workers=2)
print(summary.files, summary.skipped)
"""


@pytest.mark.slow
def test_every_foreign_file_is_measured_or_skipped_by_name(real_data, tmp_path):
    folder = real_data / "foreign_files"
    if not folder.is_dir():
        pytest.skip("the foreign files are not here")
    # In a process of its own: decoders write to stderr, and a crash would be a failure here.
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(folder), str(tmp_path / "w")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    files, skipped = map(int, done.stdout.split())
    everything = [path for path in folder.rglob("*") if path.is_file()]
    ignored = sum(path.name.startswith(".") for path in everything)
    assert files + skipped == len(everything) - ignored
    measured = schema.measurements
    with Workspace.open(Path(tmp_path / "w")).catalog.read() as connection:
        images = connection.scalar(select(func.count()).select_from(schema.images))
        rows = connection.execute(select(measured.c.error, measured.c.width)).all()
    assert len(rows) == images
    assert all(row.error or row.width for row in rows)
    assert not any(row.error == "worker_died" for row in rows)
    assert sum(row.error is not None for row in rows) < 0.1 * len(rows)
