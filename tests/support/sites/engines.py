"""Image search of Google, Bing and Naver: the structure of their pages as publicly known.

Sources of the class names and attributes: public crawlers and user scripts that were repaired
against the live pages between 2021 and August 2026. Nothing of the engines' own code or content is
in here. Parameters of the addresses that the real sites do not have: ``layout``, ``consent``,
``blocked``.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from sites.items import Item

FOLDER = Path(__file__).parent
GOOGLE_BATCH, BING_BATCH, NAVER_BATCH = 12, 8, 10
# Google knows no working original for this one: the preview goes on showing the thumbnail.
LOST = 7


def google_app(items: tuple[Item, ...], thumbs: str) -> Flask:
    """Return the replica of Google's image search.

    ``layout`` is ``current`` or ``classic``; ``consent`` is ``page`` (a page in between) or
    ``banner`` (a dialog over the results).
    """
    app = _app("google")

    @app.get("/robots.txt")
    def robots() -> Response:
        return Response("User-agent: *\nDisallow: /search\n", mimetype="text/plain")

    @app.get("/search")
    def search() -> AnyResponse | str:
        if request.args.get("blocked"):
            return redirect("/sorry/index?" + urlencode({"continue": request.full_path}))
        asked = request.args.get("consent", "")
        if asked == "page" and "SOCS" not in request.cookies:
            return redirect("/consent/ml?" + urlencode({"continue": request.full_path}))
        name = "classic.html" if request.args.get("layout") == "classic" else "current.html"
        return render_template(
            name,
            query=request.args.get("q", ""),
            first=_google_results(items, thumbs, 0),
            total=_total(items),
            banner=asked == "banner" and "SOCS" not in request.cookies,
        )

    @app.get("/async/images")
    def more() -> Response:
        start = request.args.get("start", 0, type=int)
        return Response(
            json.dumps(_google_results(items, thumbs, start)[: max(0, _total(items) - start)]),
            mimetype="application/json",
        )

    @app.get("/consent/ml")
    def consent() -> str:
        return render_template("consent.html", target=request.args["continue"])

    @app.post("/consent/save")
    def save() -> AnyResponse:
        answer = redirect(request.form["continue"])
        answer.set_cookie("SOCS", "reject", samesite="Lax")
        return answer

    @app.get("/sorry/index")
    def sorry() -> Response:
        return Response(render_template("sorry.html"), status=429)

    return app


def _google_results(items: tuple[Item, ...], thumbs: str, start: int) -> list[dict[str, Any]]:
    found = []
    for item in items[start : start + GOOGLE_BATCH]:
        thumb = f"http://{thumbs}/images?" + urlencode(
            {"q": f"tbn:ANd9GcR{item.number}", "s": "10"}
        )
        inline = "data:image/jpeg;base64," + base64.b64encode(item.small).decode()
        imgres = "/imgres?" + urlencode(
            {"q": "cars", "imgurl": item.full, "imgrefurl": item.page, "docid": f"d{item.number}",
             "w": item.width, "h": item.height}
        )  # fmt: skip
        found.append(
            {
                "docid": f"d{item.number}",
                "number": item.number,
                "page": item.page,
                "title": item.title,
                # The first screen comes inline, what is scrolled to from the thumbnail host.
                "thumb": inline if item.number < 10 else thumb,
                "preview": thumb,
                "full": thumb if item.number == LOST else item.full,
                "imgres": imgres,
            }
        )
    return found


def bing_app(items: tuple[Item, ...], thumbs: str) -> Flask:
    """Return the replica of Bing's image search; ``layout`` is ``m`` or ``mediaurl``."""
    app = _app("bing")

    @app.get("/robots.txt")
    def robots() -> Response:
        return Response("User-agent: *\nDisallow: /th?\n", mimetype="text/plain")

    @app.get("/images/search")
    def search() -> str:
        if request.args.get("blocked"):
            return render_template("challenge.html")
        return render_template(
            "search.html",
            query=request.args.get("q", ""),
            layout=request.args.get("layout", "m"),
            cards=_bing_cards(items, thumbs, 0),
            total=_total(items),
            banner="BCP" not in request.cookies,
        )

    @app.get("/images/async")
    def more() -> str:
        first = request.args.get("first", 0, type=int)
        return render_template(
            "cards.html",
            layout=request.args.get("layout", "m"),
            cards=_bing_cards(items, thumbs, first)[: max(0, _total(items) - first)],
        )

    return app


def _bing_cards(items: tuple[Item, ...], thumbs: str, first: int) -> list[dict[str, Any]]:
    cards = []
    for item in items[first : first + BING_BATCH]:
        thumb = f"http://{thumbs}/th/id/OIP.{item.number}?w=240&h=160&c=7&r=0&o=5&pid=1.7"
        cards.append(
            {
                "m": json.dumps(
                    {"sid": "", "cid": f"c{item.number}", "purl": item.page, "murl": item.full,
                     "turl": thumb, "md5": item.sha256[:32], "shkey": "", "t": item.title,
                     "mid": f"M{item.number}", "desc": item.title},
                    ensure_ascii=False,
                ),
                "href": "/images/search?" + urlencode(
                    {"view": "detailV2", "ccid": f"c{item.number}", "mediaurl": item.full,
                     "expw": item.width, "exph": item.height, "q": "cars"}
                ),
                "thumb": thumb, "title": item.title, "page": item.page,
                "size": f"{item.width} x {item.height} · jpeg",
            }
        )  # fmt: skip
    return cards


def naver_app(items: tuple[Item, ...], thumbs: str) -> Flask:
    """Return the replica of Naver's image search; ``layout`` is ``current`` or ``grid``."""
    app = _app("naver")

    @app.get("/robots.txt")
    def robots() -> Response:
        return Response("User-agent: *\nDisallow: /\n", mimetype="text/plain")

    @app.get("/search.naver")
    def search() -> str:
        if request.args.get("blocked"):
            return render_template("captcha.html")
        return render_template(
            "search.html",
            query=request.args.get("query", ""),
            layout=request.args.get("layout", "current"),
            first=_naver_tiles(items, thumbs, 0),
            total=_total(items),
        )

    @app.get("/api/images")
    def more() -> Response:
        start = request.args.get("start", 0, type=int)
        tiles = _naver_tiles(items, thumbs, start)[: max(0, _total(items) - start)]
        return Response(json.dumps(tiles, ensure_ascii=False), mimetype="application/json")

    return app


def _naver_tiles(items: tuple[Item, ...], thumbs: str, start: int) -> list[dict[str, Any]]:
    return [
        {
            "title": item.title,
            "thumb": f"http://{thumbs}/common/?src={quote(item.full, safe='')}&type=a340",
            "large": f"http://{thumbs}/common/?src={quote(item.full, safe='')}&type=sc960_832",
            "full": item.full,
            "page": item.page,
        }
        for item in items[start : start + NAVER_BATCH]
    ]


def _app(engine: str) -> Flask:
    app = Flask(f"sites.{engine}", root_path=str(FOLDER), template_folder=engine)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    return app


def _total(items: tuple[Item, ...]) -> int:
    """Return how many results the query has: ``none`` finds nothing."""
    return 0 if (request.args.get("q") or request.args.get("query")) == "none" else len(items)
