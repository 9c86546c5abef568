"""The backend answers Label Studio: live proposals, and regions from clicks and boxes."""

from __future__ import annotations

import json
import threading
import time

import httpx
import numpy as np
import pytest
from labeling_pictures import add_picture
from PIL import Image
from spotted import H, W, iou, spotted

from bodyshop_core.errors import UsageError
from bodyshop_core.imaging import load_rgb
from labeling import PreAnnotation
from labeling.backend.answers import Answers
from labeling.backend.growing import Click, change_region, grow_region
from labeling.backend.serving import running_backend
from labeling.configs.label_config import load_label_config
from labeling.configs.smart_tools import BOX, CLICK, with_smart_tools
from labeling.records.shown import ShownSize
from labeling.sync.results import read_result

CONFIG = with_smart_tools(load_label_config("damage"))


def test_a_click_or_a_box_finds_a_spot_and_more_clicks_change_it():
    rgb, spot = spotted()
    middle = Click(140, 110)
    assert iou(grow_region(rgb, [middle]), spot) > 0.9
    assert iou(grow_region(rgb, box=(92, 72, 190, 150)), spot) > 0.9
    without = grow_region(rgb, [middle, Click(105, 110, positive=False)])
    assert not without[110, 105]
    assert without.sum() < spot.sum()


@pytest.mark.parametrize("box", [None, (-50, -50, 1, 1), (319, 239, 400, 400), (5, 5, 5, 90)])
def test_prompts_at_the_edge_or_of_no_area_give_a_mask_of_the_picture(box):
    rgb, _ = spotted()
    assert grow_region(rgb, [], box).shape == (H, W)
    assert grow_region(rgb, [Click(0, 0), Click(319, 239)], box).shape == (H, W)
    assert not grow_region(rgb, [Click(9, 9, positive=False)]).any()
    assert grow_region(rgb[:1, :1], [Click(0, 0)]).shape == (1, 1)


