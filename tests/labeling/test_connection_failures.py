"""Failures between client and server: a clear message, exit code 5, nothing written by half."""

from __future__ import annotations

import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from labeling_pictures import add_picture
from labeling_stage import bitmap

import labeling
from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import MissingPartError, UsageError
from bodyshop_core.locking import locked
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection, ServerError, write_secret

# both fail before a server is started
# the private name: what is written for the account, without starting a server
from labeling.server.local_server import _account, _free_port
from labeling.sync.project import project_lock

URL = "http://127.0.0.1:8080"
KEY = "s3cret" * 6


def client(answer):
    return LabelStudioClient(Connection(URL, KEY), transport=httpx.MockTransport(answer))


def always(status, body, kind="application/json"):
    content = body if isinstance(body, str) else json.dumps(body)
    return lambda request: httpx.Response(
        status, content=content, headers={"content-type": kind, "set-cookie": "sessionid=abc"}
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (always(401, {"detail": "Invalid token."}), "refuses the key: Invalid token"),
        (
            always(404, {"detail": "No Project matches the given query."}),
            "not found on Label Studio",
        ),
        (always(404, "<html>Not found</html>", "text/html"), "is not a Label Studio server"),
        (always(200, "<html>A blog</html>", "text/html"), "is not a Label Studio server"),
    ],
)
def test_each_refusal_of_a_server_has_its_message_and_none_shows_the_key(answer, message):
    with pytest.raises(MissingPartError, match=message) as caught:
        client(answer).project(1)
    assert caught.value.exit_code == 5
    assert caught.value.hint
    assert KEY not in str(caught.value)
    assert "sessionid" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (httpx.TooManyRedirects("Exceeded maximum allowed redirects."), "redirects"),
        (httpx.DecodingError("incorrect header check"), "header check"),
        (httpx.InvalidURL("Invalid port: '80a'"), "Invalid port"),
    ],
)
def test_a_response_that_can_not_be_read_gives_a_message(fault, message):
    def answer(request):
        raise fault

    with pytest.raises(MissingPartError, match=f"is not a Label Studio server.*{message}"):
        client(answer).project(1)


def test_a_proxy_from_the_environment_is_not_used_for_a_local_server(monkeypatch):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"release": "1.23.2"}')

        def log_message(self, *_):
            pass

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        near = LabelStudioClient(Connection(f"http://127.0.0.1:{server.server_port}", KEY))
        assert near.release() == "1.23.2"
        near.close()
        server.shutdown()


def test_a_server_that_is_down_says_how_to_start_it(workspace):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    broken = LabelStudioClient(Connection(f"http://127.0.0.1:{port}", KEY))
    with pytest.raises(MissingPartError, match=f"no Label Studio answers.*{port}") as caught:
        broken.import_tasks(1, [])
    assert "bodyshop label serve" in caught.value.hint
    broken.close()


def test_a_server_fault_tells_what_it_said():
    answer = always(400, {"detail": "Validation error", "validation_errors": {"image": ["gone"]}})
    with pytest.raises(ServerError, match=r'HTTP 400: Validation error: \{"image": \["gone"\]\}'):
        client(answer).import_tasks(1, [])


def test_an_import_is_not_retried():
    asked = []

    def answer(request):
        asked.append(request.url.path)
        return httpx.Response(503, json={"detail": "busy"})

    with pytest.raises(MissingPartError, match="HTTP 503: busy"):
        client(answer).import_tasks(1, [{"data": {}}])
    assert len(asked) == 1


def test_a_server_that_does_not_answer_in_time_is_down():
    def answer(request):
        raise httpx.ReadTimeout("timed out")

    with pytest.raises(
        MissingPartError, match=r"no Label Studio answers.*no answer within"
    ) as caught:
        client(answer).project(1)
    assert "continues where it stopped" in caught.value.hint


def test_an_old_server_is_refused_before_anything_is_made(workspace):
    with pytest.raises(MissingPartError, match=r"version 1\.15\.0; bodyshop needs 1\.17"):
        labeling.init(workspace, connection=client(always(200, {"release": "1.15.0"})))


def test_an_old_server_is_refused_by_push_and_pull(workspace):
    row = {"name": "damage", "kind": "damage", "url": URL, "remote_id": 1, "instance": "i"}
    row |= {"config": "<View/>", "cursor": {}, "updated_at": now()}
    workspace.catalog.upsert(schema.label_projects, [row])
    for command in (labeling.push, labeling.pull):
        with pytest.raises(MissingPartError, match=r"version 1\.15\.0"):
            command(workspace, connection=client(always(200, {"release": "1.15.0"})))


def test_push_and_pull_before_init_name_the_command(workspace):
    add_picture(workspace, bitmap(8, 8, 0))
    for command in (labeling.push, labeling.pull):
        with pytest.raises(MissingPartError) as caught:
            command(workspace, "review", connection=client(always(200, {})))
        assert caught.value.hint == "create it: bodyshop label init --project review"


