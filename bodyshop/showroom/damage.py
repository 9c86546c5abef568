"""Scratches, dents and cracks: drawn on small tiles and pressed onto the visible surface of a car.

A tile is laid on the body in the tangent plane of one point, so perspective, hidden parts and the edge of the
picture are right by construction, and the mask is exactly the visible fragments that the tile touches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from bodyshop.showroom.bodies import BodySpec
from bodyshop.showroom.materials import Material
from bodyshop.showroom.shade import Finish
from bodyshop.showroom.surface import Surface, length

F32 = npt.NDArray[np.float32]
Rng = np.random.Generator

DAMAGE_CLASSES = ("scratch", "dent", "crack")
_SIDE = 384


@dataclass(frozen=True, slots=True)
class Tile:
    """One damage, square, (_SIDE, _SIDE).

    Attributes
    ----------
    cover
        Where the damage is: bool.
    slope
        Slope of the dented surface along both tile axes, metres per metre, (_SIDE, _SIDE, 2).
    albedo, blend
        New linear colour (…, 3) and how much of the old one it replaces, 0..1.
    shine
        Factor on the lacquer's reflection.
    aspect
        Height / width of the tile on the car.
    """

    cover: npt.NDArray[np.bool_]
    slope: F32
    albedo: F32
    blend: F32
    shine: F32
    aspect: float


@dataclass(frozen=True, slots=True)
class Decal:
    """A tile laid on the body: centre, tangent axes (unit) and half width in metres."""

    name: str
    tile: Tile
    centre: F32
    along: F32
    across: F32
    half_width: float


_LACQUERED = np.zeros(len(Material), bool)
_LACQUERED[[Material.PAINT, Material.EMBOSS, Material.GAP, Material.BLACK, Material.MATTE, Material.CHROME, Material.SILVER]] = True
_BREAKABLE = np.zeros(len(Material), bool)
_BREAKABLE[[Material.GLASS, Material.LAMP, Material.RED, Material.REVERSE, Material.GLOW, Material.DRL, Material.PLATE,
            Material.MESH, Material.AMBER, Material.PROJECTOR]] = True


def can_bear(name: str, surface: Surface, spec: BodySpec) -> npt.NDArray[np.bool_]:
    """Tell which fragments may show this class of damage, (n,): sheet metal bends and scratches, but does not crack."""
    if name != "crack":
        return _LACQUERED[surface.material]
    x, _, z = surface.position
    bumper = (x > spec.axle + spec.arch + 0.03) | (x < -spec.axle - spec.arch - 0.03)
    bumper &= z < spec.clearance + 0.5
    return _BREAKABLE[surface.material] | (bumper & _LACQUERED[surface.material])


def draw_tile(name: str, rng: Rng, *, on_glass: bool = False) -> Tile:
    """Draw a random tile of a damage class; glass cracks differ from cracks in plastic."""
    if name == "scratch":
        return _scratch(rng)
    if name == "dent":
        return _dent(rng)
    if name == "crack":
        return _glass_crack(rng) if on_glass else _plastic_crack(rng)
    raise ValueError(f"unknown damage class {name!r}; one of {', '.join(DAMAGE_CLASSES)}")


def touched(surface: Surface, decal: Decal, spec: BodySpec) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the fragments that the decal covers and the flat texel each of them sees."""
    offset = surface.position - decal.centre[:, None]
    normal = np.cross(decal.along, decal.across)
    half = decal.half_width
    a, b, depth = decal.along @ offset, decal.across @ offset, normal @ offset
    near = (
        (np.abs(a) < half)
        & (np.abs(b) < half * decal.tile.aspect)
        & (np.abs(depth) < 0.25 + 0.3 * half)
        & (normal @ surface.normal > 0.15)
        & can_bear(decal.name, surface, spec)
    )
    at = np.flatnonzero(near)
    column = np.clip((a[at] / half * 0.5 + 0.5) * _SIDE, 0, _SIDE - 1).astype(np.int64)
    row = np.clip((b[at] / (half * decal.tile.aspect) * 0.5 + 0.5) * _SIDE, 0, _SIDE - 1).astype(np.int64)
    texel = row * _SIDE + column
    hit = decal.tile.cover.ravel()[texel]
    return at[hit], texel[hit]