@pytest.fixture
def answers(workspace, tmp_path):
    """(answers of a model that calls every left half a dent, sha256 of the only picture)."""
    rgb, _ = spotted()
    Image.fromarray(rgb).save(tmp_path / "a.png")
    sha = add_picture(workspace, (tmp_path / "a.png").read_bytes())

    def propose(pictures):
        for picture in pictures:
            left = np.zeros((picture.height, picture.width), bool)
            left[:, : picture.width // 2] = True
            masks = {"dent": left, "rust": left}
            yield PreAnnotation(picture.sha256, masks, {"state": "damaged", "hue": "red"}, 0.75)

    return Answers(workspace, propose, "model-1"), sha


def asked(*sha256s, prompts=()):
    tasks = [{"id": n, "data": {"ext_id": sha256}} for n, sha256 in enumerate(sha256s)]
    params = {"context": {"result": list(prompts)}} if prompts else {"context": None}
    return {"tasks": tasks, "label_config": CONFIG.xml, "params": params, "project": "1.2"}


def prompt(kind, name, value, label="scratch", size=(W, H), **more):
    return {
        "type": kind, "from_name": name, "to_name": "image", "value": value | {kind: [label]},
        "original_width": size[0], "original_height": size[1],
    } | more  # fmt: skip


def test_a_task_gets_what_its_project_offers_of_the_models_proposal(answers):
    model, sha = answers
    known, unknown = model.answer(asked(sha, "f" * 64))
    assert (known["score"], known["model_version"]) == (0.75, "model-1")
    found = read_result(known["result"], CONFIG, width=W, height=H)
    assert found.problems == []
    assert set(found.masks) == {"dent"}
    assert found.choices == {"state": ["damaged"]}
    assert found.masks["dent"].sum() == W * H // 2
    assert unknown["result"] == []


def test_a_click_and_a_box_of_a_page_come_back_as_a_region_of_their_class(answers):
    model, sha = answers
    _, spot = spotted()
    click = prompt("keypointlabels", CLICK, {"x": 43.75, "y": 45.8, "width": 0.3}, is_positive=1)
    box = prompt("rectanglelabels", BOX, {"x": 29, "y": 30, "width": 30, "height": 33})
    for prompts in ([click], [box], [box, click]):
        (answer,) = model.answer(asked(sha, prompts=prompts))
        found = read_result(answer["result"], CONFIG, width=W, height=H)
        assert set(found.masks) == {"scratch"}
        assert iou(found.masks["scratch"], spot) > 0.9
    # The page also holds the questions; they are no annotations.
    assert read_result([click, box], CONFIG, width=W, height=H).shapes == []
    (answer,) = model.answer(asked(sha, prompts=[click | {"original_width": 9}]))
    assert answer["result"] == []


def test_of_a_large_picture_the_region_has_the_size_that_is_shown(workspace, tmp_path):
    width, height = 2400, 1600
    rgb, spot = spotted(width, height, (800, 600, 1100, 900))
    Image.fromarray(rgb).save(tmp_path / "a.jpg", quality=95)
    sha = add_picture(workspace, (tmp_path / "a.jpg").read_bytes())
    shown = ShownSize.of(width, height)
    value = {"x": 100 * 950 / width, "y": 100 * 750 / height}
    (answer,) = Answers(workspace, lambda _: [], "m").answer(
        asked(sha, prompts=[prompt("keypointlabels", CLICK, value, size=shown.size)])
    )
    (region,) = answer["result"]
    assert (region["original_width"], region["original_height"]) == shown.size == (1200, 800)
    found = read_result([region], CONFIG, width=width, height=height)
    assert iou(found.masks["scratch"], spot) > 0.9


@pytest.fixture
def server(answers):
    model, sha = answers
    with running_backend(model.answer, "model-1", port=0) as running:
        yield running, sha


def test_the_server_speaks_the_protocol_and_answers_only_to_its_token(server):
    running, sha = server
    assert running.url.startswith("http://127.0.0.1:")
    assert running.token not in repr(running)
    with httpx.Client(base_url=running.url, trust_env=False, timeout=60) as client:
        assert client.get("/health").json()["status"] == "UP"
        for path in ("/setup", "/predict", "/webhook"):
            assert client.post(path, json=asked(sha)).status_code == 401
            wrong = client.post(path, json=asked(sha), auth=(running.user, "guess"))
            assert wrong.status_code == 401
        client.auth = (running.user, running.token)
        assert client.post("/setup", json={"project": "1.2"}).json()["model_version"] == "model-1"
        answer = client.post("/predict", json=asked(sha))
        assert len(answer.json()["results"][0]["result"]) == 2
        assert client.post("/webhook", json={"action": "ANNOTATION_CREATED"}).status_code == 201
        assert client.post("/train").status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"tasks": 3, "label_config": "<View/>"}', b"\xff",
     b'{"tasks": [{"data": 1}], "label_config": "<View/>"}',
     json.dumps(asked("a", prompts=[{"type": "keypointlabels"}])).encode(),
     b'{"tasks": [], "label_config": "<View"}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_request_is_refused_and_the_server_goes_on(server, body):
    running, sha = server
    with httpx.Client(base_url=running.url, trust_env=False, timeout=60) as client:
        client.auth = (running.user, running.token)
        answer = client.post("/predict", content=body)
        # A click on a picture that is not here has no answer, whatever it looks like.
        assert answer.status_code == 400 or answer.json()["results"][0]["result"] == []
        assert client.post("/predict", json=asked(sha)).status_code == 200


def test_a_caller_that_hangs_up_costs_one_line(capfd):
    told, asked_for = [], threading.Event()

    class Listener:
        def log(self, message):
            told.append(message)

    def slow(request):
        asked_for.wait(10)
        return [{"result": "x" * 10_000_000}]

    with running_backend(slow, "m", port=0, progress=Listener()) as running:
        with (
            httpx.Client(base_url=running.url, trust_env=False, timeout=0.5) as client,
            pytest.raises(httpx.ReadTimeout),
        ):
            client.post("/predict", json={}, auth=(running.user, running.token))
        asked_for.set()
        end = time.monotonic() + 20
        while not told and time.monotonic() < end:
            time.sleep(0.05)
    assert len(told) == 1
    assert "got no answer" in told[0]
    assert capfd.readouterr().err == ""


