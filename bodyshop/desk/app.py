"""The desk's web application: who may ask, and which function answers."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bodyshop.desk import reports
from bodyshop.desk.entry import Entry
from bodyshop.desk.filters import FIGURES, parse_view
from bodyshop.desk.pictures import show, thumbnail
from bodyshop_core.errors import BodyshopError, NothingFoundError

if TYPE_CHECKING:
    from flask import Flask, Response

    from bodyshop.desk.state import DeskState

COOKIE = "bodyshop-desk"
LOCAL = {"127.0.0.1", "localhost", "[::1]"}
MAX_UPLOAD = 60 * 2**20
"""Bytes of a photo that is dropped on the page."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)


def create_app(state: DeskState, token: str) -> Flask:
    """Make the application.

    The first request needs the token, as ``/?token=…``: it is exchanged for a cookie that no other
    site's page can send, and is good for nothing afterwards. The others need that cookie. What
    changes something needs the page's own secret as a header, too, which a form of another site
    can't set. A name that is not this machine's is refused, so that no page can reach the desk
    through a name of its own (DNS rebinding).

    Parameters
    ----------
    state : DeskState
        What is shown.
    token : str
        The secret of this start's address, good once.
    """
    from flask import Flask, abort, jsonify, redirect, render_template, request, send_file

    app = Flask(__name__, static_folder="static", template_folder="static")
    app.config["MAX_CONTENT_LENGTH"] = MAX_UPLOAD
    entry = Entry(token)

    @app.before_request
    def check() -> Any:
        host = urlsplit(f"//{request.host}").hostname
        if host not in {each.strip("[]") for each in LOCAL}:
            abort(403)
        # Cookies don't know ports: two desks of one machine need two names.
        cookie = f"{COOKIE}-{request.environ.get('SERVER_PORT', '')}"
        known = entry.knows(request.cookies.get(cookie))
        if request.endpoint == "index" and request.method == "GET" and "token" in request.args:
            session = None if known else entry.exchange(request.args["token"])
            if known or session:
                answer = redirect("/", 303)
                if session:
                    answer.set_cookie(cookie, session, httponly=True, samesite="Strict")
                return answer
        if not known:
            return render_template("refused.html"), 403
        changes = request.method not in ("GET", "HEAD")
        if changes and not entry.is_of_page(request.headers.get("X-Desk-Token")):
            abort(403, "the token of this page is missing")
        return None

    @app.after_request
    def harden(answer: Response) -> Response:
        answer.headers["Content-Security-Policy"] = (
            reports.POLICY if request.endpoint == "report" else POLICY
        )
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "no-referrer"
        answer.headers["Cache-Control"] = "private, max-age=600" if answer.mimetype in (
            "image/jpeg", "text/css", "text/javascript"
        ) else "no-store"  # fmt: skip
        return answer

    @app.errorhandler(BodyshopError)
    def explain_error(error: BodyshopError) -> Any:
        code = 404 if isinstance(error, NothingFoundError) else 400
        return jsonify({"error": error.message, "hint": error.hint}), code

    @app.get("/")
    def index() -> str:
        return render_template(
            "desk.html", token=entry.page_token, by=state.by, read_only=state.read_only,
            workspace=state.workspace.root.resolve().name, field=state.field, figures=FIGURES,
        )  # fmt: skip

    @app.get("/api/pictures")
    def pictures() -> Any:
        offset = request.args.get("offset", 0, int)
        return jsonify(state.page(parse_view(request.args), offset))

    @app.get("/api/facets")
    def values() -> Any:
        return jsonify(state.facets())

    @app.get("/api/picture/<sha256>")
    def picture(sha256: str) -> Any:
        return jsonify(state.explain(sha256))

    @app.get("/api/similar/<sha256>")
    def similar(sha256: str) -> Any:
        return jsonify(state.similar(sha256))

    @app.post("/api/act")
    def act() -> Any:
        wanted = request.get_json()
        view = wanted.get("view")
        return jsonify(state.act(wanted, None if view is None else parse_view(view)))

    @app.post("/api/undo")
    def undo() -> Any:
        return jsonify(state.undo(str((request.get_json(silent=True) or {}).get("act", ""))))

    @app.post("/api/reload")
    def reload() -> Any:
        state.reload()
        return jsonify({})

    @app.post("/api/suspects")
    def start_suspects() -> Any:
        return jsonify(state.suspects.start())

    @app.get("/api/suspects")
    def suspects() -> Any:
        return jsonify(state.suspects.state())

    @app.post("/api/effect")
    def start_effect() -> Any:
        return jsonify(state.effect.start(state.field))

    @app.get("/api/effect")
    def effect() -> Any:
        return jsonify(state.effect.state())

    @app.post("/api/hiding")
    def start_hiding() -> Any:
        return jsonify(state.hiding.start())

    @app.get("/api/hiding")
    def hiding() -> Any:
        return jsonify(state.hiding.state())

    @app.get("/api/hiding/next")
    def next_hiding() -> Any:
        step = -1 if request.args.get("step") == "-1" else 1
        return jsonify(state.hiding.next(request.args.get("after", ""), step))

    @app.get("/api/hiding/<sha256>")
    def hiding_in(sha256: str) -> Any:
        return jsonify(state.hiding.picture(sha256))

    @app.post("/api/map")
    def start_map() -> Any:
        return jsonify(state.map.start())

    @app.get("/api/map")
    def map_state() -> Any:
        return jsonify(state.map.state())

    @app.get("/api/map/points")
    def map_points() -> Any:
        return jsonify(state.map_points(parse_view(request.args)))

    @app.post("/api/try")
    def try_photo() -> Any:
        # The file's own name is never used: it comes from outside.
        with tempfile.TemporaryDirectory(prefix="bodyshop-desk-") as folder:
            file = Path(folder) / "photo"
            file.write_bytes(request.get_data())
            return jsonify(state.try_photo(file))

    @app.post("/api/try/address")
    def try_address() -> Any:
        return jsonify(state.try_address(request.get_data(as_text=True).strip()))

    @app.get("/report/")
    def report_list() -> str:
        return render_template(
            "reports.html", workspace=state.workspace.root.resolve().name,
            reports=reports.list_reports(state.workspace),
        )  # fmt: skip

    @app.get("/report/<area>/<path:path>")
    def report(area: str, path: str) -> Any:
        file = reports.report_file(state.workspace, area, path)
        if file.suffix == ".html":
            return reports.for_desk(file.read_bytes())
        return send_file(file)

    @app.get("/thumbnail/<sha256>.jpg")
    def small(sha256: str) -> Any:
        return _jpeg(thumbnail(state.workspace, sha256, keep=not state.read_only))

    @app.get("/show/<sha256>.jpg")
    def large(sha256: str) -> Any:
        return _jpeg(show(state.workspace, sha256))

    return app


def _jpeg(data: bytes) -> Response:
    from flask import send_file

    return send_file(io.BytesIO(data), "image/jpeg")
