"""Draw what stands on the horizon, all around: buildings, trees, hills, the walls of a hall."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from showroom.arrays import Bytes, Floats
from showroom.light import from_srgb

Rng = np.random.Generator

PANORAMA = (2048, 352)
SLOPE = 0.88
"""The panorama reaches from the horizon up to this tangent of elevation."""


def draw_panorama(kind: str, rng: Rng) -> Bytes:
    """Draw everything that stands on the horizon.

    All around: sRGB over black and coverage, uint8 (4, h * w).
    """
    w, h = PANORAMA
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
            ridge = (
                16
                + 7 * np.sin(3 * x + phase[0])
                + 5 * np.sin(7 * x + phase[1])
                + 3 * np.sin(17 * x + phase[2])
            )
            haze = _rgb(np.array([112, 128, 138]) * rng.uniform(0.8, 1.15))
            for k in range(0, w, 4):
                box(k, h - ridge[k], k + 4, h, haze)
        if kind == "coast":
            sea = _rgb(np.array([70, 112, 135]) * rng.uniform(0.8, 1.2))
            start = float(rng.integers(0, w))
            box(start, h - 7, start + w * 0.55, h, sea)
            box(start - w, h - 7, start - w * 0.45, h, sea)
        if kind in {"street", "plaza", "parking"}:
            _buildings(kind, rng, box)
        if kind in {"park", "parking", "street", "coast"}:
            _trees(kind, rng, box, blob)
    colour = np.asarray(image.filter(ImageFilter.BoxBlur(1.4)))
    alpha = np.asarray(cover.filter(ImageFilter.BoxBlur(1.4)))
    return np.ascontiguousarray(np.concatenate([colour, alpha[..., None]], 2).reshape(-1, 4).T)


def sample_panorama(panorama: Bytes, azimuth: Floats, slope: Floats) -> Floats:
    """Bilinear look-up: linear RGB and coverage 0..1, (4, n)."""
    w, h = PANORAMA
    x = np.mod(azimuth * np.float32(w / (2 * np.pi)), np.float32(w))
    y = np.clip((1 - slope / np.float32(SLOPE)) * h - np.float32(0.5), 0, h - np.float32(1.01))
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
    w, h = PANORAMA
    tall = {"street": (60, 250), "plaza": (40, 190), "parking": (20, 90)}[kind]
    palette = [
        (168, 150, 128),
        (142, 92, 74),
        (186, 182, 174),
        (118, 122, 128),
        (196, 176, 140),
        (96, 104, 116),
        (158, 164, 168),
    ]
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
    w, h = PANORAMA
    count = {"park": 46, "parking": 26, "street": 9, "coast": 5}[kind]
    if kind in {"park", "parking"}:
        hedge = np.array([58, 82, 44]) * rng.uniform(0.7, 1.2)
        for x in np.arange(0.0, w, 9.0).tolist():
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
    w, h = PANORAMA
    wall = np.array([150, 148, 143]) * rng.uniform(0.55, 1.0)
    stripe = rng.uniform(60, 200, 3)
    for x in range(0, w, 8):  # walls of a hall: nearer in the middle of each side
        az = x / w * 2 * np.pi
        reach = 1 / max(abs(np.cos(az)) / 16, abs(np.sin(az)) / 9)
        top = min(3.4 / reach, SLOPE)
        light = 0.75 + 0.25 * abs(np.cos(az)) + 0.04 * rng.standard_normal()
        box(x, h - top / SLOPE * h, x + 8, h, _rgb(wall * light))
        low = 0.9 / reach / SLOPE * h
        box(x, h - low, x + 8, h - low * 0.62, _rgb(stripe * light))
    for az in np.linspace(0, 2 * np.pi, 13)[:-1] + rng.uniform(0, 0.4):
        reach = 1 / max(abs(np.cos(az)) / 15, abs(np.sin(az)) / 8)
        half = 0.35 / reach / (2 * np.pi) * w
        x = az / (2 * np.pi) * w
        box(
            x - half,
            h - min(3.4 / reach, SLOPE) / SLOPE * h,
            x + half,
            h,
            _rgb(wall * rng.uniform(0.75, 1.1)),
        )
        box(
            x - half,
            h - 0.9 / reach / SLOPE * h,
            x + half,
            h,
            _rgb((215, 180, 30) if rng.random() < 0.5 else wall * 0.6),
        )


def _rgb(colour: npt.ArrayLike) -> tuple[int, int, int]:
    r, g, b = np.clip(np.asarray(colour, float), 0, 255).astype(int).tolist()
    return r, g, b