def apply_damage(
    surface: Surface, finish: Finish, decals: Sequence[Decal], spec: BodySpec
) -> tuple[dict[str, npt.NDArray[np.int64]], F32]:
    """Change normals and finish in place.

    Returns
    -------
    dict
        Damage class -> fragments it touches.
    frosted
        How much of the view through a window is blocked, (n,).
    """
    found: dict[str, list[npt.NDArray[np.int64]]] = {}
    frosted = np.zeros(len(surface.pixel), np.float32)
    for decal in decals:
        at, texel = touched(surface, decal, spec)
        if not len(at):
            continue
        tile = decal.tile
        slope = tile.slope.reshape(-1, 2)[texel]
        n = surface.normal[:, at] - slope[:, 0] * decal.along[:, None] - slope[:, 1] * decal.across[:, None]
        surface.normal[:, at] = n / length(n)
        blend = tile.blend.ravel()[texel]
        finish.albedo[:, at] = finish.albedo[:, at] * (1 - blend) + tile.albedo.reshape(-1, 3)[texel].T * blend
        finish.mirror[at] *= tile.shine.ravel()[texel]
        finish.metal[at] *= 1 - blend
        frosted[at] = np.maximum(frosted[at], blend)
        found.setdefault(decal.name, []).append(at)
    return {name: np.unique(np.concatenate(parts)) for name, parts in found.items()}, frosted


def _array(image: Image.Image) -> F32:
    return np.asarray(image, np.float32) / 255


def _bump(height: F32, scale: float) -> F32:
    """Slopes of a height map (share of the tile's half width), times `scale`."""
    dy, dx = np.gradient(height)
    return np.stack([dx, dy], -1).astype(np.float32) * np.float32(scale * _SIDE / 2)


