"""The visible surface of a car in a picture: where each pixel lies on it and what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from showroom.arrays import Bools, Bytes, Floats, Ints
from showroom.bodies import BODIES, BodySpec
from showroom.camera import Camera
from showroom.canvas import Map
from showroom.car import (
    BODY,
    CABIN,
    SHELL,
    TRIM,
    WELL,
    WHEEL,
    car_mesh,
    deck_height,
    half_width,
    rim_radius,
)
from showroom.materials import Material
from showroom.mesh import Mesh, smooth_curve
from showroom.raster import Fragments, rasterise
from showroom.skin import skin

CHUNK = 12_288
"""Fragments worked on at a time."""


@dataclass(slots=True)
class Surface:
    """All visible fragments of a car.

    Attributes
    ----------
    pixel
        Flat pixel index of each fragment, int64 (n,).
    position, normal, view
        In metres; unit normals; unit vectors towards the eye; float32 (3, n).
    uv
        Surface coordinates of the part, float32 (2, n).
    part
        Part id, uint8 (n,).
    material
        `Material` id, uint8 (n,).
    seam
        How deep in a panel gap, float32 (n,) 0..1.
    """

    pixel: Ints
    position: Floats
    normal: Floats
    view: Floats
    uv: Floats
    part: Bytes
    material: Bytes
    seam: Floats

    def only(self, at: Ints) -> Surface:
        """Return the fragments `at`."""
        return Surface(
            self.pixel[at],
            self.position[:, at],
            self.normal[:, at],
            self.view[:, at],
            self.uv[:, at],
            self.part[at],
            self.material[at],
            self.seam[at],
        )

    def chunks(self) -> Iterator[tuple[slice, Surface]]:
        """Yield (slice, view of these fragments) over all fragments.

        Small enough to stay in the processor's cache.
        """
        for start in range(0, len(self.pixel), CHUNK):
            s = slice(start, start + CHUNK)
            yield (
                s,
                Surface(
                    self.pixel[s],
                    self.position[:, s],
                    self.normal[:, s],
                    self.view[:, s],
                    self.uv[:, s],
                    self.part[s],
                    self.material[s],
                    self.seam[s],
                ),
            )


def visible_surface(kind: str, camera: Camera) -> Surface:
    """Rasterise a car of `BODIES` and name the material of each fragment."""
    spec = BODIES[kind]
    mesh, body, rest = _split(kind)
    screen, inverse = camera.project(mesh.vertices)
    pieces = []
    for triangles in (body, rest):
        found = rasterise(screen, inverse, mesh.triangles[triangles], camera.width, camera.height)
        pieces.append(
            Fragments(
                found.pixel,
                triangles[found.triangle],
                found.weight1,
                found.weight2,
                found.inverse_depth,
            )
        )
    inside = np.zeros(len(pieces[0].pixel), bool)
    for start in range(0, len(inside), CHUNK):
        s = slice(start, start + CHUNK)
        inside[s] = _in_arch(
            spec, camera.eye[:, None] + camera.rays(pieces[0].pixel[s]) / pieces[0].inverse_depth[s]
        )
    pieces[0] = pieces[0].keep(~inside)
    merged = _nearest(pieces[0], pieces[1], camera.width * camera.height)

    n = len(merged.pixel)
    surface = Surface(
        merged.pixel,
        np.empty((3, n), np.float32),
        np.empty((3, n), np.float32),
        np.empty((3, n), np.float32),
        np.empty((2, n), np.float32),
        mesh.part[merged.triangle],
        np.zeros(n, np.uint8),
        np.zeros(n, np.float32),
    )
    corners = _corners(kind)
    for chunk, some in surface.chunks():
        rays = camera.rays(some.pixel)
        some.position[:] = camera.eye[:, None] + rays / merged.inverse_depth[chunk]
        some.view[:] = rays * (-1 / length(rays))
        at = corners[:, merged.triangle[chunk]]
        values = at[:5] + at[5:10] * merged.weight1[chunk] + at[10:] * merged.weight2[chunk]
        some.normal[:] = values[:3] / (length(values[:3]) + np.float32(1e-9))
        some.uv[:] = values[3:]
        _name_materials(some, spec)
    return surface


_DETAILED = (Material.PLATE, Material.MESH)


def thin_out(surface: Surface, camera: Camera, factor: int, keep: Bools) -> tuple[Ints, Floats]:
    """Choose which subsamples to light: one per pixel and material, as multisampling does.

    Parameters
    ----------
    surface
        Fragments of a picture `factor` times finer than the final one along each side.
    camera
        The fine camera.
    keep
        Fragments that are lit on their own in any case, (n,).

    Returns
    -------
    chosen
        Indices of the fragments to light.
    weight
        How many subsamples each stands for, as a share of a final pixel.
    """
    own = keep | (surface.seam > 0.05)
    for material in _DETAILED:
        own |= surface.material == material
    kind = np.full(camera.width * camera.height, 255, np.uint8)
    kind[surface.pixel] = np.where(own, np.uint8(254), surface.material)
    cells = kind.reshape(camera.height // factor, factor, camera.width // factor, factor)
    planes = [cells[:, i, :, j] for i in range(factor) for j in range(factor)]
    counts = [(p < 255).astype(np.uint8) for p in planes]
    for b in range(1, len(planes)):
        free = planes[b] < 254
        for a in range(b):
            same = free & (planes[a] == planes[b]) & (counts[a] > 0)
            counts[a] += same
            counts[b] -= same
            free &= ~same
    weight = np.empty(cells.shape, np.uint8)
    for k, count in enumerate(counts):
        weight[:, k // factor, :, k % factor] = count
    of = weight.ravel()[surface.pixel]
    chosen = np.flatnonzero(of)
    return chosen, of[chosen].astype(np.float32) * np.float32(1 / factor**2)


@lru_cache(maxsize=8)
def _split(kind: str) -> tuple[Mesh, Ints, Ints]:
    mesh = car_mesh(kind)
    is_body = mesh.part == BODY
    return mesh, np.flatnonzero(is_body).astype(np.int32), np.flatnonzero(~is_body).astype(np.int32)


@lru_cache(maxsize=8)
def _corners(kind: str) -> Floats:
    """Return normal and uv (5 rows) of each triangle's first corner.

    And the steps to the other two: (15, t).
    """
    mesh = car_mesh(kind)
    values = np.concatenate([mesh.normals, mesh.uv], 1)[mesh.triangles]
    base = values[:, 0]
    return np.ascontiguousarray(
        np.concatenate([base, values[:, 1] - base, values[:, 2] - base], 1).T
    )


def length(vectors: Floats) -> Floats:
    """Length of each column of (3, n)."""
    x, y, z = vectors
    return np.sqrt(x * x + y * y + z * z)


def dot(a: Floats, b: Floats) -> Floats:
    """Scalar product of each column of two (3, n)."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _in_arch(spec: BodySpec, position: Floats) -> Bools:
    dx = np.abs(position[0]) - np.float32(spec.axle)
    dz = position[2] - np.float32(spec.wheel)
    outer = np.abs(position[1]) > spec.half_width - 0.4
    return (dx * dx + dz * dz < spec.arch**2) & outer


