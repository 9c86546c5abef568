"""A labeler at a real Chromium sees picture and proposal, draws and submits; it comes back."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from doc_pictures import save_picture
from labeling_browser import browser
from labeling_pictures import add_picture
from labeling_stage import LABELERS, PASSWORD
from PIL import Image

import labeling
from bodyshop_core.errors import MissingPartError
from labeling import PreAnnotation, Selection
from labeling.formats.mask_file import read_mask
from labeling.records.regions import current_instances
from showroom import build_showroom

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EVERYTHING = Selection(everything=True)
ORANGE = (0xFF, 0x9F, 0x1C)
"""The colour of a dent in configs/damage.xml."""


def test_the_proposal_lies_where_it_should_and_a_drawn_stroke_comes_back(real_stage, tmp_path):
    stage = real_stage
    grey = tmp_path / "grey.png"
    Image.new("RGB", (600, 400), (120, 120, 120)).save(grey)
    sha = add_picture(stage.workspace, grey.read_bytes())
    dent = np.zeros((400, 600), bool)
    dent[50:150, 100:250] = True
    labeling.init(stage.workspace, connection=stage.client)
    labeling.push(
        stage.workspace, selection=EVERYTHING, model_version="model-1", connection=stage.client,
        predict=lambda pictures: [PreAnnotation(sha, {"dent": dent}, {"state": "damaged"}, 0.8)],
    )  # fmt: skip
    with browser(tmp_path / "profile") as labeler:
        labeler.log_in(stage.client.connection.url, LABELERS[0], PASSWORD)
        labeler.open_task(
            stage.client.connection.url, stage.project().remote_id, stage.tasks()[sha]
        )
        colour = labeler.colours(600, 400)
        for x, y in ((105, 55), (245, 55), (175, 100), (105, 145), (245, 145)):
            red, _, blue = colour(x, y)
            # Half-transparent orange on grey: towards the label's colour, away from grey.
            assert red > 150, (x, y)
            assert blue < 100, (x, y)
        for x, y in ((95, 100), (255, 100), (175, 45), (175, 155), (400, 300)):
            assert np.abs(colour(x, y) - 120).max() < 12, (x, y)
        labeler.press("2")
        labeler.stroke([(300 + 10 * n, 300) for n in range(16)], 600, 400)
        labeler.submit()
    summary = labeling.pull(stage.workspace, connection=stage.client)
    assert (summary.annotations, summary.problems) == (1, ())
    masks = stage.masks(sha)
    assert np.array_equal(masks["dent"], dent)
    scratch = masks["scratch"]
    assert all(scratch[300, x] for x in range(305, 445, 10))
    assert not scratch[:250].any()
    assert not scratch[350:].any()
    assert not scratch[:, :270].any()
    assert not scratch[:, 480:].any()


def test_a_spot_without_a_kind_gets_one_by_selecting_it_and_pressing_a_number(real_stage, tmp_path):
    stage = real_stage
    grey = tmp_path / "grey.png"
    Image.new("RGB", (600, 400), (120, 120, 120)).save(grey)
    sha = add_picture(stage.workspace, grey.read_bytes())
    spot = np.zeros((400, 600), bool)
    spot[100:300, 200:400] = True
    labeling.init(stage.workspace, connection=stage.client)
    labeling.push(
        stage.workspace, selection=EVERYTHING, model_version="run-1 Grad-CAM",
        predict=lambda pictures: [PreAnnotation(sha, {"damage": spot}, {"state": "damaged"}, 0.9)],
        connection=stage.client,
    )  # fmt: skip
    with browser(tmp_path / "profile") as labeler:
        url = stage.client.connection.url
        labeler.log_in(url, LABELERS[2], PASSWORD)
        labeler.open_task(url, stage.project().remote_id, stage.tasks()[sha])
        labeler.select_region("damage")
        labeler.press("1")
        labeler.submit()
    summary = labeling.pull(stage.workspace, connection=stage.client)
    assert (summary.annotations, summary.problems) == (1, ())
    masks = stage.masks(sha)
    assert set(masks) == {"dent"}
    assert np.array_equal(masks["dent"], spot)


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_a_picture_turned_by_exif_is_labelled_upright(real_stage, tmp_path, form):
    stage = real_stage
    file = tmp_path / "turned"
    image = Image.new("RGB", (600, 400), (120, 120, 120))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(file, form, exif=exif, quality=95)
    sha = add_picture(stage.workspace, file.read_bytes())
    dent = np.zeros((600, 400), bool)
    dent[20:120, 30:130] = True
    labeling.init(stage.workspace, connection=stage.client)
    labeling.push(
        stage.workspace, selection=EVERYTHING, model_version="model-1", connection=stage.client,
        predict=lambda pictures: [PreAnnotation(sha, {"dent": dent}, {"state": "damaged"}, 0.8)],
    )  # fmt: skip
    with browser(tmp_path / "profile") as labeler:
        labeler.log_in(stage.client.connection.url, LABELERS[0], PASSWORD)
        labeler.open_task(
            stage.client.connection.url, stage.project().remote_id, stage.tasks()[sha]
        )
        colour = labeler.colours(400, 600)
        assert colour(80, 70)[2] < 100
        assert np.abs(colour(200, 70) - 120).max() < 12
        labeler.submit()
    labeling.pull(stage.workspace, connection=stage.client)
    assert np.array_equal(stage.masks(sha)["dent"], dent)


@contextmanager
def shop_window(folder, **headers):
    """Serve a folder over HTTP, as a bucket or another web server does; yields the address."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def end_headers(self):
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            super().end_headers()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_pictures_served_from_elsewhere_are_shown_when_that_server_allows_it(real_stage, tmp_path):
    stage = real_stage
    green = tmp_path / "green.png"
    Image.new("RGB", (600, 400), (20, 160, 40)).save(green)
    sha = add_picture(stage.workspace, green.read_bytes())
    labeling.init(stage.workspace, connection=stage.client)
    push = {"selection": EVERYTHING, "images": "url", "connection": stage.client}
    with shop_window(stage.workspace.root) as address:
        with pytest.raises(MissingPartError, match="Access-Control-Allow-Origin"):
            labeling.push(stage.workspace, url_prefix=address, **push)
        with pytest.raises(MissingPartError, match="answers HTTP 404"):
            labeling.push(stage.workspace, url_prefix=f"{address}/nowhere", **push)
    assert stage.tasks() == {}
    with shop_window(stage.workspace.root, Access_Control_Allow_Origin="*") as address:
        summary = labeling.push(stage.workspace, url_prefix=address, **push)
        assert summary.pushed == 1
        with browser(tmp_path / "profile") as labeler:
            url = stage.client.connection.url
            labeler.log_in(url, LABELERS[0], PASSWORD)
            labeler.open_task(url, stage.project().remote_id, stage.tasks()[sha])
            assert np.abs(labeler.colours(600, 400)(300, 200) - (20, 160, 40)).max() < 12


