"""Which picture of the workspace an entry of an annotation file means."""

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
from statements import CATEGORIES, box, pixels, write

from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError
from collector import import_folder
from labeling import import_masks
from labeling.exchange.picture_names import spellings
from labeling.formats.mask_file import read_mask
from labeling.records.annotations import current_masks


@pytest.fixture
def photo(workspace):
    return add_picture(workspace, picture_bytes(60, 40))


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


@pytest.mark.parametrize("name", [
    "1f2e3d4c-IMG_20_1.jpg", "IMG-20-1-_JPG.rf.00aa11.jpg", "/data/upload/1/1f2e3d4c-IMG_20_1.jpg",
])  # fmt: skip
def test_signs_that_a_tool_replaces_in_a_name_do_not_hide_the_picture(name, workspace, tmp_path):
    (tmp_path / "mine").mkdir()
    for seed, own in enumerate(("IMG 20 (1).JPG", "IMG_20_1.png")):
        (tmp_path / "mine" / own).write_bytes(picture_bytes(64 + seed, 48, seed=seed))
    import_folder(tmp_path / "mine", workspace, label="damaged")
    file = write(tmp_path / "set/a.json", name, THEIRS, (64, 48))
    if "rf" in name:  # two pictures that it may be: their extension decides
        assert import_masks(workspace, None, file).by_name == (f"{name} (name)",)
    else:  # the one whose name is the same without the prefix has another size
        with pytest.raises(NothingFoundError, match="the picture of that name 65 x 48"):
            import_masks(workspace, None, file)
        (tmp_path / "other").mkdir()
        (tmp_path / "mine/IMG 20 (1).JPG").rename(tmp_path / "other/IMG 20 (1).JPG")
        assert import_masks(workspace, None, file, pictures=tmp_path / "other").pictures == 1
    # The name as it stands is never taken for another one.
    file = write(tmp_path / "set/b.json", "IMG-20-1.jpg", THEIRS, (64, 48))
    with pytest.raises(NothingFoundError):
        import_masks(workspace, None, file)


def test_spellings_of_names_agree_in_every_unicode_form():
    for form in ("NFC", "NFD"):
        (name, *_) = spellings(unicodedata.normalize(form, "사진/é.JPG"))
        assert (name.stem, name.folders, name.extension) == ("é", ("사진",), "jpg")
