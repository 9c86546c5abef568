"""What several files say about one picture, and which picture a file means."""

from __future__ import annotations

import hashlib
import json
import shutil
import unicodedata

import numpy as np
import pytest
from labeling_pictures import add_picture, picture_bytes
from PIL import Image
from sqlalchemy import select

from bodyshop_core.catalog import Field, effective_labels, schema
from bodyshop_core.errors import NothingFoundError
from collector import import_folder
from labeling import import_masks
from labeling.consensus.update import update_consensus
from labeling.exchange.picture_names import spellings
from labeling.formats.mask_file import read_mask
from labeling.records.annotations import Annotation, current_masks, store_annotations

CATEGORIES = [{"id": 1, "name": "dent"}, {"id": 2, "name": "scratch"}]


def box(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


def write(path, name, shapes, size=(60, 40)):
    """A COCO file for one picture: (category, polygon) each."""
    image = {"id": 1, "file_name": name, "width": size[0], "height": size[1]}
    annotations = [
        {"id": n, "image_id": 1, "category_id": c, "segmentation": [polygon]}
        for n, (c, polygon) in enumerate(shapes)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"images": [image], "annotations": annotations, "categories": CATEGORIES}
    path.write_text(json.dumps(document))
    return path


def pixels(workspace, sha):
    files = current_masks(workspace).get(sha, {})
    return {k: int(read_mask(workspace.root / file).sum()) for k, file in files.items()}


@pytest.fixture
def photo(workspace):
    return add_picture(workspace, picture_bytes(60, 40))


def mask_folder(folder, sha, box):
    left, top, right, bottom = box
    mask = np.zeros((40, 60), np.uint8)
    mask[top:bottom, left:right] = 255
    folder.mkdir(exist_ok=True)
    Image.fromarray(mask).save(folder / f"{sha}.png")
    return folder


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


# Which picture


@pytest.fixture
def mine(workspace, tmp_path):
    """My own photo, 0001.jpg of 64 x 48, imported from the folder mine; returns its sha256."""
    folder = tmp_path / "mine"
    folder.mkdir()
    data = picture_bytes(64, 48, seed=1)
    (folder / "0001.jpg").write_bytes(data)
    import_folder(folder, workspace, label="damaged")
    (sha,) = _pictures(workspace)
    return sha


def _pictures(workspace):
    with workspace.catalog.read() as connection:
        return list(connection.scalars(select(schema.images.c.sha256)))


THEIRS = [(1, box(10, 10, 30, 30))]


@pytest.mark.parametrize("size", [(80, 60), (128, 96), (640, 480), (48, 64)])
def test_a_picture_of_the_same_name_but_another_size_is_another_one(
    workspace, mine, tmp_path, size
):
    file = write(tmp_path / "set/a.json", "0001.jpg", THEIRS, size)
    with pytest.raises(NothingFoundError, match="the picture of that name 64 x 48"):
        import_masks(workspace, None, file)
    assert current_masks(workspace) == {}


def test_a_unique_name_and_the_same_size_are_taken_and_listed(workspace, mine, tmp_path):
    file = write(tmp_path / "set/a.json", "0001.jpg", THEIRS, (64, 48))
    assert import_masks(workspace, None, file).by_name == ("0001.jpg (name)",)
    assert set(current_masks(workspace)) == {mine}


def test_the_file_beside_the_annotations_decides_whatever_its_name(workspace, mine, tmp_path):
    file = write(tmp_path / "set/a.json", "0001.jpg", THEIRS, (64, 48))
    images = tmp_path / "set/images"
    images.mkdir()
    (images / "0001.jpg").write_bytes(picture_bytes(64, 48, seed=9, form="PNG"))
    with pytest.raises(NothingFoundError, match="is not in the workspace"):
        import_masks(workspace, None, file)
    shutil.copy(tmp_path / "mine/0001.jpg", images)
    summary = import_masks(workspace, None, file)
    assert (summary.pictures, summary.by_name) == (1, ())


def test_a_picture_that_is_not_in_the_named_folder_is_not_looked_for_elsewhere(
    workspace, mine, tmp_path
):
    file = write(tmp_path / "set/a.json", "0001.jpg", THEIRS, (64, 48))
    (tmp_path / "other").mkdir()
    with pytest.raises(NothingFoundError, match="there is no such file"):
        import_masks(workspace, None, file, pictures=tmp_path / "other")


def test_two_pictures_of_one_name_are_refused_unless_the_path_tells_them_apart(workspace, tmp_path):
    shas = {}
    for seed, name in enumerate(("alpha", "beta")):
        folder = tmp_path / "cars" / name / "images"
        folder.mkdir(parents=True)
        data = picture_bytes(64, 48, seed=seed)
        (folder / "0001.jpg").write_bytes(data)
        shas[name] = hashlib.sha256(data).hexdigest()
    import_folder(tmp_path / "cars", workspace, label="damaged")
    for name in ("0001.jpg", "images/0001.jpg", "train/0001.jpg"):
        file = write(tmp_path / "set/a.json", name, THEIRS, (64, 48))
        with pytest.raises(NothingFoundError, match="2 pictures have its name"):
            import_masks(workspace, None, file)
    file = write(tmp_path / "set/a.json", "beta/images/0001.jpg", THEIRS, (64, 48))
    assert import_masks(workspace, None, file).by_name == ()
    assert set(current_masks(workspace)) == {shas["beta"]}


def photo_of(seed):
    """A picture with large shapes, as a perceptual hash needs them."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (9, 12, 3)).astype(np.uint8))
    return small.resize((240, 180), Image.Resampling.BICUBIC)


def test_a_copy_that_a_tool_stretched_and_saved_again_is_known_by_its_pixels(workspace, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "set").mkdir()
    photo_of(1).save(tmp_path / "mine/0001.jpg", quality=95)
    import_folder(tmp_path / "mine", workspace, label="damaged")
    name = "0001_jpg.rf.12ab34.jpg"
    file = write(tmp_path / "set/_annotations.coco.json", name, [(1, box(64, 0, 128, 64))],
                 (128, 128))  # fmt: skip
    photo_of(2).resize((128, 128)).save(tmp_path / "set" / name, quality=80)
    with pytest.raises(NothingFoundError, match="is not in the workspace"):
        import_masks(workspace, None, file, pictures=tmp_path / "set")
    photo_of(1).resize((128, 128)).save(tmp_path / "set" / name, quality=80)
    summary = import_masks(workspace, None, file, pictures=tmp_path / "set")
    assert summary.by_name == (f"{name} (pixels)",)
    assert list(pixels(workspace, _pictures(workspace)[0]).values()) == [120 * 90]


COPIES = ("0001_jpg.rf.aaa1.jpg", "0001_jpg.rf.bbb2.jpg")


def augmented(workspace, tmp_path):
    """A COCO file for a photo as it was and mirrored, which a tool wrote under two names."""
    (tmp_path / "mine").mkdir()
    photo_of(1).save(tmp_path / "mine/0001.jpg", quality=95)
    import_folder(tmp_path / "mine", workspace, label="damaged")
    boxes = (box(10, 20, 50, 60), box(190, 20, 230, 60))
    document = {
        "images": [
            {"id": n, "file_name": name, "width": 240, "height": 180,
             "extra": {"name": "0001.jpg"}} for n, name in enumerate(COPIES)
        ],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "segmentation": [ring]}
            for n, ring in enumerate(boxes)
        ],
        "categories": CATEGORIES,
    }  # fmt: skip
    file = tmp_path / "set/train/_annotations.coco.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize("from_folder", [False, True])
def test_of_augmented_copies_beside_their_annotations_the_one_that_looks_alike_counts(
    workspace, tmp_path, from_folder
):
    file = augmented(workspace, tmp_path)
    photo_of(1).save(file.parent / COPIES[0], quality=80)
    mirrored = photo_of(1).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.save(file.parent / COPIES[1], quality=80)
    # Originals in the folder that is looked in by default do not make the mirrored one theirs.
    shutil.copytree(tmp_path / "mine", file.parent / "images")
    summary = import_masks(workspace, None, tmp_path / "set" if from_folder else file)
    assert summary.by_name == (f"{COPIES[0]} (pixels)",)
    assert summary.refused == (f"{COPIES[1]}: {COPIES[1]} is not in the workspace",)
    (sha,) = _pictures(workspace)
    mask = read_mask(workspace.root / current_masks(workspace)[sha]["dent"])
    assert mask.sum() == 1600
    assert mask[:, :60].sum() == 1600


@pytest.mark.parametrize("pictures", [None, "mine"])
def test_two_names_that_lead_to_one_picture_by_name_only_are_refused(workspace, tmp_path, pictures):
    file = augmented(workspace, tmp_path)
    folder = pictures and tmp_path / pictures
    with pytest.raises(NothingFoundError, match=r"only its name says .* as 0001_jpg.rf.bbb2.jpg"):
        import_masks(workspace, None, file, pictures=folder)
    assert current_masks(workspace) == {}
    # One of the files is the picture itself: the other one stays refused.
    shutil.copy(tmp_path / "mine/0001.jpg", file.parent / COPIES[0])
    summary = import_masks(workspace, None, file)
    assert [line.split(": ")[0] for line in summary.refused] == [COPIES[1]]
    assert list(pixels(workspace, _pictures(workspace)[0]).values()) == [1600]


def test_copies_of_an_export_are_not_taken_for_the_picture_of_its_name(workspace, photo, tmp_path):
    file = write(tmp_path / "a.json", f"{photo[:16]}_jpg.rf.1.jpg", THEIRS)
    document = json.loads(file.read_text())
    document["images"].append(
        document["images"][0] | {"id": 2, "file_name": f"{photo[:16]}_jpg.rf.2.jpg"}
    )
    file.write_text(json.dumps(document))
    with pytest.raises(NothingFoundError, match="only its name says"):
        import_masks(workspace, None, file)


def test_pictures_of_two_folders_are_not_both_the_only_one_of_their_name(workspace, mine, tmp_path):
    file = write(tmp_path / "set/a.json", "alpha/0001.jpg", THEIRS, (64, 48))
    document = json.loads(file.read_text())
    document["images"].append(document["images"][0] | {"id": 2, "file_name": "beta/0001.jpg"})
    file.write_text(json.dumps(document))
    with pytest.raises(NothingFoundError, match=r"same picture as beta/0001\.jpg"):
        import_masks(workspace, None, file)


def test_a_name_without_size_or_bytes_is_no_evidence(workspace, mine, tmp_path):
    labels = tmp_path / "set/labels"
    labels.mkdir(parents=True)
    (labels / "0001.txt").write_text("0 0.1 0.1 0.3 0.1 0.3 0.3\n")
    (tmp_path / "set/data.yaml").write_text("names: [dent]\n")
    with pytest.raises(NothingFoundError, match="only its name is known"):
        import_masks(workspace, None, tmp_path / "set")
    assert import_masks(workspace, None, tmp_path / "set", pictures=tmp_path / "mine").pictures == 1


def test_via_states_the_bytes_of_its_pictures(workspace, mine, tmp_path):
    shape = {"name": "rect", "x": 1, "y": 1, "width": 9, "height": 9}
    region = {"shape_attributes": shape, "region_attributes": {"class": "dent"}}
    length = (tmp_path / "mine/0001.jpg").stat().st_size
    for size, found in ((length + 1, 0), (length, 1)):
        entry = {"filename": "0001.jpg", "size": size, "regions": [region]}
        (tmp_path / "v.json").write_text(json.dumps({"x": entry}))
        if found:
            assert import_masks(workspace, None, tmp_path / "v.json").pictures == 1
        else:
            with pytest.raises(NothingFoundError):
                import_masks(workspace, None, tmp_path / "v.json")


def test_spellings_of_names_agree_in_every_unicode_form():
    for form in ("NFC", "NFD"):
        (name, *_) = spellings(unicodedata.normalize(form, "사진/é.JPG"))
        assert (name.stem, name.folders, name.extension) == ("é", ("사진",), "jpg")