def test_the_showrooms_truth_is_offered_to_the_labeler(real_stage, tmp_path):
    stage = real_stage
    truth = build_showroom(tmp_path / "showroom", size="tiny")
    full = [p for p in truth.pictures if p.masks and p.framing == "full"]
    picture = max(full, key=lambda p: (len(p.masks), p.width))
    sha = add_picture(stage.workspace, (tmp_path / "showroom" / picture.file).read_bytes())
    masks = {c: read_mask(tmp_path / "showroom" / f) for c, f in picture.masks.items()}
    for kind in ("damage", "review"):
        labeling.init(stage.workspace, kind, connection=stage.client)
    labeling.push(
        stage.workspace, selection=EVERYTHING, model_version="showroom truth",
        connection=stage.client,
        predict=lambda pictures: [PreAnnotation(sha, masks, {"state": "damaged"}, 1.0)],
    )  # fmt: skip
    labeling.push(stage.workspace, "review", selection=EVERYTHING, connection=stage.client)
    url = stage.client.connection.url
    with browser(tmp_path / "profile") as labeler:
        labeler.log_in(url, LABELERS[1], PASSWORD)
        labeler.open_task(url, stage.project().remote_id, stage.tasks()[sha])
        labeler.submit()
        labeler.open_task(url, stage.project("review").remote_id, stage.tasks("review")[sha])
        labeler.choose("keep")
        save_picture(labeler.snapshot(), "labeling-review.png")
        labeler.submit()
    summary = labeling.pull(stage.workspace, connection=stage.client)
    assert summary.masks == len(masks)
    found = stage.masks(sha)
    assert all(np.array_equal(found[label], masks[label]) for label in masks)
    summary = labeling.pull(stage.workspace, "review", connection=stage.client)
    assert summary.decisions == 1


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080)])
def test_what_has_to_be_chosen_is_beside_the_picture_without_scrolling(
    real_stage, tmp_path, width, height
):
    stage = real_stage
    photo = tmp_path / "photo.png"
    Image.new("RGB", (1200, 800), (120, 120, 120)).save(photo)
    add_picture(stage.workspace, photo.read_bytes())
    labeling.init(stage.workspace, connection=stage.client)
    labeling.push(stage.workspace, selection=EVERYTHING, connection=stage.client)
    # The window's frame is not part of the page: 143 pixels in this browser.
    with browser(tmp_path / "profile", width=width, height=height + 143) as labeler:
        url = stage.client.connection.url
        labeler.log_in(url, LABELERS[0], PASSWORD)
        labeler.open_stream(url, stage.project().remote_id)
        if width == 1280:
            save_picture(labeler.snapshot(), "labeling-page-1280.png")
        left, top, wide, high = labeler.frame()
        bottom = labeler.window.execute_script("return window.innerHeight")
        assert (top + high) <= bottom
        seen = labeler.places_of(["damaged", "whole", "dent", "scratch", "flat_tyre", "damage"])
        assert set(seen) == {"damaged", "whole", "dent", "scratch", "flat_tyre", "damage"}
        for text, place in seen.items():
            assert place["left"] >= left + wide - 2, text
            assert place["bottom"] <= bottom - 50, text  # the bar with Submit is below
        shown = labeler.text()
        for heading in (
            "1. Is the car damaged? (required)", "2. Paint the damage: press a key, then drag",
            "or click the corners of its outline", "or drag a box around it",
            "4. What does the picture show?",
        ):  # fmt: skip
            assert heading in shown
        lines = shown.replace("\n", " ")
        for choice in ("damaged[d]", "whole[w]", "dent 1", "damage 8", "dent q", "dent x"):
            assert choice in lines, choice
        # Menu, toolbar, choices and the list of regions take 720 pixels.
        assert wide >= width - 740
        labeler.press_submit()
        labeler.until(lambda: "is the car damaged or whole?" in labeler.text())
        assert "state" not in labeler.text().split("Please answer")[1][:80]


