"""Draw damage on small square tiles: scrapes, crumpled sheet metal, cracked glass and plastic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from scipy import ndimage

from showroom.arrays import Bools, Floats

Rng = np.random.Generator

DAMAGE_CLASSES = ("scratch", "dent", "crack")
SIDE = 384
"""Texels along each side of a tile."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One damage, square, (SIDE, SIDE).

    Attributes
    ----------
    cover
        Where the damage is: bool.
    slope
        Slope of the dented surface along both tile axes, metres per metre, (SIDE, SIDE, 2).
    albedo, blend
        New linear colour (…, 3) and how much of the old one it replaces, 0..1.
    shine
        Factor on the lacquer's reflection.
    aspect
        Height / width of the tile on the car.
    """

    cover: Bools
    slope: Floats
    albedo: Floats
    blend: Floats
    shine: Floats
    aspect: float


def draw_tile(name: str, rng: Rng, *, on_glass: bool = False) -> Tile:
    """Draw a random tile of a damage class; glass cracks differ from cracks in plastic."""
    if name == "scratch":
        return _scratch(rng)
    if name == "dent":
        return _dent(rng)
    if name == "crack":
        return _glass_crack(rng) if on_glass else _plastic_crack(rng)
    raise ValueError(f"unknown damage class {name!r}; one of {', '.join(DAMAGE_CLASSES)}")


def _array(image: Image.Image) -> Floats:
    return np.asarray(image, np.float32) / 255


def _bump(height: Floats, scale: float) -> Floats:
    """Slopes of a height map (share of the tile's half width), times `scale`."""
    dy, dx = np.gradient(height)
    return np.stack([dx, dy], -1).astype(np.float32) * np.float32(scale * SIDE / 2)


def _lumpy_disc(rng: Rng, rx: float, ry: float, rough: float = 0.22) -> Image.Image:
    """Draw an irregular filled blob in the middle of a tile; radii as a share of the half width."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radius = np.ones_like(angle)
    for k in range(2, 7):
        radius += rough / k * rng.normal() * np.cos(k * angle + rng.uniform(0, 6.28))
    x = SIDE / 2 * (1 + rx * radius * np.cos(angle))
    y = SIDE / 2 * (1 + ry * radius * np.sin(angle))
    image = Image.new("L", (SIDE, SIDE), 0)
    ImageDraw.Draw(image).polygon(list(zip(x.tolist(), y.tolist(), strict=True)), fill=255)
    return image


def _scratch(rng: Rng) -> Tile:
    """Draw a scrape: many nearly parallel strokes through lacquer and primer.

    Some down to the metal, in a dull haze.
    """
    haze = Image.new("L", (SIDE, SIDE), 0)
    primer = Image.new("L", (SIDE, SIDE), 0)
    metal = Image.new("L", (SIDE, SIDE), 0)
    draw = [ImageDraw.Draw(i) for i in (haze, primer, metal)]
    bend = rng.uniform(-0.12, 0.12)
    tilt = rng.uniform(-0.12, 0.12)
    spread = rng.uniform(0.55, 0.85)
    for _ in range(rng.integers(16, 34)):
        y0 = 0.5 + spread * float(np.clip(rng.normal(0, 0.34), -0.8, 0.8)) * 0.55
        length = rng.uniform(0.25, 0.86)
        x0 = 0.07 + rng.uniform(0, 0.86 - length)
        t = np.linspace(0, 1, 24)
        x = x0 + length * t
        y = y0 + tilt * (x - 0.5) + bend * (x - 0.5) ** 2 + np.cumsum(rng.normal(0, 0.0022, 24))
        line = [
            (float(a) * SIDE, float(b) * SIDE)
            for a, b in zip(x, np.clip(y, 0.04, 0.96), strict=True)
        ]
        thick = rng.uniform(3, 12)
        draw[0].line(line, fill=255, width=int(thick * 2.4 + 6), joint="curve")
        draw[1].line(
            line[1:-1], fill=int(rng.uniform(170, 255)), width=max(2, int(thick)), joint="curve"
        )
        if rng.random() < 0.55:
            draw[2].line(line[3:-4], fill=255, width=max(2, int(thick * 0.5)), joint="curve")
    grain = rng.random((SIDE, SIDE // 6)).astype(np.float32)
    grain = np.asarray(Image.fromarray(grain).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    h, p, m = (
        _array(i.filter(ImageFilter.GaussianBlur(r)))
        for i, r in ((haze, 3), (primer, 0.9), (metal, 0.7))
    )
    cover = h > 0.3
    p = p * (grain > 0.25)
    tone = rng.uniform(0.55, 0.85)
    colour: Floats = np.full((SIDE, SIDE, 3), tone) * np.array([1, 0.99, 0.96])
    core = np.array([0.2, 0.09, 0.04]) if rng.random() < 0.3 else np.array([0.06, 0.06, 0.065])
    colour = colour * (1 - m[..., None]) + core * m[..., None]
    blend = np.clip(0.3 * h + 0.9 * np.maximum(p, m), 0.16, 1)
    slope = _bump(-0.006 * p, 0.8)
    shine = 1 - 0.85 * np.clip(h, 0, 1)
    return Tile(
        cover,
        slope,
        colour.astype(np.float32),
        blend.astype(np.float32),
        shine.astype(np.float32),
        float(rng.uniform(0.4, 0.7)),
    )


def _dent(rng: Rng) -> Tile:
    """Crumpled sheet metal: a bowl of facets with sharp folds, where the lacquer flakes off."""
    outline = _lumpy_disc(rng, rng.uniform(0.66, 0.84), rng.uniform(0.62, 0.8))
    inside = _array(outline.filter(ImageFilter.GaussianBlur(SIDE * 0.04)))
    inside = np.clip(inside * 2 - 0.85, 0, 1) ** 1.2
    deep = _array(
        _lumpy_disc(rng, 0.45, 0.4, 0.35).filter(
            ImageFilter.GaussianBlur(SIDE * rng.uniform(0.06, 0.1))
        )
    )
    bowl = _bump(-(0.06 * inside + rng.uniform(0.08, 0.14) * deep * inside), 1.0)
    slopes, fold = _facets(rng)
    slope = bowl + slopes * inside[..., None]
    steep = np.hypot(slope[..., 0], slope[..., 1])
    slope *= np.minimum(1, 1.15 / np.maximum(steep, 1e-6))[..., None]
    cover = (inside > 0.03) & (steep > 0.03)
    flake = rng.random((SIDE // 4, SIDE // 4)).astype(np.float32)
    flake = np.asarray(Image.fromarray(flake).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    broken = fold * inside
    bare = broken > 0.22 + 0.75 * flake
    # light does not reach into folds
    hollow = rng.uniform(0.2, 0.4) * deep * inside + 0.8 * broken
    blend = np.where(bare, 0.92, np.clip(hollow, 0.0, 0.85))
    tone = rng.uniform(0.45, 0.8)
    albedo = np.repeat(np.where(bare, tone, 0.004)[..., None], 3, 2).astype(np.float32)
    shine = np.where(bare, 0.2, 1.0).astype(np.float32)
    return Tile(
        cover,
        slope.astype(np.float32),
        albedo,
        blend.astype(np.float32),
        shine,
        float(rng.uniform(0.7, 1.0)),
    )


def _facets(rng: Rng) -> tuple[Floats, Floats]:
    """Random facets: slopes (SIDE.

    SIDE, 2) and how close each texel is to a fold, 0..1 (SIDE, SIDE).
    """
    half = SIDE // 2
    seeds = rng.uniform(0, half, (int(rng.integers(12, 26)), 2)).astype(np.float32)
    stretch = np.array([rng.uniform(0.5, 1.6), 1.0])
    v, u = np.mgrid[0:half, 0:half].astype(np.float32)
    wobble = np.float32(5) * np.sin(u / 17 + v / 23) + np.float32(4) * np.sin(v / 11)
    d = np.stack([((u + wobble - a) * stretch[0]) ** 2 + (v - wobble - b) ** 2 for a, b in seeds])
    order = np.argpartition(d, 1, axis=0)[:2]
    two = np.sqrt(np.take_along_axis(d, order, 0))
    fold = np.exp(-(((two[1] - two[0]) / 2.8) ** 2))
    tilt = rng.normal(0, rng.uniform(0.36, 0.58), (len(seeds), 2)).astype(np.float32)[order[0]]
    layers = []
    for layer in (tilt[..., 0], tilt[..., 1], fold):
        soft = ndimage.gaussian_filter(layer, 1.3)
        layers.append(
            np.asarray(
                Image.fromarray(soft.astype(np.float32)).resize(
                    (SIDE, SIDE), Image.Resampling.BILINEAR
                )
            )
        )
    return np.stack(layers[:2], -1), layers[2]


def _fork(
    rng: Rng,
    draw: Sequence[ImageDraw.ImageDraw],
    at: tuple[float, float],
    turn: float,
    length: float,
    width: float,
) -> None:
    """Draw a jagged crack that forks, on all layers."""
    x, y = at
    left = length
    while left > 0 and width > 0.6:
        step = rng.uniform(0.04, 0.1) * SIDE
        turn += rng.normal(0, 0.28)
        nx, ny = x + step * np.cos(turn), y + step * np.sin(turn)
        for d, extra in zip(draw, (0, 7), strict=False):
            d.line((x, y, nx, ny), fill=255, width=max(1, round(width + extra)))
        x, y = float(nx), float(ny)
        left -= step
        width *= 0.93
        if rng.random() < 0.22:
            _fork(
                rng,
                draw,
                (x, y),
                turn + rng.choice([-1, 1]) * rng.uniform(0.4, 0.9),
                left * 0.6,
                width * 0.75,
            )


def _glass_crack(rng: Rng) -> Tile:
    """Draw a star from a stone: rays, rings and a white crushed middle."""
    line = Image.new("L", (SIDE, SIDE), 0)
    wide = Image.new("L", (SIDE, SIDE), 0)
    draw = (ImageDraw.Draw(line), ImageDraw.Draw(wide))
    cx, cy = SIDE * rng.uniform(0.4, 0.6), SIDE * rng.uniform(0.4, 0.6)
    rays = rng.integers(16, 28)
    turns = np.sort(rng.uniform(0, 2 * np.pi, rays))
    for turn in turns:
        _fork(rng, draw, (cx, cy), float(turn), SIDE * rng.uniform(0.3, 0.5), rng.uniform(1.8, 3.4))
    for radius in np.sort(rng.uniform(0.05, 0.34, rng.integers(3, 6))) * SIDE:
        a = np.linspace(0, 2 * np.pi, rays * 2 + 1)
        r = radius * (1 + rng.normal(0, 0.06, len(a)))
        ring = [
            (float(cx + q * np.cos(b)), float(cy + q * np.sin(b)))
            for q, b in zip(r, a, strict=True)
        ]
        gone = rng.integers(0, len(ring) // 2)
        for d, extra in zip(draw, (0, 6), strict=True):
            d.line(ring[: len(ring) - gone], fill=255, width=2 + extra)
    r = SIDE * rng.uniform(0.03, 0.07)
    for d, extra in zip(draw, (0, 4), strict=True):
        d.ellipse((cx - r - extra, cy - r - extra, cx + r + extra, cy + r + extra), fill=255)
    fine = _array(line.filter(ImageFilter.GaussianBlur(0.7)))
    halo = _array(wide.filter(ImageFilter.GaussianBlur(2)))
    cover = halo > 0.25
    blend = np.clip(0.08 + 0.06 * halo + 0.75 * fine, 0, 0.9)
    albedo = np.full((SIDE, SIDE, 3), 0.85, np.float32)
    return Tile(
        cover,
        np.zeros((SIDE, SIDE, 2), np.float32),
        albedo,
        blend.astype(np.float32),
        np.where(fine > 0.3, 0.5, 1.15).astype(np.float32),
        float(rng.uniform(0.7, 1.0)),
    )


def _plastic_crack(rng: Rng) -> Tile:
    """Black gaps with pale torn edges, sometimes a missing piece."""
    line = Image.new("L", (SIDE, SIDE), 0)
    wide = Image.new("L", (SIDE, SIDE), 0)
    draw = (ImageDraw.Draw(line), ImageDraw.Draw(wide))
    x, y = SIDE * rng.uniform(0.35, 0.65), SIDE * rng.uniform(0.35, 0.65)
    for turn in rng.uniform(0, 2 * np.pi) + np.arange(rng.integers(2, 5)) * rng.uniform(1.3, 2.2):
        _fork(rng, draw, (x, y), float(turn), SIDE * rng.uniform(0.3, 0.48), rng.uniform(4, 9))
    if rng.random() < 0.8:
        n = int(rng.integers(6, 11))
        a = np.sort(rng.uniform(0, 2 * np.pi, n))
        r = SIDE * rng.uniform(0.14, 0.3, n) * (1 + 0.4 * np.cos(a - rng.uniform(0, 6.28)))
        chunk = [
            (float(x + q * np.cos(b)), float(y + q * np.sin(b))) for q, b in zip(r, a, strict=True)
        ]
        draw[0].polygon(chunk, fill=255)
        hull = Image.new("L", (SIDE, SIDE), 0)
        ImageDraw.Draw(hull).polygon(chunk, fill=255)
        wide = ImageChops.lighter(wide, hull.filter(ImageFilter.MaxFilter(9)))
    fine = _array(line.filter(ImageFilter.GaussianBlur(0.6)))
    halo = _array(wide.filter(ImageFilter.GaussianBlur(1.2)))
    cover = halo > 0.3
    torn = np.clip(halo - fine, 0, 1)
    albedo = (torn * rng.uniform(0.35, 0.7))[..., None] * np.ones(3, np.float32) + 0.004
    blend = np.where(fine > 0.4, 0.97, 0.25 + 0.5 * torn)
    slope = _bump(-0.03 * _array(line.filter(ImageFilter.GaussianBlur(5))), 1.0)
    shine = np.where(fine > 0.4, 0.05, 0.5).astype(np.float32)
    return Tile(
        cover,
        slope,
        albedo.astype(np.float32),
        blend.astype(np.float32),
        shine,
        float(rng.uniform(0.7, 1.0)),
    )
