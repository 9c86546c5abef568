"""The desk without a browser: who may ask, what is shown, what is decided and taken back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from desk_client import TOKEN, let_in, page_headers
from filling import add_picture, photo, pretend_features, pretend_scores
from sqlalchemy import select, update

import curate
from bodyshop.desk import acts
from bodyshop.desk.app import create_app
from bodyshop.desk.filters import FIGURES, View
from bodyshop.desk.state import DeskState
from bodyshop.desk.table import load_table
from bodyshop.forget import forget
from bodyshop.suspects import JudgedLabel, Suspects
from bodyshop_core.catalog import effective_labels, schema
from bodyshop_core.errors import UsageError
from bodyshop_core.workspace import Workspace
from curate.gate.stage import load_gate


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace.open(tmp_path / "workspace")
    for seed in range(6):
        add_picture(
            workspace, photo(seed), labels={"damage": ("damaged", "whole")[seed % 2]},
            file=f"{seed}.jpg", alt=f"Door {seed}", source="import",
        )  # fmt: skip
    curate.measure_images(workspace, workers=1)
    pretend_scores(workspace)
    curate.judge(workspace)
    return workspace


@pytest.fixture
def state(workspace):
    return DeskState(workspace, "Kim", read_only=False)


@pytest.fixture
def client(state):
    return let_in(create_app(state, TOKEN))


@pytest.fixture
def headers(client):
    return page_headers(client)


def decisions(workspace):
    with workspace.catalog.read() as connection:
        return {row.sha256: row for row in connection.execute(select(schema.decisions))}


def contents(folder):
    """Return what lies in a folder, but for what SQLite keeps beside a database that is open."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in files if path.suffix not in (".db-shm", ".db-wal")}


def test_nothing_is_shown_without_the_token_of_this_start(state):
    client = create_app(state, TOKEN).test_client()
    assert client.get("/").status_code == 403
    assert client.get("/api/pictures").status_code == 403
    assert client.get("/static/desk.js").status_code == 403
    assert client.get("/?token=guessed").status_code == 403
    assert client.get("/?token=é").status_code == 403
    answer = client.get(f"/?token={TOKEN}")
    assert answer.status_code == 303
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "SameSite=Strict" in answer.headers["Set-Cookie"]
    assert client.get("/").status_code == 200


def test_the_address_lets_one_browser_in_once(state):
    app = create_app(state, TOKEN)
    assert app.test_client().head(f"/?token={TOKEN}").status_code == 403  # looks, and uses nothing
    first = let_in(app)
    assert first.get("/api/pictures").status_code == 200
    assert first.get(f"/?token={TOKEN}").status_code == 303  # a second tab of the same browser
    assert first.get("/").status_code == 200
    stranger = app.test_client()
    answer = stranger.get(f"/?token={TOKEN}")
    assert answer.status_code == 403 and "start it again" in answer.text
    assert "Set-Cookie" not in answer.headers
    for secret in (TOKEN, page_headers(first)["X-Desk-Token"]):
        cookie = next(iter(first._cookies.values()))
        stranger.set_cookie(cookie.key, secret)
        assert stranger.get("/").status_code == 403
        assert first.post("/api/undo", headers={"X-Desk-Token": TOKEN}).status_code == 403


def test_of_many_who_open_the_address_at_once_one_is_let_in(state):
    app = create_app(state, TOKEN)
    gate = Barrier(8)

    def come(_: int) -> int:
        gate.wait()
        return app.test_client().get(f"/?token={TOKEN}").status_code

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(come, range(8))) == [303, *[403] * 7]


def test_two_desks_of_one_machine_do_not_lock_each_other_out(state):
    cookies = set()
    for port, token in ((8001, "one"), (8002, "two")):
        client = create_app(state, token).test_client()
        answer = client.get(f"/?token={token}", base_url=f"http://127.0.0.1:{port}")
        cookies.add(answer.headers["Set-Cookie"].partition("=")[0])
    assert len(cookies) == 2


def test_another_sites_form_can_change_nothing(client, workspace):
    sha256 = client.get("/api/pictures").json["pictures"][0]["sha256"]
    wanted = {"kind": "reject", "pictures": [sha256]}
    assert client.post("/api/act", json=wanted).status_code == 403
    assert client.post("/api/undo").status_code == 403
    assert not decisions(workspace)


def test_a_name_that_leads_here_from_elsewhere_is_refused(client):
    for host in ("desk.example.org", "127.0.0.1.example.org", "example.org:8080"):
        assert client.get("/api/pictures", headers={"Host": host}).status_code == 403


