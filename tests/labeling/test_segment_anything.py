"""Clicks and boxes answered by Segment Anything files; toy networks stand in for the weights."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import toy_sam
from labeling_pictures import add_picture
from PIL import Image, ImageDraw
from spotted import iou, spotted

from bodyshop.cli import main
from bodyshop_core.catalog import BlobRef
from bodyshop_core.errors import MissingPartError, UsageError
from labeling.backend.answers import Answers
from labeling.backend.growing import Click
from labeling.backend.segment_anything import (
    KEPT_EMBEDDINGS,
    SegmentAnything,
    SegmentAnythingError,
)
from labeling.configs.label_config import load_label_config
from labeling.configs.smart_tools import BOX, CLICK, with_smart_tools
from labeling.records.shown import ShownSize
from labeling.sync.results import read_result

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnx", reason="the extra onnx is not installed")

CONFIG = with_smart_tools(load_label_config("damage"))
SHAPES = [(320, 240), (240, 320), (1500, 400), (90, 100), (2000, 3)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sam")
    return {
        "encoder": toy_sam.write_encoder(folder / "encoder.onnx"),
        "packed": toy_sam.write_encoder(folder / "packed.onnx", packed=True),
        "prompted": toy_sam.write_decoder(folder / "prompted.onnx"),
        "dark": toy_sam.write_decoder(folder / "dark.onnx", best="dark"),
    }


@pytest.fixture(scope="module")
def prompted(files):
    """Answers with what was asked for: discs around the clicks, and the box."""
    return SegmentAnything(files["encoder"], files["prompted"])


@pytest.fixture(scope="module")
def dark(files):
    """Answers with the dark parts of the picture."""
    return SegmentAnything(files["encoder"], files["dark"])


def saved(image, path, **settings):
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **settings)
    return BlobRef(path)


def disc(size, x, y):
    """The disc of a toy click at (x, y) of a picture, in the picture's pixels."""
    width, height = size
    scale = 1024 / max(size)
    wide, high = (max(1, int(side * scale + 0.5)) for side in size)
    rows, columns = np.mgrid[:height, :width] + 0.5
    across, down = (columns - x) * wide / width, (rows - y) * high / height
    return across**2 + down**2 < toy_sam.RADIUS**2


@pytest.mark.parametrize("size", SHAPES)
def test_a_click_lands_where_it_was_made_in_pictures_of_any_shape(prompted, tmp_path, size):
    picture = saved(Image.new("RGB", size, "gray"), tmp_path / "a.png")
    width, height = size
    for x, y in ((0.3 * width, 0.6 * height), (0.9 * width, 0.1 * height)):
        found = prompted.region(picture, [Click(x, y)])
        assert found.shape == (height, width)
        assert iou(found, disc(size, x, y)) > 0.97
    beside = prompted.region(picture, [Click(float("inf"), -1e300)])
    assert iou(beside, disc(size, width, 0)) > 0.9


def test_positive_and_negative_clicks_and_the_corners_of_a_box_have_their_labels(
    prompted, tmp_path
):
    size = width, height = 640, 480
    picture = saved(Image.new("RGB", size, "gray"), tmp_path / "a.png")
    boxed = np.zeros((height, width), bool)
    boxed[100:300, 50:400] = True
    for box in ((50, 100, 400, 300), (400, 300, 50, 100)):
        assert iou(prompted.region(picture, box=box), boxed) > 0.98
    click, other = (200, 150), (500, 400)
    both = prompted.region(picture, [Click(*click), Click(*other)])
    assert iou(both, disc(size, *click) | disc(size, *other)) > 0.97
    less = prompted.region(picture, [Click(*click, positive=False)], (50, 100, 400, 300))
    assert iou(less, boxed & ~disc(size, *click)) > 0.97
    more = prompted.region(picture, [Click(*other)], (50, 100, 400, 300))
    assert iou(more, boxed | disc(size, *other)) > 0.97
    to_the_edge = prompted.region(picture, box=(-500, 100, 9999, 300))
    assert to_the_edge[110:290].all()
    assert not to_the_edge[310:].any()


