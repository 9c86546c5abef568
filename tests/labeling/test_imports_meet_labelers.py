"""Imported masks on the labelers' pages, renamed classes, order and erasure, on the real server."""

from __future__ import annotations

import json
from urllib.parse import quote

import numpy as np
import pytest
from sqlalchemy import select

import labeling
from bodyshop.forget import forget
from bodyshop_core.catalog import schema
from labeling import Selection
from labeling.configs.label_config import load_label_config
from labeling.formats.instances import shape_mask
from labeling.formats.shapes import Shape
from labeling.records.regions import current_instances
from labeling.records.shown import ShownSize
from labeling.sync.erase import erase_tasks
from labeling.sync.results import write_shapes

EVERYTHING = Selection(everything=True)


def bring_in(stage, sha, folder, shapes):
    """Import a COCO file with (class, left, top, right, bottom) boxes for a picture."""
    width, height = stage.sizes[sha]
    names = sorted({name for name, *_ in shapes})
    document = {
        "images": [{"id": 1, "file_name": f"{sha}.bmp", "width": width, "height": height}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": names.index(name),
             "attributes": {"severity": "minor", "part": "door"},
             "segmentation": [[left, top, right, top, right, bottom, left, bottom]]}
            for n, (name, left, top, right, bottom) in enumerate(shapes)
        ],
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / f"{sha}.json").write_text(json.dumps(document))
    return labeling.import_masks(stage.workspace, "coco", folder / f"{sha}.json")


def push(stage, **options):
    return labeling.push(stage.workspace, selection=EVERYTHING, connection=stage.client, **options)


def pull(stage, **options):
    return labeling.pull(stage.workspace, connection=stage.client, **options)


def predictions(stage, sha):
    return stage.client.task(stage.tasks()[sha])["predictions"]


def test_imported_masks_are_shown_and_stay_unless_the_labeler_removes_them(stage, tmp_path):
    first, second = stage.add(24, 18, 0), stage.add(25, 18, 1)
    labeling.init(stage.workspace, connection=stage.client)
    push(stage)
    two = [("dent", 0, 0, 5, 5), ("dent", 8, 0, 12, 4), ("scratch", 10, 8, 20, 12)]
    bring_in(stage, first, tmp_path / "in", two)
    # The labeler's page shows none of them yet.
    stage.annotate(first, choices={"state": "damaged"})
    pull(stage)
    assert {k: int(m.sum()) for k, m in stage.masks(first).items()} == {"dent": 41, "scratch": 40}
    bring_in(stage, second, tmp_path / "in", two)
    summary = push(stage)
    assert (summary.pushed, summary.predictions, summary.imported) == (0, 2, 2)
    (shown,) = predictions(stage, second)
    regions = [each for each in shown["result"] if each["type"] == "polygonlabels"]
    assert [each["value"]["polygonlabels"] for each in regions] == [["dent"], ["dent"], ["scratch"]]
    severities = [each for each in shown["result"] if each["from_name"] == "severity"]
    assert [each["value"]["choices"] for each in severities] == [["minor"]] * 3
    assert push(stage).predictions == 0
    # The second labeler saw three, keeps one dent and removes the rest.
    kept = [each for each in shown["result"] if each["id"] == regions[0]["id"]]
    path = f"api/tasks/{stage.tasks()[second]}/annotations/"
    stage.labelers["ana@example.com"]._json("POST", path, body={"result": kept})
    summary = pull(stage)
    assert {k: int(m.sum()) for k, m in stage.masks(second).items()} == {"dent": 25}
    assert len(summary.replaced) == 2
    (shape,) = current_instances(stage.workspace)[second].shapes()
    assert (shape.severity, shape.part, shape.kind) == ("minor", "door", "polygon")


def test_imported_again_masks_replace_the_prediction_on_the_page(stage, tmp_path):
    sha = stage.add(24, 18, 0)
    labeling.init(stage.workspace, connection=stage.client)
    bring_in(stage, sha, tmp_path / "in", [("dent", 0, 0, 5, 5), ("buckle", 0, 0, 3, 3)])
    summary = push(stage)
    assert (summary.pushed, summary.imported, summary.not_offered) == (1, 1, ("buckle",))
    bring_in(stage, sha, tmp_path / "in", [("scratch", 0, 0, 5, 5)])
    assert push(stage).predictions == 1
    (shown,) = predictions(stage, sha)
    labels = [r["value"]["polygonlabels"] for r in shown["result"] if r["type"] == "polygonlabels"]
    assert labels == [["scratch"]]


