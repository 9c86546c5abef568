"""Light the visible surface of a car.

Lacquer, glass with a view through the car, chrome, rubber, lamps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from showroom import materials
from showroom.arrays import Floats, Ints
from showroom.bodies import BODIES, BodySpec
from showroom.canvas import PER_METRE
from showroom.car import WELL, WHEEL, deck_height
from showroom.light import from_srgb, look_up
from showroom.materials import Material
from showroom.scenes import Scene
from showroom.skin import skin
from showroom.surface import Surface, dot, unrolled


@dataclass(frozen=True, slots=True)
class Paint:
    """A lacquer: sRGB colour 0..255, how metallic it is (0..1), and how dirty the car (0..1)."""

    rgb: tuple[int, int, int]
    metallic: float
    dirt: float = 0.0


@dataclass(slots=True)
class Finish:
    """What damage changes on a surface: albedo (3, n), mirror and metal (n,)."""

    albedo: Floats
    mirror: Floats
    metal: Floats


def finish_of(surface: Surface, paint: Paint, plates: tuple[Floats, Floats], kind: str) -> Finish:
    """Return the undamaged finish of each fragment; `plates` are linear RGB pictures (h, w, 3)."""
    m = surface.material
    spec = BODIES[kind]
    base = from_srgb(paint.rgb)
    albedo_of, metal_of = materials.ALBEDO.copy(), materials.METAL.copy()
    albedo_of[:, Material.PAINT] = base
    albedo_of[:, Material.EMBOSS] = base * 0.55
    metal_of[[Material.PAINT, Material.EMBOSS]] = paint.metallic
    albedo, mirror, metal = albedo_of[:, m], materials.MIRROR[m], metal_of[m]
    _plates(surface, albedo, plates, spec)
    _mesh_pattern(surface, albedo)
    if paint.dirt > 0:
        x, _, z = surface.position
        wave = np.sin(x * 9) * np.float32(0.05) + np.sin(x * 31 + z * 40) * np.float32(0.03)
        amount = np.float32(paint.dirt) * np.clip(
            (spec.clearance + 0.42 + wave - z) / np.float32(0.4), 0, 1
        )
        amount = amount * (m != Material.VOID)
        albedo += (_DIRT - albedo) * amount
        mirror = mirror * (1 - amount)
        metal = metal * (1 - amount)
    deep = np.flatnonzero(surface.seam > 0)
    albedo[:, deep] *= 1 - np.float32(0.93) * surface.seam[deep]
    mirror[deep] *= 1 - np.float32(0.9) * surface.seam[deep]
    return Finish(albedo, mirror, metal)


_DIRT = from_srgb((126, 112, 92))[:, None]


def shade(surface: Surface, finish: Finish, scene: Scene, kind: str, frosted: Floats) -> Floats:
    """Return the linear RGB of each fragment, (3, n).

    `frosted` (n,) tells how much of the view through a window is blocked (cracked glass).
    """
    spec = BODIES[kind]
    env = scene.environment
    n, v = surface.normal, surface.view
    facing = np.clip(dot(n, v), 0, 1)
    reflected = n * (2 * facing) - v
    occlusion = _occlusion(surface, spec)
    sun = np.maximum(n[0] * env.sun[0] + n[1] * env.sun[1] + n[2] * env.sun[2], 0)
    sun *= np.clip(occlusion * np.float32(1.4) - np.float32(0.4), 0, 1) * np.float32(0.8)
    light = look_up(env.irradiance, n)
    light *= occlusion
    light += sun * env.sun_colour[:, None]
    # Schlick's approximation of Fresnel's law; 0.065 is a little more than lacquer's 0.045
    away = 1 - facing
    square = away * away
    fresnel = np.float32(0.065) + np.float32(0.935) * (square * square * away)
    mirror = look_up(env.sharp, reflected, smooth=True)
    metal = finish.metal
    colour = finish.albedo * light
    colour *= 1 - np.float32(0.78) * metal
    shiny = np.flatnonzero(metal > 0.02)
    if len(shiny):
        brushed = look_up(env.glossy, reflected[:, shiny])
        crisp = np.where(metal[shiny] > 0.9, np.float32(0.4), np.float32(0))
        lobe = brushed + (mirror[:, shiny] - brushed) * crisp
        colour[:, shiny] += finish.albedo[:, shiny] * lobe * (metal[shiny] * occlusion[shiny])
    mirror *= fresnel * finish.mirror * (np.float32(0.25) + np.float32(0.75) * occlusion)
    colour += mirror
    glass = np.flatnonzero(surface.material == Material.GLASS)
    if len(glass):
        colour[:, glass] += _through(surface, glass, scene, spec) * (1 - frosted[glass])
    glow = materials.GLOW[surface.material]
    lit = np.flatnonzero(glow)
    colour[:, lit] += finish.albedo[:, lit] * (glow[lit] * np.float32(1.6))
    return colour


def _occlusion(surface: Surface, spec: BodySpec) -> Floats:
    """How much of the sky each point sees.

    Less low on the flanks, deep in arches and under the car.
    """
    z = surface.position[2]
    low = np.float32(0.42) + np.float32(0.58) * np.clip(
        (z - np.float32(0.12)) * np.float32(1 / (spec.clearance + 0.42)), 0, 1
    )
    out = np.where(surface.normal[2] > 0.5, np.float32(1), low)
    wheel = np.flatnonzero(surface.part == WHEEL)
    zw = z[wheel]
    shadow = np.clip(1.05 - 1.1 * np.clip((zw - spec.wheel * 0.75) / spec.arch, 0, 1), 0.12, 1)
    out[wheel] = shadow * (0.55 + 0.45 * np.clip(zw / 0.3, 0, 1))
    out[surface.part == WELL] = 0.15
    return out


def _through(surface: Surface, glass: Ints, scene: Scene, spec: BodySpec) -> Floats:
    """Return what shows through the windows: seats, far windows, daylight behind; (3, k)."""
    px, py, pz = surface.position[:, glass]
    d = -surface.view[:, glass]
    maps = skin(spec.kind)
    belt = float(deck_height(spec, np.zeros(1))[0])
    dy = np.where(np.abs(d[1]) < 1e-3, np.float32(1e-3), d[1])
    dx = np.where(np.abs(d[0]) < 1e-3, np.float32(1e-3), d[0])
    ambient = scene.environment.irradiance[:, [len(scene.environment.irradiance[0]) // 2 + 12]]
    colour = (_INTERIOR * ambient * np.float32(0.5)) * np.clip(
        (pz - (belt - 0.25)) / np.float32(0.6), 0.25, 1
    )
    # straight across: out through the windows of the far side
    far = np.where(dy > 0, np.float32(1), np.float32(-1)) * np.float32(spec.half_width * 0.78)
    t = np.maximum((far - py) / dy, 0)
    x, z = px + t * d[0], pz + t * d[2]
    open_side = (maps.side.material.ravel()[maps.side.index(x, z)] == Material.GLASS) & (t < 4.5)
    open_side &= (z < spec.height - 0.12) & (z > belt)
    # along the car: out through the other end's window
    end = np.where(
        dx > 0, np.float32(spec.cabin[-2][0] + 0.35), np.float32(spec.side_glass_rear - 0.1)
    )
    te = np.maximum((end - px) / dx, 0)
    ye, ze = np.abs(py + te * d[1]), pz + te * d[2]
    open_end = (
        (ye < spec.half_width * 0.6)
        & (ze > belt + 0.1)
        & (ze < spec.height - 0.12)
        & (te > 0.4)
        & ~open_side
    )
    for is_open, share in ((open_side, 0.42), (open_end, 0.34)):
        at = np.flatnonzero(is_open)
        colour[:, at] = scene.radiance(d[:, at]) * np.float32(share)
    blocked = np.zeros(len(px), bool)
    for y_seat in (0.4, -0.4):
        ts = (np.float32(y_seat) - py) / dy
        at = maps.seats.index(px + ts * d[0], pz + ts * d[2])
        blocked |= (maps.seats.material.ravel()[at] == Material.SEAT) & (ts > 0) & (ts < t + 0.05)
    tr = (np.float32(spec.doors[0] - 0.96) - px) / dx
    yr, zr = np.abs(np.abs(py + tr * d[1]) - np.float32(0.38)), pz + tr * d[2]
    shoulder = belt + 0.3 * (spec.height - belt)
    rest = (yr < 0.13) & (zr < shoulder + 0.16) & (zr > shoulder + 0.02)
    back = (yr < 0.24) & (zr <= shoulder)
    blocked |= (rest | back) & (tr > 0) & (np.abs(surface.uv[1, glass]) < 1)
    colour[:, blocked] = _SEAT
    return colour * np.float32(0.85)


_INTERIOR = from_srgb((34, 35, 37))[:, None]
_SEAT = from_srgb((30, 30, 33))[:, None] * np.float32(0.6)


def _plates(
    surface: Surface, albedo: Floats, plates: tuple[Floats, Floats], spec: BodySpec
) -> None:
    at = np.flatnonzero(surface.material == Material.PLATE)
    if not len(at):
        return
    x, y, z = surface.position[:, at]
    for picture, centre, front in zip(plates, skin(spec.kind).plates, (True, False), strict=True):
        here = np.flatnonzero((x > 0) == front)
        behind = spec.nose - x[here] if front else x[here] - spec.tail
        s = unrolled(y[here], behind) - centre[0]
        across = s if front else -s  # text reads left to right as seen from outside
        h, w = picture.shape[:2]
        column = np.clip((across / 0.52 + 0.5) * w, 0, w - 1).astype(np.int32)
        row = np.clip((0.5 - (z[here] - centre[1]) / 0.112) * h, 0, h - 1).astype(np.int32)
        albedo[:, at[here]] = picture[row, column].T


def _mesh_pattern(surface: Surface, albedo: Floats) -> None:
    """Honeycomb-like holes of the grilles."""
    at = np.flatnonzero(surface.material == Material.MESH)
    if not len(at):
        return
    a, b = surface.position[1, at] * 38, surface.position[2, at] * 44
    cell = np.abs(np.mod(a + 0.5 * np.floor(b), 1) - 0.5) + np.abs(np.mod(b, 1) - 0.5)
    albedo[:, at] *= np.where(cell > 0.62, np.float32(2.6), np.float32(0.5))


PLATE_PIXELS = (round(0.52 * PER_METRE * 1.5), round(0.112 * PER_METRE * 1.5))