def test_a_picture_of_one_pixel_has_a_region(prompted, tmp_path):
    picture = saved(Image.new("RGB", (1, 1), "gray"), tmp_path / "a.png")
    assert prompted.region(picture, [Click(0.5, 0.5)]).tolist() == [[True]]


@pytest.mark.parametrize("box", [None, (-50, -50, -1, 1), (5, 5, 5, 90)])
def test_without_a_positive_click_or_an_area_there_is_no_region(prompted, tmp_path, box):
    picture = saved(Image.new("RGB", (64, 48), "gray"), tmp_path / "a.png")
    found = prompted.region(picture, [Click(30, 30, positive=False)], box)
    assert found.shape == (48, 64)
    assert not found.any()


@pytest.mark.parametrize("encoder", ["encoder", "packed"])
@pytest.mark.parametrize("size", [(400, 300), (300, 400)])
def test_the_model_sees_the_picture_upright_normalised_and_only_the_clicked_part_returns(
    files, tmp_path, encoder, size
):
    model = SegmentAnything(files[encoder], files["dark"])
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    spots = []
    for box in ((20, 30, 120, 110), (180, 190, 280, 270)):
        # 110 is below the mean of red, 140 above: anything but SAM's own normalisation shows.
        draw.rectangle((box[0] - 10, box[1] - 10, box[2] + 10, box[3] + 10), fill=(140, 0, 0))
        draw.ellipse(box, fill=(110, 255, 255))
        mask = Image.new("1", size)
        ImageDraw.Draw(mask).ellipse(box, fill=1)
        spots.append(np.asarray(mask))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    turned = image.transpose(Image.Transpose.ROTATE_90)
    for name, stored, more in (("a.png", image, {}), ("b.png", turned, {"exif": exif})):
        picture = saved(stored, tmp_path / name, **more)
        for spot, click in zip(spots, ((70, 70), (230, 230)), strict=True):
            assert iou(model.region(picture, [Click(*click)]), spot) > 0.9
        assert iou(model.region(picture, [Click(70, 70), Click(230, 230)]), sum(spots) > 0) > 0.9
        # A box and a click that lies on no part leave the mask as the model gave it.
        assert iou(model.region(picture, box=(0, 0, 150, 150)), sum(spots) > 0) > 0.9
        assert iou(model.region(picture, [Click(size[0] - 1, 1)]), sum(spots) > 0) > 0.9


def test_a_picture_is_encoded_once_and_the_oldest_embedding_goes(files, tmp_path):
    model = SegmentAnything(files["encoder"], files["prompted"])
    pictures = [
        saved(Image.new("RGB", (40, 30), (90, 90, number)), tmp_path / f"{number}.png")
        for number in range(KEPT_EMBEDDINGS + 1)
    ]
    first = model.region(pictures[0], [Click(20, 15)])
    pictures[0].path.unlink()
    assert (model.region(pictures[0], [Click(20, 15)]) == first).all()
    for picture in pictures[1:]:
        model.region(picture, [Click(20, 15)])
    with pytest.raises(Exception, match=r"0\.png"):
        model.region(pictures[0], [Click(20, 15)])


@pytest.mark.parametrize("colour", ["black", "white"])
def test_a_model_that_fails_or_answers_with_no_numbers_says_so(dark, tmp_path, colour):
    picture = saved(Image.new("RGB", (64, 64), colour), tmp_path / "a.png")
    with pytest.raises(SegmentAnythingError, match=r"Segment Anything (failed|returned values)"):
        dark.region(picture, [Click(5, 5)])


def asked(*sha256s, prompts):
    tasks = [{"id": n, "data": {"ext_id": sha256}} for n, sha256 in enumerate(sha256s)]
    return {
        "tasks": tasks, "label_config": CONFIG.xml, "params": {"context": {"result": prompts}},
    }  # fmt: skip


def prompt(kind, name, size, **value):
    return {
        "type": kind, "from_name": name, "to_name": "image", "is_positive": 1,
        "value": value | {kind: ["scratch"]},
        "original_width": size[0], "original_height": size[1],
    }  # fmt: skip


