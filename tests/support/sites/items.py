"""The pictures that every replica finds, drawn on the spot, and the blog host they live on."""

from __future__ import annotations

import colorsys
import hashlib
import io
from dataclasses import dataclass, field

from flask import Flask, Response, abort
from PIL import Image, ImageDraw

LICENCES = (("by", "2.0"), ("by-sa", "4.0"), ("cc0", "1.0"), ("by-nc", "3.0"))


@dataclass(frozen=True)
class Item:
    """One picture on a blog, as an engine knows it."""

    number: int
    title: str
    full: str
    page: str
    width: int
    height: int
    data: bytes = field(repr=False)
    small: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def licence(self) -> tuple[str, str]:
        return LICENCES[self.number % len(LICENCES)]

    @property
    def author(self) -> str:
        return f"Photographer {self.number % 7}"


def make_items(count: int, blogs: str) -> tuple[Item, ...]:
    """Draw `count` different pictures that live on the host `blogs` (host:port)."""
    return tuple(_item(number, blogs) for number in range(count))


def _item(number: int, blogs: str) -> Item:
    width, height = 500 + number % 9 * 20, 340
    hue = number * 0.618 % 1
    paint = tuple(round(255 * c) for c in colorsys.hsv_to_rgb(hue, 0.6, 0.85))
    picture = Image.new("RGB", (width, height), paint)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((60, 60, 160 + number * 7 % 200, 280), fill=(40, 40, 50))
    draw.text((20, 20), f"no. {number}", fill=(255, 255, 255), font_size=32)
    title = f"그랜저 파손 {number}" if number % 3 == 0 else f"Car no. {number} & friends <b>"
    return Item(
        number, title, f"http://{blogs}/photos/{number}.jpg?v=1&id={number}",
        f"http://{blogs}/posts/{number}", width, height,
        _jpeg(picture), _jpeg(picture.resize((width // 3, height // 3))),
    )  # fmt: skip


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()


def blogs_app(items: tuple[Item, ...]) -> Flask:
    """Return the host of the originals and of the posts that show them."""
    app = Flask("blogs")

    @app.get("/robots.txt")
    def robots() -> Response:
        return Response("User-agent: *\nAllow: /\n", mimetype="text/plain")

    @app.get("/photos/<int:number>.jpg")
    def photo(number: int) -> Response:
        if number >= len(items):
            abort(404)
        return Response(items[number].data, mimetype="image/jpeg")

    @app.get("/posts/<int:number>")
    def post(number: int) -> str:
        return f"<!doctype html><title>post {number}</title><img src='/photos/{number}.jpg'>"

    return app


def thumbs_app(items: tuple[Item, ...]) -> Flask:
    """Return a host that answers every address of its engine's form with a small copy."""
    app = Flask("thumbs")

    @app.get("/robots.txt")
    def robots() -> Response:
        return Response("User-agent: *\nAllow: /\n", mimetype="text/plain")

    @app.get("/images")
    @app.get("/th")
    @app.get("/th/id/<name>")
    @app.get("/common/")
    @app.get("/v1/images/<name>/thumb/")
    def thumbnail(name: str = "") -> Response:
        from flask import request

        text = name or request.args.get("q") or request.args.get("id") or request.args["src"]
        digits = "".join(c for c in text.partition("?")[0].rpartition("/")[2] if c.isdigit())
        return Response(items[int(digits)].small, mimetype="image/jpeg")

    return app
