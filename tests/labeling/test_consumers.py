"""What we export is read by its consumers, installed in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from labeling_pictures import add_picture, picture_bytes

from labeling import export_masks
from labeling.consensus.update import update_consensus
from labeling.formats.polygons import rasterise
from labeling.formats.shapes import Shape
from labeling.records.annotations import Annotation, store_annotations

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

W, H = 120, 90
CONSUMERS = ("pycocotools", "supervision", "pillow")


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Runs a script with the consumers; returns what it prints, as JSON."""
    folder = tmp_path_factory.mktemp("consumers")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, env=environment)
    python = folder / "venv" / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", *CONSUMERS], capture_output=True, text=True,
        check=False, env=environment,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"the consumers can't be installed: {done.stderr[-300:]}")

    def run(script, *words):
        done = subprocess.run(
            [python, "-c", textwrap.dedent(script), *map(str, words)], capture_output=True,
            text=True, check=False, env=environment, cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture
def drawn(workspace):
    """Three pictures, one turned by EXIF, each with a polygon, a box, a hole, parts, a scratch."""
    turn = np.deg2rad(31)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    start = np.array([5.0, 5.0])
    scratch = np.array([start, start + 60 * along, start + 60 * along + across, start + across])
    for seed, orientation in enumerate((1, 1, 6)):
        width, height = (H, W) if orientation == 6 else (W, H)
        sha = add_picture(workspace, picture_bytes(W, H, seed=seed, orientation=orientation))
        ring = rasterise([[[50, 50], [80, 50], [80, 80], [50, 80]]], height, width)
        ring[60:70, 60:70] = False
        parts = rasterise([[[5, 60], [15, 60], [15, 70], [5, 70]]], height, width)
        parts |= rasterise([[[25, 60], [35, 60], [35, 70], [25, 70]]], height, width)
        box = np.array([[40.0, 10], [60, 10], [60, 30], [40, 30]])
        shapes = [
            Shape("dent", (np.add(box, (5, 3.5)),), severity="minor", part="door"),
            Shape("dent", (box,), kind="rectangle"),
            Shape("crack", mask=ring, kind="mask"),
            Shape("crack", mask=parts, kind="mask"),
            Shape("scratch", (scratch,)),
        ]
        said = Annotation(sha, "damage", "s", seed, "ana", "2026-01-01T00:00:00+00:00",
                          shapes=shapes, size=(width, height))  # fmt: skip
        with workspace.catalog.begin() as connection:
            touched = store_annotations(connection, workspace, [said])
            update_consensus(connection, workspace, touched)
    return workspace


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
