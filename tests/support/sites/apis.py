"""Openverse and Wikimedia Commons: answers of the documented form about our own pictures."""

from __future__ import annotations

import uuid
from html import escape
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, jsonify, request

from sites.items import Item

OPENVERSE_PAGE = 20
# Anonymous visitors may turn pages up to this many results, and no further.
OPENVERSE_DEPTH = 240
COMMONS_LIMIT = 50


def openverse_app(items: tuple[Item, ...]) -> Flask:
    """Return the replica of the Openverse API (``/v1/images/``), anonymous access."""
    app = Flask("openverse")

    @app.get("/robots.txt")
    def robots() -> Response:
        return Response("User-agent: *\nAllow: /\n", mimetype="text/plain")

    @app.get("/v1/images/")
    def images() -> Response | tuple[Response, int]:
        size = request.args.get("page_size", OPENVERSE_PAGE, type=int)
        page = request.args.get("page", 1, type=int)
        if size > OPENVERSE_PAGE:
            detail = "page_size must be between 1 & 20 for unauthenticated requests."
            return jsonify(detail=detail), 401
        if page < 1 or page * size > OPENVERSE_DEPTH:
            return jsonify(detail="Invalid page."), 401
        wanted = {code for code in request.args.get("license", "").lower().split(",") if code}
        found = [i for i in items if not wanted or i.licence[0] in wanted]
        if request.args.get("q") == "none":
            found = []
        shown = found[(page - 1) * size : page * size]
        return jsonify(
            result_count=len(found),
            page_count=min(-(-len(found) // size), OPENVERSE_DEPTH // size),
            page_size=size,
            page=page,
            results=[_openverse(item) for item in shown],
            warnings=[],
        )

    return app


def _openverse(item: Item) -> dict[str, Any]:
    code, version = item.licence
    key = str(uuid.uuid5(uuid.NAMESPACE_URL, item.full))
    base = f"{request.host_url}v1/images/{key}/"
    name = "CC0" if code == "cc0" else f"CC {code.upper()}"
    terms = (
        f"https://creativecommons.org/publicdomain/zero/{version}/"
        if code == "cc0"
        else f"https://creativecommons.org/licenses/{code}/{version}/"
    )
    return {
        "id": key,
        "title": item.title,
        "indexed_on": "2024-05-01T00:00:00Z",
        "foreign_landing_url": item.page,
        "url": item.full,
        "creator": item.author,
        "creator_url": f"{item.page}?author",
        "license": code,
        "license_version": version,
        "license_url": terms,
        "provider": "flickr",
        "source": "flickr",
        "category": "photograph",
        "filesize": len(item.data),
        "filetype": "jpg",
        "tags": [{"name": "car", "accuracy": None, "unstable__provider": "flickr"}],
        "attribution": f'"{item.title}" by {item.author} is licensed under {name} {version}.',
        "fields_matched": ["title"],
        "mature": False,
        "height": item.height,
        "width": item.width,
        "thumbnail": f"{base}thumb/",
        "detail_url": base,
        "related_url": f"{base}related/",
        "unstable__sensitivity": [],
    }


def commons_app(items: tuple[Item, ...]) -> Flask:
    """Return the replica of the MediaWiki Action API of Wikimedia Commons (``/w/api.php``)."""
    app = Flask("commons")

    @app.get("/robots.txt")
    def robots() -> Response:
        return Response("User-agent: *\nDisallow: /w/index.php\nAllow: /w/api.php?\n",
                        mimetype="text/plain")  # fmt: skip

    @app.get("/w/api.php")
    def api() -> Response | tuple[str, int]:
        agent = request.headers.get("User-Agent", "")
        if "@" not in agent and "http" not in agent:
            return "Please set a user-agent and respect our robot policy", 403
        asked = request.args
        if asked.get("action") != "query" or asked.get("generator") != "search":
            return jsonify(error={"code": "badvalue", "info": "Unrecognized value"})
        if asked.get("gsrnamespace") != "6":
            # Without the namespace of files a search finds articles, which have no imageinfo.
            return jsonify(batchcomplete=True)
        limit = min(asked.get("gsrlimit", 10, type=int), COMMONS_LIMIT)
        start = asked.get("gsroffset", 0, type=int)
        found = () if "none" in asked.get("gsrsearch", "") else items
        props = set(asked.get("iiprop", "timestamp|user").split("|"))
        pages = [_commons(i, props, asked.get("iiurlwidth", 0, type=int))
                 for i in found[start : start + limit]]  # fmt: skip
        answer: dict[str, Any] = {"batchcomplete": True}
        if start + limit < len(found):
            answer["continue"] = {"gsroffset": start + limit, "continue": "gsroffset||"}
        if pages:
            modern = asked.get("formatversion") == "2"
            answer["query"] = {"pages": pages if modern else {str(p["pageid"]): p for p in pages}}
        return jsonify(answer)

    return app


def _commons(item: Item, props: set[str], thumb_width: int) -> dict[str, Any]:
    name = f"File:Car no. {item.number}.jpg"
    page = f"{request.host_url}wiki/{quote(name.replace(' ', '_'))}"
    info: dict[str, Any] = {}
    if "user" in props:
        info["user"] = item.author
    if "url" in props:
        info |= {"url": item.full, "descriptionurl": page, "descriptionshorturl": f"{page}?curid"}
        if thumb_width:
            info |= {"thumburl": f"{item.full}&thumb={thumb_width}", "thumbwidth": thumb_width}
    if props & {"size", "dimensions"}:
        info |= {"size": len(item.data), "width": item.width, "height": item.height}
    if "mime" in props:
        # Searches for files also bring documents; this one is not a picture.
        info["mime"] = "application/pdf" if item.number == 5 else "image/jpeg"
    if "extmetadata" in props:
        info["extmetadata"] = _extmetadata(item)
    return {
        "pageid": 1000 + item.number, "ns": 6, "title": name, "index": item.number + 1,
        "imagerepository": "local", "imageinfo": [info],
    }  # fmt: skip


def _extmetadata(item: Item) -> dict[str, Any]:
    code, version = item.licence
    short = "CC0" if code == "cc0" else f"CC {code.upper()} {version}"
    values = {
        "ObjectName": f"Car no. {item.number}",
        "ImageDescription": f"<p>{escape(item.title)}</p>",
        "LicenseShortName": short,
        "UsageTerms": f"Creative Commons {short}",
        "License": f"cc-{code}-{version}" if code != "cc0" else "cc0",
        "LicenseUrl": f"https://creativecommons.org/licenses/{code}/{version}",
        "Artist": f'<a href="//commons.example/wiki/User:{item.number}">{item.author}</a>',
        "Credit": '<span class="int-own-work" lang="en">Own work</span>',
        "AttributionRequired": "true" if code != "cc0" else "false",
        "Copyrighted": "True",
    }
    return {
        key: {"value": value, "source": "commons-desc-page", "hidden": ""}
        for key, value in values.items()
    }
