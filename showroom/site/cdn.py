"""The brand's picture host: originals, smaller copies, and spinner frames in every wrapping."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, abort, request
from PIL import Image, ImageDraw

from showroom.site.apps import Setting, new_app, picture_response
from showroom.site.derive import pack, resized, scrambled_atlas, sprite_sheet
from showroom.site.hosts import frame_name, widths
from showroom.site.stock import Spin
from showroom.truth import Picture

SHEET_COLUMNS = 6
_OPEN = {"Access-Control-Allow-Origin": "*"}


def cdn_app(setting: Setting) -> Flask:
    """Return the application of the host ``cdn``."""
    app = new_app("cdn", setting)
    stock = setting.stock

    def picture_or_404(picture_id: str) -> Picture:
        picture = stock.picture(picture_id)
        if picture is None:
            abort(404)
        return picture

    def spin_or_404(group: str) -> Spin:
        spin = stock.spin(group)
        if spin is None:
            abort(404)
        return spin

    @app.get("/o/<picture_id>.jpg")
    def original(picture_id: str) -> Response:
        picture = picture_or_404(picture_id)
        if picture.place != "gallery":
            abort(404)
        return picture_response(stock.read(picture))

    @app.get("/w/<int:width>/<picture_id>.<any(jpg, webp):extension>")
    def smaller(width: int, picture_id: str, extension: str) -> Response:
        picture = picture_or_404(picture_id)
        if width not in widths(picture):
            abort(404)
        fmt = "WEBP" if extension == "webp" else "JPEG"
        data = resized(stock.root / picture.file, width, fmt)
        return picture_response(data, f"image/{fmt.lower()}")

    @app.get("/spin/<group>/<name>")
    def frame(group: str, name: str) -> Response:
        spin = spin_or_404(group)
        names = [frame_name(spin, position, stock) for position in range(len(spin.frames))]
        if spin.kind != "spinner" or name not in names:
            abort(404)
        return picture_response(stock.read(spin.frames[names.index(name)]))

    @app.get("/sheet/<group>.jpg")
    def sheet(group: str) -> Response:
        paths = [stock.root / p.file for p in spin_or_404(group).frames]
        return picture_response(_sheet(tuple(map(str, paths)), None))

    @app.get("/atlas/<group>.jpg")
    def atlas(group: str) -> Response:
        # No Access-Control-Allow-Origin on purpose: it taints the canvas that draws it.
        paths = [stock.root / p.file for p in spin_or_404(group).frames]
        return picture_response(_sheet(tuple(map(str, paths)), group))

    @app.get("/pack/<group>.spn")
    def packed(group: str) -> Response:
        data = pack([stock.read(p) for p in spin_or_404(group).frames])
        return picture_response(data, "application/octet-stream", _OPEN)

    @app.get("/hotlink/<picture_id>.jpg")
    def hotlink(picture_id: str) -> Response:
        """Answer only to a visitor who comes from the brand site and carries its cookie."""
        came_from = request.headers.get("Referer", "")
        if not came_from.startswith(setting.hosts.url("site")) or "visitor" not in request.cookies:
            abort(403)
        return picture_response(stock.read(picture_or_404(picture_id)))

    @app.get("/internal/<name>.jpg")
    def internal(name: str) -> Response:
        return picture_response(note(f"internal: {name}", "robots.txt forbids this folder"))

    @app.get("/icons/<name>.png")
    def icon(name: str) -> Response:
        return picture_response(_icon(name), "image/png")

    return app


@lru_cache(maxsize=64)
def note(title: str, text: str = "", size: tuple[int, int] = (640, 400)) -> bytes:
    """Return a JPEG with a text, for addresses where no picture of a car belongs."""
    picture = Image.new("RGB", size, (236, 234, 228))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((16, 16, size[0] - 17, size[1] - 17), outline=(160, 60, 50), width=4)
    draw.text((40, 40), title, fill=(60, 40, 40), font_size=28)
    draw.text((40, 90), text, fill=(90, 80, 80), font_size=18)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()


@lru_cache(maxsize=8)
def _sheet(paths: tuple[str, ...], scrambled_with: str | None) -> bytes:
    files = [Path(p) for p in paths]
    if scrambled_with is None:
        return sprite_sheet(files, SHEET_COLUMNS)
    return scrambled_atlas(files, SHEET_COLUMNS, scrambled_with)


@lru_cache(maxsize=16)
def _icon(name: str) -> bytes:
    picture = Image.new("RGBA", (48, 48), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((4, 4, 43, 43), radius=10, fill=(70, 80, 95, 255))
    draw.text((24, 24), name[:1].upper(), fill=(255, 255, 255, 255), anchor="mm", font_size=24)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
