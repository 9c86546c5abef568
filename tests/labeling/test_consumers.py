"""What we export is read by its consumers, installed in an environment of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drawn_pictures import draw_three
from labeling_pictures import add_picture

import labeling
from labeling import export_masks
from labeling.formats.instances import shape_mask
from labeling.formats.mask_file import read_mask
from labeling.records.annotations import current_masks
from labeling.records.pictures import load_pictures
from labeling.records.regions import current_instances

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


CONFIG = Path(labeling.__file__).parent / "configs" / "damage.xml"


@pytest.fixture
def drawn(workspace):
    return draw_three(workspace)


COCO = """
    import contextlib, io, json, sys
    from pycocotools.coco import COCO
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(sys.argv[1])
    rows = [(a["area"], int(coco.annToMask(a).sum())) for a in coco.loadAnns(coco.getAnnIds())]
    print(json.dumps(rows))
"""

SUPERVISION = """
    import json, sys
    import supervision as sv
    kind, root = sys.argv[1:]
    if kind == "coco":
        data = sv.DetectionDataset.from_coco(root, f"{root}/annotations.json", force_masks=True)
    elif kind == "yolo":
        data = sv.DetectionDataset.from_yolo(
            f"{root}/images", f"{root}/labels", f"{root}/data.yaml", force_masks=True)
    else:
        data = sv.DetectionDataset.from_pascal_voc(f"{root}/images", f"{root}/Annotations")
    found = [d for _, _, d in data]
    masks = [int(m.sum()) for d in found if d.mask is not None for m in d.mask]
    print(json.dumps({"pictures": len(data), "instances": sum(map(len, found)), "masks": masks,
                      "classes": sorted(data.classes)}))
"""


def test_pycocotools_sees_every_instance_with_its_area(drawn, reader, tmp_path):
    export_masks(drawn, "coco", tmp_path / "out")
    rows = reader(COCO, tmp_path / "out" / "annotations.json")
    assert len(rows) == 15
    # Its polygons cover pixels that ours, by their centres, do not: along the outline only.
    for ours, theirs in rows:
        assert theirs == pytest.approx(ours, rel=0.06, abs=12)


@pytest.mark.parametrize("form", ["coco", "yolo", "voc"])
def test_supervision_sees_every_instance_and_no_empty_mask(form, drawn, reader, tmp_path):
    export_masks(drawn, form, tmp_path / "out")
    seen = reader(SUPERVISION, form, tmp_path / "out")
    assert (seen["pictures"], seen["instances"]) == (3, 15)
    assert seen["classes"] == ["crack", "dent", "scratch"]
    if form != "voc":
        assert len(seen["masks"]) == 15
        assert all(seen["masks"])


CONVERTER = """
    import contextlib, io, json, sys
    from pathlib import Path
    import numpy as np
    from label_studio_converter import Converter
    source, config, out = sys.argv[1:]
    with contextlib.redirect_stdout(io.StringIO()):
        converter = Converter(config=Path(config).read_text(), project_dir=None,
                              download_resources=False)
        for form in ("JSON_MIN", "BRUSH_TO_NUMPY"):
            (Path(out) / form).mkdir(parents=True)
            converter.convert(source, str(Path(out) / form), form, is_dir=False)
    minimal = json.loads((Path(out) / "JSON_MIN" / "result.json").read_text())
    masks = [int((np.load(file) > 127).sum()) for file in Path(out, "BRUSH_TO_NUMPY").iterdir()]
    print(json.dumps({"tasks": len(minimal), "masks": sorted(masks)}))
"""


def test_label_studios_converter_reads_every_brush_region_of_our_export(drawn, reader, tmp_path):
    export_masks(drawn, "labelstudio", tmp_path / "out")
    seen = reader(CONVERTER, tmp_path / "out" / "label-studio.json", CONFIG, tmp_path / "theirs")
    # Of each picture the shape with a hole and that of two parts; the others are no brush regions.
    assert seen == {"tasks": 3, "masks": [200] * 3 + [800] * 3}


def test_label_studio_imports_our_export_and_gives_back_every_instance(drawn, real_stage, tmp_path):
    stage, workspace = real_stage, real_stage.workspace
    export_masks(drawn, "labelstudio", tmp_path / "out", with_pictures=False)
    for picture in load_pictures(drawn):
        add_picture(workspace, picture.path.read_bytes())
    labeling.init(workspace, connection=stage.client)
    stage.client.import_tasks(
        stage.project().remote_id,
        json.loads((tmp_path / "out" / "label-studio.json").read_text()),
    )
    summary = labeling.pull(workspace, connection=stage.client)
    assert (summary.annotations, summary.problems) == (3, ())
    before = instances(drawn)
    after = instances(workspace)
    assert set(after) == set(before)
    for sha256, shapes in before.items():
        assert sorted(after[sha256]) == sorted(shapes)


def instances(workspace):
    """sha256 -> class, kind, severity, part and pixels of each instance that counts."""
    sizes = {picture.sha256: picture for picture in load_pictures(workspace)}
    return {
        sha256: [
            (s.label, s.kind, s.severity or "", s.part or "",
             int(shape_mask(s, sizes[sha256].height, sizes[sha256].width).sum()))
            for s in found.shapes()
        ]
        for sha256, found in current_instances(workspace).items()
    }  # fmt: skip


def test_a_tf_data_pipeline_reads_our_mask_files_beside_their_pictures(drawn, tmp_path):
    import tensorflow as tf

    export_masks(drawn, "png", tmp_path / "out")
    out = str(tmp_path / "out")

    def loaded(file):
        picture = tf.io.decode_image(tf.io.read_file(file), 3, expand_animations=False)
        stem = tf.strings.regex_replace(file, r".*/|\.[a-z]+$", "")
        masks = [
            tf.io.decode_png(tf.io.read_file(tf.strings.join([out, "masks", label, stem + ".png"],
                                                             separator="/")), 1)
            for label in ("dent", "crack", "scratch")
        ]  # fmt: skip
        return picture, tf.concat(masks, axis=2)

    files = tf.data.Dataset.list_files(f"{out}/images/*", shuffle=False)
    seen = [
        (tuple(picture.shape), tuple(masks.shape), int(tf.math.count_nonzero(masks)))
        for picture, masks in files.map(loaded).as_numpy_iterator()
    ]
    assert sorted(shape for shape, _, _ in seen) == [(90, 120, 3), (90, 120, 3), (120, 90, 3)]
    assert all(picture == masks for picture, masks, _ in seen)
    ours = [
        sum(int(read_mask(drawn.root / file).sum()) for file in files.values())
        for files in current_masks(drawn).values()
    ]
    assert sorted(pixels for _, _, pixels in seen) == sorted(ours)


TORCHVISION = """
    import contextlib, io, json, sys
    from torchvision.datasets import CocoDetection
    with contextlib.redirect_stdout(io.StringIO()):
        data = CocoDetection(sys.argv[1], f"{sys.argv[1]}/annotations.json")
    rows = [(picture.size, len(targets)) for picture, targets in data]
    print(json.dumps({"sizes": sorted(size for size, _ in rows), "all": sum(n for _, n in rows)}))
