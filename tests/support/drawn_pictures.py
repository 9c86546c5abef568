"""Pictures with everything that can be drawn: polygons, boxes, holes, parts, thin diagonals."""

from __future__ import annotations

import numpy as np
from labeling_pictures import add_picture, picture_bytes

from labeling.consensus.update import update_consensus
from labeling.formats.polygons import rasterise
from labeling.formats.shapes import Shape
from labeling.records.annotations import Annotation, store_annotations

W, H = 120, 90


def draw_three(workspace):
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
