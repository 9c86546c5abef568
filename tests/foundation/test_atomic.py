from __future__ import annotations

import os

import pytest

from bodyshop import atomic


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
