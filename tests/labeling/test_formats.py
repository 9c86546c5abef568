"""Annotation files as people's tools write them: each reads, and a bad entry costs itself alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from labeling_pictures import add_picture, picture_bytes
from PIL import Image

from bodyshop_core.errors import BodyshopError, ConfigError, UsageError
from labeling import import_masks
from labeling.formats.mask_file import read_mask
from labeling.formats.table import FORMATS, detect
from labeling.records.annotations import current_masks
from labeling.records.regions import current_instances

W, H = 64, 48
SQUARE = [10, 10, 40, 10, 40, 30, 10, 30]
AREA = 30 * 20
IMAGE = {"id": 1, "file_name": "a.jpg", "width": W, "height": H}
CATEGORIES = [{"id": 1, "name": "dent"}]


def annotation(**changes):
    return {
        "id": 1, "image_id": 1, "category_id": 1, "segmentation": [SQUARE],
        "bbox": [10, 10, 30, 20], "area": AREA, "iscrowd": 0,
    } | changes  # fmt: skip


def coco(*annotations, images=(IMAGE,), categories=CATEGORIES, **more):
    return {
        "images": list(images), "annotations": list(annotations), "categories": categories
    } | more  # fmt: skip


def via(regions, **entry):
    return {
        "a.jpg1": {"filename": "a.jpg", "size": 1, "file_attributes": {}, "regions": regions}
        | entry
    }


POLYGON = {"name": "polygon", "all_points_x": SQUARE[0::2], "all_points_y": SQUARE[1::2]}


def region(shape=POLYGON, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


LINE = "0 " + " ".join(f"{v / (W, H)[n % 2]:.9g}" for n, v in enumerate(SQUARE)) + "\n"
NAMES = "names: [dent, scratch]\n"
RLE = [10 * H + 10, 20, W * H - 10 * H - 30]
"""One column of 20 pixels."""

LS_BOX = {
    "id": "r1", "type": "rectanglelabels", "from_name": "box", "to_name": "image",
    "original_width": W, "original_height": H,
    "value": {"x": 1000 / W, "y": 1000 / H, "width": 3000 / W, "height": 2000 / H,
              "rotation": 0, "rectanglelabels": ["dent"]},
}  # fmt: skip

CVAT = (
    '<annotations><image id="0" name="a.jpg" width="64" height="48">'
    '<polygon label="dent" points="10,10;40,10;40,30;10,30"/></image></annotations>'
)
VOC = (
    "<annotation><filename>a.jpg</filename><size><width>64</width><height>48</height></size>"
    "<object><name>dent</name><bndbox><xmin>10</xmin><ymin>10</ymin><xmax>40</xmax>"
    "<ymax>30</ymax></bndbox></object></annotation>"
)
LABELME = {
    "version": "5.5.0", "imagePath": "a.jpg", "imageWidth": W, "imageHeight": H,
    "shapes": [{"label": "dent", "shape_type": "polygon", "group_id": None, "flags": {},
                "points": [[10, 10], [40, 10], [40, 30], [10, 30]]}],
}  # fmt: skip
SUPERVISELY = {
    "size": {"width": W, "height": H},
    "objects": [{"classTitle": "dent", "geometryType": "polygon", "tags": [],
                 "points": {"exterior": [[10, 10], [40, 10], [40, 30], [10, 30]],
                            "interior": []}}],
}  # fmt: skip

GOOD = {
    "coco": ("coco", {"annotations.json": coco(annotation())}),
    "without info": ("coco", {"a.json": coco(annotation())}),
    "text ids": (
        "coco", {"a.json": coco(annotation(image_id="x1"), images=[IMAGE | {"id": "x1"}])}
    ),
    "mixed ids": ("coco", {"a.json": coco(annotation(), images=[IMAGE | {"id": "1"}])}),
    "float ids": ("coco", {"a.json": coco(annotation(image_id=1.0))}),
    "category as text": ("coco", {"a.json": coco(annotation(category_id="1"))}),
    "no size": ("coco", {"a.json": coco(annotation(), images=[{"id": 1, "file_name": "a.jpg"}])}),
    "null size": (
        "coco", {"a.json": coco(annotation(), images=[IMAGE | {"width": None, "height": None}])}
    ),
    "float size": (
        "coco", {"a.json": coco(annotation(), images=[IMAGE | {"width": 64.0, "height": 48.0}])}
    ),
    "size as text": (
        "coco", {"a.json": coco(annotation(), images=[IMAGE | {"width": "64", "height": "48"}])}
    ),
    "box only": ("coco", {"a.json": coco(annotation(segmentation=[]))}),
    "no segmentation": ("coco", {"a.json": coco(annotation(segmentation=None))}),
    "flat polygon": ("coco", {"a.json": coco(annotation(segmentation=SQUARE))}),
    "keypoints": ("coco", {"a.json": coco(annotation(keypoints=[1, 2, 2], num_keypoints=1))}),
    "class with spaces": ("coco", {"a.json": coco(annotation(), categories=[
        {"id": 1, "name": " dent "}])}),
    "resized": ("coco", {"a.json": coco(
        annotation(segmentation=[[v / 2 for v in SQUARE]]),
        images=[IMAGE | {"width": W // 2, "height": H // 2}])}),
    "roboflow folder": ("coco", {"train/_annotations.coco.json": coco(annotation())}),
    "roboflow file": ("coco", {"_annotations.coco.json": coco(annotation())}),
    "cvat's coco": ("coco", {"annotations/instances_default.json": coco(annotation())}),
    "BOM": ("coco", {"a.json": "\ufeff" + json.dumps(coco(annotation()))}),
    "UTF-16": ("coco", {"a.json": json.dumps(coco(annotation())).encode("utf-16")}),
    "via 1": ("via", {"v.json": via({"0": region(name="dent")})}),
    "via 2": ("via", {"v.json": via([region(type="dent")])}),
    "via project": ("via", {"v.json": {
        "_via_settings": {}, "_via_img_metadata": via([region(damage="dent")])}}),
    "via list": ("via", {"v.json": list(via({"0": region(name="dent")}).values())}),
    "via checkbox": ("via", {"v.json": via([region(damage={"dent": True, "crack": False})])}),
    "via url": ("via", {"v.json": via([region(type="dent")], filename="http://h/x/a.jpg")}),
    "via 3": ("via", {"v.json": {
        "project": {"pid": "x", "pname": "d"}, "config": {},
        "attribute": {"1": {"aname": "damage", "options": {"0": "dent"}}},
        "file": {"1": {"fid": 1, "fname": "a.jpg"}},
        "metadata": {"1_x": {"vid": "1", "z": [], "xy": [7, *SQUARE], "av": {"1": "0"}}},
        "view": {"1": {"fid_list": [1]}}}}),
    "via 3 rectangle": ("via", {"v.json": {
        "attribute": {"1": {"aname": "class", "options": {"x": "dent"}}},
        "file": {"7": {"fid": "7", "fname": "a.jpg"}},
        "metadata": {"m": {"vid": "1", "xy": [2, 10, 10, 30, 20], "av": {"1": "x"}}},
        "view": {"1": {"fid_list": ["7"]}}}}),
    "yolo": ("yolo", {"labels/a.txt": LINE, "data.yaml": NAMES}),
    "yolo names as map": ("yolo", {"labels/a.txt": LINE, "data.yaml": "names:\n  0: dent\n"}),
    "yolo names with a gap": (
        "yolo", {"labels/a.txt": LINE, "data.yaml": "names:\n  0: dent\n  2: scratch\n"}
    ),
    "yolo names from 1": (
        "yolo", {"labels/a.txt": "1" + LINE[1:], "data.yaml": "names:\n  1: dent\n"}
    ),
    "yolo other yaml": ("yolo", {"labels/a.txt": LINE, "dataset.yaml": NAMES}),
    "yolo classes.txt": ("yolo", {"labels/a.txt": LINE, "classes.txt": "dent\r\nscratch\r\n"}),
    "yolo splits": ("yolo", {"labels/train/a.txt": LINE, "data.yaml": NAMES}),
    "yolo roboflow": ("yolo", {
        "train/labels/a_jpg.rf.0f1e2d.txt": LINE,
        "data.yaml": "train: ../train/images\nnc: 2\nnames: [dent, scratch]\n"}),
    "yolo darknet": ("yolo", {
        "obj_train_data/a.txt": f"0 {25 / W} {20 / H} {30 / W} {20 / H}\n",
        "obj.names": "dent\n", "obj.data": "classes = 1\n", "train.txt": "obj_train_data/a.jpg\n"}),
    "yolo box": ("yolo", {
        "labels/a.txt": f"0 {25 / W} {20 / H} {30 / W} {20 / H}\n", "data.yaml": NAMES}),
    "yolo box with confidence": ("yolo", {
        "labels/a.txt": f"0 {25 / W} {20 / H} {30 / W} {20 / H} 0.9\n", "data.yaml": NAMES}),
    "yolo with confidence": ("yolo", {
        "labels/a.txt": LINE.strip() + " 0.93\n", "data.yaml": NAMES}),
    "yolo float class": ("yolo", {"labels/a.txt": "0.0" + LINE[1:], "data.yaml": NAMES}),
    "yolo BOM and CRLF": ("yolo", {
        "labels/a.txt": "\ufeff" + LINE.replace("\n", "\r\n"), "data.yaml": "\ufeff" + NAMES}),
    "labelme": ("labelme", {"a.json": LABELME}),
    "labelme rectangle": ("labelme", {"a.json": LABELME | {"shapes": [
        {"label": "dent", "shape_type": "rectangle", "points": [[40, 30], [10, 10]]}]}}),
    "cvat": ("cvat", {"annotations.xml": CVAT}),
    "cvat box": ("cvat", {"annotations.xml":
        '<annotations><image id="0" name="a.jpg" width="64" height="48">'
        '<box label="dent" xtl="10" ytl="10" xbr="40" ybr="30"/></image></annotations>'}),
    "cvat mask": ("cvat", {"annotations.xml":
        '<annotations><image id="0" name="a.jpg" width="64" height="48">'
        '<mask label="dent" left="10" top="10" width="30" height="20" rle="0, 600"/>'
        "</image></annotations>"}),
    "voc": ("voc", {"a.xml": VOC}),
    "voc folder": ("voc", {"Annotations/a.xml": VOC}),
    "label studio": ("labelstudio", {"x.json": [{
        "id": 1, "data": {"image": "/data/upload/1/1f2e3d4c-a.jpg"},
        "annotations": [{"result": [LS_BOX], "was_cancelled": False}]}]}),
    "label studio minimal": ("labelstudio", {"x.json": [{
        "id": 1, "image": "/data/local-files/?d=photos/a.jpg",
        "box": [LS_BOX["value"] | {"original_width": W, "original_height": H}]}]}),
    "supervisely": ("supervisely", {"ds/ann/a.jpg.json": SUPERVISELY, "meta.json": {}}),
}  # fmt: skip


@pytest.fixture
def photo(workspace, tmp_path):
    """The picture a.jpg: in the catalog, and in a folder beside the annotations."""
    folder = tmp_path / "photos"
    folder.mkdir()
    data = picture_bytes(W, H)
    (folder / "a.jpg").write_bytes(data)
    return add_picture(workspace, data), folder


def put(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_bytes(text.encode())
    return folder


def drawn(workspace, sha):
    files = current_masks(workspace).get(sha, {})
    return {label: read_mask(workspace.root / file) for label, file in files.items()}


@pytest.mark.parametrize("case", GOOD)
def test_a_file_is_recognised_and_read_as_its_tool_wrote_it(case, workspace, photo, tmp_path):
    sha, folder = photo
    form, files = GOOD[case]
    source = put(tmp_path / "set", files)
    summary = import_masks(workspace, None, source, pictures=folder)
    assert (summary.format, summary.pictures, summary.regions) == (form, 1, 1)
    assert (summary.problems, summary.unmatched) == ((), ())
    expected = np.zeros((H, W), bool)
    expected[10:30, 10:40] = True
    assert np.array_equal(drawn(workspace, sha)["dent"], expected)
    (shape,) = current_instances(workspace)[sha].shapes()
    assert shape.label == "dent"


def test_rectangles_stay_rectangles(workspace, photo, tmp_path):
    sha, folder = photo
    for case in ("box only", "yolo box", "cvat box", "voc", "label studio", "via 3 rectangle"):
        _, files = GOOD[case]
        source = put(tmp_path / case.replace(" ", "-"), files)
        assert import_masks(workspace, None, source, pictures=folder).boxes == 1
        (shape,) = current_instances(workspace)[sha].shapes()
        assert shape.kind == "rectangle", case


TWO = annotation(id=2, segmentation=[[50, 10, 60, 10, 60, 20, 50, 20]])
BAD = {
    "orphan": (coco(annotation(image_id=99), TWO), r"1 annotations \(1\) refer to picture 99"),
    "no image id": (coco({"id": 1}, TWO), r"annotations\[0\]: it lacks 'image_id'"),
    "a fraction as image id": (
        coco(annotation(image_id=1.5), TWO), r"annotations\[0\]: its image_id: .* not 1.5"
    ),
    "a truth as image id": (coco(annotation(image_id=True), TWO), "must be a number or text"),
    "a list as image id": (coco(annotation(image_id=[1]), TWO), r"not \[1\]"),
    "infinity as image id": (coco(annotation(image_id=float("inf")), TWO), "not inf"),
    "unknown category": (coco(annotation(category_id=7), TWO), "annotation 1: its category 7"),
    "no area at all": (
        coco(annotation(segmentation=None, bbox=None), TWO), "neither a segmentation nor a box"
    ),
    "two corners": (
        coco(annotation(segmentation=[[5, 5, 6, 6]]), TWO), "at least three corners, not 2"
    ),
    "odd": (coco(annotation(segmentation=[[*SQUARE, 3]]), TWO), "odd number of coordinates: 9"),
    "not finite": (
        coco(annotation(segmentation=[[float("nan"), *SQUARE[1:]]]), TWO), "is not finite: nan"
    ),
    "text in a polygon": (
        coco(annotation(segmentation=[["x", *SQUARE[1:]]]), TWO), "is not a number: x"
    ),
    "short RLE": (
        coco(annotation(segmentation={"size": [H, W], "counts": RLE[:2]}), TWO),
        "run lengths do not match 64 x 48",
    ),
    "swapped RLE": (
        coco(annotation(segmentation={"size": [W, H], "counts": RLE}), TWO),
        "its RLE has 48 x 64 pixels, but its picture 64 x 48",
    ),
    "RLE without size": (
        coco(annotation(segmentation={"counts": RLE}), TWO), "its RLE has no size"
    ),
    "outside": (
        coco(annotation(segmentation=[[v + 900 for v in SQUARE]]), TWO), "covers no pixel"
    ),
    "a picture without a name": (
        coco(TWO, images=[{"id": 5}, IMAGE]), r"images\[0\]: it lacks 'path'"
    ),
    "a picture that is no object": (coco(TWO, images=[None, IMAGE]), r"images\[0\]"),
    "two pictures of one id": (
        coco(TWO, images=[IMAGE, IMAGE | {"file_name": "b.jpg"}]), "another picture has its id 1"
    ),
    "an annotation that is no object": (coco(None, TWO), r"annotations\[0\]"),
    "a category without a name": (
        coco(TWO, categories=[{"id": 4}, *CATEGORIES]), r"categories\[0\]: it lacks 'name'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_one_bad_entry_of_a_coco_file_costs_itself_and_is_named(case, workspace, photo, tmp_path):
    sha, folder = photo
    document, message = BAD[case]
    source = put(tmp_path / "set", {"a.json": document})
    summary = import_masks(workspace, "coco", source / "a.json", pictures=folder)
    assert drawn(workspace, sha)["dent"].sum() == 100
    with pytest.raises(AssertionError, match=message):
        raise AssertionError("\n".join(summary.problems))


def test_a_good_ring_survives_a_bad_one_and_all_rings_are_one_instance(workspace, photo, tmp_path):
    sha, folder = photo
    more = [42, 10, 50, 10, 50, 20, 42, 20]
    document = coco(annotation(segmentation=[SQUARE, [5, 5, 6, 6], more, SQUARE]))
    source = put(tmp_path / "set", {"a.json": document})
    summary = import_masks(workspace, "coco", source / "a.json", pictures=folder)
    assert summary.problems == (
        "a.jpg: annotation 1, part 1: a polygon needs at least three corners, not 2",
    )
    assert summary.regions == 1
    # The square is there twice: parts are united, they do not cancel each other.
    assert drawn(workspace, sha)["dent"].sum() == AREA + 80


def test_a_file_without_annotations_lists_its_pictures_and_says_so(workspace, photo, tmp_path):
    _, folder = photo
    source = put(tmp_path / "set", {"a.json": {"images": [IMAGE], "categories": CATEGORIES}})
    summary = import_masks(workspace, "coco", source / "a.json", pictures=folder)
    assert (summary.pictures, summary.masks) == (1, 0)
    assert summary.problems == ("a.json: the file has no list of annotations",)


BAD_VIA = {
    "no class": (via([region(), region(type="dent")]), "region 0: it has no class; name one with"),
    "no attributes": (via([{"shape_attributes": POLYGON}, region(type="dent")]), "no class"),
    "two attributes": (
        via([region(colour="red", maker="x"), region(type="dent")]),
        r"which of its attributes \['colour', 'maker'\]",
    ),
    "two ticked": (
        via([region(damage={"dent": True, "crack": True}), region(type="dent")]),
        "2 classes are ticked",
    ),
    "a point": (
        via([region({"name": "point", "cx": 5, "cy": 5}, type="dent"), region(type="dent")]),
        "a point has no area",
    ),
    "an entry without regions": (
        via([region(type="dent")]) | {"b.jpg2": {"filename": "b.jpg", "size": 1}},
        "b.jpg: it has no regions",
    ),
    "an entry without a name": (via([region(type="dent")]) | {"c": {"regions": []}}, "no filename"),
    "an entry that is no object": (via([region(type="dent")]) | {"c": 3}, "c: it has no filename"),
}  # fmt: skip


for stated in ("²", "9" * 5000, "٣" * 5000, "wide", [64], True):
    odd = via([region(type="dent")])
    next(iter(odd.values()))["file_attributes"] = {"width": stated, "height": "48"}
    BAD_VIA[f"the width {str(stated)[:8]}"] = (odd, "a.jpg: its width is not")


@pytest.mark.parametrize("case", BAD_VIA)
def test_one_bad_entry_of_a_via_file_costs_itself_and_is_named(case, workspace, photo, tmp_path):
    sha, folder = photo
    document, message = BAD_VIA[case]
    source = put(tmp_path / "set", {"v.json": document})
    summary = import_masks(workspace, "via", source / "v.json", pictures=folder)
    assert drawn(workspace, sha)["dent"].sum() == AREA
    with pytest.raises(AssertionError, match=message):
        raise AssertionError("\n".join(summary.problems))


@pytest.mark.parametrize("attributes", [{}, {"severity": "minor", "part": "door"}])
def test_a_class_from_the_command_line_fills_in_where_the_file_has_none(
    workspace, photo, tmp_path, attributes
):
    sha, folder = photo
    source = put(tmp_path / "set", {"v.json": via([region(**attributes)])})
    summary = import_masks(workspace, None, source, pictures=folder, label="scratch")
    assert summary.problems == ()
    (shape,) = current_instances(workspace)[sha].shapes()
    assert shape.label == "scratch"
    assert (shape.severity, shape.part) == (attributes.get("severity"), attributes.get("part"))


def test_severity_in_a_class_name_is_split_off_by_map(workspace, photo, tmp_path):
    sha, folder = photo
    document = coco(annotation(), categories=[{"id": 1, "name": "severe-dent"}])
    source = put(tmp_path / "set", {"a.json": document})
    import_masks(workspace, None, source, pictures=folder, classes={"severe-dent": "dent/severe"})
    (shape,) = current_instances(workspace)[sha].shapes()
    assert (shape.label, shape.severity) == ("dent", "severe")


@pytest.mark.parametrize("form", ["coco", "via", "labelstudio", "supervisely", "labelme", "cvat",
                                  "voc"])  # fmt: skip
def test_severity_and_part_survive_export_and_import(form, workspace, photo, tmp_path):
    from bodyshop_core.workspace import Workspace
    from labeling import export_masks

    sha, folder = photo
    attributes = {"severity": "moderate", "part": "door"}
    source = put(tmp_path / "set", {"a.json": coco(annotation(attributes=attributes))})
    import_masks(workspace, "coco", source, pictures=folder)
    export_masks(workspace, form, tmp_path / "out")
    other = Workspace.open(tmp_path / "other")
    add_picture(other, (folder / "a.jpg").read_bytes())
    assert detect(tmp_path / "out").name == form
    import_masks(other, None, tmp_path / "out")
    (shape,) = current_instances(other)[sha].shapes()
    assert (shape.label, shape.severity, shape.part) == ("dent", "moderate", "door")


NAMES_OF_A = [
    "a.jpg", "A.JPG", "a.jpeg", "a", "train/2021/a.jpg", "train\\a.jpg", "./a.jpg",
    "C:\\Users\\me\\a.jpg", "https://x.example/im/a.jpg?token=1", "images/1f2e3d4c-a.jpg",
    "../../label-studio/data/media/upload/1/1f2e3d4c-a.jpg", "a_jpg.rf.00aa11.jpg",
    "1f2e3d4c-a_jpg.rf.00aa11.jpg", "/data/local-files/?d=photos%2Fa.jpg", "s3://bucket/x/a.jpg",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES_OF_A)
def test_a_picture_is_found_by_whatever_a_tool_made_of_its_name(name, workspace, photo, tmp_path):
    sha, folder = photo
    document = coco(annotation(), images=[IMAGE | {"file_name": name}])
    source = put(tmp_path / "set", {"a.json": document})
    assert import_masks(workspace, None, source, pictures=folder).pictures == 1
    assert set(current_masks(workspace)) == {sha}


def test_names_are_compared_in_one_unicode_form(workspace, tmp_path):
    import unicodedata

    folder = tmp_path / "photos"
    folder.mkdir()
    data = picture_bytes(W, H, seed=3)
    name = "찌그러짐 é.jpg"
    (folder / unicodedata.normalize("NFD", name)).write_bytes(data)
    add_picture(workspace, data)
    document = coco(annotation(), images=[
        IMAGE | {"file_name": unicodedata.normalize("NFC", name)}])  # fmt: skip
    source = put(tmp_path / "set", {"a.json": document})
    assert import_masks(workspace, None, source, pictures=folder).pictures == 1


def test_what_is_no_annotation_file_is_refused_with_the_formats_that_are_known(tmp_path):
    put(tmp_path / "set", {"a.json": [{"image_id": 1, "score": 0.4}], "notes.txt": "hello"})
    with pytest.raises(ConfigError, match=r"no annotation format is recognised.*coco \(COCO\)"):
        detect(tmp_path / "set")
    with pytest.raises(UsageError, match="does not exist"):
        detect(tmp_path / "nothing")


def test_an_xml_bomb_is_refused(workspace, photo, tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + CVAT
    source = put(tmp_path / "set", {"annotations.xml": bomb})
    with pytest.raises(ConfigError, match="must not declare entities"):
        import_masks(workspace, "cvat", source / "annotations.xml")


def test_a_yaml_bomb_is_refused(workspace, photo, tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for now, before in zip("bcdefgh", "abcdefg", strict=True):
        lines.append(f"{now}: &{now} [{', '.join([f'*{before}'] * 10)}]")
    source = put(tmp_path / "set", {
        "labels/a.txt": LINE, "data.yaml": "\n".join([*lines, "names: [dent]"])})  # fmt: skip
    with pytest.raises(ConfigError, match="expands to more than"):
        import_masks(workspace, "yolo", source)


def test_masks_as_large_as_a_country_are_refused_before_memory_is_allocated(
    workspace, photo, tmp_path
):
    _, folder = photo
    huge = 1_000_000
    rle = {"size": [huge, huge], "counts": [huge * huge]}
    document = coco(annotation(segmentation=rle), TWO, images=[
        IMAGE | {"width": huge, "height": huge}])  # fmt: skip
    source = put(tmp_path / "set", {"a.json": document})
    summary = import_masks(workspace, "coco", source, pictures=folder)
    assert any("too large" in problem for problem in summary.problems)


def test_every_format_names_a_file_that_is_none_of_its_own(workspace, tmp_path):
    (tmp_path / "x.json").write_text("[1, 2]")
    (tmp_path / "x.xml").write_text("<a/>")
    for form in FORMATS.values():
        for name in ("x.json", "x.xml"):
            with pytest.raises(BodyshopError, match=r"x\.|folder"):
                import_masks(workspace, form.name, tmp_path / name)


def test_mask_files_of_no_class_folder_get_the_class_asked_for(workspace, photo, tmp_path):
    sha, _ = photo
    folder = tmp_path / "dents"
    folder.mkdir()
    mask = np.zeros((H, W), np.uint8)
    mask[3:9, 4:20] = 255
    Image.fromarray(mask).save(folder / f"{sha}.png")
    assert import_masks(workspace, "png", folder).masks == 1
    assert set(drawn(workspace, sha)) == {"damage"}
    import_masks(workspace, "png", folder, label="dent")
    assert set(drawn(workspace, sha)) == {"dent"}