def test_a_page_that_shows_a_large_rotated_picture_gets_a_region_in_its_own_pixels(
    workspace, dark, tmp_path
):
    width, height = 1600, 2400  # upright
    rgb, spot = spotted(width, height, (800, 600, 1100, 900))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(rgb).transpose(Image.Transpose.ROTATE_90)
    stored.save(tmp_path / "a.jpg", quality=95, exif=exif)
    sha = add_picture(workspace, (tmp_path / "a.jpg").read_bytes())
    size = ShownSize.of(width, height).size
    assert size == (800, 1200)
    click = prompt("keypointlabels", CLICK, size, x=100 * 950 / width, y=100 * 750 / height)
    box = prompt("rectanglelabels", BOX, size, x=45, y=20, width=30, height=20)
    for prompts in ([click], [box], [box, click]):
        (answer,) = Answers(workspace, lambda _: [], "m", grow=dark.region).answer(
            asked(sha, prompts=prompts)
        )
        (region,) = answer["result"]
        assert (region["original_width"], region["original_height"]) == size
        found = read_result([region], CONFIG, width=width, height=height)
        assert iou(found.masks["scratch"], spot) > 0.95


def test_a_picture_on_which_it_fails_costs_its_own_answer_and_is_named(workspace, dark, tmp_path):
    shas = []
    for image in (Image.new("RGB", (320, 240)), Image.fromarray(spotted()[0])):
        image.save(tmp_path / "a.png")
        shas.append(add_picture(workspace, (tmp_path / "a.png").read_bytes()))
    told = []

    class Listener:
        def log(self, message):
            told.append(message)

    answers = Answers(workspace, lambda _: [], "m", grow=dark.region, progress=Listener())
    click = prompt("keypointlabels", CLICK, (320, 240), x=43.75, y=45.8)
    bad, good = answers.answer(asked(*shas, prompts=[click]))
    assert bad["result"] == []
    assert good["result"]
    assert len(told) == 1
    assert f"no answer for {shas[0][:12]}: Segment Anything failed" in told[0]


def test_files_that_are_no_such_pair_are_refused_with_what_is_expected(files, tmp_path):
    encoder, decoder = files["encoder"], files["prompted"]
    with pytest.raises(UsageError, match=r"no encoder .*1x3x1024x1024.*it has image_embeddings"):
        SegmentAnything(decoder, encoder)
    with pytest.raises(UsageError, match=r"no decoder .*point_coords 1xNx2.*it has planes"):
        SegmentAnything(encoder, encoder)
    renamed = toy_sam.INPUTS.replace("float[1] has_mask_input", "float[1,1] has_mask_input")
    wrong = toy_sam.write_decoder(tmp_path / "shape.onnx", given=renamed)
    with pytest.raises(UsageError, match="no decoder of Segment Anything"):
        SegmentAnything(encoder, wrong)
    extra = toy_sam.write_decoder(tmp_path / "more.onnx", given=f"{toy_sam.INPUTS}, float[1] more")
    with pytest.raises(UsageError, match="no decoder of Segment Anything"):
        SegmentAnything(encoder, extra)
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(UsageError, match=r"text\.onnx can't be opened as ONNX"):
        SegmentAnything(encoder, tmp_path / "text.onnx")
    for missing in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(UsageError, match="is no file"):
            SegmentAnything(missing, decoder)


def test_without_its_extra_it_names_the_one_command_that_installs_it(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    with pytest.raises(MissingPartError, match=r"onnxruntime[^$]*pip install 'bodyshop\[onnx\]'"):
        SegmentAnything(files["encoder"], files["prompted"])


def test_the_command_takes_two_files_and_checks_them_before_it_asks_a_server(
    workspace, files, capfd
):
    given = ["-w", str(workspace.root), "label", "backend", "--sam"]
    decoder, encoder = str(files["prompted"]), str(files["encoder"])
    with pytest.raises(SystemExit) as ended:
        main([*given, decoder, encoder])
    assert ended.value.code == UsageError.exit_code
    shown = capfd.readouterr()
    assert "no encoder of Segment Anything" in " ".join(shown.err.split())


def test_onnx_runtime_is_imported_only_when_files_are_given():
    code = (
        "import sys, labeling.backend.answers, labeling.backend.segment_anything as s;"
        "print('onnxruntime' in sys.modules, 'numpy' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split()[0] == "False"
