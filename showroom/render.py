"""Photograph one car: rasterise, harm, light, compose, develop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from showroom.arrays import Bools, Bytes, Floats, Ints
from showroom.backdrop import backdrop
from showroom.bodies import BODIES
from showroom.camera import Camera
from showroom.damage import Decal, apply_damage, touched
from showroom.harm import choose_decals
from showroom.light import from_srgb, tone_map
from showroom.scenes import make_scene
from showroom.shade import PLATE_PIXELS, finish_of, shade
from showroom.shot import Shot, frame
from showroom.surface import thin_out, visible_surface

Rng = np.random.Generator

SUPERSAMPLING = 2


@dataclass(frozen=True, slots=True)
class Photo:
    """A finished picture: `rgb` uint8 (h.

    W, 3), and per damage class the touched pixels, bool (h, w).
    """

    rgb: Bytes
    masks: dict[str, Bools] = field(default_factory=dict)

    @property
    def mask(self) -> Bools:
        """Pixels with damage of any class."""
        out = np.zeros(self.rgb.shape[:2], bool)
        for m in self.masks.values():
            out |= m
        return out


def render(shot: Shot, decals: Sequence[Decal] | None = None) -> Photo:
    """Render a shot.

    Parameters
    ----------
    shot : Shot
        What to photograph, and from where.
    decals : sequence of Decal, optional
        The damage of the car, as `lay_damage` of another view laid it; by default damage of the
        shot's own classes, where this view sees it well.
    """
    streams = np.random.SeedSequence(shot.seed).spawn(3)
    look, harm, grain = (np.random.default_rng(s) for s in streams)
    scene = make_scene(shot.scene, shot.scene_seed)
    camera = frame(shot)
    fine = camera.scaled(SUPERSAMPLING)
    surface = visible_surface(shot.body, fine)
    plates = number_plates(look)
    spec = BODIES[shot.body]
    if decals is None:
        decals = choose_decals(surface, fine, shot.damage, spec, harm)
    harmed = np.zeros(len(surface.pixel), bool)
    for decal in decals:
        harmed[touched(surface, decal, spec)[0]] = True
    target = _coarse(surface.pixel, camera)
    cover = np.bincount(target, minlength=camera.width * camera.height)
    chosen, weight = thin_out(surface, fine, SUPERSAMPLING, harmed)
    surface, target = surface.only(chosen), target[chosen]
    colour = np.empty((3, len(chosen)), np.float32)
    masks: dict[str, Bools] = {}
    gain = np.float32(2**shot.exposure)
    for chunk, some in surface.chunks():
        finish = finish_of(some, shot.paint, plates, shot.body)
        hit, frosted = apply_damage(some, finish, decals, spec)
        colour[:, chunk] = (
            tone_map(shade(some, finish, scene, shot.body, frosted) * gain) * weight[chunk]
        )
        for name, at in hit.items():
            mask = masks.setdefault(name, np.zeros((camera.height, camera.width), bool))
            mask.ravel()[target[chunk][at]] = True
    rgb = backdrop(
        scene,
        camera,
        shot.body,
        gain,
        np.float32(1) - cover.astype(np.float32) * np.float32(1 / SUPERSAMPLING**2),
    )
    for k in range(3):
        rgb[k] += np.bincount(target, weights=colour[k], minlength=len(cover)).astype(np.float32)
    rgb = rgb.reshape(3, camera.height, camera.width)
    return Photo(_develop(rgb, shot, grain), masks)


def lay_damage(shot: Shot) -> list[Decal]:
    """Return the damage that `render` would lay on the car, for other views of the same car."""
    harm = np.random.default_rng(np.random.SeedSequence(shot.seed).spawn(3)[1])
    fine = frame(shot).scaled(SUPERSAMPLING)
    surface = visible_surface(shot.body, fine)
    return choose_decals(surface, fine, shot.damage, BODIES[shot.body], harm)


def number_plates(rng: Rng) -> tuple[Floats, Floats]:
    """Draw the front and rear number plate: linear RGB pictures."""
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
    text = (
        "".join(rng.choice(list(letters), 2))
        + " "
        + "".join(rng.choice(list("0123456789"), rng.integers(3, 5)))
    )
    text += " " + str(rng.choice(list(letters)))
    styles = [
        ((240, 240, 234), (20, 20, 24)),
        ((240, 240, 234), (20, 20, 24)),
        ((236, 196, 40), (20, 20, 20)),
        ((228, 236, 240), (20, 60, 120)),
    ]
    back, ink = styles[int(rng.integers(len(styles)))]
    band = rng.random() < 0.5
    w, h = PLATE_PIXELS
    image = Image.new("RGB", (w, h), back)
    d = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=h * 0.78)
    d.text(
        (w * (0.54 if band else 0.5), h * 0.5),
        text,
        font=font,
        fill=ink,
        anchor="mm",
        stroke_width=1,
        stroke_fill=ink,
    )
    d.rectangle((1, 1, w - 2, h - 2), outline=ink, width=2)
    if band:
        d.rectangle((2, 2, int(w * 0.085), h - 3), fill=(20, 60, 150))
    plate = from_srgb(np.asarray(image))
    return plate, plate


def _coarse(pixel: Ints, camera: Camera) -> Ints:
    row, column = np.divmod(pixel.astype(np.int32), np.int32(camera.width * SUPERSAMPLING))
    return (row // SUPERSAMPLING) * camera.width + column // SUPERSAMPLING


@lru_cache(maxsize=1)
def _grain() -> Floats:
    """Make a reel of sensor noise, mean 0, deviation 1; pictures cut pieces from it."""
    return np.random.default_rng(1826).standard_normal(3_000_000, np.float32)


def _develop(rgb: Floats, shot: Shot, rng: Rng) -> Bytes:
    """Vignetting, noise, blur and rounding."""
    h, w = rgb.shape[1:]
    y = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, w, dtype=np.float32)[None]
    rgb = rgb * (1 - shot.vignette * 0.5 * (x * x + y * y))
    bank = _grain()
    starts = rng.integers(0, len(bank) - h * w, 4)
    grey, *colours = (bank[s : s + h * w].reshape(h, w) for s in starts)
    for k in range(3):
        rgb[k] += np.float32(shot.noise) * (grey + np.float32(0.5) * colours[k])
    out = np.clip(rgb.transpose(1, 2, 0), 0, 255)
    if shot.blur:
        soft = Image.fromarray(out.astype(np.uint8)).filter(ImageFilter.GaussianBlur(shot.blur))
        return np.asarray(soft)
    return (out + np.float32(0.499)).astype(np.uint8)
