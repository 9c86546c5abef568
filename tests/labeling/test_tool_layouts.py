"""Data sets as tools lay them out: pictures are found, and what can't be used is named."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from annotation_files import (
    CVAT,
    IMAGE,
    LABELME,
    LINE,
    LS_BOX,
    NAMES,
    SQUARE,
    SUPERVISELY,
    VOC,
    H,
    W,
    annotation,
    coco,
    drawn,
    put,
    region,
    via,
)
from labeling_pictures import add_picture, picture_bytes
from PIL import Image

from bodyshop_core.errors import ConfigError, NothingFoundError
from collector import import_folder
from labeling import export_masks, import_masks
from labeling.records.annotations import current_masks
from labeling.records.regions import current_instances

A, B = picture_bytes(W, H), picture_bytes(W, H, seed=5)
SMALL = "0 0.1 0.1 0.3 0.1 0.3 0.3 0.1 0.3\n"
SMALL_AREA = 117
"""Pixels of `SMALL` in a picture of 64 x 48."""


def png(array, mode=None):
    buffer = io.BytesIO()
    Image.fromarray(array, mode).save(buffer, "PNG")
    return buffer.getvalue()


def dent(value=255):
    mask = np.zeros((H, W), np.uint8)
    mask[10:30, 10:40] = value
    return mask


LAYOUTS = {
    "roboflow's yolo": {"train/labels/a.txt": LINE, "train/images/a.jpg": A, "data.yaml": NAMES},
    "ultralytics": {"labels/train/a.txt": LINE, "images/train/a.jpg": A, "data.yaml": NAMES},
    "cvat's darknet": {"obj_train_data/a.txt": LINE, "obj_train_data/a.jpg": A,
                       "obj.names": "dent\n"},
    "labelimg": {"a.txt": LINE, "a.jpg": A, "classes.txt": "dent\n"},
    "cvat's coco": {"annotations/instances_default.json": coco(annotation()), "images/a.jpg": A},
    "fiftyone's coco": {"labels.json": coco(annotation()), "data/a.jpg": A},
    "voc": {"Annotations/a.xml": VOC, "JPEGImages/a.jpg": A},
    "cvat": {"annotations.xml": CVAT, "images/a.jpg": A},
    "supervisely": {"ds/ann/a.jpg.json": SUPERVISELY, "ds/img/a.jpg": A, "meta.json": {}},
    "labelme": {"a.json": LABELME, "a.jpg": A},
    "masks": {"masks/dent/a.png": png(dent()), "images/a.jpg": A},
    "masks of another suffix": {"masks/dent/a_mask.png": png(dent()), "images/a.jpg": A},
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pictures_are_found_by_their_bytes_where_a_tool_puts_them(layout, workspace, tmp_path):
    sha = add_picture(workspace, A)
    summary = import_masks(workspace, None, put(tmp_path / "set", LAYOUTS[layout]))
    assert (summary.pictures, summary.by_name, summary.problems) == (1, (), ())
    assert drawn(workspace, sha)["dent"].sum() == 600


@pytest.mark.parametrize("inside", ["train", "train/labels"])
def test_a_part_of_a_yolo_data_set_finds_its_classes_and_pictures(inside, workspace, tmp_path):
    sha = add_picture(workspace, A)
    source = put(tmp_path / "set", LAYOUTS["roboflow's yolo"])
    assert import_masks(workspace, None, source / inside).problems == ()
    assert drawn(workspace, sha)["dent"].sum() == 600


def test_the_annotation_file_alone_finds_the_pictures_beside_its_folder(workspace, tmp_path):
    add_picture(workspace, A)
    source = put(tmp_path / "set", LAYOUTS["cvat's coco"])
    file = source / "annotations/instances_default.json"
    assert import_masks(workspace, None, file).by_name == ()


@pytest.mark.parametrize("files", [
    {"train/labels/a.txt": LINE, "train/images/a.jpg": A, "valid/labels/a.txt": SMALL,
     "valid/images/a.jpg": B, "data.yaml": NAMES},
    {"labels/train/a.txt": LINE, "images/train/a.jpg": A, "labels/val/a.txt": SMALL,
     "images/val/a.jpg": B, "data.yaml": NAMES},
])  # fmt: skip
@pytest.mark.parametrize("named", [False, True])
def test_two_pictures_of_one_name_in_two_splits_keep_their_own_labels(
    files, named, workspace, tmp_path
):
    shas = [add_picture(workspace, data) for data in (A, B)]
    source = put(tmp_path / "set", files)
    summary = import_masks(workspace, None, source, pictures=source if named else None)
    assert (summary.pictures, summary.refused) == (2, ())
    areas = [drawn(workspace, sha)["dent"].sum() for sha in shas]
    assert areas == [600, SMALL_AREA]


def test_a_split_tells_two_pictures_of_the_catalog_apart(workspace, tmp_path):
    import_folder(put(tmp_path / "mine", {"train/a.jpg": A, "val/a.jpg": B}), workspace)
    document = coco(
        annotation(image_id=2), images=[IMAGE, IMAGE | {"id": 2, "file_name": "valid/a.jpg"}]
    )
    source = put(tmp_path / "set", {"a.json": document})
    summary = import_masks(workspace, None, source)
    assert summary.by_name == ("valid/a.jpg (name)",)
    assert summary.refused == ("a.jpg: 2 pictures have its name",)
    (sha,) = current_masks(workspace)
    assert workspace.blobs.ref(sha, "jpg").read() == B


@pytest.mark.parametrize("files", [
    {"b.xml": VOC, "a.jpg": A, "b.jpg": B},
    {"Annotations/b.xml": VOC, "images/a.jpg": A, "images/b.jpg": B},
    {"b.json": LABELME, "images/a.jpg": A, "images/b.jpg": B},
])  # fmt: skip
def test_a_file_named_after_one_picture_that_states_another_is_refused(files, workspace, tmp_path):
    import_folder(put(tmp_path / "mine", {"a.jpg": A, "b.jpg": B}), workspace)
    source = put(tmp_path / "set", files)
    with pytest.raises(NothingFoundError, match="b is another picture, and it has both names"):
        import_masks(workspace, None, source)
    assert current_masks(workspace) == {}
    # Without the rival there is no doubt.
    next(source.rglob("a.jpg")).unlink()
    import_masks(workspace, None, source, pictures=source)
    (sha,) = current_masks(workspace)
    assert workspace.blobs.ref(sha, "jpg").read() == B


DAMAGED = {
    "coco": {"train/_annotations.coco.json": coco(annotation()),
             "valid/_annotations.coco.json": '{"images": [{'},
    "via": {"v.json": via([region(type="dent")]), "w.json": '{"b.jpg1": {'},
    "labelstudio": {"x.json": [{"data": {"image": "a.jpg"}, "annotations": [
        {"result": [LS_BOX]}]}], "y.json": "[{"},
    "labelme": {"a.json": LABELME, "b.json": '{"version": "5.5.0", "shapes": [{'},
    "supervisely": {"ds/ann/a.jpg.json": SUPERVISELY, "ds/ann/b.jpg.json": '{"size": {'},
    "cvat": {"annotations.xml": CVAT, "more/annotations.xml": "<annotations><image"},
    "voc": {"Annotations/a.xml": VOC, "Annotations/b.xml": "<annotation><obj"},
}  # fmt: skip


@pytest.mark.parametrize("form", DAMAGED)
def test_a_damaged_file_among_good_ones_is_named(form, workspace, a_jpg, tmp_path):
    sha, folder = a_jpg
    source = put(tmp_path / "set", DAMAGED[form])
    summary = import_masks(workspace, None, source, pictures=folder)
    assert summary.format == form
    (problem,) = summary.problems
    damaged = list(DAMAGED[form])[1]
    assert f"{damaged}:1: this is not valid" in problem
    assert drawn(workspace, sha)["dent"].sum() == 600


@pytest.mark.parametrize(("form", "entry"), [
    ("labelme", {"b.json": LABELME | {"shapes": None}}),
    ("supervisely", {"ds/ann/b.jpg.json": SUPERVISELY | {"objects": None}}),
])  # fmt: skip
def test_a_file_without_its_list_costs_itself_alone(form, entry, workspace, a_jpg, tmp_path):
    good = LABELME if form == "labelme" else SUPERVISELY
    source = put(tmp_path / "set", {"ds/ann/a.jpg.json": good, **entry})
    summary = import_masks(workspace, form, source, pictures=a_jpg[1])
    assert summary.regions == 1
    assert "it has no list of" in summary.problems[0]


def test_what_else_a_folder_holds_is_named(workspace, a_jpg, tmp_path):
    mine = {"a.json": LABELME, "sub/annotations.xml": CVAT, "labels/a.txt": LINE,
            "data.yaml": NAMES, "masks/dent/a.png": png(dent()), "notes.json": {}}  # fmt: skip
    source = put(tmp_path / "set", mine)
    summary = import_masks(workspace, None, source, pictures=a_jpg[1])
    assert (summary.format, summary.problems) == ("labelme", (
        "sub/annotations.xml was not read: import it by itself (CVAT for images)",
        "1 files of the format yolo were not read; to read them, name it",
        "1 files of the format png were not read; to read them, name it",
    ))  # fmt: skip
    assert import_masks(workspace, "yolo", source, pictures=a_jpg[1]).regions == 1


def test_a_coco_file_deeper_than_those_that_are_read_is_named(workspace, a_jpg, tmp_path):
    files = {"annotations.json": coco(annotation()), "more/x.json": coco(annotation())}
    summary = import_masks(workspace, None, put(tmp_path / "set", files), pictures=a_jpg[1])
    assert summary.problems == ("more/x.json was not read: import it by itself (COCO)",)


def test_a_folder_whose_only_file_is_in_another_encoding_says_so(workspace, tmp_path):
    text = coco(annotation(), categories=[{"id": 1, "name": "찌그러짐"}])
    data = json.dumps(text, ensure_ascii=False).encode("cp949")
    source = put(tmp_path / "set", {"a.json": data})
    with pytest.raises(ConfigError, match=r"a\.json: the file is not in UTF-8 or UTF-16"):
        import_masks(workspace, None, source)


@pytest.mark.parametrize("encoding", ["euc-kr", "iso-8859-1", "utf-16"])
def test_xml_is_read_in_the_encoding_that_it_declares(encoding, workspace, a_jpg, tmp_path):
    label = "찌그러짐" if encoding == "euc-kr" else "bosselé"
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n' + CVAT.replace("dent", label)
    source = put(tmp_path / "set", {"annotations.xml": text.encode(encoding)})
    import_masks(workspace, None, source, pictures=a_jpg[1])
    assert set(drawn(workspace, a_jpg[0])) == {label}


def palette(indices, *colours):
    image = Image.fromarray(indices).convert("P")
    image.putpalette([value for colour in colours for value in colour])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


RED = np.dstack([dent(128), dent(0), dent(0)])
MASKS = {
    "0 and 1": png(dent(1)),
    "a colour on black": png(RED),
    "a palette": palette(dent(1), (0, 0, 0), (128, 0, 0)),
    "transparent": png(np.dstack([dent(0), dent(0), dent(0), dent(255)])),
    "antialiased": png(np.maximum(dent(), np.pad(dent()[:, 1:], ((0, 0), (0, 1))) // 4)),
    "video levels": png(np.where(dent() > 0, 235, 16).astype(np.uint8)),
    "16 bits": png(dent().astype(np.uint16) * 257),
}


@pytest.mark.parametrize("case", MASKS)
def test_the_mask_of_a_png_is_what_people_see_in_it(case, workspace, tmp_path):
    sha = add_picture(workspace, A)
    source = put(tmp_path / "set", {"masks/dent/a.png": MASKS[case], "images/a.jpg": A})
    assert import_masks(workspace, None, source).problems == ()
    assert np.array_equal(drawn(workspace, sha)["dent"], dent() > 0)


NUMBERS = dent(1) + np.pad(dent(2)[5:], ((0, 5), (0, 0)))
NO_MASKS = {
    "numbers of classes": png(NUMBERS),
    "a palette of classes": palette(NUMBERS, (0, 0, 0), (255, 255, 0), (0, 0, 255), (9, 9, 9)),
    "red on white": png(np.where(dent()[..., None] > 0, [200, 0, 0], 255).astype(np.uint8)),
    "a photo": png(np.asarray(Image.open(io.BytesIO(A)))),
    "a grey photo": png(np.asarray(Image.open(io.BytesIO(A)).convert("L"))),
}


@pytest.mark.parametrize("case", NO_MASKS)
def test_a_png_that_is_no_mask_is_refused_and_named(case, workspace, tmp_path):
    add_picture(workspace, A)
    source = put(tmp_path / "set", {"masks/dent/a.png": NO_MASKS[case], "images/a.jpg": A})
    summary = import_masks(workspace, None, source)
    assert summary.masks == 0
    assert "it is" in summary.problems[0]


LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ndent:128,0,0::\ncrack:0,9,0::\n"


def test_colours_of_classes_and_of_instances_are_read_with_their_names(workspace, tmp_path):
    sha = add_picture(workspace, A)
    classes = RED.copy()
    classes[40:44, 2:6] = (0, 9, 0)
    classes[46, 60] = (1, 2, 3)
    objects = classes.copy()
    objects[10:30, 25:40] = (0, 0, 200)
    files = {"labelmap.txt": LABELMAP, "SegmentationClass/a.png": png(classes),
             "JPEGImages/a.jpg": A}  # fmt: skip
    summary = import_masks(workspace, None, put(tmp_path / "classes", files))
    assert (summary.format, summary.masks) == ("png", 2)
    assert summary.problems == ("a.png: the colour (1, 2, 3) has no class in labelmap.txt",)
    files["SegmentationObject/a.png"] = png(objects)
    assert import_masks(workspace, None, put(tmp_path / "objects", files)).regions == 3
    found = current_instances(workspace)[sha].shapes()
    assert sorted((s.label, int(s.mask.sum())) for s in found) == [
        ("crack", 16), ("dent", 300), ("dent", 300)
    ]  # fmt: skip
    files["labelmap.txt"] = "dent:red::\n"
    with pytest.raises(ConfigError, match=r"labelmap\.txt:1: a class needs a colour"):
        import_masks(workspace, None, put(tmp_path / "bad", files))


EDGE = '<mask label="dent" left="{}" top="{}" width="30" height="20" rle="0, 600"/>'


@pytest.mark.parametrize(("left", "top", "area"), [(50, 10, 280), (-10, -5, 300), (10, 40, 240)])
def test_what_a_mask_has_outside_of_its_picture_is_cut_off(
    left, top, area, workspace, a_jpg, tmp_path
):
    text = f'<annotations><image name="a.jpg" width="{W}" height="{H}">{EDGE}</image></annotations>'
    source = put(tmp_path / "set", {"annotations.xml": text.format(left, top)})
    assert import_masks(workspace, None, source, pictures=a_jpg[1]).problems == ()
    assert drawn(workspace, a_jpg[0])["dent"].sum() == area


NAMED = {
    "a picture's tag": (
        {"annotations.xml": CVAT.replace("</image>", '<tag label="whole"/></image>')},
        "a tag has no area",
    ),
    "two classes of one id": (
        {"a.json": coco(annotation(), categories=[
            {"id": 1, "name": "dent"}, {"id": 1, "name": "crack"}])},
        "crack has the id 1 of dent",
    ),
    "two classes ticked in VIA 3": (
        {"v.json": {
            "attribute": {"1": {"aname": "damage", "type": 2, "options": {"0": "dent", "1": "x"}}},
            "file": {"1": {"fid": 1, "fname": "a.jpg"}}, "view": {"1": {"fid_list": [1]}},
            "metadata": {n: {"vid": "1", "xy": [7, *SQUARE], "av": {"1": av}}
                         for n, av in (("x", "0,1"), ("y", "0"))}}},
        "2 classes are ticked",
    ),
    "an annotation without a category": (
        {"a.json": coco({"id": 7, "image_id": 1, "caption": "a car"}, annotation())},
        "annotation 7: it lacks 'category_id'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMED)
def test_what_has_no_place_in_a_mask_is_named(case, workspace, a_jpg, tmp_path):
    files, message = NAMED[case]
    summary = import_masks(workspace, None, put(tmp_path / "set", files), pictures=a_jpg[1])
    assert summary.regions == 1
    (problem,) = summary.problems
    assert message in problem


def test_severity_and_part_are_known_in_any_letter_case_and_are_no_class(
    workspace, a_jpg, tmp_path
):
    given = {"Severity": "minor", "PART": "door"}
    source = put(tmp_path / "set", {"v.json": via([region(**given)])})
    summary = import_masks(workspace, None, source, pictures=a_jpg[1])
    assert "it has no class" in summary.problems[0]
    import_masks(workspace, None, source, pictures=a_jpg[1], label="dent")
    (shape,) = current_instances(workspace)[a_jpg[0]].shapes()
    assert (shape.label, shape.severity, shape.part) == ("dent", "minor", "door")


# The photo as stored has 64 x 48 pixels; orientation 6 is shown as 48 x 64.


@pytest.mark.parametrize("orientation", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("form", ["coco", "yolo", "via"])
def test_where_nothing_says_how_a_photo_was_turned_it_is_listed(
    orientation, form, workspace, tmp_path
):
    data = picture_bytes(W, H, orientation=orientation)
    add_picture(workspace, data)
    files = {
        "coco": {"a.json": coco(annotation()), "a.jpg": data},
        "yolo": {"a.txt": LINE, "classes.txt": "dent\n", "a.jpg": data},
        "via": {"v.json": via([region(type="dent")]), "a.jpg": data},
    }[form]
    summary = import_masks(workspace, None, put(tmp_path / "set", files))
    told = form != "coco" or orientation < 5
    assert summary.turned == (("a.jpg",) if told else ())


def test_photos_that_exif_leaves_alone_and_our_own_exports_are_not_listed(
    workspace, a_jpg, tmp_path
):
    source = put(tmp_path / "set", {"a.json": coco(annotation())})
    assert import_masks(workspace, None, source, pictures=a_jpg[1]).turned == ()
    sha = add_picture(workspace, picture_bytes(W, H, orientation=3, seed=2))
    source = put(tmp_path / "own", {"a.json": coco(
        annotation(), images=[IMAGE | {"sha256": sha}])})  # fmt: skip
    assert import_masks(workspace, None, source).turned == ()
    export_masks(workspace, "yolo", tmp_path / "out")
    assert import_masks(workspace, None, tmp_path / "out").turned == ()


def test_label_studios_coco_states_the_stored_size_but_was_drawn_on_the_shown_photo(
    workspace, tmp_path
):
    data = picture_bytes(W, H, orientation=6)
    sha = add_picture(workspace, data)
    # Its converter multiplies percent of the shown 48 x 64 pixels with the stored 64 x 48.
    outline = [value * (W, H)[n % 2] / (H, W)[n % 2] for n, value in enumerate(SQUARE)]
    box = annotation(id=2, category_id=2, segmentation=[], bbox=[10, 10, 30, 20])
    document = coco(
        annotation(segmentation=[outline]), box, info={"contributor": "Label Studio"},
        categories=[{"id": 1, "name": "dent"}, {"id": 2, "name": "crack"}],
    )  # fmt: skip
    import_masks(workspace, None, put(tmp_path / "set", {"result.json": document, "a.jpg": data}))
    for mask in drawn(workspace, sha).values():
        rows, columns = np.nonzero(mask)
        assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (10, 10, 40, 30)
