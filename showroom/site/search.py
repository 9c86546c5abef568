"""The image search, its thumbnails, and the pages and originals that it leads to."""

from __future__ import annotations

from flask import Flask, Response, abort, jsonify, render_template, request

from showroom.site.apps import Setting, new_app, picture_response
from showroom.site.derive import resized
from showroom.site.hosts import channel
from showroom.truth import Picture

PAGE = 20
THUMB_WIDTH = 240
# After this many results the feed stops until the visitor presses "More results".
BUTTON_EVERY = 40


def search_app(setting: Setting) -> Flask:
    """Return the application of the host ``search``."""
    app = new_app("search", setting)
    stock, hosts = setting.stock, setting.hosts

    @app.get("/")
    def home() -> str:
        return render_template("search_home.html", queries=stock.truth.queries())

    @app.get("/search")
    def results_page() -> str:
        query = request.args.get("q", "").strip()
        return render_template("search.html", query=query, every=BUTTON_EVERY)

    @app.get("/api/search")
    def results() -> Response:
        start = max(0, request.args.get("start", 0, type=int))
        found = stock.results(request.args.get("q", ""))
        items = [_item(p) for p in found[start : start + PAGE]]
        after = start + len(items)
        return jsonify(total=len(found), items=items, next=after if after < len(found) else None)

    @app.get("/api/item/<picture_id>")
    def item(picture_id: str) -> Response:
        picture = stock.picture(picture_id)
        if picture is None or picture.place != "search":
            abort(404)
        return jsonify(
            full=hosts.original(picture, stock),
            page=hosts.source_page(picture),
            title=stock.caption(picture),
            site=_site_name(picture),
            width=picture.width,
            height=picture.height,
        )

    def _item(picture: Picture) -> dict[str, object]:
        return {
            "id": picture.id,
            "thumb": hosts.thumbnail(picture),
            "title": stock.caption(picture),
            "site": _site_name(picture),
            "w": picture.width,
            "h": picture.height,
        }

    return app


def thumbs_app(setting: Setting) -> Flask:
    """Return the application of the host ``thumbs``."""
    app = new_app("thumbs", setting)
    stock = setting.stock

    @app.get("/th/<picture_id>")
    def thumbnail(picture_id: str) -> Response:
        picture = stock.picture(picture_id)
        if picture is None:
            abort(404)
        if picture.thumbnail:
            return picture_response((stock.root / picture.thumbnail).read_bytes())
        return picture_response(resized(stock.root / picture.file, THUMB_WIDTH))

    return app


def web_app(setting: Setting) -> Flask:
    """Return the application of the host ``web``: where the search results live."""
    app = new_app("web", setting)
    stock = setting.stock

    @app.get("/photos/<picture_id>.jpg")
    def photo(picture_id: str) -> Response:
        picture = stock.picture(picture_id)
        if picture is None or picture.place != "search":
            abort(404)
        return picture_response(stock.read(picture))

    @app.get("/<any(listing, forum, auction, blog):kind>/<picture_id>")
    def source_page(kind: str, picture_id: str) -> str:
        picture = stock.picture(picture_id)
        if picture is None or picture.place != "search" or channel(picture) != kind:
            abort(404)
        brand, model = stock.names(picture)
        return render_template(
            "source.html",
            kind=kind,
            site_name=_site_name(picture),
            picture=picture,
            title=stock.caption(picture),
            full=setting.hosts.original(picture, stock),
            subject=f"{brand} {model}".strip() or picture.query,
        )

    @app.get("/locked/<path:rest>")
    def locked(rest: str) -> Response:
        return Response("members only", status=403, mimetype="text/plain")

    return app


def _site_name(picture: Picture) -> str:
    names = {
        "listing": "Harbour Cars",
        "forum": "The Garage Board",
        "auction": "Hammer & Wheel",
        "blog": "Sunday Driver",
    }
    return names[channel(picture)]
