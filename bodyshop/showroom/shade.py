"""Light the visible surface of a car: lacquer, glass with a view through the car, chrome, rubber, lamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodyshop.showroom import materials
from bodyshop.showroom.bodies import BODIES, BodySpec
from bodyshop.showroom.car import WELL, WHEEL, deck_height
from bodyshop.showroom.light import from_srgb, look_up
from bodyshop.showroom.materials import Material
from bodyshop.showroom.scenes import Scene
from bodyshop.showroom.skin import PER_METRE, skin
from bodyshop.showroom.surface import Surface

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Paint:
    """A lacquer: sRGB colour 0..255, how metallic it is (0..1), and how dirty the car (0..1)."""

    rgb: tuple[int, int, int]
    metallic: float
    dirt: float = 0.0


@dataclass(slots=True)
class Finish:
    """What damage changes on a surface, one row per fragment."""

    albedo: F32
    mirror: F32
    metal: F32


def finish_of(surface: Surface, paint: Paint, plates: tuple[F32, F32], kind: str) -> Finish:
    """Return the undamaged finish of each fragment; `plates` are linear RGB pictures of the number plates."""
    m = surface.material
    albedo = materials.ALBEDO[m]
    painted = (m == Material.PAINT) | (m == Material.EMBOSS)
    base = from_srgb(paint.rgb)
    albedo[painted] = base
    albedo[m == Material.EMBOSS] = base * 0.55
    mirror = materials.MIRROR[m]
    metal = materials.METAL[m]
    metal[painted] = paint.metallic
    spec = BODIES[kind]
    _plates(surface, albedo, plates, spec)
    _mesh_pattern(surface, albedo)
    if paint.dirt > 0:
        z = surface.position[:, 2]
        wave = np.sin(surface.position[:, 0] * 9) * 0.05 + np.sin(surface.position[:, 0] * 31 + z * 40) * 0.03
        amount = paint.dirt * np.clip((spec.clearance + 0.42 + wave - z) / 0.4, 0, 1) * (m != Material.VOID)
        albedo = albedo * (1 - amount[:, None]) + from_srgb((126, 112, 92)) * amount[:, None]
        mirror = mirror * (1 - amount)
        metal = metal * (1 - amount)
    seam = surface.seam
    albedo = albedo * (1 - 0.93 * seam[:, None])
    mirror = mirror * (1 - 0.9 * seam)
    return Finish(albedo.astype(np.float32), mirror.astype(np.float32), metal.astype(np.float32))


def shade(surface: Surface, finish: Finish, scene: Scene, kind: str, frosted: F32 | None = None) -> F32:
    """Return the linear RGB of each fragment, (n, 3).

    `frosted` (n,) tells how much of the view through a window is blocked (cracked glass).
    """
    spec = BODIES[kind]
    env = scene.environment
    n, v = surface.normal, surface.view
    facing = np.clip(np.einsum("ij,ij->i", n, v), 0.0, 1.0)
    reflected = 2 * facing[:, None] * n - v
    occlusion = _occlusion(surface, spec)
    light = look_up(env.irradiance, n)
    sun = np.clip(n @ env.sun, 0, None) * np.clip(occlusion * 1.4 - 0.4, 0, 1)
    light = light * occlusion[:, None] + sun[:, None] * env.sun_colour * 0.8
    # Schlick's approximation of Fresnel's law for lacquer and glass (n = 1.5)
    fresnel = np.float32(0.045) + np.float32(0.955) * (1 - facing) ** 5
    coat = (fresnel * finish.mirror * (0.25 + 0.75 * occlusion))[:, None]
    mirror = look_up(env.sharp, reflected)
    brushed = look_up(env.glossy, reflected)
    metal = finish.metal[:, None]
    diffuse = finish.albedo * light * (1 - 0.78 * metal)
    metallic = finish.albedo * metal * (0.6 * brushed + 0.4 * np.where(metal > 0.9, mirror, brushed))
    metallic = metallic * occlusion[:, None]
    colour = diffuse + metallic + coat * mirror
    glass = np.flatnonzero(surface.material == Material.GLASS)
    if len(glass):
        through = _through(surface, glass, scene, spec)
        if frosted is not None:
            through = through * (1 - frosted[glass, None])
        colour[glass] += through
    glow = materials.GLOW[surface.material]
    colour += (glow[:, None] * finish.albedo) * 1.6
    return colour


def _occlusion(surface: Surface, spec: BodySpec) -> F32:
    """How much of the sky each point sees: less low on the flanks, deep in arches and under the car."""
    z = surface.position[:, 2]
    low = 0.42 + 0.58 * np.clip((z - 0.12) / (spec.clearance + 0.42), 0, 1)
    out = np.where(surface.normal[:, 2] > 0.5, 1.0, low)
    wheel = surface.part == WHEEL
    shadow = np.clip(1.05 - 1.1 * np.clip((z - spec.wheel * 0.75) / spec.arch, 0, 1), 0.12, 1)
    out = np.where(wheel, shadow * (0.55 + 0.45 * np.clip(z / 0.3, 0, 1)), out)
    out = np.where(surface.part == WELL, 0.15, out)
    return out.astype(np.float32)


def _through(surface: Surface, glass: npt.NDArray[np.int64], scene: Scene, spec: BodySpec) -> F32:
    """What is seen through the windows: seats, the far windows and daylight behind them."""
    p, d = surface.position[glass], -surface.view[glass]
    maps = skin(spec.kind)
    tint = np.float32(0.42)
    belt = deck_height(spec, np.zeros(1))[0]
    base = from_srgb((34, 35, 37)) * np.clip((p[:, 2:3] - belt + 0.25) / 0.6, 0.25, 1)
    colour = base * look_up(scene.environment.irradiance, np.broadcast_to(np.float32([0, 0, 1]), p.shape)) * 0.5
    dy = np.where(np.abs(d[:, 1]) < 1e-3, np.float32(1e-3), d[:, 1])
    far = np.where(dy > 0, 1, -1) * (spec.half_width * 0.78)
    t = np.maximum((far - p[:, 1]) / dy, 0)
    x, z = p[:, 0] + t * d[:, 0], p[:, 2] + t * d[:, 2]
    index = maps.side.index(x.astype(np.float32), z.astype(np.float32))
    inside = (z < spec.height - 0.12) & (z > belt)
    open_side = (maps.side.material.ravel()[index] == Material.GLASS) & inside & (t < 4.5)
    colour = np.where(open_side[:, None], scene.radiance(d) * tint, colour)
    # along the car: out through the other end's window
    dx = np.where(np.abs(d[:, 0]) < 1e-3, np.float32(1e-3), d[:, 0])
    end = np.where(dx > 0, spec.cabin[-2][0] + 0.35, spec.side_glass_rear - 0.1)
    te = np.maximum((end - p[:, 0]) / dx, 0)
    ye, ze = p[:, 1] + te * d[:, 1], p[:, 2] + te * d[:, 2]
    open_end = (np.abs(ye) < spec.half_width * 0.6) & (ze > belt + 0.1) & (ze < spec.height - 0.12) & (te > 0.4)
    colour = np.where((open_end & ~open_side)[:, None], scene.radiance(d) * tint * 0.8, colour)
    seat = from_srgb((30, 30, 33)) * 0.6
    for y_seat in (0.4, -0.4):
        ts = (y_seat - p[:, 1]) / dy
        xs, zs = p[:, 0] + ts * d[:, 0], p[:, 2] + ts * d[:, 2]
        at = maps.seats.index(xs.astype(np.float32), zs.astype(np.float32))
        hit = (maps.seats.material.ravel()[at] == Material.SEAT) & (ts > 0) & (ts < t + 0.05)
        colour = np.where(hit[:, None], seat, colour)
    front_row = spec.doors[0] - 0.96
    tr = (front_row - p[:, 0]) / dx
    yr, zr = p[:, 1] + tr * d[:, 1], p[:, 2] + tr * d[:, 2]
    shoulder = belt + 0.3 * (spec.height - belt)
    rest = (np.abs(np.abs(yr) - 0.38) < 0.13) & (zr < shoulder + 0.16) & (zr > shoulder + 0.02)
    back = (np.abs(np.abs(yr) - 0.38) < 0.24) & (zr <= shoulder)
    end_glass = np.abs(surface.uv[glass, 1]) < 1
    colour = np.where(((rest | back) & (tr > 0) & end_glass)[:, None], seat, colour)
    return np.asarray(colour * np.float32(0.85), np.float32)


def _plates(surface: Surface, albedo: F32, plates: tuple[F32, F32], spec: BodySpec) -> None:
    at = np.flatnonzero(surface.material == Material.PLATE)
    if not len(at):
        return
    p = surface.position[at]
    for picture, centre, front in zip(plates, skin(spec.kind).plates, (True, False), strict=True):
        here = (p[:, 0] > 0) == front
        behind = spec.nose - p[:, 0] if front else p[:, 0] - spec.tail
        s = np.sign(p[:, 1]) * (np.abs(p[:, 1]) + behind)
        across = s if front else -s  # text reads left to right as seen from outside
        across = across - (centre[0] if front else -centre[0])
        h, w = picture.shape[:2]
        column = np.clip((across / 0.52 + 0.5) * w, 0, w - 1).astype(np.int32)
        row = np.clip((0.5 - (p[:, 2] - centre[1]) / 0.112) * h, 0, h - 1).astype(np.int32)
        albedo[at[here]] = picture[row[here], column[here]]


def _mesh_pattern(surface: Surface, albedo: F32) -> None:
    """Honeycomb-like holes of the grilles."""
    at = np.flatnonzero(surface.material == Material.MESH)
    if not len(at):
        return
    p = surface.position[at]
    a, b = p[:, 1] * 38, p[:, 2] * 44
    cell = np.abs(np.mod(a + 0.5 * np.floor(b), 1) - 0.5) + np.abs(np.mod(b, 1) - 0.5)
    albedo[at] *= np.where(cell > 0.62, np.float32(2.6), np.float32(0.5))[:, None]


PLATE_PIXELS = (round(0.52 * PER_METRE * 1.5), round(0.112 * PER_METRE * 1.5))
