"""What several files and people say about one picture, and what counts."""

from __future__ import annotations

import numpy as np
import pytest
from labeling_pictures import add_picture, picture_bytes
from sqlalchemy import select
from statements import box, mask_folder, pixels, write

from bodyshop_core.catalog import Field, effective_labels, schema
from labeling import import_masks
from labeling.consensus.update import update_consensus
from labeling.records.annotations import Annotation, store_annotations


@pytest.fixture
def photo(workspace):
    return add_picture(workspace, picture_bytes(60, 40))


@pytest.mark.parametrize("name", [None, "me"])
def test_files_with_different_classes_are_united(workspace, photo, tmp_path, name):
    dents = mask_folder(tmp_path / "dents", photo, (0, 0, 10, 10))
    scratches = mask_folder(tmp_path / "scratches", photo, (20, 0, 40, 10))
    first = import_masks(workspace, "png", dents, label="dent", name=name)
    second = import_masks(workspace, "png", scratches, label="scratch", name=name)
    assert pixels(workspace, photo) == {"dent": 100, "scratch": 200}
    assert (first.replaced, second.replaced) == ((), ())


def test_files_that_list_all_classes_but_draw_one_each_are_united(workspace, photo, tmp_path):
    dents = write(tmp_path / "d.json", f"{photo}.jpg", [(1, box(0, 0, 10, 10))])
    scratches = write(tmp_path / "s.json", f"{photo}.jpg", [(2, box(20, 0, 40, 10))])
    for file in (dents, scratches, dents):
        import_masks(workspace, None, file)
    assert pixels(workspace, photo) == {"dent": 100, "scratch": 200}


def test_files_with_different_pictures_are_united(workspace, tmp_path):
    shas = [add_picture(workspace, picture_bytes(60, 40, seed=n)) for n in range(2)]
    for split, sha in zip(("train", "val"), shas, strict=True):
        file = write(tmp_path / split / "a.json", f"{sha}.jpg", [(1, box(0, 0, 10, 10))])
        assert import_masks(workspace, None, file).replaced == ()
    assert all(pixels(workspace, sha) == {"dent": 100} for sha in shas)


@pytest.mark.parametrize("name", [None, "me"])
def test_of_one_picture_and_class_the_later_file_of_a_name_counts_and_it_says_so(
    workspace, photo, tmp_path, name
):
    first = write(tmp_path / "1.json", f"{photo}.jpg", [(1, box(0, 0, 10, 10))])
    second = write(tmp_path / "2.json", f"{photo}.jpg", [(1, box(20, 0, 40, 10))])
    import_masks(workspace, None, first, name=name)
    summary = import_masks(workspace, None, second, name=name)
    assert pixels(workspace, photo) == {"dent": 200}
    (line,) = summary.replaced
    assert line.startswith(f"{photo[:12]}: the dent mask of import")
    assert import_masks(workspace, None, second, name=name).replaced == ()
    assert len(import_masks(workspace, None, first, name=name).replaced) == 1
    assert pixels(workspace, photo) == {"dent": 100}


def test_the_same_file_again_replaces_what_it_said(workspace, photo, tmp_path):
    shapes = [(1, box(0, 0, 10, 10)), (2, box(20, 0, 40, 10))]
    write(tmp_path / "a.json", f"{photo}.jpg", shapes)
    import_masks(workspace, None, tmp_path / "a.json")
    write(tmp_path / "a.json", f"{photo}.jpg", [(1, box(0, 0, 5, 5))])
    import_masks(workspace, None, tmp_path / "a.json")
    assert pixels(workspace, photo) == {"dent": 25}


def test_people_have_to_agree_and_count_more_than_a_file_without_a_name(workspace, photo, tmp_path):
    files = [
        write(tmp_path / f"{n}.json", f"{photo}.jpg", [(1, box(5 * n, 0, 5 * n + 10, 10))])
        for n in range(3)
    ]
    import_masks(workspace, None, files[2])
    summary = import_masks(workspace, None, files[0], name="ana")
    assert len(summary.replaced) == 1
    assert pixels(workspace, photo) == {"dent": 100}
    import_masks(workspace, None, files[1], name="bo")
    assert pixels(workspace, photo) == {"dent": 50}
    write(files[1], f"{photo}.jpg", [(1, box(50, 0, 60, 10))])
    summary = import_masks(workspace, None, files[1], name="bo")
    assert pixels(workspace, photo) == {}
    assert "no pixel of dent has a majority of its 2 annotators" in summary.replaced[0]


def submit(workspace, sha, at="2030-01-01", shown=None, **said):
    annotation = Annotation(
        sha, "damage", "srv", 1, "ana", f"{at}T00:00:00+00:00", details={"shown": shown or {}},
        **said,
    )  # fmt: skip
    with workspace.catalog.begin() as connection:
        touched = store_annotations(connection, workspace, [annotation])
        return update_consensus(connection, workspace, touched)


