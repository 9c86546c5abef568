"""An import of the same root corrects what it said before."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from import_cases import labels, picture

from bodyshop_core.catalog import effective_labels
from bodyshop_core.progress import Silent
from collector import import_folder


class Stopping(Silent):
    """Stops an import after its first batch, as a second Ctrl-C or a kill does."""

    @contextmanager
    def task(self, name, total=None):
        def tick(n=1, note=""):
            raise KeyboardInterrupt

        yield tick


def test_a_file_moved_to_another_class_carries_the_new_label_only(workspace, tmp_path):
    root = tmp_path / "set"
    moved = picture(root / "whole" / "a.png")
    picture(root / "whole" / "b.png", "blue")
    import_folder(root, workspace)
    (root / "damaged").mkdir()
    moved.rename(root / "damaged" / "a.png")
    summary = import_folder(root, workspace)
    assert (summary.superseded, summary.conflicts) == (1, 0)
    assert labels(workspace) == {"damaged/a.png": "damaged", "whole/b.png": "whole"}
    assert import_folder(root, workspace).superseded == 0


def test_an_edited_file_replaces_what_it_was(workspace, tmp_path):
    root = tmp_path / "set"
    file = picture(root / "whole" / "a.png")
    import_folder(root, workspace)
    picture(file, "blue")
    assert import_folder(root, workspace).superseded == 1
    assert labels(workspace) == {"whole/a.png": "whole"}
    assert len(effective_labels(workspace.catalog, "damage")) == 1


def test_another_label_for_the_same_root_replaces_the_first(workspace, tmp_path):
    picture(tmp_path / "set" / "a.png")
    import_folder(tmp_path / "set", workspace, label="whole")
    import_folder(tmp_path / "set", workspace, label="Kia", field="brand")
    import_folder(tmp_path / "set", workspace, label="damaged")
    assert labels(workspace) == {"a.png": "damaged"}
    assert labels(workspace, "brand") == {"a.png": "Kia"}


def test_an_interrupted_import_does_not_leave_two_labels(workspace, tmp_path):
    picture(tmp_path / "set" / "a.png")
    import_folder(tmp_path / "set", workspace, label="whole")
    with pytest.raises(KeyboardInterrupt):
        import_folder(tmp_path / "set", workspace, label="damaged", progress=Stopping())
    assert labels(workspace) == {"a.png": "damaged"}
    assert import_folder(tmp_path / "set", workspace, label="damaged").conflicts == 0


def test_two_roots_that_disagree_are_a_conflict_which_the_summary_names(workspace, tmp_path):
    picture(tmp_path / "one" / "whole" / "a.png")
    picture(tmp_path / "two" / "damaged" / "a.png")
    import_folder(tmp_path / "one", workspace)
    summary = import_folder(tmp_path / "two", workspace)
    assert summary.conflicts == 1
    assert any("damaged and whole" in note for note in summary.notes())
    (tmp_path / "two" / "damaged").rename(tmp_path / "two" / "whole")
    assert import_folder(tmp_path / "two", workspace).conflicts == 0
    assert labels(workspace) == {"whole/a.png": "whole"}


def test_files_that_are_gone_keep_their_pictures_and_are_counted(workspace, tmp_path):
    root = tmp_path / "set"
    picture(root / "whole" / "a.png")
    gone = picture(root / "whole" / "b.png", "blue")
    import_folder(root, workspace)
    gone.unlink()
    summary = import_folder(root, workspace)
    assert summary.gone == 1
    assert labels(workspace) == {"whole/a.png": "whole", "whole/b.png": "whole"}


def test_a_folder_that_was_moved_is_not_there_twice(workspace, tmp_path):
    picture(tmp_path / "old" / "whole" / "a.png")
    picture(tmp_path / "old" / "whole" / "b.png", "blue")
    import_folder(tmp_path / "old", workspace)
    new = (tmp_path / "old").rename(tmp_path / "new")
    (new / "whole" / "b.png").rename(picture(new / "damaged" / "b.png", "blue"))
    summary = import_folder(new, workspace)
    assert labels(workspace) == {"whole/a.png": "whole", "damaged/b.png": "damaged"}
    assert summary.conflicts == 0
    assert any(f"2 statements of {tmp_path / 'old'}" in note for note in summary.notes())
    again = import_folder(new, workspace)
    assert not any("not there any more" in note for note in again.notes())


def test_a_folder_that_is_still_there_or_says_more_is_not_replaced(workspace, tmp_path):
    picture(tmp_path / "one" / "whole" / "a.png")
    picture(tmp_path / "two" / "whole" / "a.png")
    picture(tmp_path / "flat" / "a.png")
    for name in ("one", "two"):
        assert not import_folder(tmp_path / name, workspace).superseded
    (tmp_path / "one").rename(tmp_path / "away")
    summary = import_folder(tmp_path / "flat", workspace)  # names no class
    assert not any("not there any more" in note for note in summary.notes())
    assert len(effective_labels(workspace.catalog, "damage")) == 1
