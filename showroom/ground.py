"""What the car stands on: asphalt, paving, concrete, sand, with lines, kerbs and joints."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image

from showroom.arrays import Floats
from showroom.light import from_srgb

Rng = np.random.Generator


@lru_cache(maxsize=16)
def tiling_noise(seed: int, side: int = 256) -> Floats:
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
def cloud_cover(seed: int) -> Floats:
    """How cloudy each part of the sky is.

    0..1 (256, 256): rows by elevation, columns by azimuth.
    """
    n = tiling_noise(seed, 256)
    return np.clip(n * 0.9 + 0.15, 0, 1)


def draw_ground(kind: str, rng: Rng) -> tuple[Floats, Callable[[Floats, Floats], Floats]]:
    """Return the mean albedo and the albedo at each ground point."""
    base = {
        "street": np.array([84, 84, 86]),
        "parking": np.array([92, 91, 90]),
        "park": np.array([100, 97, 92]),
        "coast": np.array([158, 145, 122]),
        "garage": np.array([128, 127, 123]),
        "plaza": np.array([150, 146, 140]),
    }[kind] * rng.uniform(0.85, 1.2)
    albedo = from_srgb(base)
    noise = tiling_noise(int(rng.integers(1 << 30)))
    coarse = tiling_noise(int(rng.integers(1 << 30)))
    turn = rng.uniform(-0.12, 0.12) + (np.pi / 2 if rng.random() < 0.3 else 0)
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    gap = np.float32(rng.uniform(1.3, 1.55))
    road = rng.uniform(2.6, 4.4)
    line = from_srgb((225, 222, 210)) if rng.random() < 0.75 else from_srgb((222, 180, 40))
    grass = from_srgb(np.array([86, 112, 54]) * rng.uniform(0.75, 1.15))
    kerb = from_srgb((165, 163, 158))
    tile = np.float32(rng.uniform(0.5, 1.2))
    grain = {"coast": 0.3, "garage": 0.07, "plaza": 0.1}.get(kind, 0.2)

    albedo3, line3, grass3, kerb3 = (
        np.asarray(v, np.float32)[:, None] for v in (albedo, line, grass, kerb)
    )
    noise1, coarse1 = noise.ravel(), coarse.ravel()

    def at(xy: Floats, size: Floats) -> Floats:
        x, y = c * xy[0] + s * xy[1], c * xy[1] - s * xy[0]
        i, j = (x * 60).astype(np.int32) & 255, (y * 60).astype(np.int32) & 255
        fine = noise1[j * 256 + i] * np.clip(np.float32(1.6) - size * 70, 0.12, 1)
        i, j = (x * 9).astype(np.int32) & 255, (y * 9).astype(np.int32) & 255
        rough = coarse1[j * 256 + i]
        colour = albedo3 * (1 + np.float32(grain) * fine + np.float32(0.09) * rough)
        sharp = 1 / np.maximum(size, np.float32(0.012))

        def band(value: Floats, low: float, high: float) -> Floats:
            edge = np.clip((np.float32(high) - value) * sharp + np.float32(0.5), 0, 1)
            return (
                edge
                if low < 0
                else edge * np.clip((value - np.float32(low)) * sharp + np.float32(0.5), 0, 1)
            )

        def paint(amount: Floats, what: Floats) -> None:
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
                tone = (
                    1
                    + np.float32(0.08) * fine
                    + np.float32(0.12) * rough
                    - np.float32(0.35) * band(slab, -1, 0.014)
                )
                paint(band(-side, -1e3, -road), kerb3 * np.float32(0.75) * tone)
                paint(band(side, road, road + 0.16), kerb3)
            else:
                paint(
                    band(-side, -1e3, -road),
                    grass3 * (1 + np.float32(0.35) * fine + np.float32(0.15) * rough),
                )
                paint(band(side, road - 0.12, road) * np.float32(0.7) * worn, line3)
        elif kind == "plaza":
            joint = np.minimum(np.mod(x, tile), np.mod(y, tile))
            paint(band(joint, -1, 0.012) * np.float32(0.5), albedo3 * np.float32(0.4))
        elif kind == "garage":
            paint(band(np.abs(np.abs(y) - gap * np.float32(1.05)), -1, 0.05) * worn, line3)
        return colour

    return albedo, at