def imported_rows(workspace):
    table = schema.annotations
    with workspace.catalog.read() as connection:
        query = select(table.c.key, table.c.updated_at).where(table.c.kind == "mask")
        return dict(connection.execute(query).all())


def test_an_annotation_that_does_not_touch_a_class_leaves_its_imported_masks(
    workspace, photo, tmp_path
):
    shapes = [(1, box(0, 0, 10, 10)), (2, box(20, 0, 40, 10))]
    import_masks(workspace, None, write(tmp_path / "a.json", f"{photo}.jpg", shapes))
    assert submit(workspace, photo, choices={"state": ["damaged"]}) == ()
    assert pixels(workspace, photo) == {"dent": 100, "scratch": 200}
    drawn = np.zeros((40, 60), bool)
    drawn[:2] = True
    dropped = submit(workspace, photo, masks={"dent": drawn}, choices={"state": ["damaged"]})
    assert pixels(workspace, photo) == {"dent": 120, "scratch": 200}
    assert [line.split(": ")[1] for line in dropped] == [
        "the dent mask of import no longer counts, because of ana"
    ]
    assert effective_labels(workspace.catalog, Field.DAMAGE)[photo].value == "damaged"


def test_a_labeler_who_saw_imported_masks_and_removed_them_is_right(workspace, photo, tmp_path):
    shapes = [(1, box(0, 0, 10, 10)), (2, box(20, 0, 40, 10))]
    file = write(tmp_path / "a.json", f"{photo}.jpg", shapes)
    import_masks(workspace, None, file)
    shown = imported_rows(workspace)
    dropped = submit(workspace, photo, shown=shown, choices={"state": ["whole"]})
    assert pixels(workspace, photo) == {}
    assert len(dropped) == 2
    assert "because of ana, who removed it" in dropped[0]
    # The same file says nothing new, whatever else is in it.
    import_masks(workspace, None, file)
    assert pixels(workspace, photo) == {}
    assert imported_rows(workspace) == shown
    write(file, f"{photo}.jpg", [(1, box(0, 0, 12, 10)), shapes[1]])
    import_masks(workspace, None, file)
    assert pixels(workspace, photo) == {"dent": 120}


def test_a_severity_that_is_new_in_a_file_is_a_change(workspace, photo, tmp_path):
    file = write(tmp_path / "a.json", f"{photo}.jpg", [(1, box(0, 0, 10, 10))])
    import_masks(workspace, None, file)
    before = imported_rows(workspace)
    import_masks(workspace, None, file)
    assert imported_rows(workspace) == before
    import_masks(workspace, None, file, classes={"dent": "dent/severe"})
    assert imported_rows(workspace).keys() == before.keys()
    assert imported_rows(workspace) != before


@pytest.mark.parametrize("names", [(None,), ("ana",), ("ana", "bo")])
def test_masks_that_a_file_no_longer_has_are_named(workspace, photo, tmp_path, names):
    both = [(1, box(0, 0, 10, 10)), (2, box(20, 0, 40, 10))]
    files = [write(tmp_path / f"{n}.json", f"{photo}.jpg", both) for n in range(len(names))]
    for name, file in zip(names, files, strict=True):
        assert import_masks(workspace, None, file, name=name).replaced == ()
    write(files[0], f"{photo}.jpg", both[:1])
    summary = import_masks(workspace, None, files[0], name=names[0])
    assert len(summary.replaced) == 1
    assert summary.replaced[0].startswith(f"{photo[:12]}: the scratch mask of import")
    assert summary.replaced[0].endswith("because its file no longer has it")
    assert pixels(workspace, photo)["dent"] == 100
    assert import_masks(workspace, None, files[0], name=names[0]).replaced == ()


def test_an_entry_of_which_nothing_can_be_used_leaves_what_its_file_said(
    workspace, photo, tmp_path
):
    file = write(tmp_path / "a.json", f"{photo}.jpg", [(1, box(0, 0, 10, 10))])
    import_masks(workspace, None, file)
    for ring in ([1, 1, 2, 2], box(900, 900, 950, 950)):  # not a polygon; outside of the picture
        write(file, f"{photo}.jpg", [(1, ring)])
        summary = import_masks(workspace, None, file)
        assert pixels(workspace, photo) == {"dent": 100}
        assert summary.replaced == ()
        assert "its dent masks of an earlier import stay" in summary.problems[-1]
    write(file, f"{photo}.jpg", [])
    assert len(import_masks(workspace, None, file).replaced) == 1
    assert pixels(workspace, photo) == {}