def test_pages_run_only_scripts_of_the_desk(client):
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_filters_combine_and_stand_in_the_address(client):
    assert client.get("/api/pictures?label=damaged").json["total"] == 3
    assert client.get("/api/pictures?label=damaged|whole&text=door").json["total"] == 6
    assert client.get("/api/pictures?label=damaged&text=door 2").json["total"] == 1
    assert client.get("/api/pictures?p_car=..0.5").json["total"] == 0
    assert client.get("/api/pictures?p_car=0.5..&verdict=keep").json["total"] == 6
    assert client.get("/api/pictures?split=-").json["total"] == 6
    found = client.get("/api/pictures?sort=-sharpness").json["pictures"]
    assert [each["sharpness"] for each in found] == sorted(
        (each["sharpness"] for each in found), reverse=True
    )


def test_a_view_says_how_many_of_its_pictures_people_decided_about(client, state):
    names = [each["sha256"] for each in state.page(View(), 0)["pictures"]]
    assert state.page(View(), 0)["said"] == 0
    for kind, value, name in (("keep", "", names[0]), ("label", "whole", names[1])):
        state.act({"kind": kind, "value": value, "pictures": [name]}, None)
    assert client.get("/api/pictures").json["said"] == 2
    assert client.get("/api/pictures?said=yes").json["total"] == 2
    assert client.get("/api/pictures?said=-&label=whole").json["said"] == 0
    state.reload()
    assert state.page(View(), 0)["said"] == 2
    state.undo()
    assert state.page(View(), 0)["said"] == 1


def test_every_figure_can_be_limited_and_sorted_by_on_the_page(client):
    page = client.get("/").get_data(as_text=True)
    for name in FIGURES:
        assert f'<input id="{name}"' in page
        assert f'value="{name}"' in page and f'value="-{name}"' in page


def test_a_picture_is_found_by_the_first_digits_of_its_sha256(client, state):
    first, second = state.table["sha256"].to_pylist()[:2]
    found = client.get(f"/api/pictures?sha256={first[:16]}|{second}").json["pictures"]
    assert [each["sha256"] for each in found] == [first, second]
    assert not client.get(f"/api/pictures?sha256={first[:7]}").json["pictures"]


def test_a_wrong_filter_is_explained(client):
    for query in ("p_car=high", "sort=beauty", "p_car=1..x"):
        answer = client.get(f"/api/pictures?{query}")
        assert answer.status_code == 400
        assert answer.json["error"]


def test_a_decision_is_a_row_with_a_name_and_undo_takes_it_back(client, workspace, headers):
    sha256 = client.get("/api/pictures").json["pictures"][0]["sha256"]
    wanted = {"kind": "reject", "pictures": [sha256], "value": "a toy"}
    assert client.post("/api/act", json=wanted, headers=headers).json["pictures"] == 1
    row = decisions(workspace)[sha256]
    assert (row.decision, row.by, row.note) == ("reject", "desk:Kim", "a toy")
    assert client.get("/api/pictures?decision=reject").json["total"] == 1
    curate.judge(workspace)
    assert curate.explain(workspace, sha256).facts["verdict"] == "reject"
    assert client.post("/api/undo", headers=headers).json["pictures"] == 1
    assert not decisions(workspace)
    assert client.post("/api/undo", headers=headers).json["pictures"] == 0


def test_a_label_wins_at_once_and_undo_brings_the_other_persons_back(state, workspace):
    sha256 = state.table["sha256"][0].as_py()
    acts.perform(workspace, acts.Act("label", (sha256,), "Lee", "rusty"))
    state.act({"kind": "label", "value": "whole", "pictures": [sha256]}, None)
    assert effective_labels(workspace.catalog, "damage")[sha256].value == "whole"
    state.undo()
    assert effective_labels(workspace.catalog, "damage")[sha256].value == "rusty"
    state.undo()  # nothing of Kim's is left: Lee's stays
    assert effective_labels(workspace.catalog, "damage")[sha256].value == "rusty"


def test_undo_leaves_alone_what_was_said_later(state, workspace):
    first, second = state.table["sha256"].to_pylist()[:2]
    state.act({"kind": "keep", "pictures": [first, second]}, None)
    acts.perform(workspace, acts.Act("reject", (first,), "Lee"))
    acts.perform(workspace, acts.Act("label", (second,), "Lee", "rusty"))
    assert state.undo() == {"pictures": 1, "changed_since": 1}
    assert {sha256: row.by for sha256, row in decisions(workspace).items()} == {first: "desk:Lee"}
    assert effective_labels(workspace.catalog, "damage")[second].value == "rusty"