def _lumpy_disc(rng: Rng, rx: float, ry: float, rough: float = 0.22) -> Image.Image:
    """An irregular filled blob in the middle of a tile; radii as a share of the half width."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radius = np.ones_like(angle)
    for k in range(2, 7):
        radius += rough / k * rng.normal() * np.cos(k * angle + rng.uniform(0, 6.28))
    x = _SIDE / 2 * (1 + rx * radius * np.cos(angle))
    y = _SIDE / 2 * (1 + ry * radius * np.sin(angle))
    image = Image.new("L", (_SIDE, _SIDE), 0)
    ImageDraw.Draw(image).polygon(list(zip(x.tolist(), y.tolist(), strict=True)), fill=255)
    return image


def _scratch(rng: Rng) -> Tile:
    """A scrape: many nearly parallel strokes through lacquer and primer, some down to the metal."""
    haze = Image.new("L", (_SIDE, _SIDE), 0)
    primer = Image.new("L", (_SIDE, _SIDE), 0)
    metal = Image.new("L", (_SIDE, _SIDE), 0)
    draw = [ImageDraw.Draw(i) for i in (haze, primer, metal)]
    bend = rng.uniform(-0.12, 0.12)
    tilt = rng.uniform(-0.1, 0.1)
    rows = rng.integers(7, 20)
    spread = rng.uniform(0.25, 0.6)
    for _ in range(rows):
        y0 = 0.5 + spread * float(np.clip(rng.normal(0, 0.38), -0.75, 0.75)) * 0.6
        length = rng.uniform(0.25, 0.86)
        x0 = 0.07 + rng.uniform(0, 0.86 - length)
        t = np.linspace(0, 1, 24)
        x = x0 + length * t
        y = y0 + tilt * (x - 0.5) + bend * (x - 0.5) ** 2 + np.cumsum(rng.normal(0, 0.0016, 24))
        line = [(float(a) * _SIDE, float(b) * _SIDE) for a, b in zip(x, np.clip(y, 0.04, 0.96), strict=True)]
        thick = rng.uniform(2, 9)
        draw[0].line(line, fill=255, width=int(thick * 2.6 + 5), joint="curve")
        draw[1].line(line[1:-1], fill=int(rng.uniform(150, 255)), width=max(2, int(thick)), joint="curve")
        if rng.random() < 0.55:
            draw[2].line(line[3:-4], fill=255, width=max(1, int(thick * 0.5)), joint="curve")
    grain = rng.random((_SIDE, _SIDE // 6)).astype(np.float32)
    grain = np.asarray(Image.fromarray(grain).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))
    h, p, m = (_array(i.filter(ImageFilter.GaussianBlur(r))) for i, r in ((haze, 3), (primer, 0.9), (metal, 0.7)))
    cover = h > 0.3
    p = p * (grain > 0.22)
    tone = rng.uniform(0.5, 0.85)
    colour = np.full((_SIDE, _SIDE, 3), tone, np.float32) * np.float32([1, 0.99, 0.96])
    rust = rng.random() < 0.3
    core = np.float32([0.2, 0.1, 0.05]) if rust else np.float32([0.1, 0.1, 0.105])
    colour = colour * (1 - m[..., None]) + core * m[..., None]
    blend = np.clip(0.22 * h + 0.9 * np.maximum(p, m), 0.12, 1)
    slope = _bump(-0.006 * p, 0.8)
    return Tile(cover, slope, colour, blend.astype(np.float32), (1 - 0.85 * np.clip(h, 0, 1)).astype(np.float32),
                float(rng.uniform(0.3, 0.6)))


def _dent(rng: Rng) -> Tile:
    """A bowl with a sharp crease or two; lacquer flakes off along the crease."""
    outline = _lumpy_disc(rng, rng.uniform(0.62, 0.8), rng.uniform(0.6, 0.78))
    inside = _array(outline.filter(ImageFilter.GaussianBlur(_SIDE * 0.045)))
    inside = np.clip(inside * 2 - 0.9, 0, 1) ** 1.3
    deep = _array(_lumpy_disc(rng, 0.4, 0.36, 0.35).filter(ImageFilter.GaussianBlur(_SIDE * rng.uniform(0.06, 0.1))))
    t = np.linspace(-1, 1, _SIDE, dtype=np.float32)
    x, y = np.meshgrid(t, t)
    height = -0.07 * inside - rng.uniform(0.1, 0.17) * deep * inside
    crease = np.zeros_like(height)
    for _ in range(rng.integers(1, 4)):
        turn, off = rng.uniform(0, np.pi), rng.uniform(-0.2, 0.2)
        u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
        d = u - off + 0.1 * np.sin(3 * v + rng.uniform(0, 6))
        reach = np.exp(-(v**2) / 0.2)
        height -= rng.uniform(0.05, 0.1) * np.exp(-np.abs(d) / 0.08) * reach * inside
        crease = np.maximum(crease, np.exp(-((d / 0.022) ** 2)) * reach * inside)
    slope = _bump(height, rng.uniform(0.85, 1.3))
    steep = np.hypot(slope[..., 0], slope[..., 1])
    slope *= np.minimum(1, 0.85 / np.maximum(steep, 1e-6))[..., None]
    cover = (inside > 0.02) & ((steep > 0.035) | (deep * inside > 0.15))
    flake = rng.random((_SIDE // 4, _SIDE // 4)).astype(np.float32)
    flake = np.asarray(Image.fromarray(flake).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))
    bare = (crease > 0.35 + 0.6 * flake) & bool(rng.random() < 0.7)
    hollow = np.clip(-height - 0.05, 0, 0.4) * rng.uniform(1.2, 2.0)  # light does not reach the bottom so well
    blend = np.where(bare, 0.85, np.clip(hollow, 0.0, 0.45))
    tone = rng.uniform(0.35, 0.7)
    albedo = np.repeat(np.where(bare, tone, 0.0)[..., None], 3, 2).astype(np.float32)
    shine = np.where(bare, 0.2, 1.0).astype(np.float32)
    return Tile(cover, slope.astype(np.float32), albedo, blend.astype(np.float32), shine, float(rng.uniform(0.7, 1.0)))


def _fork(rng: Rng, draw: Sequence[ImageDraw.ImageDraw], at: tuple[float, float], turn: float, length: float, width: float) -> None:
    """Draw a jagged crack that forks, on all layers."""
    x, y = at
    left = length
    while left > 0 and width > 0.6:
        step = rng.uniform(0.04, 0.1) * _SIDE
        turn += rng.normal(0, 0.28)
        nx, ny = x + step * np.cos(turn), y + step * np.sin(turn)
        for d, extra in zip(draw, (0, 7), strict=False):
            d.line((x, y, nx, ny), fill=255, width=max(1, round(width + extra)))
        x, y = float(nx), float(ny)
        left -= step
        width *= 0.93
        if rng.random() < 0.22:
            _fork(rng, draw, (x, y), turn + rng.choice([-1, 1]) * rng.uniform(0.4, 0.9), left * 0.6, width * 0.75)


def _glass_crack(rng: Rng) -> Tile:
    """A star from a stone: rays, rings and a white crushed middle."""
    line = Image.new("L", (_SIDE, _SIDE), 0)
    wide = Image.new("L", (_SIDE, _SIDE), 0)
    draw = (ImageDraw.Draw(line), ImageDraw.Draw(wide))
    cx, cy = _SIDE * rng.uniform(0.4, 0.6), _SIDE * rng.uniform(0.4, 0.6)
    rays = rng.integers(8, 15)
    turns = np.sort(rng.uniform(0, 2 * np.pi, rays))
    for turn in turns:
        _fork(rng, draw, (cx, cy), float(turn), _SIDE * rng.uniform(0.25, 0.48), rng.uniform(2.0, 4.0))
    for radius in np.sort(rng.uniform(0.05, 0.3, rng.integers(2, 5))) * _SIDE:
        a = np.linspace(0, 2 * np.pi, rays * 2 + 1)
        r = radius * (1 + rng.normal(0, 0.06, len(a)))
        ring = [(float(cx + q * np.cos(b)), float(cy + q * np.sin(b))) for q, b in zip(r, a, strict=True)]
        gone = rng.integers(0, len(ring) // 2)
        for d, extra in zip(draw, (0, 6), strict=True):
            d.line(ring[: len(ring) - gone], fill=255, width=2 + extra)
    r = _SIDE * rng.uniform(0.03, 0.07)
    for d, extra in zip(draw, (0, 4), strict=True):
        d.ellipse((cx - r - extra, cy - r - extra, cx + r + extra, cy + r + extra), fill=255)
    fine = _array(line.filter(ImageFilter.GaussianBlur(0.7)))
    halo = _array(wide.filter(ImageFilter.GaussianBlur(2)))
    cover = halo > 0.25
    blend = np.clip(0.14 + 0.9 * fine, 0, 1)
    albedo = np.full((_SIDE, _SIDE, 3), 0.85, np.float32)
    return Tile(cover, np.zeros((_SIDE, _SIDE, 2), np.float32), albedo, blend.astype(np.float32),
                np.where(fine > 0.3, 0.5, 1.15).astype(np.float32), float(rng.uniform(0.7, 1.0)))


def _plastic_crack(rng: Rng) -> Tile:
    """Black gaps with pale torn edges, sometimes a missing piece."""
    line = Image.new("L", (_SIDE, _SIDE), 0)
    wide = Image.new("L", (_SIDE, _SIDE), 0)
    draw = (ImageDraw.Draw(line), ImageDraw.Draw(wide))
    x, y = _SIDE * rng.uniform(0.35, 0.65), _SIDE * rng.uniform(0.35, 0.65)
    for turn in rng.uniform(0, 2 * np.pi) + np.arange(rng.integers(2, 5)) * rng.uniform(1.3, 2.2):
        _fork(rng, draw, (x, y), float(turn), _SIDE * rng.uniform(0.26, 0.46), rng.uniform(3.5, 8))
    if rng.random() < 0.8:
        n = int(rng.integers(6, 11))
        a = np.sort(rng.uniform(0, 2 * np.pi, n))
        r = _SIDE * rng.uniform(0.1, 0.24, n) * (1 + 0.5 * np.cos(a - rng.uniform(0, 6.28)))
        chunk = [(float(x + q * np.cos(b)), float(y + q * np.sin(b))) for q, b in zip(r, a, strict=True)]
        draw[0].polygon(chunk, fill=255)
        hull = Image.new("L", (_SIDE, _SIDE), 0)
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
    return Tile(cover, slope, albedo.astype(np.float32), blend.astype(np.float32), shine, float(rng.uniform(0.7, 1.0)))
