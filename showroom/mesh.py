"""Triangle meshes from smooth grids: lofts, lathes and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from showroom.arrays import Bytes, Floats, Ints


@dataclass(frozen=True, slots=True)
class Mesh:
    """A triangle soup with smooth normals.

    Attributes
    ----------
    vertices, normals
        float32 (v, 3); metres, x forward, y left, z up.
    uv
        Two surface coordinates whose meaning depends on the part, float32 (v, 2).
    triangles
        int32 (t, 3), counter-clockwise seen from outside.
    part
        Part id of each triangle, uint8 (t,).
    """

    vertices: Floats
    normals: Floats
    uv: Floats
    triangles: Ints
    part: Bytes


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Concatenate meshes."""
    offsets = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.normals for m in meshes]),
        np.concatenate([m.uv for m in meshes]),
        np.concatenate([m.triangles + o for m, o in zip(meshes, offsets, strict=True)]).astype(
            np.int32
        ),
        np.concatenate([m.part for m in meshes]),
    )


def grid(
    points: Floats, uv: Floats, part: int, *, closed: bool = False, flip: bool = False
) -> Mesh:
    """Mesh a grid of points.

    Parameters
    ----------
    points
        (rows, columns, 3).
    uv
        (rows, columns, 2).
    part
        Part id of all triangles.
    closed
        The last column continues in the first one (both hold the same points); only normals need
        to know.
    flip
        Turn the surface inside out.
    """
    rows, columns = points.shape[:2]
    along = np.gradient(points, axis=0)
    across = np.gradient(points, axis=1)
    if closed:
        seam = (points[:, 1] - points[:, -2]) / 2
        across[:, 0] = seam
        across[:, -1] = seam
    normals = np.cross(along, across)
    length = np.linalg.norm(normals, axis=2, keepdims=True)
    for i in range(
        rows
    ):  # where a row shrinks to one point, take the neighbour row's mean direction
        if length[i].max() < 1e-9:
            neighbour = normals[i + 1 if i == 0 else i - 1].mean(0)
            normals[i] = neighbour
    length = np.linalg.norm(normals, axis=2, keepdims=True)
    # a collapsed quad has no direction; it is never seen, but shading must stay finite
    normals = np.where(length < 1e-9, np.array([0.0, 0.0, 1.0]), normals / np.maximum(length, 1e-9))
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    c, d = index[1:, 1:].ravel(), index[1:, :-1].ravel()
    triangles = np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)])
    if flip:
        triangles = triangles[:, ::-1]
        normals = -normals
    return Mesh(
        points.reshape(-1, 3).astype(np.float32),
        normals.reshape(-1, 3).astype(np.float32),
        uv.reshape(-1, 2).astype(np.float32),
        np.ascontiguousarray(triangles).astype(np.int32),
        np.full(len(triangles), part, np.uint8),
    )


def lathe(
    profile: Floats, centre: Sequence[float], side: int, part: int, *, segments: int = 44
) -> Mesh:
    """Turn a profile around an axle parallel to y.

    Parameters
    ----------
    profile
        (n, 2): distance from the axle and outward offset along the axle, from the outer rim
        inwards.
    centre
        Centre of the wheel.
    side
        +1 for the left side of the car (outward is +y), -1 for the right.
    """
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    radius, offset = profile[:, 0][:, None], profile[:, 1][:, None]
    x = centre[0] + radius * np.cos(angle)
    z = centre[2] + radius * np.sin(angle)
    y = np.broadcast_to(centre[1] + side * offset, x.shape)
    points = np.stack([x, y, z], 2)
    uv = np.stack([np.broadcast_to(radius, x.shape), np.broadcast_to(angle, x.shape)], 2)
    return grid(points, uv, part, closed=True, flip=side < 0)


def ellipsoid(
    centre: Sequence[float], radii: Sequence[float], part: int, *, power: float = 2.0, n: int = 14
) -> Mesh:
    """Superellipsoid with half axes `radii`; `power` 2 is round, larger is boxier."""
    lat = np.linspace(-np.pi / 2, np.pi / 2, n)
    lon = np.linspace(0, 2 * np.pi, 2 * n + 1)
    e = 2 / power

    def bend(v: Floats) -> Floats:
        return np.sign(v) * np.abs(v) ** e

    x = bend(np.cos(lat))[:, None] * bend(np.cos(lon))[None]
    y = bend(np.cos(lat))[:, None] * bend(np.sin(lon))[None]
    z = np.broadcast_to(bend(np.sin(lat))[:, None], x.shape)
    points = np.stack([x, y, z], 2) * np.asarray(radii, float) + np.asarray(centre, float)
    uv = np.stack(np.broadcast_arrays(lat[:, None], lon[None]), 2)
    return grid(points, uv, part, closed=True, flip=True)


def tube(path: Floats, radius: float, part: int, *, sides: int = 8) -> Mesh:
    """Sweep a circle of `radius` along `path` (n, 3), for rails and bars."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    up = np.array([0.0, 0.0, 1.0])
    side = np.cross(tangent, up)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    over = np.cross(side, tangent)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = (
        np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * over[:, None]
    )
    points = path[:, None] + radius * ring
    uv = np.zeros((*points.shape[:2], 2))
    return grid(points, uv, part, closed=True, flip=True)


def smooth_curve(points: Floats, n: int) -> Floats:
    """Catmull-Rom spline through `points` (k, d), resampled to `n` points at equal arc length."""
    p = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t = np.linspace(0, 1, 24, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False):
        pieces.append(
            0.5
            * (
                2 * b
                + (c - a) * t
                + (2 * a - 5 * b + 4 * c - d) * t**2
                + (3 * b - a - 3 * c + d) * t**3
            )
        )
    dense = np.vstack([*pieces, points[-1:]])
    return resample(dense, n)


def resample(curve: Floats, n: int) -> Floats:
    """Resample a polyline (k, d) to `n` points at equal arc length."""
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0, s[-1], n)
    return np.stack([np.interp(at, s, curve[:, k]) for k in range(curve.shape[1])], 1)
