"""Places where cars are photographed: sky, skyline, ground and the light that comes from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from showroom.arrays import Floats
from showroom.ground import cloud_cover, draw_ground
from showroom.light import Environment, build_environment, from_srgb
from showroom.panorama import PANORAMA, SLOPE, draw_panorama, sample_panorama

Rng = np.random.Generator

SCENES = ("street", "parking", "park", "coast", "garage", "studio_light", "studio_dark", "plaza")


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
        Linear colour of the ground: (points (2, n) in metres, size of a pixel there in metres
        (n,)) -> (3, n).
    haze
        Colour at the horizon that far ground fades into, and the distance in metres where half is
        gone.
    contact, cast
        How dark the shadow under the car and the one cast by the sun are, 0..1.
    """

    kind: str
    environment: Environment
    radiance: Callable[[Floats], Floats]
    ground: Callable[[Floats, Floats], Floats]
    haze: tuple[Floats, float]
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
        horizon = from_srgb(
            np.array([205 + 18 * warm, 216, 228 - 20 * warm]) * rng.uniform(0.92, 1.05)
        )
    azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(28, 62))
    sun = np.array(
        [np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)]
    )
    strength = 0.0 if indoor else (0.25 if overcast else rng.uniform(1.5, 2.2))
    sun_colour = strength * np.array([1.0, 0.95 - 0.03 * warm, 0.86 - 0.06 * warm])
    clouds = cloud_cover(int(rng.integers(1 << 30)))
    cloudiness = 0.0 if indoor else rng.uniform(0.2, 0.9)
    panorama = draw_panorama(kind, rng)
    ground_colour, ground = draw_ground(kind, rng)
    illumination = 0.55 * (zenith + horizon) + sun_colour * sun[2]

    zenith3, horizon3, sun3 = (np.asarray(c, np.float32)[:, None] for c in (zenith, horizon, sun))
    floor3 = np.asarray(ground_colour * illumination, np.float32)[:, None]
    cloud_colour = np.float32(0.25) + np.float32(0.75) * horizon3

    def radiance(d: Floats) -> Floats:
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
            tubes = (np.abs(np.mod(x / np.maximum(z, 0.05) * 0.8 + 0.5, 1) - 0.5) < 0.06) & (
                z > 0.35
            )
            sky[:, tubes] = 5.0
        elif not overcast:
            disc = np.clip(
                (x * sun3[0] + y * sun3[1] + z * sun3[2] - np.float32(0.992)) * 200, 0, 1
            )
            sky += disc * np.float32(14)
        solid = np.flatnonzero(slope < SLOPE) if not indoor else np.arange(len(slope))
        seen = sample_panorama(panorama, azimuth_of[solid], slope[solid])
        alpha = seen[3]
        # the panorama is drawn over black: undo that blend, roughly in linear light
        seen = np.minimum(seen[:3] / np.maximum(alpha * alpha, np.float32(0.02)), 1)
        sky[:, solid] += (seen - sky[:, solid]) * alpha
        out[:, high] = sky
        return out

    light = np.asarray(illumination, np.float32)[:, None]

    def lit_ground(xy: Floats, size: Floats) -> Floats:
        return ground(xy, size) * light

    env = build_environment(radiance, sun, sun_colour)
    haze = from_srgb(panorama[:3, -PANORAMA[0] :].mean(1))
    return Scene(
        kind,
        env,
        radiance,
        lit_ground,
        (haze, 120.0),
        0.86,
        0.0 if indoor else (0.12 if overcast else 0.55),
    )


def _studio(kind: str, rng: Rng) -> Scene:
    """Make a photo studio: a seamless backdrop, soft boxes overhead and at the sides."""
    dark = kind == "studio_dark"
    tint = 1 + rng.uniform(-0.05, 0.05, 3)
    if rng.random() < 0.35:
        tint = tint * (1 + rng.uniform(-0.25, 0.25, 3))
    wall = from_srgb(
        np.clip((rng.uniform(34, 70) if dark else rng.uniform(190, 235)) * tint, 0, 255)
    )
    floor = wall * (rng.uniform(0.75, 1.05) if dark else rng.uniform(0.8, 0.98))
    lamp = 3.4 if dark else 2.6
    ceiling = 0.3 if dark else 0.62
    turn = rng.uniform(0, 2 * np.pi)
    spread = rng.uniform(0.32, 0.55)
    glow = rng.uniform(0.5, 1.1)

    wall3, floor3 = (np.asarray(c, np.float32)[:, None] for c in (wall, floor))

    def radiance(d: Floats) -> Floats:
        x, y, z = d
        high = np.clip(
            (z - np.float32(0.22)) * 4, 0, 1
        )  # the ceiling is dark beside the soft boxes
        colour = wall3 * (1 - np.float32(ceiling) * high)
        above = np.maximum(z, np.float32(0.02))
        px, py = np.abs(x / above), np.abs(y / above)
        edge = np.clip((np.float32(spread) - py) * 8, 0, 1) * np.clip(
            (np.float32(2.6) - px) * 3, 0, 1
        )
        colour += edge * (z > 0.1) * np.float32(lamp)
        azimuth = np.arctan2(y, x)
        band = np.clip((z - 0.12) * 12, 0, 1) * np.clip((0.62 - z) * 10, 0, 1)
        for k in range(3):
            off = np.abs(
                np.mod(azimuth - np.float32(turn + 2.2 * k - np.pi), np.float32(2 * np.pi))
                - np.float32(np.pi)
            )
            colour += np.clip((np.float32(0.22) - off) * 14, 0, 1) * band * np.float32(lamp * 0.55)
        low = z < 0
        colour[:, low] = floor3 * (1 - np.float32(0.55) * np.clip(z[low] * -1.5, 0, 1))
        return colour

    def ground(xy: Floats, size: Floats) -> Floats:
        pool = np.exp((xy[0] ** 2 + xy[1] ** 2) * np.float32(-1 / 5.5**2))
        return floor3 * (
            np.float32(0.8) + np.float32(glow) * pool
            if dark
            else np.float32(0.82) + np.float32(0.28) * pool
        )

    sun = np.array([0.2 * np.cos(turn), 0.2 * np.sin(turn), 1.0])
    env = build_environment(radiance, sun, np.full(3, 0.7 if not dark else 0.5))
    backdrop = wall.astype(np.float32)
    return Scene(kind, env, radiance, ground, (backdrop, 9.0), 0.8, 0.0)
