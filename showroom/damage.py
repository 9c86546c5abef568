"""Press damage onto the visible surface of a car.

A tile is laid on the body in the tangent plane of one point, so perspective, hidden parts and the
edge of the picture are right by construction, and the mask is exactly the visible fragments that
the tile touches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from showroom.arrays import Bools, Floats, Ints
from showroom.bodies import BodySpec
from showroom.car import WHEEL
from showroom.materials import Material
from showroom.shade import Finish
from showroom.surface import Surface, length
from showroom.tiles import SIDE, Tile


@dataclass(frozen=True, slots=True)
class Decal:
    """A tile laid on the body: centre, tangent axes (unit) and half width in metres."""

    name: str
    tile: Tile
    centre: Floats
    along: Floats
    across: Floats
    half_width: float


_LACQUERED = np.zeros(len(Material), bool)
_LACQUERED[
    [
        Material.PAINT,
        Material.EMBOSS,
        Material.GAP,
        Material.BLACK,
        Material.MATTE,
        Material.CHROME,
        Material.SILVER,
    ]
] = True
_BREAKABLE = np.zeros(len(Material), bool)
_BREAKABLE[
    [
        Material.GLASS,
        Material.LAMP,
        Material.RED,
        Material.REVERSE,
        Material.GLOW,
        Material.DRL,
        Material.PLATE,
        Material.MESH,
        Material.AMBER,
        Material.PROJECTOR,
    ]
] = True


def can_bear(name: str, surface: Surface, spec: BodySpec) -> Bools:
    """Tell which fragments may show this class of damage.

    (n,): sheet metal bends and scratches, but does not crack.
    """
    off_wheel = surface.part != WHEEL
    if name != "crack":
        return _LACQUERED[surface.material] & off_wheel
    x, _, z = surface.position
    bumper = (x > spec.axle + spec.arch + 0.03) | (x < -spec.axle - spec.arch - 0.03)
    bumper &= z < spec.clearance + 0.5
    return (_BREAKABLE[surface.material] | (bumper & _LACQUERED[surface.material])) & off_wheel


def touched(surface: Surface, decal: Decal, spec: BodySpec) -> tuple[Ints, Ints]:
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
    column = np.clip((a[at] / half * 0.5 + 0.5) * SIDE, 0, SIDE - 1).astype(np.int64)
    row = np.clip((b[at] / (half * decal.tile.aspect) * 0.5 + 0.5) * SIDE, 0, SIDE - 1).astype(
        np.int64
    )
    texel = row * SIDE + column
    hit = decal.tile.cover.ravel()[texel]
    return at[hit], texel[hit]


def apply_damage(
    surface: Surface, finish: Finish, decals: Sequence[Decal], spec: BodySpec
) -> tuple[dict[str, Ints], Floats]:
    """Change normals and finish in place.

    Returns
    -------
    dict
        Damage class -> fragments it touches.
    frosted
        How much of the view through a window is blocked, (n,).
    """
    found: dict[str, list[Ints]] = {}
    frosted = np.zeros(len(surface.pixel), np.float32)
    for decal in decals:
        at, texel = touched(surface, decal, spec)
        if not len(at):
            continue
        tile = decal.tile
        slope = tile.slope.reshape(-1, 2)[texel]
        n = (
            surface.normal[:, at]
            - slope[:, 0] * decal.along[:, None]
            - slope[:, 1] * decal.across[:, None]
        )
        surface.normal[:, at] = n / length(n)
        blend = tile.blend.ravel()[texel]
        old, new = finish.albedo[:, at], tile.albedo.reshape(-1, 3)[texel].T
        if decal.name != "crack":  # pale primer does not show on a pale car, dark abrasion does
            new = np.where(old.mean(0) > 0.35, new * np.float32(0.25), new)
        finish.albedo[:, at] = old + (new - old) * blend
        finish.mirror[at] *= tile.shine.ravel()[texel]
        finish.metal[at] *= 1 - blend
        frosted[at] = np.maximum(frosted[at], blend)
        found.setdefault(decal.name, []).append(at)
    return {name: np.unique(np.concatenate(parts)) for name, parts in found.items()}, frosted
