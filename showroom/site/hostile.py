"""The hostile corner: every bad answer of the web, each at an address of its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from threading import Lock
from urllib.parse import quote

from flask import Flask, Response, abort, render_template, request

from showroom.site import payloads
from showroom.site.apps import Setting, new_app
from showroom.site.cdn import note
from showroom.site.stock import HOSTILE_TEXTS
from showroom.site.threats import NAMES, PAGES, STATUS, all_answers, redirects

RETRY_AFTER = 2
_STALL_SECONDS = 120.0
_FLOOD_BYTES = 1 << 40
_CHALLENGE_STATUS = (200, 403, 503)


def add_hostile_corner(app: Flask, setting: Setting) -> None:
    """Add ``/hostile/`` and everything under it to the brand site."""
    hosts, stopping = setting.hosts, setting.stopping
    targets = redirects(hosts)
    answers = all_answers(hosts)
    asked: Counter[str] = Counter()
    lock = Lock()

    def times_asked(name: str) -> int:
        with lock:
            asked[name] += 1
            return asked[name]

    makers: dict[str, Callable[[], Response]] = {
        "429-date": lambda: _busy(formatdate(time.time() + RETRY_AFTER, usegmt=True)),
        "429-once": lambda: _busy("1") if times_asked("429-once") == 1 else _jpeg("429-once"),
        "503-twice": lambda: (
            Response(status=503) if times_asked("503-twice") < 3 else _jpeg("503-twice")
        ),
        "slow": lambda: _stream(payloads.drip(note("slow"), stopping), len(note("slow"))),
        "stall": lambda: _stall(stopping.wait),
        "truncated": lambda: _stream(iter([_half("truncated")]), len(note("truncated"))),
        "cut": lambda: _raw(_half("cut")),
        "zero": lambda: _raw(b""),
        "huge-length": lambda: _stream(
            payloads.flood(note("huge"), _FLOOD_BYTES, stopping), _FLOOD_BYTES
        ),
        "endless": lambda: _stream(payloads.flood(note("endless"), _FLOOD_BYTES, stopping), None),
        "wrong-type": lambda: _raw(payloads.PDF),
        "html-as-jpg": lambda: _raw(payloads.HTML),
        "svg": lambda: _raw(payloads.SVG, "image/svg+xml"),
        "bomb": lambda: _raw(payloads.bomb_png(), "image/png"),
        "bomb-header": lambda: _raw(payloads.bomb_header_png(), "image/png"),
        "gzip-bomb": lambda: _raw(payloads.gzip_bomb(), headers={"Content-Encoding": "gzip"}),
        "png-as-jpg": lambda: _raw(note("png-as-jpg"), "image/png"),
        "disposition": lambda: _jpeg(
            "disposition", {"Content-Disposition": 'attachment; filename="../../evil.jpg"'}
        ),
        "noai": lambda: _jpeg("noai", {"X-Robots-Tag": "noai, noimageai"}),
        "noml": lambda: _jpeg("noml", {"X-Robots-Tag": "noml"}),
        "tdm": lambda: _jpeg("tdm", {"tdm-reservation": "1"}),
        "redirect-loop": lambda: _to("/hostile/redirect-loop/back"),
        "redirect-many": lambda: _to("/hostile/hops/40"),
        "redirect-good": lambda: _to("/hostile/hops/1"),
        "redirect-hop": lambda: _to(hosts.url("cdn", "/away/secret.jpg")),
    }

    @app.get("/hostile/")
    def hostile_index() -> str:
        return render_template("hostile_index.html", answers=answers, pages=PAGES)

    @app.get("/hostile/<name>")
    def hostile(name: str) -> Response | str:
        if name in PAGES:
            return _page(name, setting)
        if name in targets:
            return _to(targets[name])
        if name in makers:
            return makers[name]()
        if name in STATUS:
            status, headers = STATUS[name][0], {}
            if status in (429, 503):
                headers["Retry-After"] = str(RETRY_AFTER)
            return Response(f"status {status}", status, headers, mimetype="text/plain")
        abort(404)

    @app.get("/hostile/redirect-loop/back")
    def loop_back() -> Response:
        return _to("/hostile/redirect-loop")

    @app.get("/hostile/hops/<int:left>")
    def hops(left: int) -> Response:
        return _to(f"/hostile/hops/{left - 1}") if left else _jpeg("after redirects")

    @app.get("/hostile/same/<path:anything>")
    def same(anything: str) -> Response:
        return _jpeg("the same picture everywhere")

    @app.get("/hostile/item/<int:number>.jpg")
    def item(number: int) -> Response:
        return _raw(payloads.numbered(note("one of many"), number))

    @app.get("/hostile/named/<path:name>")
    def named(name: str) -> Response:
        return _raw(note("named", name.encode("ascii", "backslashreplace").decode()[:60]))

    @app.get("/.well-known/tdmrep.json")
    def tdm_policy() -> Response:
        return Response(
            '[{"location": "/hostile/tdm/*", "tdm-reservation": 1}]', mimetype="application/json"
        )


def private_app(setting: Setting) -> Flask:
    """Return the application of the host ``private``, which answers anything with a picture."""
    app = new_app("private", setting)

    @app.route("/", defaults={"path": ""})
    @app.route("/<path:path>")
    def secret(path: str) -> Response:
        return _jpeg("secret", {"Access-Control-Allow-Origin": "*"})

    return app


def add_way_out(app: Flask, setting: Setting) -> None:
    """Add the CDN's redirect to the private host: the second hop of ``redirect-hop``."""

    @app.get("/away/<name>")
    def away(name: str) -> Response:
        return _to(setting.hosts.url("private", f"/{name}"))


