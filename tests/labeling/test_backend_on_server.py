"""A backend beside the real Label Studio: its proposals fill a page, its smart tool answers."""

from __future__ import annotations

import numpy as np
import pytest
from labeling_browser import browser
from labeling_pictures import add_picture
from labeling_stage import LABELERS, PASSWORD
from PIL import Image
from spotted import H, W, iou, spotted

import labeling
from labeling import PreAnnotation, Selection
from labeling.backend.answers import Answers
from labeling.backend.serving import running_backend
from labeling.configs.smart_tools import CLICK
from labeling.sync.ml_backend import connected, prepare_project
from labeling.sync.project import open_project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def asked(real_stage, tmp_path):
    """(stage, sha256): a pushed picture of a project that asks a backend."""
    stage = real_stage
    rgb, _ = spotted()
    Image.fromarray(rgb).save(tmp_path / "a.png")
    sha = add_picture(stage.workspace, (tmp_path / "a.png").read_bytes())
    labeling.init(stage.workspace, connection=stage.client)
    labeling.push(stage.workspace, selection=Selection(everything=True), connection=stage.client)
    left = np.zeros((H, W), bool)
    left[:, : W // 4] = True
    propose = lambda _: [PreAnnotation(sha, {"crack": left}, {"state": "damaged"}, 0.5)]  # noqa: E731
    version = prepare_project(stage.workspace, "model-1", connection=stage.client)
    answers = Answers(stage.workspace, propose, version)
    with (
        running_backend(answers.answer, version, port=0) as server,
        connected(
            stage.workspace,
            server.url,
            server.user,
            server.token,
            version,
            connection=stage.client,
        ),
    ):
        yield stage, sha, left


def test_label_studio_asks_the_backend_and_a_labeler_accepts_its_proposal(asked, tmp_path):
    stage, sha, left = asked
    (backend,) = stage.client.backends(stage.project().remote_id)
    assert (backend["state"], backend["model_version"]) == ("CO", "model-1")
    # As the page does when the smart tool is used.
    click = {
        "id": "q", "type": "keypointlabels", "from_name": CLICK, "to_name": "image",
        "original_width": W, "original_height": H, "image_rotation": 0, "is_positive": True,
        "value": {"x": 43.75, "y": 45.8, "width": 0.3, "keypointlabels": ["scratch"]},
    }  # fmt: skip
    body = {"task": stage.tasks()[sha], "context": {"result": [click]}}
    answer = stage.client._json("POST", f"api/ml/{backend['id']}/interactive-annotating", body=body)
    (region,) = answer["data"]["result"]
    assert region["value"]["brushlabels"] == ["scratch"]
    url = stage.client.connection.url
    with browser(tmp_path / "profile") as labeler:
        labeler.log_in(url, LABELERS[0], PASSWORD)
        labeler.open_task(url, stage.project().remote_id, stage.tasks()[sha])
        labeler.until(lambda: "crack" in labeler.regions())
        labeler.submit()
    summary = labeling.pull(stage.workspace, connection=stage.client)
    assert (summary.annotations, summary.problems) == (1, ())
    assert np.array_equal(stage.masks(sha)["crack"], left)


def test_a_click_of_a_labeler_becomes_a_region(asked, tmp_path):
    stage, sha, _ = asked
    url = stage.client.connection.url
    with browser(tmp_path / "profile", width=1700, height=1200) as labeler:
        labeler.log_in(url, LABELERS[1], PASSWORD)
        labeler.open_task(url, stage.project().remote_id, stage.tasks()[sha])
        labeler.ask_smart_tool("scratch", 140, 110, W, H)
        labeler.accept_suggestion()
        labeler.submit()
    summary = labeling.pull(stage.workspace, connection=stage.client)
    assert (summary.annotations, summary.problems) == (1, ())
    _, spot = spotted()
    assert iou(stage.masks(sha)["scratch"], spot) > 0.9


def test_the_project_forgets_a_backend_that_has_stopped(asked):
    stage, _, _ = asked
    number = stage.project().remote_id
    with running_backend(lambda _: [], "model-2", port=0) as server:
        inside = connected(
            stage.workspace, server.url, server.user, server.token, "model-2",
            connection=stage.client,
        )  # fmt: skip
        with inside:
            # The one before was never stopped: a project asks one backend.
            (backend,) = stage.client.backends(number)
            assert backend["url"] == server.url
        assert stage.client.backends(number) == []
    assert open_project(stage.workspace, "damage", stage.client).config_changes() == ()
