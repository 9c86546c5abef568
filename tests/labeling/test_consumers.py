"""What we export is read by its consumers, installed in an environment of their own."""

from __future__ import annotations

import pytest
from drawn_pictures import draw_three

from labeling import export_masks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


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
