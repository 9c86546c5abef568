"""Large pictures are shown smaller, and what is drawn on them comes back in their own pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labeling_pictures import add_picture
from PIL import Image

from labeling.configs.label_config import load_label_config
from labeling.formats.instances import shape_mask
from labeling.formats.polygons import rasterise
from labeling.formats.shapes import Shape
from labeling.records.pictures import load_pictures
from labeling.records.shown import ShownSize
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection
from labeling.sync.picture_urls import PictureUrls
from labeling.sync.results import SentShapes, read_result, write_result, write_shapes

CONFIG = load_label_config("damage")


@pytest.mark.parametrize(
    ("width", "height", "factor"),
    [(640, 480, 1), (1600, 1200, 1), (2400, 1600, 2), (4000, 3000, 3), (6720, 4480, 4)],
)
def test_only_large_pictures_are_shown_smaller(width, height, factor):
    shown = ShownSize.of(width, height)
    assert shown.factor == factor
    assert shown.size[0] * shown.size[1] < 3_500_000


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_what_is_painted_at_the_working_size_is_the_same_when_it_is_shown_again(
    width, height, factor, seed
):
    shown = ShownSize(width, height, factor)
    wide, high = shown.size
    painted = np.random.default_rng(seed).random((high, wide)) < 0.4
    whole = shown.enlarge(painted)
    assert whole.shape == (height, width)
    assert np.array_equal(shown.reduce(whole), painted)


def test_a_thin_scratch_stays_visible():
    scratch = np.zeros((900, 1200), bool)
    scratch[np.arange(100, 800), np.arange(100, 800)] = True
    small = ShownSize(1200, 900, 4).reduce(scratch)
    assert small.sum() == 175
    assert not small[:, :25].any()


W, H = 2401, 1603
SHOWN = ShownSize.of(W, H)


def regions_of(shapes):
    return write_shapes(shapes, CONFIG, SHOWN)


def read(regions, shapes=()):
    sent = SentShapes(shapes, CONFIG, SHOWN)
    return read_result(regions, CONFIG, width=W, height=H, sent=sent)


def test_outlines_and_boxes_come_back_as_they_were_sent():
    assert SHOWN.size == (1201, 802)
    triangle = np.array([[10.5, 3.25], [2300.0, 900.0], [77.0, 1602.0]])
    box = np.array([[100.0, 50], [801, 50], [801, 333], [100, 333]])
    shapes = [
        Shape("dent", (triangle,), place="1"),
        Shape("dent", (box,), kind="rectangle", severity="minor", place="2"),
    ]
    regions = regions_of(shapes)
    assert {(r["original_width"], r["original_height"]) for r in regions} == {SHOWN.size}
    back = read(regions)
    assert back.problems == []
    for shape, found in zip(shapes, back.shapes, strict=True):
        assert np.allclose(found.rings[0], shape.rings[0])
        assert np.array_equal(shape_mask(found, H, W), shape_mask(shape, H, W))


def test_an_imported_mask_that_nobody_touched_keeps_every_pixel_and_one_that_was_changed_does_not():
    rng = np.random.default_rng(3)
    fine = rasterise([[[300, 300], [900, 350], [700, 800]]], H, W) & (rng.random((H, W)) < 0.9)
    shape = Shape("dent", mask=fine, kind="mask", place="1")
    (region,) = regions_of([shape])
    (kept,) = read([region | {"origin": "prediction"}], [shape]).shapes
    assert np.array_equal(kept.mask, fine)
    # The labeler gives it another class: the pixels are still the same.
    other = region | {"value": region["value"] | {"brushlabels": ["scratch"]}}
    (renamed,) = read([other], [shape]).shapes
    assert renamed.label == "scratch"
    assert np.array_equal(renamed.mask, fine)
    small = SHOWN.reduce(fine)
    small[:50] = True
    painted = write_result({"dent": SHOWN.enlarge(small)}, CONFIG, shown=SHOWN)
    (changed,) = read(painted, [shape]).shapes
    assert np.array_equal(changed.mask, SHOWN.enlarge(small))


def test_regions_of_a_page_that_showed_the_full_size_are_still_read():
    mask = np.zeros((H, W), bool)
    mask[5:9, 7:11] = True
    back = read(write_result({"dent": mask}, CONFIG))
    assert np.array_equal(back.masks["dent"], mask)
    odd = write_result({"dent": mask[:100, :100]}, CONFIG)
    assert "was drawn on 100 x 100 pixels" in read(odd).problems[0]


def test_the_copy_that_is_shown_has_the_working_size_and_is_upright(workspace, tmp_path):
    photo = tmp_path / "photo.jpg"
    image = Image.linear_gradient("L").resize((H, W)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(photo, exif=exif)
    add_picture(workspace, photo.read_bytes())
    (picture,) = load_pictures(workspace)
    client = LabelStudioClient(Connection("http://127.0.0.1:8080", "k" * 40, workspace.root))
    local = PictureUrls(workspace, client, 1, "local")
    file = local._file(picture)
    with Image.open(file) as copy:
        assert copy.size == local.shown(picture).size == SHOWN.size
        grey = np.asarray(copy.convert("L")).astype(int)
    assert file.name.startswith(picture.sha256)
    assert abs(grey[:, 0].mean() - grey[:, -1].mean()) > 100  # the gradient lies on its side
    elsewhere = PictureUrls(workspace, client, 1, "url", "https://example.org")
    assert elsewhere._file(picture) == picture.path.local()
    client.close()
