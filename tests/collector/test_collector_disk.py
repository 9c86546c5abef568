"""A disk that is really full: a small file system of its own."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from PIL import Image

import collector
from bodyshop_core.workspace import Workspace


@pytest.fixture
def small_disk(tmp_path):
    """Mount 6 MB of memory; only root may."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system takes root on Linux")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def noisy(seed: int) -> bytes:
    """Return a JPEG of about 300 kB that compresses no further."""
    out = io.BytesIO()
    Image.frombytes("RGB", (600, 400), random.Random(seed).randbytes(720_000)).save(
        out, "JPEG", quality=95
    )
    return out.getvalue()


def test_a_full_disk_is_reported_and_with_free_space_the_crawl_completes(
    server, brands_for, small_disk, tmp_path
):
    urls = [server.add(f"/p/{n}.jpg", noisy(n)) for n in range(40)]
    assert len(noisy(0)) * 40 > 10_000_000
    file = tmp_path / "brands.yaml"
    file.write_text(yaml.safe_dump(brands_for(urls).model_dump(mode="json")))
    program = str(Path(sys.executable).with_name("bodyshop"))
    command = [program, "collect", str(file), "-w", str(small_disk / "w")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "disk is full" in ended.stderr
    assert "Traceback" not in ended.stderr
    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    before = Counter(server.paths())
    workspace = Workspace.open(small_disk / "w")
    stored = {path.stem for path in workspace.blobs.root.rglob("*.jpg")}
    assert stored  # what came before the disk was full is whole
    summary = collector.collect(collector.load_brands(file), workspace)
    assert (summary.downloaded, summary.failed) == (40, 0)
    again = sum((Counter(server.paths()) - before).values())
    assert again <= 40 - len(stored)
