"""Annotation files as people's tools write them: each reads, and a bad entry costs itself alone."""

from __future__ import annotations

import numpy as np
import pytest
from annotation_files import (
    CVAT,
    GOOD,
    IMAGE,
    LINE,
    H,
    W,
    annotation,
    coco,
    drawn,
    put,
)
from labeling_pictures import add_picture, picture_bytes
from PIL import Image

from bodyshop_core.errors import BodyshopError, ConfigError, UsageError
from labeling import import_masks
from labeling.formats.table import FORMATS, detect
from labeling.records.annotations import current_masks
from labeling.records.regions import current_instances


@pytest.mark.parametrize("case", GOOD)
def test_a_file_is_recognised_and_read_as_its_tool_wrote_it(case, workspace, a_jpg, tmp_path):
    sha, folder = a_jpg
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


def test_rectangles_stay_rectangles(workspace, a_jpg, tmp_path):
    sha, folder = a_jpg
    for case in ("box only", "yolo box", "cvat box", "voc", "label studio", "via 3 rectangle"):
        _, files = GOOD[case]
        source = put(tmp_path / case.replace(" ", "-"), files)
        assert import_masks(workspace, None, source, pictures=folder).boxes == 1
        (shape,) = current_instances(workspace)[sha].shapes()
        assert shape.kind == "rectangle", case


def test_severity_in_a_class_name_is_split_off_by_map(workspace, a_jpg, tmp_path):
    sha, folder = a_jpg
    document = coco(annotation(), categories=[{"id": 1, "name": "severe-dent"}])
    source = put(tmp_path / "set", {"a.json": document})
    import_masks(workspace, None, source, pictures=folder, classes={"severe-dent": "dent/severe"})
    (shape,) = current_instances(workspace)[sha].shapes()
    assert (shape.label, shape.severity) == ("dent", "severe")


@pytest.mark.parametrize("form", ["coco", "via", "labelstudio", "supervisely", "labelme", "cvat",
                                  "voc"])  # fmt: skip
def test_severity_and_part_survive_export_and_import(form, workspace, a_jpg, tmp_path):
    from bodyshop_core.workspace import Workspace
    from labeling import export_masks

    sha, folder = a_jpg
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
def test_a_picture_is_found_by_whatever_a_tool_made_of_its_name(name, workspace, a_jpg, tmp_path):
    sha, folder = a_jpg
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
    (tmp_path / "set.zip").write_bytes(b"PK")
    with pytest.raises(ConfigError, match="an archive") as caught:
        detect(tmp_path / "set.zip")
    assert caught.value.hint == "unpack it, and import the folder"


def test_an_xml_bomb_is_refused(workspace, a_jpg, tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + CVAT
    source = put(tmp_path / "set", {"annotations.xml": bomb})
    with pytest.raises(ConfigError, match="must not declare entities"):
        import_masks(workspace, "cvat", source / "annotations.xml")


def test_a_yaml_bomb_is_refused(workspace, a_jpg, tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for name, before in zip("bcdefgh", "abcdefg", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    source = put(tmp_path / "set", {
        "labels/a.txt": LINE, "data.yaml": "\n".join([*lines, "names: [dent]"])})  # fmt: skip
    with pytest.raises(ConfigError, match="expands to more than"):
        import_masks(workspace, "yolo", source)


def test_every_format_names_a_file_that_is_none_of_its_own(workspace, tmp_path):
    (tmp_path / "x.json").write_text("[1, 2]")
    (tmp_path / "x.xml").write_text("<a/>")
    for form in FORMATS.values():
        for name in ("x.json", "x.xml"):
            with pytest.raises(BodyshopError, match=r"x\.|folder"):
                import_masks(workspace, form.name, tmp_path / name)


def test_mask_files_of_no_class_folder_get_the_class_asked_for(workspace, a_jpg, tmp_path):
    sha, _ = a_jpg
    folder = tmp_path / "dents"
    folder.mkdir()
    mask = np.zeros((H, W), np.uint8)
    mask[3:9, 4:20] = 255
    Image.fromarray(mask).save(folder / f"{sha}.png")
    assert import_masks(workspace, "png", folder).masks == 1
    assert set(drawn(workspace, sha)) == {"damage"}
    import_masks(workspace, "png", folder, label="dent")
    assert set(drawn(workspace, sha)) == {"dent"}
