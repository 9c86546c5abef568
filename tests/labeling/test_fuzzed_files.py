"""Valid files bent in one place: never a traceback, never a mask on another picture."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import shutil

import numpy as np
import pytest
from annotation_files import GOOD, put
from hypothesis import given, settings
from hypothesis import strategies as st
from labeling_pictures import add_picture, picture_bytes
from PIL import Image

from bodyshop_core.errors import BodyshopError
from bodyshop_core.workspace import Workspace
from collector import import_folder
from labeling import export_masks, import_masks
from labeling.consensus.update import update_consensus
from labeling.exchange.fitting import upright_shape
from labeling.exchange.matching import PictureMatcher
from labeling.formats.instances import shape_mask
from labeling.formats.shapes import MaskFormatError, PictureShapes, Shape
from labeling.formats.table import FORMATS, detect, read_entries
from labeling.records.annotations import Annotation, current_masks, store_annotations

W, H = 40, 30
ODD = [
    None, True, -1, 0, 1, 3, 1e308, 10**30, 0.5, float("nan"), float("inf"), "", "x", "0", "\ud800",
    "../../x", "😀", [], [[]], [None], {}, {"a": 1}, [1, 2, 3], "9" * 5000,
]  # fmt: skip
TEXT = ["", "x", "-1", "1e999", "nan", "\x00", "<", "&#0;", '"', "9" * 5000, "\n", "\ufeff", "../"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """(workspace, folder): two pictures, the first with regions, and a folder per format."""
    root = tmp_path_factory.mktemp("fuzz")
    workspace = Workspace.open(root / "ws")
    shas = [add_picture(workspace, picture_bytes(W, H, seed=n)) for n in range(2)]
    ring = np.array([[2, 2], [12, 2], [12, 9], [2, 9.5]])
    mask = np.zeros((H, W), bool)
    mask[12:20, 5:30] = mask[22:24, 5:9] = True
    shapes = [
        Shape("dent", (ring,), severity="minor", part="door"),
        Shape("dent", (ring[[0, 1, 2, 3]] + 15,), kind="rectangle"),
        Shape("긁힘", mask=mask, kind="mask"),
    ]
    said = Annotation(shas[0], "damage", "s", 1, "ana", "2026-01-01T00:00:00+00:00",
                      shapes=shapes, size=(W, H))  # fmt: skip
    with workspace.catalog.begin() as connection:
        touched = store_annotations(connection, workspace, [said])
        update_consensus(connection, workspace, touched)
    for form in FORMATS:
        export_masks(workspace, form, root / form, with_pictures=False)
    return workspace, root, shas


def bent(data: bytes, draw: random.Random) -> bytes:
    """Change one place of a file: a value of a JSON document, or some bytes."""
    if draw.random() < 0.7:
        try:
            document = json.loads(data)
        except ValueError:
            document = None
        if isinstance(document, dict | list):
            return json.dumps(bent_value(document, draw)).encode("utf-8", "replace")
    place, length = draw.randrange(len(data) + 1), draw.choice([0, 1, 1, 2, 8, len(data)])
    return data[:place] + draw.choice(TEXT).encode() + data[place + length :]


def bent_value(document, draw):
    """Replace, remove or double one value, chosen at any depth."""
    places = []

    def walk(node):
        children = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in list(children):
            places.append((node, key))
            if isinstance(child, dict | list):
                walk(child)

    walk(document)
    if not places:
        return draw.choice(ODD)
    node, key = draw.choice(places)
    kind = draw.random()
    if kind < 0.6:
        node[key] = draw.choice(ODD)
    elif kind < 0.8:
        del node[key]
    elif isinstance(node, list):
        node.insert(key, node[key])
    else:
        node[f"{key}2"] = node.pop(key)
    return document


def bend_a_file(stage, form, seed, target):
    draw = random.Random(seed)
    _, root, _ = stage
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(root / form, target)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    file = draw.choice(files)
    file.write_bytes(bent(file.read_bytes(), draw))
    return target


def checked(entries, workspace, shas, matcher):
    """No entry may be matched to the picture that no file is about."""
    for entry in entries:
        assert isinstance(entry, PictureShapes)
        for problem in entry.problems:
            assert "Traceback" not in problem
        found = matcher.match(entry).picture if entry.name else None
        if found is not None:
            assert found.sha256 == shas[0]
            for shape in entry.shapes:
                with contextlib.suppress(MaskFormatError):
                    fitted = upright_shape(shape, entry.size, found, shown=entry.shown)
                    assert shape_mask(fitted, found.height, found.width).dtype == bool


def explore(stage, form, seeds, tmp_path):
    workspace, _, shas = stage
    matcher = PictureMatcher(workspace, None)
    refused = 0
    for seed in seeds:
        source = bend_a_file(stage, form, f"{form}{seed}", tmp_path / "bent")
        try:
            detect(source)
            checked(read_entries(FORMATS[form], source), workspace, shas, matcher)
        except BodyshopError as error:
            refused += 1
            assert "Error(" not in error.message or "can't be read" in error.message
    return refused


@pytest.mark.parametrize("form", FORMATS)
def test_files_bent_in_one_place_are_read_or_refused_in_words(form, stage, tmp_path):
    explore(stage, form, range(40), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_thousands_of_files_bent_in_one_place(form, stage, tmp_path):
    explore(stage, form, range(1000, 2120), tmp_path)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """(workspace, folder, sha256s): files of other tools, a folder each, about a.jpg of two."""
    root = tmp_path_factory.mktemp("others")
    pictures = {"a.jpg": picture_bytes(64, 48), "b.jpg": picture_bytes(64, 48, seed=1)}
    workspace = Workspace.open(root / "ws")
    import_folder(put(root / "mine", pictures), workspace)
    for number, (_, files) in enumerate(GOOD.values()):
        put(root / str(number), files)
    mask = Image.new("RGB", (64, 48))
    mask.paste((128, 0, 0), (10, 10, 40, 30))
    for name in ("SegmentationClass", "SegmentationObject", "masks/dent"):
        (root / "colours" / name).mkdir(parents=True)
        mask.save(root / "colours" / name / "a.png")
    put(root / "colours", {"labelmap.txt": "dent:128,0,0::\n"})
    shas = [hashlib.sha256(data).hexdigest() for data in pictures.values()]
    return workspace, root, shas


def bend_others(others, seeds, tmp_path):
    workspace, root, shas = others
    matcher = PictureMatcher(workspace, root / "mine")
    forms = [*(form for form, _ in GOOD.values()), "png"]
    folders = [*map(str, range(len(GOOD))), "colours"]
    for seed in seeds:
        number = seed % len(folders)
        source = bend_a_file(others, folders[number], f"o{seed}", tmp_path / "bent")
        with contextlib.suppress(BodyshopError):
            detect(source)
        with contextlib.suppress(BodyshopError):
            checked(read_entries(FORMATS[forms[number]], source), workspace, shas, matcher)


def test_files_of_other_tools_bent_in_one_place(others, tmp_path):
    bend_others(others, range(2 * len(GOOD)), tmp_path)


@pytest.mark.slow
def test_thousands_of_files_of_other_tools_bent_in_one_place(others, tmp_path):
    bend_others(others, range(1000, 4000), tmp_path)


@pytest.mark.parametrize("form", FORMATS)
def test_bent_files_are_imported_without_a_traceback(form, stage, tmp_path):
    _, _, shas = stage
    for seed in range(2):
        other = Workspace.open(tmp_path / f"ws{seed}")
        for n in range(2):
            add_picture(other, picture_bytes(W, H, seed=n))
        source = bend_a_file(stage, form, f"i{seed}", tmp_path / "bent")
        try:
            import_masks(other, None, source)
        except BodyshopError:
            continue
        assert set(current_masks(other)) <= {shas[0]}


@settings(max_examples=60)
@given(st.text(max_size=40))
def test_any_name_has_spellings_or_none(name):
    from labeling.exchange.picture_names import spellings

    for each in spellings(name):
        assert "/" not in each.stem