def test_a_second_command_on_the_same_project_is_refused(workspace):
    message = "another bodyshop command is using the damage"
    with project_lock(workspace, "damage"), pytest.raises(UsageError, match=message):
        labeling.push(workspace, connection=client(always(200, {})))
    with project_lock(workspace, "damage"), project_lock(workspace, "review"):
        pass


def test_a_lock_waits_when_asked_to(tmp_path):
    order, started = [], threading.Event()

    def wait():
        started.set()
        with locked(tmp_path / "x", wait=True):
            order.append("second")

    waiting = threading.Thread(target=wait)
    with locked(tmp_path / "x"):
        waiting.start()
        assert started.wait(30)
        with pytest.raises(UsageError), locked(tmp_path / "x"):
            order.append("never")
        order.append("first")
    waiting.join(30)
    assert order == ["first", "second"]


def test_the_doctor_reports_an_unreachable_server_without_raising(workspace):
    checks = labeling.doctor(
        workspace, connection=client(always(401, {"detail": "Invalid token."}))
    )
    assert [check.ok for check in checks[1:]] == [False]
    assert "refuses the key" in checks[1].message
    assert checks[1].hint


def test_the_environment_names_the_server_before_the_workspace(workspace, tmp_path):
    Connection("http://127.0.0.1:1", "a" * 40, workspace.root).save(workspace)
    assert Connection.find(workspace, {}).document_root == workspace.root
    found = Connection.find(workspace, {"LABEL_STUDIO_URL": f"{URL}/", "LABEL_STUDIO_API_KEY": KEY})
    assert (found.url, found.key, found.document_root) == (URL, KEY, None)
    secret = tmp_path / "key"
    secret.write_text(f"{KEY}\n")
    named = {"LABEL_STUDIO_URL": URL, "LABEL_STUDIO_API_KEY_FILE": str(secret)}
    secret.chmod(0o600)
    assert Connection.find(workspace, named).key == KEY


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_key_file_that_others_may_read_is_refused(workspace, tmp_path):
    secret = tmp_path / "key"
    secret.write_text(KEY)
    secret.chmod(0o644)
    named = {"LABEL_STUDIO_URL": URL, "LABEL_STUDIO_API_KEY_FILE": str(secret)}
    with pytest.raises(MissingPartError, match="other users can read it") as caught:
        Connection.find(workspace, named)
    assert caught.value.hint == f"run: chmod 600 {secret}"


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_saved_connection_is_for_its_owner_only(workspace):
    connection = Connection(URL, KEY, workspace.root)
    connection.save(workspace)
    path = workspace.root / "labelstudio" / "connection.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert KEY not in repr(connection)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_secret_is_written_without_changing_the_umask_of_the_process(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("it belongs to all threads"))
    for text in ("first", "second"):
        write_secret(tmp_path / "key", text)
        assert (tmp_path / "key").read_text() == f"{text}\n"
        assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "no Label Studio server is configured"),
        ({"LABEL_STUDIO_URL": URL}, "its key is not"),
        ({"LABEL_STUDIO_URL": "127.0.0.1:8080", "LABEL_STUDIO_API_KEY": KEY}, "invalid address"),
        ({"LABEL_STUDIO_URL": "http://x:80a", "LABEL_STUDIO_API_KEY": KEY}, "invalid address"),
        ({"LABEL_STUDIO_URL": "http://[::1", "LABEL_STUDIO_API_KEY": KEY}, "invalid address"),
        ({"LABEL_STUDIO_URL": "http://a b", "LABEL_STUDIO_API_KEY": KEY}, "invalid address"),
        ({"LABEL_STUDIO_URL": URL, "LABEL_STUDIO_API_KEY": "a b"}, "contains a space"),
        ({"LABEL_STUDIO_URL": URL, "LABEL_STUDIO_API_KEY": "ключ"}, "invalid character"),
        ({"LABEL_STUDIO_URL": URL, "LABEL_STUDIO_API_KEY": "a\x00b"}, "invalid character"),
        ({"LABEL_STUDIO_URL": URL, "LABEL_STUDIO_API_KEY_FILE": "/nowhere"}, "does not exist"),
    ],
)
def test_a_missing_or_invalid_connection_is_named(environ, message, workspace):
    with pytest.raises(MissingPartError, match=message):
        Connection.find(workspace, environ)


def test_a_port_in_use_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="is in use"):
            _free_port(taken.getsockname()[1])
    assert _free_port(0) > 0


@pytest.mark.parametrize("content", ["{", "[]", '{"user": "x"}'])
def test_a_damaged_account_file_is_named(tmp_path, content):
    (tmp_path / "account.json").write_text(content)
    with pytest.raises(MissingPartError, match=r"account\.json is damaged") as caught:
        _account(tmp_path)
    assert "move" in caught.value.hint


def test_serving_without_an_installation_says_how_to_install(workspace, monkeypatch, tmp_path):
    monkeypatch.setenv("BODYSHOP_CACHE", str(tmp_path))
    with (
        pytest.raises(MissingPartError, match="not installed") as caught,
        labeling.serve(workspace, install=False),
    ):
        pass
    assert "bodyshop label serve" in caught.value.hint
