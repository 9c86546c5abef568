"""A stage for the labelling tests: a workspace, a server (real or recorded) and its labelers."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import numpy as np
import requests
from labeling_pictures import add_picture
from PIL import Image

from bodyshop_core.workspace import Workspace
from labeling.configs.label_config import load_label_config
from labeling.formats.mask_file import read_mask
from labeling.records.annotations import current_masks
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection
from labeling.sync.project import open_project
from labeling.sync.results import write_result

CASSETTES = Path(__file__).parents[1] / "labeling" / "cassettes"
LABELERS = ("ana@example.com", "bo@example.com", "cy@example.com")
PASSWORD = "a-long-password-1"


def bitmap(width, height, seed):
    """A picture whose bytes are the same with every version of Pillow: BMP, not compressed."""
    rows, columns = np.mgrid[0:height, 0:width]
    base = np.stack((rows * 7, columns * 5, (rows + columns) * 3 + seed * 37), axis=2) % 256
    buffer = io.BytesIO()
    Image.fromarray(base.astype(np.uint8)).save(buffer, "BMP")
    return buffer.getvalue()


def box(width, height, left, top, right, bottom):
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


def _described(request, hide):
    """(what a request asks, its body), without what differs from run to run."""
    parts = urlsplit(str(request.url))
    query = sorted(parse_qsl(parts.query))
    asked = f"{request.method} {parts.path}?{query}"
    body = ""
    if request.headers.get("content-type", "").startswith("application/json"):
        body = request.read().decode()
    for text, stand_in in hide.items():
        asked, body = asked.replace(text, stand_in), body.replace(text, stand_in)
        asked = unquote(asked).replace(text, stand_in)
    return asked, body


class Recorder(httpx.BaseTransport):
    """Passes requests on to the server and notes the answers."""

    def __init__(self, file, hide):
        self.inner, self.file, self.hide, self.notes = httpx.HTTPTransport(), file, hide, []

    def handle_request(self, request):
        asked, body = _described(request, self.hide)
        answer = self.inner.handle_request(request)
        text = answer.read().decode("utf-8", "replace")
        kind = answer.headers.get("content-type", "")
        if "json" not in kind:
            text = text[:80] if answer.status_code >= 400 else ""
        for hidden, stand_in in self.hide.items():
            text = text.replace(hidden, stand_in)
        note = {"asked": asked, "body": body, "status": answer.status_code, "type": kind}
        self.notes.append(note | {"date": answer.headers.get("date", ""), "answer": text})
        answer.close()
        return httpx.Response(
            answer.status_code, content=answer.content,
            headers={"content-type": kind, "date": answer.headers.get("date", "")},
        )  # fmt: skip

    def close(self):
        self.inner.close()

    def save(self):
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(json.dumps(self.notes, indent=1, ensure_ascii=False) + "\n")


class Replay(httpx.BaseTransport):
    """Answers as the real server did; a request it never got then is an error."""

    def __init__(self, file, hide):
        self.hide = hide
        self.answers = defaultdict(list)
        for note in json.loads(file.read_text()):
            self.answers[note["asked"]].append(note)

    def handle_request(self, request):
        asked, body = _described(request, self.hide)
        if not self.answers[asked]:
            raise AssertionError(f"the recorded server was never asked {asked} here")
        note = self.answers[asked].pop(0)
        if "/import" in asked or "/annotations" in asked:
            assert json.loads(body or "null") == json.loads(note["body"] or "null"), asked
        text = note["answer"]
        for hidden, stand_in in self.hide.items():
            text = text.replace(stand_in, hidden)
        return httpx.Response(
            note["status"], headers={"content-type": note["type"], "date": note["date"]},
            content=text.encode(),
        )  # fmt: skip


@dataclass
class Stage:
    """What a scenario plays on."""

    workspace: Workspace
    client: LabelStudioClient
    labelers: dict[str, LabelStudioClient]
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, width=24, height=18, seed=0):
        sha = add_picture(self.workspace, bitmap(width, height, seed))
        self.sizes[sha] = (width, height)
        return sha

    def box(self, sha, left, top, right, bottom):
        return box(*self.sizes[sha], left, top, right, bottom)

    def project(self, kind="damage"):
        return open_project(self.workspace, kind, self.client)

    def tasks(self, kind="damage"):
        pages = self.client.scan(self.project(kind).remote_id, ("id", "data"))
        return {task["data"]["ext_id"]: task["id"] for page in pages for task in page}

    def annotate(self, sha, by="ana", *, kind="damage", masks=None, choices=None, **more):
        """A labeler submits; returns the annotation's id."""
        label_config = load_label_config(kind)
        result = write_result(masks or {}, label_config, choices=choices, seed=sha + by)
        path = f"api/tasks/{self.tasks(kind)[sha]}/annotations/"
        body = {"result": result, "lead_time": 12.5, **more}
        return self.labelers[f"{by}@example.com"]._json("POST", path, body=body)["id"]

    def change(self, annotation, masks, by="ana"):
        body = {"result": write_result(masks, load_label_config("damage"), seed=f"{annotation}")}
        path = f"api/annotations/{annotation}/"
        self.labelers[f"{by}@example.com"]._json("PATCH", path, body=body)

    def erase(self, annotation):
        self.client._transport.request(f"api/annotations/{annotation}/", method="DELETE")

    def masks(self, sha):
        files = current_masks(self.workspace).get(sha, {})
        return {label: read_mask(self.workspace.root / file) for label, file in files.items()}


def sign_up(url, key, email):
    """Make an account by invitation, as a labeler does; returns its key."""
    admin = {"Authorization": f"Token {key}"}
    with requests.Session() as session:
        answer = session.get(f"{url}/api/invite", headers=admin, timeout=60)
        session.cookies.clear()
        page = f"{url}{answer.json()['invite_url']}"
        session.get(page, timeout=60)
        form = {"email": email, "password": PASSWORD}
        form["csrfmiddlewaretoken"] = session.cookies["csrftoken"]
        session.post(page, data=form, headers={"Referer": url}, timeout=60)
        return session.get(f"{url}/api/current-user/token", timeout=60).json()["token"]


@contextmanager
def build_stage(workspace, url, keys, root, transport):
    """keys: e-mail -> key; "admin" is the project's owner."""
    clients = {
        name: LabelStudioClient(Connection(url, key, root), transport=transport)
        for name, key in keys.items()
    }
    try:
        yield Stage(workspace, clients["admin"], clients)
    finally:
        for client in clients.values():
            client.close()
