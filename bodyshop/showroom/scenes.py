"""Places where cars are photographed: sky, skyline, ground and the light that comes from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from bodyshop.showroom.light import Environment, build_environment, from_srgb

F32 = npt.NDArray[np.float32]
Rng = np.random.Generator

SCENES = ("street", "parking", "park", "coast", "garage", "studio_light", "studio_dark", "plaza")
_PANORAMA = (2048, 352)
_SLOPE = 0.88  # the panorama reaches from the horizon up to this tangent of elevation


@dataclass(frozen=True, slots=True)
class Scene:
    """A place.

    Attributes
    ----------
    kind
        One of `SCENES`.
    environment
        The light on the car.
    radiance
        Linear colour seen from the car in each direction (3, n) -> (3, n).
    ground
        Linear colour of the ground: (points (2, n) in metres, size of a pixel there in metres (n,)) -> (3, n).
    haze
        Colour at the horizon that far ground fades into, and the distance in metres where half is gone.
    contact, cast
        How dark the shadow under the car and the one cast by the sun are, 0..1.
    """

    kind: str
    environment: Environment
    radiance: Callable[[F32], F32]
    ground: Callable[[F32, F32], F32]
    haze: tuple[F32, float]
    contact: float
    cast: float


@lru_cache(maxsize=12)
def make_scene(kind: str, seed: int) -> Scene:
    """Make the place `kind` of `SCENES` in the variant of `seed`."""
    rng = np.random.default_rng([seed, SCENES.index(kind)])
    return _studio(kind, rng) if kind.startswith("studio") else _outdoors(kind, rng)


def _outdoors(kind: str, rng: Rng) -> Scene:
    indoor = kind == "garage"
    overcast = rng.random() < 0.4
    warm = rng.uniform(-1, 1)
    if indoor:
        zenith = from_srgb(rng.uniform(70, 110) * np.array([1, 0.99, 0.95]))
        horizon = from_srgb(rng.uniform(120, 165) * np.array([1.0, 0.98, 0.93]))
    elif overcast:
        zenith = from_srgb(rng.uniform(185, 225) * np.array([0.96, 0.99, 1.02]))
        horizon = from_srgb(rng.uniform(215, 245) * np.array([1.0, 1.0, 1.0]))
    else:
        zenith = from_srgb(np.array([70 + 12 * warm, 125, 195]) * rng.uniform(0.85, 1.15))
        horizon = from_srgb(np.array([205 + 18 * warm, 216, 228 - 20 * warm]) * rng.uniform(0.92, 1.05))
    azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(28, 62))
    sun = np.array([np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)])
    strength = 0.0 if indoor else (0.25 if overcast else rng.uniform(1.5, 2.2))
    sun_colour = strength * np.array([1.0, 0.95 - 0.03 * warm, 0.86 - 0.06 * warm])
    clouds = _clouds(int(rng.integers(1 << 30)))
    cloudiness = 0.0 if indoor else rng.uniform(0.2, 0.9)
    panorama = _panorama(kind, rng)
    ground_colour, ground = _ground(kind, rng)
    illumination = 0.55 * (zenith + horizon) + sun_colour * sun[2]

    zenith3, horizon3, sun3 = (np.asarray(c, np.float32)[:, None] for c in (zenith, horizon, sun))
    floor3 = np.asarray(ground_colour * illumination, np.float32)[:, None]
    cloud_colour = np.float32(0.25) + np.float32(0.75) * horizon3

    def radiance(d: F32) -> F32:
        x, y, z = d
        out = np.empty_like(d)
        below = z < 0
        low = np.flatnonzero(below)
        out[:, low] = floor3 * (1 - np.float32(0.62) * np.clip(z[low] * np.float32(-1.6), 0, 1))
        high = np.flatnonzero(~below)
        if not len(high):
            return out
        x, y, z = x[high], y[high], z[high]
        t = np.float32(1) - z
        t = t * t * t
        sky = zenith3 + (horizon3 - zenith3) * t
        azimuth_of = np.arctan2(y, x)
        slope = z / np.maximum(np.sqrt(x * x + y * y), np.float32(1e-4))
        if cloudiness:
            u = (azimuth_of * np.float32(256 / (2 * np.pi))).astype(np.int32) & 255
            v = np.minimum(slope * 130, 255).astype(np.int32)
            cover = np.float32(cloudiness) * clouds[v, u] * np.minimum(slope * 4, 1)
            sky += (cloud_colour - sky) * cover
        if indoor:
            tubes = (np.abs(np.mod(x / np.maximum(z, 0.05) * 0.8 + 0.5, 1) - 0.5) < 0.06) & (z > 0.35)
            sky[:, tubes] = 5.0
        elif not overcast:
            disc = np.clip((x * sun3[0] + y * sun3[1] + z * sun3[2] - np.float32(0.992)) * 200, 0, 1)
            sky += disc * np.float32(14)
        solid = np.flatnonzero(slope < _SLOPE) if not indoor else np.arange(len(slope))
        seen = _sample(panorama, azimuth_of[solid], slope[solid])
        alpha = seen[3]
        # the panorama is drawn over black: undo that blend, roughly in linear light
        seen = np.minimum(seen[:3] / np.maximum(alpha * alpha, np.float32(0.02)), 1)
        sky[:, solid] += (seen - sky[:, solid]) * alpha
        out[:, high] = sky
        return out

    light = np.asarray(illumination, np.float32)[:, None]

    def lit_ground(xy: F32, size: F32) -> F32:
        return ground(xy, size) * light

    env = build_environment(radiance, sun, sun_colour)
    haze = from_srgb(panorama[:3, -_PANORAMA[0] :].mean(1))
    return Scene(kind, env, radiance, lit_ground, (haze, 120.0), 0.86, 0.0 if indoor else (0.12 if overcast else 0.55))


def _studio(kind: str, rng: Rng) -> Scene:
    """A photo studio: a seamless backdrop, soft boxes overhead and at the sides."""
    dark = kind == "studio_dark"
    tint = 1 + rng.uniform(-0.05, 0.05, 3)
    if rng.random() < 0.35:
        tint = tint * (1 + rng.uniform(-0.25, 0.25, 3))
    wall = from_srgb(np.clip((rng.uniform(34, 70) if dark else rng.uniform(190, 235)) * tint, 0, 255))
    floor = wall * (rng.uniform(0.75, 1.05) if dark else rng.uniform(0.8, 0.98))
    lamp = 3.4 if dark else 2.6
    ceiling = 0.3 if dark else 0.62
    turn = rng.uniform(0, 2 * np.pi)
    spread = rng.uniform(0.32, 0.55)
    glow = rng.uniform(0.5, 1.1)

    wall3, floor3 = (np.asarray(c, np.float32)[:, None] for c in (wall, floor))

    def radiance(d: F32) -> F32:
        x, y, z = d
        high = np.clip((z - np.float32(0.22)) * 4, 0, 1)  # the ceiling is dark beside the soft boxes
        colour = wall3 * (1 - np.float32(ceiling) * high)
        above = np.maximum(z, np.float32(0.02))
        px, py = np.abs(x / above), np.abs(y / above)
        edge = np.clip((np.float32(spread) - py) * 8, 0, 1) * np.clip((np.float32(2.6) - px) * 3, 0, 1)
        colour += edge * (z > 0.1) * np.float32(lamp)
        azimuth = np.arctan2(y, x)
        band = np.clip((z - 0.12) * 12, 0, 1) * np.clip((0.62 - z) * 10, 0, 1)
        for k in range(3):
            off = np.abs(np.mod(azimuth - np.float32(turn + 2.2 * k - np.pi), np.float32(2 * np.pi)) - np.float32(np.pi))
            colour += np.clip((np.float32(0.22) - off) * 14, 0, 1) * band * np.float32(lamp * 0.55)
        low = z < 0
        colour[:, low] = floor3 * (1 - np.float32(0.55) * np.clip(z[low] * -1.5, 0, 1))
        return colour

    def ground(xy: F32, size: F32) -> F32:
        pool = np.exp((xy[0] ** 2 + xy[1] ** 2) * np.float32(-1 / 5.5**2))
        return floor3 * (np.float32(0.8) + np.float32(glow) * pool if dark else np.float32(0.82) + np.float32(0.28) * pool)

    sun = np.array([0.2 * np.cos(turn), 0.2 * np.sin(turn), 1.0])
    env = build_environment(radiance, sun, np.full(3, 0.7 if not dark else 0.5))
    backdrop = wall.astype(np.float32)
    return Scene(kind, env, radiance, ground, (backdrop, 9.0), 0.8, 0.0)


@lru_cache(maxsize=16)
def _noise(seed: int, side: int = 256) -> F32:
    """Tiling fractal noise, mean 0, about -1 .. 1."""
    rng = np.random.default_rng(seed)
    out = np.zeros((side, side), np.float32)
    for cells, weight in ((8, 0.5), (32, 0.35), (128, 0.3), (side, 0.25)):
        coarse = rng.normal(size=(cells, cells)).astype(np.float32)
        tiled = np.pad(coarse, 2, mode="wrap")
        scale = side // cells
        big = Image.fromarray(tiled).resize(((cells + 4) * scale,) * 2, Image.Resampling.BICUBIC)
        out += weight * np.asarray(big)[2 * scale : 2 * scale + side, 2 * scale : 2 * scale + side]
    return out


@lru_cache(maxsize=16)
def _clouds(seed: int) -> F32:
    n = _noise(seed, 256)
    return np.clip(n * 0.9 + 0.15, 0, 1)


def _ground(kind: str, rng: Rng) -> tuple[F32, Callable[[F32, F32], F32]]:
    """Return the mean albedo and the albedo at each ground point."""
    base = {
        "street": np.array([84, 84, 86]), "parking": np.array([92, 91, 90]), "park": np.array([100, 97, 92]),
        "coast": np.array([158, 145, 122]), "garage": np.array([128, 127, 123]), "plaza": np.array([150, 146, 140]),
    }[kind] * rng.uniform(0.85, 1.2)
    albedo = from_srgb(base)
    noise = _noise(int(rng.integers(1 << 30)))
    coarse = _noise(int(rng.integers(1 << 30)))
    turn = rng.uniform(-0.12, 0.12) + (np.pi / 2 if rng.random() < 0.3 else 0)
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    gap = np.float32(rng.uniform(1.3, 1.55))
    road = rng.uniform(2.6, 4.4)
    line = from_srgb((225, 222, 210)) if rng.random() < 0.75 else from_srgb((222, 180, 40))
    grass = from_srgb(np.array([86, 112, 54]) * rng.uniform(0.75, 1.15))
    kerb = from_srgb((165, 163, 158))
    tile = np.float32(rng.uniform(0.5, 1.2))
    grain = {"coast": 0.3, "garage": 0.07, "plaza": 0.1}.get(kind, 0.2)

    albedo3, line3, grass3, kerb3 = (np.asarray(v, np.float32)[:, None] for v in (albedo, line, grass, kerb))
    noise1, coarse1 = noise.ravel(), coarse.ravel()

    def at(xy: F32, size: F32) -> F32:
        x, y = c * xy[0] + s * xy[1], c * xy[1] - s * xy[0]
        i, j = (x * 60).astype(np.int32) & 255, (y * 60).astype(np.int32) & 255
        fine = noise1[j * 256 + i] * np.clip(np.float32(1.6) - size * 70, 0.12, 1)
        i, j = (x * 9).astype(np.int32) & 255, (y * 9).astype(np.int32) & 255
        rough = coarse1[j * 256 + i]
        colour = albedo3 * (1 + np.float32(grain) * fine + np.float32(0.09) * rough)
        sharp = 1 / np.maximum(size, np.float32(0.012))

        def band(value: F32, low: float, high: float) -> F32:
            edge = np.clip((np.float32(high) - value) * sharp + np.float32(0.5), 0, 1)
            return edge if low < 0 else edge * np.clip((value - np.float32(low)) * sharp + np.float32(0.5), 0, 1)

        def paint(amount: F32, what: F32) -> None:
            where = np.flatnonzero(amount > 0)
            mixed = colour[:, where]
            new = what if what.shape[1] == 1 else what[:, where]
            colour[:, where] = mixed + (new - mixed) * amount[where]

        worn = np.clip(np.float32(0.85) + np.float32(0.25) * rough, 0, 1)
        if kind == "parking":
            stall = np.abs(np.mod(y + gap, 2 * gap) - gap)
            paint(band(np.abs(stall - gap), -1, 0.055) * band(np.abs(x), -1, 2.9) * worn, line3)
        elif kind in {"street", "park"}:
            side = np.abs(y)
            if kind == "street":
                dashes = (np.mod(x, np.float32(6)) < 3).astype(np.float32)
                paint(band(np.abs(y - np.float32(road * 0.62)), -1, 0.06) * dashes * worn, line3)
                slab = np.minimum(np.mod(x, np.float32(0.6)), np.mod(y, np.float32(0.6)))
                tone = 1 + np.float32(0.08) * fine + np.float32(0.12) * rough - np.float32(0.35) * band(slab, -1, 0.014)
                paint(band(-side, -1e3, -road), kerb3 * np.float32(0.75) * tone)
                paint(band(side, road, road + 0.16), kerb3)
            else:
                paint(band(-side, -1e3, -road), grass3 * (1 + np.float32(0.35) * fine + np.float32(0.15) * rough))
                paint(band(side, road - 0.12, road) * np.float32(0.7) * worn, line3)
        elif kind == "plaza":
            joint = np.minimum(np.mod(x, tile), np.mod(y, tile))
            paint(band(joint, -1, 0.012) * np.float32(0.5), albedo3 * np.float32(0.4))
        elif kind == "garage":
            paint(band(np.abs(np.abs(y) - gap * np.float32(1.05)), -1, 0.05) * worn, line3)
        return colour

    return albedo, at


def _panorama(kind: str, rng: Rng) -> npt.NDArray[np.uint8]:
    """Draw everything that stands on the horizon, all around: sRGB over black and coverage, uint8 (4, h * w)."""
    w, h = _PANORAMA
    image = Image.new("RGB", (w, h), (0, 0, 0))
    cover = Image.new("L", (w, h), 0)
    d, a = ImageDraw.Draw(image), ImageDraw.Draw(cover)

    def box(x0: float, y0: float, x1: float, y1: float, fill: tuple[int, int, int]) -> None:
        for shift in (0, -w):
            d.rectangle((x0 + shift, y0, x1 + shift, y1), fill=fill)
            a.rectangle((x0 + shift, y0, x1 + shift, y1), fill=255)

    def blob(x: float, y: float, r: float, ry: float, fill: tuple[int, int, int]) -> None:
        for shift in (0, -w):
            d.ellipse((x - r + shift, y - ry, x + r + shift, y + ry), fill=fill)
            a.ellipse((x - r + shift, y - ry, x + r + shift, y + ry), fill=255)

    if kind == "garage":
        _garage(rng, box)
    else:
        hills = kind in {"coast", "park"} or rng.random() < 0.4
        if hills:
            phase, x = rng.uniform(0, 6.28, 4), np.arange(w) * (2 * np.pi / w)
            ridge = 16 + 7 * np.sin(3 * x + phase[0]) + 5 * np.sin(7 * x + phase[1]) + 3 * np.sin(17 * x + phase[2])
            colour = _rgb(np.array([112, 128, 138]) * rng.uniform(0.8, 1.15))
            for k in range(0, w, 4):
                box(k, h - ridge[k], k + 4, h, colour)
        if kind == "coast":
            sea = _rgb(np.array([70, 112, 135]) * rng.uniform(0.8, 1.2))
            start = rng.integers(0, w)
            box(start, h - 7, start + w * 0.55, h, sea)
            box(start - w, h - 7, start - w * 0.45, h, sea)
        if kind in {"street", "plaza", "parking"}:
            _buildings(kind, rng, box)
        if kind in {"park", "parking", "street", "coast"}:
            _trees(kind, rng, box, blob)
    colour = np.asarray(image.filter(ImageFilter.BoxBlur(1.4)))
    alpha = np.asarray(cover.filter(ImageFilter.BoxBlur(1.4)))
    return np.ascontiguousarray(np.concatenate([colour, alpha[..., None]], 2).reshape(-1, 4).T)


def _sample(panorama: npt.NDArray[np.uint8], azimuth: F32, slope: F32) -> F32:
    """Bilinear look-up: linear RGB and coverage 0..1, (4, n)."""
    w, h = _PANORAMA
    x = np.mod(azimuth * np.float32(w / (2 * np.pi)), np.float32(w))
    y = np.clip((1 - slope / np.float32(_SLOPE)) * h - np.float32(0.5), 0, h - np.float32(1.01))
    i, j = x.astype(np.int32), y.astype(np.int32)
    fx, fy = x - i, y - j
    i %= w
    right = np.where(i == w - 1, 0, i + 1)
    out = np.empty((4, len(x)), np.float32)
    linear = from_srgb(np.arange(256, dtype=np.uint8))
    plain = np.arange(256, dtype=np.float32) / 255
    a, b = j * w + i, j * w + right
    for k in range(4):
        table = linear if k < 3 else plain
        row = panorama[k]
        top, low = table[row[a]], table[row[a + w]]
        top += (table[row[b]] - top) * fx
        low += (table[row[b + w]] - low) * fx
        out[k] = top + (low - top) * fy
    return out


def _buildings(kind: str, rng: Rng, box: Callable[..., None]) -> None:
    w, h = _PANORAMA
    tall = {"street": (60, 250), "plaza": (40, 190), "parking": (20, 90)}[kind]
    palette = [(168, 150, 128), (142, 92, 74), (186, 182, 174), (118, 122, 128), (196, 176, 140), (96, 104, 116), (158, 164, 168)]
    x = 0.0
    while x < w:
        width = rng.uniform(50, 190)
        if rng.random() < 0.82:
            top = h - rng.uniform(*tall)
            base = np.array(palette[rng.integers(len(palette))]) * rng.uniform(0.7, 1.15)
            box(x, top, min(x + width, w), h, _rgb(base))
            dx, dz = rng.uniform(12, 22), rng.uniform(16, 26)
            glass = np.array([60, 72, 88]) * rng.uniform(0.7, 1.5)
            for wy in np.arange(top + 8, h - 22, dz):
                for wx in np.arange(x + 6, min(x + width, w) - dx * 0.7, dx):
                    box(wx, wy, wx + dx * 0.55, wy + dz * 0.55, _rgb(glass * rng.uniform(0.7, 1.5)))
            if kind == "street":
                box(x, h - 22, min(x + width, w), h - 4, _rgb(glass * rng.uniform(0.5, 1.6)))
                box(x, h - 28, min(x + width, w), h - 22, _rgb(rng.uniform(40, 220, 3)))
        x += width + (0 if rng.random() < 0.7 else rng.uniform(10, 60))


def _trees(kind: str, rng: Rng, box: Callable[..., None], blob: Callable[..., None]) -> None:
    w, h = _PANORAMA
    count = {"park": 46, "parking": 26, "street": 9, "coast": 5}[kind]
    if kind in {"park", "parking"}:
        hedge = np.array([58, 82, 44]) * rng.uniform(0.7, 1.2)
        for x in np.arange(0, w, 9):
            blob(x, h - 3, 9, rng.uniform(6, 15), _rgb(hedge * rng.uniform(0.7, 1.2)))
    autumn = rng.random() < 0.2
    for _ in range(count):
        x = rng.uniform(0, w)
        size = rng.uniform(16, 52) if kind != "park" else rng.uniform(22, 80)
        green = np.array([74, 100, 50]) if not autumn else np.array([150, 100, 45])
        green = green * rng.uniform(0.6, 1.25)
        trunk = h - size * rng.uniform(0.9, 1.3)
        box(x - size * 0.06, trunk, x + size * 0.06, h, _rgb((70, 56, 44)))
        for _ in range(26):
            u, v = rng.normal(0, 0.42, 2)
            tone = green * (0.75 + 0.35 * rng.random() - 0.25 * v)
            r = size * rng.uniform(0.14, 0.3)
            blob(x + u * size * 0.9, trunk - size * 0.35 + v * size * 0.75, r, r * 0.85, _rgb(tone))


def _garage(rng: Rng, box: Callable[..., None]) -> None:
    w, h = _PANORAMA
    wall = np.array([150, 148, 143]) * rng.uniform(0.55, 1.0)
    stripe = rng.uniform(60, 200, 3)
    for x in range(0, w, 8):  # walls of a hall: nearer in the middle of each side
        az = x / w * 2 * np.pi
        reach = 1 / max(abs(np.cos(az)) / 16, abs(np.sin(az)) / 9)
        top = min(3.4 / reach, _SLOPE)
        light = 0.75 + 0.25 * abs(np.cos(az)) + 0.04 * rng.standard_normal()
        box(x, h - top / _SLOPE * h, x + 8, h, _rgb(wall * light))
        low = 0.9 / reach / _SLOPE * h
        box(x, h - low, x + 8, h - low * 0.62, _rgb(stripe * light))
    for az in np.linspace(0, 2 * np.pi, 13)[:-1] + rng.uniform(0, 0.4):
        reach = 1 / max(abs(np.cos(az)) / 15, abs(np.sin(az)) / 8)
        half = 0.35 / reach / (2 * np.pi) * w
        x = az / (2 * np.pi) * w
        box(x - half, h - min(3.4 / reach, _SLOPE) / _SLOPE * h, x + half, h, _rgb(wall * rng.uniform(0.75, 1.1)))
        box(x - half, h - 0.9 / reach / _SLOPE * h, x + half, h, _rgb((215, 180, 30) if rng.random() < 0.5 else wall * 0.6))


def _rgb(colour: npt.ArrayLike) -> tuple[int, int, int]:
    r, g, b = np.clip(np.asarray(colour, float), 0, 255).astype(int).tolist()
    return r, g, b