def test_regions_keep_kind_severity_and_part_from_the_page_to_the_catalog(stage):
    sha = stage.add(24, 18, 0)
    labeling.init(stage.workspace, connection=stage.client)
    push(stage)
    box = np.array([[2.0, 3.0], [9.0, 3.0], [9.0, 8.0], [2.0, 8.0]])
    shapes = [
        Shape("dent", (box,), kind="rectangle", severity="minor", part="door", place="a"),
        Shape("dent", (box + 4,), severity="severe", part="bumper", place="b"),
        Shape("scratch", mask=stage.box(sha, 0, 0, 24, 2), kind="mask", place="c"),
    ]
    result = write_shapes(shapes, load_label_config("damage"), ShownSize(24, 18))
    path = f"api/tasks/{stage.tasks()[sha]}/annotations/"
    stage.labelers["ana@example.com"]._json("POST", path, body={"result": result})
    summary = pull(stage)
    assert (summary.annotations, summary.masks, summary.problems) == (1, 2, ())
    back = current_instances(stage.workspace)[sha].shapes()
    assert [(s.label, s.kind, s.severity, s.part) for s in back] == [
        ("dent", "rectangle", "minor", "door"),
        ("dent", "polygon", "severe", "bumper"),
        ("scratch", "mask", None, None),
    ]
    for before, after in zip(shapes, back, strict=True):
        assert np.array_equal(shape_mask(before, 18, 24), shape_mask(after, 18, 24))


def test_a_class_renamed_in_the_browser_is_named_and_loses_nothing(stage):
    first, second = stage.add(24, 18, 0), stage.add(25, 18, 1)
    labeling.init(stage.workspace, connection=stage.client)
    push(stage)
    crack = {"crack": stage.box(first, 0, 0, 5, 5)}
    stage.annotate(first, masks=crack)
    pull(stage)
    stage.annotate(second, masks={"crack": stage.box(second, 0, 0, 5, 5)})
    project = stage.project()
    renamed = project.config.xml.replace('<Label value="crack"', '<Label value="rust"')
    stage.client.update_project(project.remote_id, label_config=renamed)
    for options in ({}, {"full": True}):
        summary = pull(stage, **options)
        assert "lacks crack of brush" in summary.config_changes[0]
        assert any("has rust of brush" in line for line in summary.config_changes)
        assert summary.problems == ()
        assert set(stage.masks(first)) == set(stage.masks(second)) == {"crack"}
    labeling.init(stage.workspace, connection=stage.client)
    assert pull(stage).config_changes == ()


def test_a_full_pull_reads_annotations_again_that_did_not_change(stage):
    sha = stage.add(24, 18, 0)
    labeling.init(stage.workspace, connection=stage.client)
    push(stage)
    stage.annotate(sha, masks={"dent": stage.box(sha, 0, 0, 5, 5)})
    pull(stage)
    for file in stage.workspace.masks.rglob("*.png"):
        file.unlink()
    assert pull(stage).annotations == 0
    assert pull(stage, full=True).annotations == 1
    assert stage.masks(sha)["dent"].sum() == 25


def test_the_most_uncertain_task_is_handed_out_first_also_when_it_was_there_already(stage):
    shas = [stage.add(24 + n, 18, n) for n in range(4)]
    labeling.init(stage.workspace, connection=stage.client)
    push(stage)
    project = stage.project().remote_id
    order = sorted(shas, key=lambda sha: -stage.tasks()[sha])
    # The server hands a task that a labeler has opened to the same labeler again.
    for who, wanted in (("ana", order), ("bo", order[1:] + order[:1])):
        certainty = {sha: float(place) for place, sha in enumerate(reversed(wanted))}
        summary = push(stage, uncertainty=lambda pictures, c=certainty: c)
        assert (summary.pushed, summary.already) == (0, 4)
        client = stage.labelers[f"{who}@example.com"]
        task = client._json("GET", f"api/projects/{project}/next")
        assert task["data"]["ext_id"] == wanted[0]