def test_a_port_in_use_is_named(server):
    running, _ = server
    port = int(running.url.rpartition(":")[2])
    taken = running_backend(lambda _: [], "m", port=port)
    with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is in use"), taken:
        pass


def test_smart_tools_are_added_once_and_change_no_class():
    plain = load_label_config("damage")
    assert CONFIG.controls == plain.controls
    assert CONFIG.digest == plain.digest
    assert CONFIG.xml.count('smart="true"') == 2
    assert with_smart_tools(CONFIG) is CONFIG


def test_a_negative_click_into_a_region_without_a_border_takes_a_part_away():
    region = grow_region(spotted()[0], box=(0, 0, W, H)) | True
    left = change_region(region, Click(1e300, H / 2, positive=False))
    assert 0 < left.sum() < region.sum()
    assert not left[H // 2, W - 1]
    for far in (float("inf"), -1e300, 2.0**40):
        assert grow_region(spotted()[0], [Click(far, far)]).any()


def test_a_task_of_a_large_picture_gets_proposals_of_the_size_that_it_shows(workspace, tmp_path):
    width, height = 2100, 1700
    Image.new("RGB", (width, height), "red").save(tmp_path / "a.jpg")
    sha = add_picture(workspace, (tmp_path / "a.jpg").read_bytes())
    mask = np.zeros((height, width), bool)
    mask[10:60, 10:60] = True
    propose = lambda _: [PreAnnotation(sha, {"dent": mask})]  # noqa: E731
    request = asked(sha, sha, sha)
    shown = ShownSize.of(width, height)
    request["tasks"][0]["data"]["image"] = f"/data/upload/3/0a1b2c3d-{shown.copy_name(sha)}"
    request["tasks"][1]["data"]["image"] = f"/data/local-files/?d=blobs/{sha[:2]}/{sha}.jpg"
    sizes = [
        (region["original_width"], region["original_height"])
        for answer in Answers(workspace, propose, "m").answer(request)
        for region in answer["result"]
    ]
    assert sizes == [(1050, 850), (width, height), (width, height)]


def test_a_picture_that_cant_be_read_costs_its_own_answer_and_is_named(answers, tmp_path):
    model, good = answers
    bad = []
    for number in range(2):
        Image.new("RGB", (W, H), (number, 0, 0)).save(tmp_path / "b.png")
        bad.append(add_picture(model.workspace, (tmp_path / "b.png").read_bytes()))
    model.workspace.image_path(bad[0]).write_bytes(b"no picture")
    model.workspace.image_path(bad[1]).unlink()
    told, propose = [], model.predict

    class Listener:
        def log(self, message):
            told.append(message)

    def reading(pictures):
        for picture in pictures:
            load_rgb(picture.path)
        return propose(pictures)

    model.progress, model.predict = Listener(), reading
    click = prompt("keypointlabels", CLICK, {"x": 43.75, "y": 45.8, "width": 0.3}, is_positive=1)
    for prompts in ((), [click]):
        first, found, last = model.answer(asked(bad[0], good, bad[1], prompts=prompts))
        assert first["result"] == last["result"] == []
        assert found["result"]
        assert [bad[0][:12] in told[0], "is damaged" in told[0]] == [True, True]
        assert [bad[1][:12] in told[1], "can't be read" in told[1]] == [True, True]
        told.clear()


def test_a_model_that_fails_is_answered_in_json_and_the_server_goes_on():
    def fail(request):
        raise RuntimeError(f"no {request['what']}")

    with (
        running_backend(fail, "m", port=0) as running,
        httpx.Client(base_url=running.url, trust_env=False, timeout=60) as client,
    ):
        client.auth = (running.user, running.token)
        for what in ("memory", "card"):
            answer = client.post("/predict", json={"what": what})
            assert answer.status_code == 500
            assert f"no {what}" in answer.json()["error"]
