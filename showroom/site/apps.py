"""What the applications of all hosts share: setting, robots.txt, answers that are files."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response

from showroom.site.hosts import Hosts, RobotsBook
from showroom.site.stock import Stock


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything a host's application needs to know."""

    stock: Stock
    hosts: Hosts
    robots: RobotsBook
    stopping: threading.Event


def new_app(name: str, setting: Setting) -> Flask:
    """Return an application for the host `name` that has robots.txt and all addresses."""
    # Static files come from the host that asks for them; there is no other origin to trust.
    app = Flask(
        f"showroom.site.{name}",
        root_path=str(Path(__file__).parent),
        static_url_path="/static",
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.json.ensure_ascii = False  # type: ignore[attr-defined]

    @app.get("/robots.txt")
    def robots() -> Response:
        answer = setting.robots.get(name)
        return Response(answer.body, status=answer.status, mimetype="text/plain")

    @app.get("/favicon.ico")
    def favicon() -> Response:
        return Response(status=204)

    @app.context_processor
    def addresses() -> dict[str, object]:
        return {"hosts": setting.hosts, "stock": setting.stock}

    return app


def picture_response(
    data: bytes, mimetype: str = "image/jpeg", headers: dict[str, str] | None = None
) -> Response:
    """Return `data` as a cacheable picture with an ETag."""
    response = Response(data, mimetype=mimetype, headers=headers)
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.add_etag()
    return response