def test_labels_are_of_the_field_that_is_shown(state, workspace):
    sha256 = state.table["sha256"][0].as_py()
    before = effective_labels(workspace.catalog, "damage")[sha256]
    workspace.catalog.upsert(schema.split_sets, [{
        "name": "models", "target": "model", "seed": 0, "ratios": {}, "options": {},
        "audit": None, "leakage_check": None, "created_at": "2026", "revision": 1,
    }])  # fmt: skip
    state.reload()
    state.act({"kind": "label", "value": "Norden Fjell", "pictures": [sha256]}, None)
    assert effective_labels(workspace.catalog, "model")[sha256].value == "Norden Fjell"
    assert effective_labels(workspace.catalog, "damage")[sha256] == before
    assert state.table["label"][0].as_py() == "Norden Fjell"


def test_saying_what_a_rejected_picture_shows_does_not_keep_it(state, workspace):
    sha256 = state.table["sha256"][0].as_py()
    with workspace.catalog.begin() as connection:
        connection.execute(
            update(schema.verdicts)
            .where(schema.verdicts.c.sha256 == sha256)
            .values(verdict="reject", reasons=["blurry"])
        )
    with pytest.raises(UsageError, match="would keep it"):
        state.act({"kind": "framing", "value": "part", "pictures": [sha256]}, None)
    assert not decisions(workspace)
    state.act({"kind": "reject", "pictures": [sha256]}, None)
    state.act({"kind": "framing", "value": "part", "pictures": [sha256]}, None)
    row = decisions(workspace)[sha256]
    assert (row.decision, row.framing) == ("reject", "part")


def test_a_line_that_a_power_cut_broke_off_costs_itself_alone(state, workspace):
    shas = state.table["sha256"].to_pylist()
    state.act({"kind": "keep", "pictures": shas[:1]}, None)
    journal = workspace.root / "desk" / "acts.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"id": "torn", "by": "Kim", "pict')
    state.act({"kind": "keep", "pictures": shas[1:2]}, None)
    assert state.undo()["pictures"] == 1
    assert state.undo()["pictures"] == 1
    assert not decisions(workspace)


def test_what_is_shown_after_acts_is_what_a_fresh_start_shows(state, workspace):
    shas = state.table["sha256"].to_pylist()
    for kind, value, some in (
        ("keep", "", shas[:2]), ("framing", "part", shas[1:3]), ("label", "rusty", shas[2:4]),
        ("reject", "a toy", shas[4:]), ("clear", "", shas[3:5]),
    ):  # fmt: skip
        state.act({"kind": kind, "value": value, "pictures": some}, None)
        assert state.table.equals(load_table(workspace)), kind
    while state.undo()["pictures"]:
        assert state.table.equals(load_table(workspace))


def test_all_of_a_view_are_decided_only_when_their_number_was_confirmed(client, workspace, headers):
    wanted = {"kind": "framing", "value": "part", "view": {"label": "damaged"}}
    answer = client.post("/api/act", json={**wanted, "confirmed": 2}, headers=headers)
    assert answer.status_code == 400
    assert not decisions(workspace)
    answer = client.post("/api/act", json={**wanted, "confirmed": 3}, headers=headers)
    assert answer.json["pictures"] == 3
    assert {row.framing for row in decisions(workspace).values()} == {"part"}


def test_acts_that_make_no_sense_are_refused_and_change_nothing(state, workspace):
    sha256 = state.table["sha256"][0].as_py()
    for wanted in (
        {"kind": "delete", "pictures": [sha256]},
        {"kind": "keep", "pictures": []},
        {"kind": "label", "pictures": [sha256], "value": " "},
        {"kind": "label", "pictures": [sha256], "value": "x", "field": "colour"},
        {"kind": "framing", "pictures": [sha256], "value": "upside down"},
        {"kind": "keep", "pictures": [sha256, "0" * 64]},
    ):
        with pytest.raises(UsageError):
            state.act(wanted, None)
    assert not decisions(workspace)
    assert state.undo()["pictures"] == 0


def test_a_read_only_desk_refuses_every_act(workspace):
    state = DeskState(workspace, "Kim", read_only=True)
    with pytest.raises(UsageError, match="read-only"):
        state.act({"kind": "keep", "pictures": [state.table["sha256"][0].as_py()]}, None)
    with pytest.raises(UsageError, match="read-only"):
        state.undo()