def _nearest(a: Fragments, b: Fragments, pixels: int) -> Fragments:
    """Merge two layers: per pixel the nearer fragment."""
    depth = np.zeros(pixels, np.float32)
    depth[a.pixel] = a.inverse_depth
    b = b.keep(b.inverse_depth > depth[b.pixel])
    depth[b.pixel] = np.inf
    a = a.keep(depth[a.pixel] < np.inf)
    return Fragments(
        np.concatenate([a.pixel, b.pixel]),
        np.concatenate([a.triangle, b.triangle]),
        np.concatenate([a.weight1, b.weight1]),
        np.concatenate([a.weight2, b.weight2]),
        np.concatenate([a.inverse_depth, b.inverse_depth]),
    )


def _name_materials(s: Surface, spec: BodySpec) -> None:
    maps = skin(spec.kind)
    _name_body(s, spec, maps.side, maps.front, maps.rear)
    _name_cabin(s, spec, maps.side)
    wheel = np.flatnonzero(s.part == WHEEL)
    s.material[wheel] = _wheel_material(spec, s.uv[0, wheel], s.uv[1, wheel])
    s.material[s.part == WELL] = Material.VOID
    s.material[s.part == TRIM] = Material.BLACK
    shell = np.flatnonzero(s.part == SHELL)
    mirror_low = s.position[2, shell] < deck_height(spec, s.position[0, shell]) + 0.075
    s.material[shell[mirror_low & (np.abs(s.position[1, shell]) > 0.7)]] = Material.BLACK