def _page(name: str, setting: Setting) -> Response | str:
    hosts = setting.hosts
    if name == "busy-page":
        return _busy(str(RETRY_AFTER))
    if name == "challenge":
        status = request.args.get("status", 200, type=int)
        page = render_template("challenge.html")
        return Response(page, status if status in _CHALLENGE_STATUS else 200)
    pictures: list[tuple[str, str]] = []
    if name == "wall":
        pictures = [(f"/hostile/{a.name}", a.what) for a in all_answers(hosts)]
    elif name == "same":
        pictures = [
            (f"/hostile/same/{i}/{'abc'[i % 3]}.jpg?utm_source={i}", f"copy {i}") for i in range(50)
        ]
    elif name == "items":
        count = min(100_000, max(0, request.args.get("n", 10_000, type=int)))
        pictures = [(f"/hostile/item/{i}.jpg", f"item {i}") for i in range(count)]
    elif name == "names":
        pictures = [(f"/hostile/named/{quote(n, safe='')}", n) for n in NAMES]
    elif name == "texts":
        pictures = [(f"/hostile/named/text-{i}.jpg", t) for i, t in enumerate(HOSTILE_TEXTS)]
    elif name == "noai-page":
        pictures = [("/hostile/named/noai-page.jpg", "not for training")]
    return render_template(
        "hostile_page.html", name=name, what=PAGES[name], pictures=pictures, hosts=hosts
    )


def _jpeg(title: str, headers: dict[str, str] | None = None) -> Response:
    return _raw(note(title), headers=headers)


def _half(title: str) -> bytes:
    data = note(title)
    return data[: len(data) // 2]


def _raw(
    data: bytes, mimetype: str = "image/jpeg", headers: dict[str, str] | None = None
) -> Response:
    return Response(data, headers=headers, mimetype=mimetype)


def _stream(chunks: object, length: int | None) -> Response:
    response = Response(chunks, mimetype="image/jpeg")  # type: ignore[arg-type]
    if length is not None:
        response.headers["Content-Length"] = str(length)
    return response


def _stall(wait: Callable[[float], bool]) -> Response:
    wait(_STALL_SECONDS)
    return Response(status=504)


def _busy(retry_after: str) -> Response:
    return Response("slow down", 429, {"Retry-After": retry_after}, mimetype="text/plain")


def _to(target: str) -> Response:
    return Response(status=302, headers={"Location": target})
