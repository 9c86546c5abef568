from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bodyshop_core import atomic


def test_failure_inside_the_block_leaves_the_old_file_and_no_temporary(tmp_path):
    file = tmp_path / "a" / "report.html"
    atomic.write_text(file, "old")
    with pytest.raises(RuntimeError), atomic.replacing(file) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert file.read_text() == "old"
    assert [path.name for path in file.parent.iterdir()] == ["report.html"]


def test_result_is_readable_as_the_umask_says(tmp_path):
    previous = os.umask(0o027)
    try:
        atomic.write_bytes(tmp_path / "x", b"1")
    finally:
        os.umask(previous)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_writing_never_touches_the_umask_that_other_threads_create_files_with(
    tmp_path, monkeypatch
):
    def refuse(_: int) -> int:
        raise AssertionError("umask")

    monkeypatch.setattr(os, "umask", refuse)
    atomic.write_bytes(tmp_path / "x", b"1")
    assert (tmp_path / "x").read_bytes() == b"1"


def test_a_file_written_without_waiting_for_the_disk_is_whole_or_not_there(tmp_path, monkeypatch):
    def refuse(_: int) -> None:
        raise AssertionError("fsync")

    monkeypatch.setattr(os, "fsync", refuse)
    file = tmp_path / "ab" / "variant.jpg"
    atomic.write_bytes(file, b"whole", durable=False)
    with pytest.raises(RuntimeError), atomic.replacing(file, durable=False) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert file.read_bytes() == b"whole"
    assert [path.name for path in file.parent.iterdir()] == ["variant.jpg"]
    with pytest.raises(AssertionError, match="fsync"):
        atomic.write_bytes(file, b"durable")


def test_half_written_files_of_the_dead_are_swept_and_those_of_the_living_are_not(tmp_path):
    script = (
        "import os, sys; from pathlib import Path; from bodyshop_core import atomic\n"
        "with atomic.replacing(Path(sys.argv[1])) as half:\n"
        "    half.write_bytes(b'half'); os.kill(os.getpid(), 9)"
    )
    dead = tmp_path / "ab" / "dead.jpg"
    subprocess.run([sys.executable, "-c", script, str(dead)], check=False)
    assert len(list(dead.parent.iterdir())) == 1
    foreign = dead.with_name(f"{atomic.TEMPORARY}elsewhere~1~x.jpg")
    foreign.write_bytes(b"half")
    with atomic.replacing(tmp_path / "ab" / "alive.jpg") as alive:
        alive.write_bytes(b"half")
        assert atomic.sweep(tmp_path) == 1
        assert {path.name for path in dead.parent.iterdir()} == {foreign.name, alive.name}
    os.utime(foreign, (0, 0))
    assert atomic.sweep(tmp_path) == 1
