"""Choose where on the visible car a damage lies, so that it can be seen."""

from __future__ import annotations

import numpy as np

from showroom.arrays import Ints
from showroom.bodies import BodySpec
from showroom.camera import Camera
from showroom.damage import Decal, can_bear, touched
from showroom.materials import Material
from showroom.surface import Surface, dot
from showroom.tiles import Tile, draw_tile

Rng = np.random.Generator

MIN_AREA = 0.02
"""Smallest share of the picture that a damage should cover."""
MAX_AREA = 0.12
"""No second damage of a class is added once so much of the picture is damaged."""
SAMPLE = 9
"""A spot is judged on every so-many-th fragment: its area is an estimate, the mask is not."""


def choose_decals(
    surface: Surface, camera: Camera, classes: tuple[str, ...], spec: BodySpec, rng: Rng
) -> list[Decal]:
    """Lay one or two decals per class on spots that the camera sees well.

    A spot is tried again, up to 12 times, until the damage covers at least `MIN_AREA` of the
    picture; the best one is taken. Where nothing in view can crack, the crack becomes a dent.
    """
    if not classes:
        return []
    chosen: list[Decal] = []
    surface = surface.only(np.arange(0, len(surface.pixel), SAMPLE))
    taken = np.zeros(len(surface.pixel), bool)
    facing = dot(surface.normal, surface.view)
    row, column = np.divmod(surface.pixel, camera.width)
    central = (np.abs(column / camera.width - 0.5) < 0.28) & (
        np.abs(row / camera.height - 0.5) < 0.36
    )
    central &= (facing > 0.42) & (surface.position[2] > 0.3)
    pixels = camera.width * camera.height / SAMPLE
    for name in (c for c in classes for _ in range(rng.integers(1, 3))):
        spots = np.flatnonzero(central & can_bear(name, surface, spec))
        if len(spots) < 0.5 * MIN_AREA * pixels:
            name = "dent"
            spots = np.flatnonzero(central & can_bear(name, surface, spec))
        enough = np.count_nonzero(taken) > MAX_AREA * pixels
        if not len(spots) or (enough and name in [d.name for d in chosen]):
            continue
        best: Decal | None = None
        best_at: Ints = np.zeros(0, np.int64)
        want = float(np.exp(rng.uniform(np.log(0.05), np.log(0.13))))
        tiles: dict[bool, Tile] = {}
        for _ in range(12):
            spot = int(spots[rng.integers(len(spots))])
            on_glass = bool(surface.material[spot] == Material.GLASS)
            if on_glass not in tiles:
                tiles[on_glass] = draw_tile(name, rng, on_glass=on_glass)
            decal = _lay(surface, camera, name, spot, want, rng, tiles[on_glass])
            at, _texel = touched(surface, decal, spec)
            area = len(at) - 2 * int(taken[at].sum())  # keep the classes apart
            if area > len(best_at):
                best, best_at = decal, at
            if area > max(MIN_AREA, 0.5 * want) * pixels:
                break
            want = min(want * 1.08, 0.16)
        if best is not None:
            chosen.append(best)
            taken[best_at] = True
    return chosen


def _lay(
    surface: Surface, camera: Camera, name: str, spot: int, want: float, rng: Rng, tile: Tile
) -> Decal:
    centre, normal = surface.position[:, spot], surface.normal[:, spot]
    level = np.cross(normal, [0.0, 0.0, 1.0])
    if np.linalg.norm(level) < 0.35:  # bonnet or roof
        level = np.array([1.0, 0.0, 0.0]) - normal[0] * normal
    level /= np.linalg.norm(level)
    across = np.cross(normal, level)
    turn = rng.normal(0, 0.2) if name == "scratch" else rng.uniform(0, 2 * np.pi)
    along = np.cos(turn) * level + np.sin(turn) * across
    across = np.cross(normal, along)
    depth = float((centre - camera.eye) @ camera.forward)
    per_metre = camera.focal / depth
    share = max(float(tile.cover.mean()), 0.05)
    half = np.sqrt(want * camera.width * camera.height / (4 * tile.aspect * share)) / per_metre
    half = float(np.clip(half, 0.08, 1.0))
    f32 = np.float32
    return Decal(name, tile, centre.astype(f32), along.astype(f32), across.astype(f32), half)