"""


@pytest.mark.long
def test_torchvision_reads_our_coco(drawn, heavy_reader, tmp_path):
    export_masks(drawn, "coco", tmp_path / "out")
    seen = heavy_reader(TORCHVISION, tmp_path / "out")
    assert seen == {"sizes": [[90, 120], [120, 90], [120, 90]], "all": 15}


ULTRALYTICS = """
    import contextlib, io, json, sys
    with contextlib.redirect_stdout(io.StringIO()):
        from ultralytics.data.dataset import YOLODataset
        from ultralytics.data.utils import check_det_dataset
        data = check_det_dataset(sys.argv[1], autodownload=False)
        seen = YOLODataset(img_path=data["train"], data=data, task="segment", augment=False,
                           imgsz=160, rect=False, batch_size=2)
    points = [len(s) for each in seen.labels for s in each["segments"]]
    print(json.dumps({"pictures": len(seen), "instances": sum(len(l["cls"]) for l in seen.labels),
                      "outlines": len(points), "names": data["names"],
                      "masks": int(seen[0]["masks"].max())}))
"""


@pytest.mark.long
def test_ultralytics_reads_our_yolo_from_any_folder(drawn, heavy_reader, tmp_path):
    export_masks(drawn, "yolo", tmp_path / "out")
    seen = heavy_reader(ULTRALYTICS, tmp_path / "out" / "data.yaml")
    assert (seen["pictures"], seen["instances"], seen["outlines"]) == (3, 15, 15)
    assert sorted(seen["names"].values()) == ["crack", "dent", "scratch"]
    assert seen["masks"] >= 1


# Its importers need no database; a data set would, and the package brings no MongoDB for some
# systems.
FIFTYONE = """
    import json, sys
    from fiftyone.utils.coco import COCODetectionDatasetImporter
    from fiftyone.utils.yolo import YOLOv5DatasetImporter
    form, root = sys.argv[1:]
    if form == "coco":
        importer = COCODetectionDatasetImporter(
            data_path=root, labels_path=f"{root}/annotations.json", label_types="segmentations")
    else:
        importer = YOLOv5DatasetImporter(
            dataset_dir=root, yaml_path="data.yaml", label_type="polylines")
    rows = []
    with importer:
        for _, _, found in importer:
            if form == "coco":
                rows += [[each.label, int(each.mask.sum()), *(
                    each[name] if name in each.field_names else None
                    for name in ("severity", "part"))] for each in found.detections]
            else:
                rows += [[each.label, len(each.points)] for each in found.polylines]
        print(json.dumps({"pictures": len(importer), "instances": sorted(rows, key=str)}))
"""


@pytest.mark.long
def test_fiftyone_reads_our_coco_with_severity_and_part_and_our_yolo(
    drawn, fiftyone_reader, tmp_path
):
    export_masks(drawn, "coco", tmp_path / "coco")
    export_masks(drawn, "yolo", tmp_path / "yolo")
    seen = fiftyone_reader(FIFTYONE, "coco", tmp_path / "coco")
    assert (seen["pictures"], len(seen["instances"])) == (3, 15)
    ours = [row for shapes in instances(drawn).values() for row in shapes]
    for label in ("dent", "crack", "scratch"):
        theirs = sorted(row[1] for row in seen["instances"] if row[0] == label)
        areas = sorted(row[4] for row in ours if row[0] == label)
        assert theirs == pytest.approx(areas, rel=0.06, abs=25)
    said = [row[2:] for row in seen["instances"] if row[2] or row[3]]
    assert said == [["minor", "door"]] * 3
    seen = fiftyone_reader(FIFTYONE, "yolo", tmp_path / "yolo")
    assert seen["pictures"] == 3
    expected = [[label, 1] for label, count in (("crack", 6), ("dent", 6), ("scratch", 3))
                for _ in range(count)]  # fmt: skip
    assert seen["instances"] == expected