def _name_body(s: Surface, spec: BodySpec, side: Map, front: Map, rear: Map) -> None:
    body = np.flatnonzero(s.part == BODY)
    if not len(body):
        return
    x, y, z = s.position[:, body]
    upwards = s.normal[2, body]
    to_nose, to_tail = spec.nose - x, x - spec.tail
    reach = spec.nose - spec.axle - spec.arch - 0.02
    is_front = to_nose < min(reach, 0.5)
    is_rear = to_tail < min(-spec.tail - spec.axle - spec.arch - 0.02, 0.45)
    flat = upwards > 0.72
    material = np.zeros(len(body), np.uint8)
    seam: Floats = np.zeros(len(body), np.float32)
    for chosen, flat_map, coordinate in (
        (is_front, front, unrolled(y, to_nose)),
        (is_rear, rear, unrolled(y, to_tail)),
        (~is_front & ~is_rear & ~flat, side, x),
    ):
        at = np.flatnonzero(chosen)
        index = flat_map.index(coordinate[at], z[at])
        material[at] = flat_map.material.ravel()[index]
        seam[at] = flat_map.seam.ravel()[index] * np.float32(1 / 255)
    # bonnet and boot lid
    w = half_width(spec, x)
    cowl = spec.cabin[-1][0]
    gap = np.abs(np.abs(y) - (w * 0.8 - 0.03 * np.clip((x - cowl) / (spec.nose - cowl), 0, 1)))
    on_bonnet = flat & (x > cowl - 0.12) & (to_nose > 0.16)
    seam = np.where(on_bonnet, np.clip(1.4 - gap / 0.006, 0, 1), seam)
    material[upwards < -0.75] = Material.VOID
    if spec.bed is not None:
        deck = deck_height(spec, x)
        inside = (x > spec.bed[0] - 0.03) & (x < spec.bed[1] + 0.03) & (np.abs(y) < 0.9 * w)
        material[inside & (z < deck - 0.004) & (to_tail > 0.07)] = Material.BED
        material[inside & flat & (z > deck - 0.02) & (np.abs(y) > 0.87 * w)] = Material.MATTE
    s.material[body] = material
    s.seam[body] = seam.astype(np.float32)


def unrolled(y: Floats, behind: Floats) -> Floats:
    """Coordinate s of the front and rear maps: y on the face itself, then on around the corner."""
    return y + np.copysign(np.maximum(behind - np.float32(0.06), 0), y)


def _name_cabin(s: Surface, spec: BodySpec, side: Map) -> None:
    cabin = np.flatnonzero(s.part == CABIN)
    if not len(cabin):
        return
    x, _, z = s.position[:, cabin]
    u, v = s.uv[0, cabin], np.abs(s.uv[1, cabin])
    material = np.zeros(len(cabin), np.uint8)
    on_side = v > 1.0
    at = np.flatnonzero(on_side)
    index = side.index(x[at], z[at])
    material[at] = side.material.ravel()[index]
    seam = np.zeros(len(cabin), np.float32)
    seam[at] = side.seam.ravel()[index] * np.float32(1 / 255)
    u_front, u_low, u_high = _glass_limits(spec.kind)
    top = ~on_side
    screen = top & (u > u_front)
    rear = top & (u > u_low) & (u < u_high)
    for where, edge in ((screen, 0.92), (rear, 0.86)):
        material[where & (v < edge + 0.045)] = Material.BLACK
        material[where & (v < edge)] = Material.GLASS
    material[screen & (u < u_front + 0.012)] = Material.BLACK
    material[rear & ((u < u_low + 0.012) | (u > u_high - 0.012))] = Material.BLACK
    cowl = screen & (z < deck_height(spec, x) + 0.035)
    material[cowl] = Material.BLACK
    s.material[cabin] = material
    s.seam[cabin] = seam


@lru_cache(maxsize=8)
def _glass_limits(kind: str) -> tuple[float, float, float]:
    """Shares of the greenhouse's profile.

    Where the windscreen begins, where the rear window begins and ends.
    """
    spec = BODIES[kind]
    curve = smooth_curve(np.array(spec.cabin), 400)
    share = np.linspace(0, 1, len(curve))
    front = float(
        share[np.argmin(np.abs(curve[:, 0] - spec.cabin[-2][0] - 0.03) + (curve[:, 0] < 0) * 9)]
    )
    half = len(curve) // 2
    low = float(share[np.argmin(np.abs(curve[:half, 1] - spec.rear_glass[0]))])
    high = float(share[np.argmin(np.abs(curve[:half, 1] - spec.rear_glass[1]))])
    return front, low, high


def _wheel_material(spec: BodySpec, radius: Floats, angle: Floats) -> Bytes:
    """Tyre, rim and what shows between the spokes."""
    rim = rim_radius(spec)
    r = radius / np.float32(rim)
    out = np.full(len(r), int(Material.TYRE), np.uint8)
    n = spec.spokes
    phase = np.mod(angle * np.float32(n / (2 * np.pi)), 1) - np.float32(0.5)
    across = np.abs(phase) * (2 * np.pi / n) * r  # distance from the spoke's middle, in rim radii
    width = {5: 0.16, 6: 0.13, 7: 0.1, 9: 0.075, 10: 0.065}[n]
    if spec.style == "hanbit":  # split spokes
        spoke = np.abs(across - 0.055 * (0.4 + r)) < width * 0.48
    else:
        spoke = across < width * (0.75 + 0.4 * r)
    inside = r < 1.0
    out[inside] = Material.VOID
    out[inside & (r < 0.66)] = Material.BRAKE
    out[inside & (r > 0.57) & (r < 0.66)] = Material.BRAKE
    out[inside & (spoke | (r > 0.9) | (r < 0.24))] = Material.RIM
    out[inside & (r < 0.115)] = Material.BLACK
    return out