def test_forget_erases_tasks_and_uploads_or_says_what_remains(stage):
    first, second, third = (stage.add(24 + n, 18, n) for n in range(3))
    labeling.init(stage.workspace, connection=stage.client)
    labeling.push(stage.workspace, selection=EVERYTHING, images="upload", connection=stage.client)
    stage.annotate(first, masks={"dent": stage.box(first, 0, 0, 5, 5)})
    done = erase_tasks(stage.workspace, [first], connection=stage.client)
    assert done.tasks == 1
    assert first not in stage.tasks()
    (place,) = done.remaining
    assert "media folder of http://" in place
    # Without a server that can be asked, what remains is named.
    summary = forget(stage.workspace, second)
    (place,) = summary.remaining
    assert "1 tasks of the project damage on http://" in place
    assert second in stage.tasks()
    table = schema.label_tasks
    with stage.workspace.catalog.read() as connection:
        assert third in set(connection.scalars(select(table.c.sha256)))
        assert second not in set(connection.scalars(select(table.c.sha256)))


@pytest.mark.slow
def test_nobody_else_can_read_what_the_server_keeps(label_server):
    _, root, _ = label_server
    home = root / "labelstudio"
    assert home.stat().st_mode & 0o777 == 0o700
    seen = 0
    for path in home.rglob("*"):
        # Locks are empty; Django gives uploads 0644, below a folder that nobody else can enter.
        if not path.is_symlink() and path.suffix != ".lock" and "upload" not in path.parts:
            seen += 1
            assert path.stat().st_mode & 0o077 == 0, path
    assert seen >= 5


def test_a_folder_from_an_older_version_is_made_private(tmp_path):
    from labeling.server.local_server import keep_private

    home = tmp_path / "labelstudio"
    (home / "media").mkdir(parents=True)
    for name in ("label_studio.sqlite3", "media/x.png", "server.log"):
        (home / name).write_text("secret")
        (home / name).chmod(0o644)
    home.chmod(0o755)
    keep_private(home)
    modes = {p.name: p.stat().st_mode & 0o777 for p in (home, *home.rglob("*"))}
    assert modes == {
        "labelstudio": 0o700, "media": 0o700, "x.png": 0o600, "server.log": 0o600,
        "label_studio.sqlite3": 0o600,
    }  # fmt: skip


def test_an_earlier_task_that_shows_the_original_gets_masks_of_that_size(stage, tmp_path):
    width, height = 2100, 1700
    earlier, new = stage.add(width, height, 0), stage.add(width, height, 1)
    labeling.init(stage.workspace, connection=stage.client)
    original = stage.workspace.image_path(earlier)
    place = quote(original.relative_to(stage.client.connection.document_root).as_posix())
    data = {"image": f"/data/local-files/?d={place}", "ext_id": earlier}
    stage.client.import_tasks(stage.project().remote_id, [{"data": data}])
    counts = [height + 1, 1, height, 3, width * height - 2 * height - 5]  # two pixels' columns
    document = {
        "images": [
            {"id": n, "file_name": f"{sha}.bmp", "width": width, "height": height}
            for n, sha in enumerate((earlier, new))
        ],
        "categories": [{"id": 1, "name": "dent"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "iscrowd": 1,
             "segmentation": {"size": [height, width], "counts": counts}}
            for n in range(2)
        ],
    }  # fmt: skip
    (tmp_path / "coco.json").write_text(json.dumps(document))
    labeling.import_masks(stage.workspace, "coco", tmp_path / "coco.json")
    before = {sha: stage.masks(sha)["dent"] for sha in (earlier, new)}
    summary = push(stage)
    assert (summary.pushed, summary.predictions) == (1, 2)
    for sha, size in ((earlier, (width, height)), (new, (1050, 850))):
        (shown,) = predictions(stage, sha)
        (brush,) = [each for each in shown["result"] if each["type"] == "brushlabels"]
        assert (brush["original_width"], brush["original_height"]) == size
        path = f"api/tasks/{stage.tasks()[sha]}/annotations/"
        stage.labelers["ana@example.com"]._json("POST", path, body={"result": shown["result"]})
    assert pull(stage).problems == ()
    for sha, mask in before.items():
        assert mask.sum() == 4
        assert np.array_equal(stage.masks(sha)["dent"], mask)