def test_keys_give_a_region_its_severity_and_part_and_the_brushs_key_changes_neither(
    real_stage, tmp_path
):
    stage = real_stage
    grey = tmp_path / "grey.png"
    Image.new("RGB", (600, 400), (120, 120, 120)).save(grey)
    sha = add_picture(stage.workspace, grey.read_bytes())
    labeling.init(stage.workspace, connection=stage.client)
    labeling.push(stage.workspace, selection=EVERYTHING, connection=stage.client)
    url = stage.client.connection.url
    with browser(tmp_path / "profile") as labeler:
        labeler.log_in(url, LABELERS[0], PASSWORD)
        labeler.open_task(url, stage.project().remote_id, stage.tasks()[sha])
        labeler.press("d")
        labeler.press("1")
        labeler.stroke([(100 + 10 * n, 100) for n in range(10)], 600, 400)
        labeler.press("9")
        labeler.press_shift("d")
        labeler.press("b")
        assert "3. The selected damage: how severe, on which part?" in labeler.text()
        labeler.press("u")
        labeler.press("2")
        labeler.stroke([(300 + 10 * n, 300) for n in range(10)], 600, 400)
        labeler.press("-")
        labeler.press_shift("b")
        labeler.submit()
    summary = labeling.pull(stage.workspace, connection=stage.client)
    assert (summary.annotations, summary.problems) == (1, ())
    shapes = current_instances(stage.workspace)[sha].shapes()
    said = {(shape.label, shape.severity, shape.part) for shape in shapes}
    assert said == {("dent", "minor", "door"), ("scratch", "severe", "bumper")}
    labeling.export_masks(stage.workspace, "coco", tmp_path / "out")
    document = json.loads((tmp_path / "out" / "annotations.json").read_text())
    written = [each["attributes"] for each in document["annotations"]]
    assert {(each["severity"], each["part"]) for each in written} == {
        ("minor", "door"), ("severe", "bumper"),
    }  # fmt: skip
