"""Annotation files as people's tools write them, each of one picture a.jpg with one dent."""

from __future__ import annotations

import json

from labeling.formats.mask_file import read_mask
from labeling.records.annotations import current_masks

W, H = 64, 48
SQUARE = [10, 10, 40, 10, 40, 30, 10, 30]
CORNERS = [[10, 10], [40, 10], [40, 30], [10, 30]]
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


def csv_cell(value):
    return '"' + json.dumps(value).replace('"', '""') + '"'


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

LS_PART = {"id": "r1", "from_name": "x", "to_name": "image", "original_width": W,
           "original_height": H}  # fmt: skip
LS_POINTS = [[100 * x / W, 100 * y / H] for x, y in CORNERS]

CVAT = (
    '<annotations><image id="0" name="a.jpg" width="64" height="48">'
    '<polygon label="dent" points="10,10;40,10;40,30;10,30"/></image></annotations>'
)
VOC = (
    "<annotation><filename>a.jpg</filename><size><width>64</width><height>48</height></size>"
    "<object><name>dent</name><bndbox><xmin>10</xmin><ymin>10</ymin><xmax>40</xmax>"
    "<ymax>30</ymax></bndbox></object></annotation>"
)
VOC_WITH = "<annotation><filename>a.jpg</filename><object><name>dent</name>{}</object></annotation>"
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
    "empty ring beside a box": ("coco", {"a.json": coco(annotation(segmentation=[[]]))}),
    "ring of pairs": ("coco", {"a.json": coco(annotation(segmentation=[CORNERS]))}),
    "flat ring of pairs": ("coco", {"a.json": coco(annotation(segmentation=CORNERS))}),
    "category by name": ("coco", {"a.json": coco(
        {"image_id": 1, "category_name": "dent", "segmentation": [SQUARE]}, categories=[])}),
    "cvat's turned box": ("coco", {"annotations/instances_default.json": coco(annotation(
        segmentation=[], bbox=[15, 5, 20, 30], attributes={"occluded": False, "rotation": 90.0}))}),
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
    "via capitals": ("via", {"v.json": via([region(Damage="dent", Annotator="ann")])}),
    "via csv": ("via", {"via_export_csv.csv":
        "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
        'region_attributes\na.jpg,1,"{}",1,0,' + csv_cell(POLYGON) + ","
        + csv_cell({"type": "dent"}) + '\na.jpg,1,"{}",1,0,"{}","{}"\n'}),
    "via 1 csv": ("via", {"export.csv":
        "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
        'region_attributes\na.jpg,1,"{}",1,0,' + csv_cell(POLYGON) + ","
        + csv_cell({"name": "dent"}) + "\n"}),
    "capital JSON": ("coco", {"A.JSON": coco(annotation())}),
    "capital XML": ("voc", {"A.XML": VOC}),
    "capital TXT": ("yolo", {"labels/A.TXT": LINE, "data.yaml": NAMES}),
    "name as filename": ("coco", {"a.json": coco(
        annotation(), images=[{"id": 1, "filename": "a.jpg", "width": W, "height": H}])}),
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
    "yolo pose": ("yolo", {
        "labels/a.txt": f"0 {25 / W} {20 / H} {30 / W} {20 / H} 0.1 0.9 2 0.8 0.9 2\n",
        "data.yaml": NAMES + "kpt_shape: [2, 3]\n"}),
    "labelme": ("labelme", {"a.json": LABELME}),
    "labelme rectangle": ("labelme", {"a.json": LABELME | {"shapes": [
        {"label": "dent", "shape_type": "rectangle", "points": [[40, 30], [10, 10]]}]}}),
    "anylabeling's rectangle": ("labelme", {"a.json": LABELME | {"shapes": [
        {"label": "dent", "shape_type": "rectangle", "points": CORNERS}]}}),
    "anylabeling's turned rectangle": ("labelme", {"a.json": LABELME | {"shapes": [
        {"label": "dent", "shape_type": "rotation", "direction": 0.1, "points": CORNERS}]}}),
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
    "cvat's voc": ("voc", {"a.xml": VOC.replace(
        "<xmin>10</xmin><ymin>10</ymin><xmax>40</xmax><ymax>30</ymax></bndbox>",
        "<xmin>15</xmin><ymin>5</ymin><xmax>35</xmax><ymax>35</ymax></bndbox><attributes>"
        "<attribute><name>rotation</name><value>90.0</value></attribute></attributes>")}),
    "rolabelimg": ("voc", {"a.xml": VOC_WITH.format(
        "<robndbox><cx>25</cx><cy>20</cy><w>20</w><h>30</h><angle>1.570796327</angle></robndbox>")}),
    "LabelMe of MIT": ("voc", {"a.xml": VOC_WITH.format("<polygon>" + "".join(
        f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in CORNERS) + "</polygon>")}),
    "label studio with classes in their own tag": ("labelstudio", {"x.json": [{
        "id": 1, "data": {"img": "https://x.example/a.jpg?token=1"}, "annotations": [{"result": [
            LS_PART | {"type": "polygon", "value": {"points": LS_POINTS}},
            LS_PART | {"type": "labels", "value": {"points": LS_POINTS, "labels": ["dent"]}},
            {"type": "relation", "from_id": "r1", "to_id": "r1", "direction": "right"},
        ]}]}]}),
    "label studio": ("labelstudio", {"x.json": [{
        "id": 1, "data": {"image": "/data/upload/1/1f2e3d4c-a.jpg"},
        "annotations": [{"result": [LS_BOX], "was_cancelled": False}]}]}),
    "label studio's picture turned on the page": ("labelstudio", {"x.json": [{
        "id": 1, "data": {"image": "a.jpg"},
        "annotations": [{"result": [LS_BOX | {"image_rotation": 90}]}]}]}),
    "label studio minimal": ("labelstudio", {"x.json": [{
        "id": 1, "image": "/data/local-files/?d=photos/a.jpg",
        "box": [LS_BOX["value"] | {"original_width": W, "original_height": H}]}]}),
    "supervisely class by its number": ("supervisely", {
        "ds/ann/a.jpg.json": SUPERVISELY | {"objects": [
            {"classId": 7, "geometryType": "polygon", "points": {"exterior": CORNERS}}]},
        "meta.json": {"classes": [{"id": 7, "title": "dent"}]}}),
    "supervisely": ("supervisely", {"ds/ann/a.jpg.json": SUPERVISELY, "meta.json": {}}),
}  # fmt: skip


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