@pytest.mark.slow
def test_a_read_only_desk_writes_nothing_into_the_workspace(workspace):
    client = let_in(create_app(DeskState(workspace, "Kim", read_only=True), TOKEN))
    headers, untried = page_headers(client), contents(workspace.root)
    tried = client.post("/api/try", data=photo(7), headers=headers)
    assert tried.json["prediction"]["error"] is None
    assert contents(workspace.root) == untried
    pretend_features(workspace, load_gate(workspace))
    first = client.get("/api/pictures").json["pictures"][0]["sha256"]
    before = contents(workspace.root)
    for address in (
        "/api/facets", f"/thumbnail/{first}.jpg", f"/show/{first}.jpg", f"/api/picture/{first}",
        f"/api/similar/{first}", "/api/map/points", "/report/",
    ):  # fmt: skip
        assert client.get(address).status_code == 200, address
    for job in ("suspects", "effect", "map", "hiding"):
        client.post(f"/api/{job}", headers=headers)
        while client.get(f"/api/{job}").json["state"] == "running":
            time.sleep(0.02)
    assert contents(workspace.root) == before


def test_an_erased_picture_leaves_nothing_at_the_desk_and_does_not_come_back(
    state, client, workspace
):
    sha256, other = state.table["sha256"].to_pylist()[:2]
    assert client.get(f"/thumbnail/{sha256}.jpg").status_code == 200
    state.act({"kind": "keep", "pictures": [sha256, other]}, None)
    forget(workspace, sha256)
    left = [path for path in (workspace.root / "desk").rglob("*") if path.is_file()]
    assert left
    assert not [path for path in left if sha256 in path.name or sha256 in path.read_text("latin-1")]
    assert state.undo()["pictures"] == 1
    assert not decisions(workspace)


def test_pictures_are_decoded_here_and_unknown_ones_are_not_found(client):
    sha256 = client.get("/api/pictures").json["pictures"][0]["sha256"]
    for kind in ("thumbnail", "show"):
        answer = client.get(f"/{kind}/{sha256}.jpg")
        assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
        assert client.get(f"/{kind}/{'0' * 64}.jpg").status_code == 404
        assert client.get(f"/{kind}/..%2f..%2fsecret.jpg").status_code == 404


def test_what_is_no_photo_gets_an_answer_too(client, headers):
    answer = client.post("/api/try", data=b"no photo", headers=headers)
    assert answer.status_code == 200
    assert answer.json["prediction"]["error"]


def test_an_address_of_a_private_network_is_not_fetched_and_no_other_scheme_is_tried(
    client, headers
):
    answer = client.post("/api/try/address", data="http://127.0.0.1:9/a.jpg", headers=headers)
    assert answer.status_code == 200
    assert "not downloaded" in answer.json["prediction"]["error"]
    for address in ("file:///etc/passwd", "ftp://example.org/a.jpg", "a.jpg", ""):
        answer = client.post("/api/try/address", data=address, headers=headers)
        assert (answer.status_code, answer.json["error"]) == (400, "that is no web address")
    assert client.post("/api/try/address", data="https://example.org/a.jpg").status_code == 403


def test_suspects_are_found_beside_the_requests_and_sorted_first(workspace, monkeypatch):
    shas = sorted(DeskState(workspace, "Kim", read_only=True).table["sha256"].to_pylist())
    judged = [
        JudgedLabel(sha256, "whole", "damaged", doubt, doubt < 0.6, by_person=False)
        for sha256, doubt in zip(shas, (0.9, 0.1, 0.55, 0.2, 0.7, 0.0), strict=True)
    ]
    monkeypatch.setattr(Suspects, "judged", lambda self: judged)
    state = DeskState(workspace, "Kim", read_only=False)
    client = let_in(create_app(state, TOKEN))
    headers = page_headers(client)
    assert client.post("/api/suspects", headers=headers).json["state"] in ("running", "done")
    while (answer := client.get("/api/suspects").json)["state"] == "running":
        time.sleep(0.02)
    assert answer == {
        "state": "done", "checked": 6, "suspected": 3, "agreement": pytest.approx(4 / 6),
        "agreement_before": None,
    }  # fmt: skip
    found = client.get("/api/pictures?disagreement=0.5..1&sort=-disagreement").json["pictures"]
    assert [each["sha256"] for each in found] == [shas[0], shas[4], shas[2]]
    assert [each["predicted"] for each in found] == ["damaged", "damaged", "whole"]
    judged.pop()  # which was agreed with
    client.post("/api/suspects", headers=headers)
    while (answer := client.get("/api/suspects").json)["state"] == "running":
        time.sleep(0.02)
    assert (answer["agreement"], answer["agreement_before"]) == pytest.approx((3 / 5, 4 / 6))
