"""The brand site: brands, models with their galleries, and 360° spinners of every kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request

from showroom.site.apps import Setting, new_app
from showroom.site.cdn import SHEET_COLUMNS
from showroom.site.derive import STRIPS, strip_order
from showroom.site.hostile import add_hostile_corner
from showroom.site.hosts import frame_name, frame_style, widths
from showroom.site.stock import Spin
from showroom.truth import Picture, ShowroomBrand, ShowroomModel

CANVAS_KINDS = ("pack", "tainted", "webgl")
_IMG_FORMS = ("plain", "link", "shadow")
_CSS_FORMS = ("rule", "image-set")


@dataclass(frozen=True, slots=True)
class Figure:
    """A gallery picture and the form in which the page embeds it."""

    picture: Picture
    slot: str
    form: str
    alt: str
    full: str
    small: str
    medium: str
    webp: str
    widths: tuple[int, ...]


def brand_app(setting: Setting) -> Flask:
    """Return the application of the host ``site``."""
    app = new_app("site", setting)
    stock, hosts = setting.stock, setting.hosts

    def brand_or_404(slug: str) -> ShowroomBrand:
        brand = stock.brand(slug)
        if brand is None:
            abort(404)
        return brand

    def model_or_404(brand: ShowroomBrand, slug: str) -> ShowroomModel:
        model = stock.model(brand, slug)
        if model is None:
            abort(404)
        return model

    @app.after_request
    def visitor(response: Response) -> Response:
        if response.mimetype == "text/html" and "visitor" not in request.cookies:
            response.set_cookie("visitor", "1", samesite="Lax")
        return response

    @app.get("/")
    def home() -> str:
        shown = {
            b.slug: [p for m in b.models for p in stock.gallery(b, m)] for b in stock.truth.brands
        }
        leads = {slug: pictures[0] for slug, pictures in shown.items() if pictures}
        return render_template("home.html", brands=stock.truth.brands, leads=leads)

    @app.get("/<brand_slug>/")
    def brand_page(brand_slug: str) -> str:
        brand = brand_or_404(brand_slug)
        leads = {m.slug: stock.gallery(brand, m)[:1] for m in brand.models}
        return render_template("brand.html", brand=brand, leads=leads)

    @app.get("/<brand_slug>/<model_slug>/")
    def model_page(brand_slug: str, model_slug: str) -> str:
        brand = brand_or_404(brand_slug)
        model = model_or_404(brand, model_slug)
        return render_template(
            "model.html",
            brand=brand,
            model=model,
            figures=figures(stock.gallery(brand, model), setting),
            spins=stock.spins(brand, model),
            specs=_specs(model),
        )

    @app.get("/<brand_slug>/<model_slug>/360")
    @app.get("/<brand_slug>/<model_slug>/360/<group>")
    def spinner_page(brand_slug: str, model_slug: str, group: str = "") -> str:
        brand = brand_or_404(brand_slug)
        model = model_or_404(brand, model_slug)
        spins = [s for s in stock.spins(brand, model) if group in ("", s.group)]
        if not spins:
            abort(404)
        viewer = _viewer(spins[0], request.args.get("as", ""), setting)
        return render_template("spinner.html", brand=brand, model=model, spin=spins[0], **viewer)

    @app.get("/api/turn/<group>")
    def turn(group: str) -> Response:
        """Return the data of the viewer, which are not in the page itself."""
        spin = stock.spin(group)
        if spin is None:
            abort(404)
        return jsonify(_turn(spin, setting))

    @app.get("/members/")
    def members() -> str:
        """Show a page that robots.txt forbids; people may read it."""
        first = next((p for p in stock.truth.pictures if p.place == "gallery"), None)
        return render_template("members.html", picture=first)

    @app.get("/press-only/")
    def hotlinked() -> str:
        """Show pictures that the CDN gives only to visitors of this page."""
        shown = [p for p in stock.truth.pictures if p.place == "gallery"][:4]
        return render_template("press_only.html", pictures=shown)

    add_hostile_corner(app, setting)
    app.jinja_env.globals["search_home"] = hosts.url("search")
    return app


def figures(pictures: list[Picture], setting: Setting) -> list[Figure]:
    """Return how the gallery embeds each picture: its slot, and the form that falls to it."""
    seen: Counter[str] = Counter()
    out = []
    for picture in pictures:
        slot = picture.slot or "img"
        forms = {"img": _IMG_FORMS, "css": _CSS_FORMS}.get(slot, ("plain",))
        out.append(
            Figure(
                picture=picture,
                slot=slot,
                form=forms[seen[slot] % len(forms)],
                alt=setting.stock.caption(picture),
                full=setting.hosts.original(picture, setting.stock) or "",
                small=setting.hosts.smaller(picture, 0),
                medium=setting.hosts.smaller(picture, 1),
                webp=setting.hosts.smaller(picture, 1, "webp"),
                widths=widths(picture),
            )
        )
        seen[slot] += 1
    return out


def _viewer(spin: Spin, variant: str, setting: Setting) -> dict[str, Any]:
    """Return which viewer the page holds and what its markup needs."""
    base = {"names": [], "n": len(spin.frames), "variant": variant or "pack"}
    if variant == "sprite":
        return base | {
            "viewer": "sprite",
            "sheet": setting.hosts.url("cdn", f"/sheet/{spin.group}.jpg"),
            "columns": SHEET_COLUMNS,
            "rows": -(-len(spin.frames) // SHEET_COLUMNS),
        }
    if spin.kind == "canvas" or variant in CANVAS_KINDS:
        return base | {"viewer": "canvas"}
    viewer = variant if variant in ("config", "bare") else frame_style(spin, setting.stock)
    folder = setting.hosts.url("cdn", f"/spin/{spin.group}/")
    first = folder + frame_name(spin, 0, setting.stock)
    return base | {"viewer": viewer, "folder": folder, "first": first}


def _turn(spin: Spin, setting: Setting) -> dict[str, Any]:
    hosts, n = setting.hosts, len(spin.frames)
    first = spin.frames[0]
    return {
        "n": n,
        "w": first.width,
        "h": first.height,
        "at": hosts.url("cdn", f"/spin/{spin.group}/frame_"),
        "pad": 3,
        "pack": hosts.url("cdn", f"/pack/{spin.group}.spn"),
        "atlas": hosts.url("cdn", f"/atlas/{spin.group}.jpg"),
        "columns": SHEET_COLUMNS,
        "strips": STRIPS,
        "order": [strip_order(spin.group, i) for i in range(n)],
    }


def _specs(model: ShowroomModel) -> list[tuple[str, str]]:
    seed = sum(model.slug.encode())
    return [
        ("Body", (model.body or "car").capitalize()),
        ("Power", f"{120 + seed % 190} kW"),
        ("Range", f"{410 + seed % 23 * 10} km"),
        ("0–100 km/h", f"{4.2 + seed % 37 / 10:.1f} s"),
    ]
