"""Pictures erased by `bodyshop forget` do not come back through labelling."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from labeling_pictures import add_picture, picture_bytes
from labeling_stage import CASSETTES, LABELERS, Replay, build_stage
from PIL import Image
from sqlalchemy import func, select

import labeling
from bodyshop.forget import forget
from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace
from labeling import Selection
from labeling.consensus.update import update_consensus
from labeling.records.annotations import Annotation, current_masks, store_annotations
from labeling.records.pictures import load_pictures
from labeling.records.selection import select_pictures


def bury(workspace, sha256):
    """Write the tombstone only, as a `forget` that is killed right afterwards."""
    row = {"kind": "sha256", "value": sha256, "at": now()}
    workspace.catalog.upsert(schema.tombstones, [row])


def traces(workspace, sha256):
    """Rows of the picture's annotations, and its mask files."""
    table = schema.annotations
    with workspace.catalog.read() as connection:
        query = select(func.count()).select_from(table).where(table.c.sha256 == sha256)
        rows = connection.scalar(query)
    return rows, [path.name for path in workspace.masks.rglob(f"{sha256}*")]


@pytest.mark.parametrize("erase", [forget, bury], ids=["erased", "killed after the tombstone"])
def test_an_annotation_that_arrives_after_its_picture_was_erased_leaves_no_trace(
    workspace, add, erase
):
    gone, kept = add(seed=1), add(seed=2)
    mask = np.ones((30, 40), bool)
    late = [
        Annotation(sha, "damage", "srv", n, "ana", "2026-01-01T00:00:00+00:00",
                   masks={"dent": mask}, choices={"state": ["damaged"]})
        for n, sha in enumerate((gone, kept))
    ]  # fmt: skip
    erase(workspace, gone)
    with workspace.catalog.begin() as connection:
        stored = store_annotations(connection, workspace, late)
        update_consensus(connection, workspace, stored)
    assert stored == {kept}
    assert traces(workspace, gone) == (0, [])
    assert current_masks(workspace).keys() == {kept}


@pytest.mark.parametrize("erase", [forget, bury], ids=["erased", "killed after the tombstone"])
def test_masks_of_an_erased_picture_are_not_imported(workspace, tmp_path, erase):
    gone, kept = (add_picture(workspace, picture_bytes(20, 10, seed=n)) for n in range(2))
    (tmp_path / "dent").mkdir()
    for sha in (gone, kept):
        Image.new("L", (20, 10), 255).save(tmp_path / "dent" / f"{sha}.png")
    erase(workspace, gone)
    summary = labeling.import_masks(workspace, "png", tmp_path)
    assert (summary.pictures, summary.masks, summary.unmatched) == (1, 1, (gone,))
    assert traces(workspace, gone) == (0, [])
    erase(workspace, kept)
    with pytest.raises(NothingFoundError, match="none of the 2 pictures"):
        labeling.import_masks(workspace, "png", tmp_path)


def test_a_picture_with_a_tombstone_is_not_selected_for_labeling(workspace, add):
    gone, kept = add(seed=1), add(seed=2)
    bury(workspace, gone)
    assert [picture.sha256 for picture in load_pictures(workspace)] == [kept]
    assert [picture.sha256 for picture in load_pictures(workspace, [gone, kept])] == [kept]
    assert select_pictures(workspace, "damage", Selection(everything=True)) == [kept]


class ReplayRepeating(Replay):
    """Also answers a request that comes more often than it was recorded, with the last answer."""

    def __init__(self, file, hide):
        super().__init__(file, hide)
        self.last = defaultdict(list, {asked: notes[-1:] for asked, notes in self.answers.items()})

    def handle_request(self, request):
        for asked, notes in self.last.items():
            if not self.answers[asked]:
                self.answers[asked] += notes
        return super().handle_request(request)


@pytest.mark.parametrize("erase", [forget, bury], ids=["erased", "killed after the tombstone"])
def test_a_pull_brings_no_mask_of_an_erased_picture(tmp_path, hide_place, erase):
    file = CASSETTES / "test_masks_come_back_pixel_exact_and_an_unchanged_pull_brings_nothing.json"
    url, root = "http://127.0.0.1:8080", tmp_path / "home"
    workspace = Workspace.open(root / "s-recorded" / "stage")
    transport = ReplayRepeating(file, hide_place(workspace, root, url))
    keys = dict.fromkeys(["admin", *LABELERS], "k" * 40)
    with build_stage(workspace, url, keys, root, transport) as stage:
        pictures = [stage.add(24 + n, 18, seed=n) for n in range(3)]
        labeling.init(workspace, connection=stage.client)
        everything = Selection(everything=True)
        labeling.push(workspace, selection=everything, connection=stage.client)
        rng = np.random.default_rng(0)
        for sha in pictures:
            width, height = stage.sizes[sha]
            masks = {"dent": rng.random((height, width)) < 0.5,
                     "scratch": np.ones((height, width), bool)}  # fmt: skip
            stage.annotate(sha, masks=masks, choices={"state": "damaged", "severity": "minor"})
        gone, *kept = pictures
        erase(workspace, gone)
        summary = labeling.pull(workspace, connection=stage.client)
    assert (summary.annotations, summary.masks) == (2, 4)
    assert [problem.split(": ")[1] for problem in summary.problems] == [
        f"picture {gone[:12]} is not in the catalog"
    ]
    assert traces(workspace, gone) == (0, [])
    assert current_masks(workspace).keys() == set(kept)
