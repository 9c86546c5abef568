"""Build the mesh of one car: body, greenhouse, wheels, mirrors and small parts."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from showroom.arrays import Floats
from showroom.bodies import BODIES, BodySpec
from showroom.mesh import Mesh, ellipsoid, grid, join, lathe, resample, smooth_curve, tube

BODY, CABIN, WHEEL, WELL, SHELL, TRIM, RUBBER = 1, 2, 3, 4, 5, 6, 7
"""Part ids: lower body.

Greenhouse, wheel, wheel well, painted small part, black small part, rubber.
"""

# Half cross-section of the body, from the middle of the floor over the sill and the door to the
# middle of the bonnet: (share of the half width, share of the height). The shoulder is at 0.73.
_SECTION = np.array(
    [
        (0.0, 0.0),
        (0.6, 0.0),
        (0.84, 0.0),
        (0.915, 0.012),
        (0.952, 0.05),
        (0.966, 0.12),
        (0.962, 0.22),
        (0.957, 0.34),
        (0.964, 0.48),
        (0.981, 0.61),
        (0.998, 0.705),
        (1.0, 0.73),
        (0.987, 0.765),
        (0.968, 0.83),
        (0.95, 0.89),
        (0.922, 0.945),
        (0.87, 0.982),
        (0.76, 0.995),
        (0.5, 1.01),
        (0.2, 1.02),
        (0.0, 1.022),
    ]
)
_BED = np.array(
    [
        (0.0, 0.0),
        (0.6, 0.0),
        (0.84, 0.0),
        (0.915, 0.015),
        (0.95, 0.07),
        (0.958, 0.18),
        (0.962, 0.32),
        (0.964, 0.5),
        (0.98, 0.62),
        (0.995, 0.705),
        (0.997, 0.73),
        (0.985, 0.765),
        (0.972, 0.83),
        (0.966, 0.9),
        (0.96, 0.985),
        (0.95, 1.0),
        (0.9, 1.0),
        (0.885, 0.985),
        (0.88, 0.5),
        (0.0, 0.48),
    ]
)


@lru_cache(maxsize=8)
def car_mesh(kind: str) -> Mesh:
    """Return the mesh of a body kind of `BODIES`.

    Part 1 (the body) still covers the wheel arches.
    """
    spec = BODIES[kind]
    parts = [_body(spec), _cabin(spec)]
    for x in (spec.axle, -spec.axle):
        for side in (1, -1):
            parts.append(_wheel(spec, x, side))
            parts.append(_well(spec, x, side))
    parts += _mirrors(spec)
    parts += _extras(spec)
    return join(parts)


def deck_height(spec: BodySpec, x: Floats) -> Floats:
    """Height of the lower body's upper edge at `x`, same type as `x`."""
    return _table(spec, 0, x)


def half_width(spec: BodySpec, x: Floats) -> Floats:
    """Half width of the body at `x`: slightly narrower towards both ends; same type as `x`."""
    return _table(spec, 1, x)


_STEPS = 2048


def _table(spec: BodySpec, which: int, x: Floats) -> Floats:
    at = np.clip((x - spec.tail) * ((_STEPS - 1) / (spec.nose - spec.tail)), 0, _STEPS - 1.001)
    index = at.astype(np.int32)
    table = _tables(spec)[which].astype(x.dtype, copy=False)
    low = table[index]
    return low + (table[index + 1] - low) * (at - index).astype(x.dtype, copy=False)


@lru_cache(maxsize=8)
def _tables(spec: BodySpec) -> tuple[Floats, Floats]:
    x = np.linspace(spec.tail, spec.nose, _STEPS)
    curve = smooth_curve(np.array(spec.deck), 400)
    middle = (spec.nose + spec.tail) / 2
    reach = np.abs(x - middle) / ((spec.nose - spec.tail) / 2)
    width = spec.half_width * (1 - 0.09 * reach**3.2)
    return np.interp(x, curve[:, 0], curve[:, 1]), width


def _sill(spec: BodySpec, x: Floats) -> Floats:
    """Height of the lower edge: rises towards the bumpers' ends."""
    front = np.clip((x - spec.axle - spec.arch) / 0.5, 0, 1)
    rear = np.clip((-x - spec.axle - spec.arch) / 0.6, 0, 1)
    return spec.clearance + 0.03 * front**2 + 0.07 * rear**2


def _half_section(points: Floats, n: int) -> Floats:
    """Smooth a section and spread `n` points over it.

    More of them on the flank than on floor and top.
    """
    p = np.array(points)
    curve = smooth_curve(p, 600)
    metric = curve * np.array([0.55, 1.0])
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(metric, axis=0), axis=1))])
    at = np.linspace(0, s[-1], n)
    return np.stack([np.interp(at, s, curve[:, k]) for k in (0, 1)], 1)


def _body(spec: BodySpec) -> Mesh:
    """Loft the lower body along x; nose and tail are closed like superellipsoids."""
    n_half = 40
    section = _half_section(_SECTION, n_half)
    if spec.boxiness:
        section[:, 0] = section[:, 0] ** (1 - 0.12 * spec.boxiness)
    bed = _half_section(_BED, n_half) if spec.bed else section
    shrink = np.cos(np.linspace(0, np.pi / 2, 15))[1:]
    power = 2.7 + 0.8 * spec.boxiness
    depth = (1 - shrink**power) ** (1 / power)
    middle = np.linspace(spec.tail + spec.tail_depth, spec.nose - spec.nose_depth, 66)
    if spec.bed:
        edges = np.array([spec.bed[0] - 0.012, spec.bed[0], spec.bed[1], spec.bed[1] + 0.012])
        middle = np.sort(np.concatenate([middle, edges]))
    xs = np.concatenate(
        [
            (spec.tail + spec.tail_depth - spec.tail_depth * depth)[::-1],
            middle,
            spec.nose - spec.nose_depth + spec.nose_depth * depth,
        ]
    )
    scale = np.concatenate([shrink[::-1], np.ones(len(middle)), shrink])
    width = half_width(spec, xs)
    top, low = deck_height(spec, xs), _sill(spec, xs)
    rows = []
    for x, k, w, zt, zb in zip(xs, scale, width, top, low, strict=True):
        in_bed = spec.bed is not None and spec.bed[0] <= x <= spec.bed[1]
        shape = bed if in_bed else section
        y, z = w * shape[:, 0], zb + (zt - zb) * shape[:, 1]
        centre = zb + 0.5 * (zt - zb)
        y, z = k * y, centre + k * (z - centre)
        for wheel_x in (spec.axle, -spec.axle):  # flared arches
            d = np.hypot(x - wheel_x, z - spec.wheel)
            y = y + spec.flare * np.exp(-(((d - spec.arch) / 0.13) ** 2)) * np.clip(
                shape[:, 0] * 4 - 3, 0, 1
            )
        half = np.stack([x + _bumper(spec, x, z, k), y, z], 1)
        other = half[::-1] * np.array([1, -1, 1])
        rows.append(np.vstack([half, other[1:]]))
    points = np.array(rows)
    v = np.concatenate([np.linspace(0, 1, n_half), np.linspace(1, 0, n_half)[1:]])
    uv = np.stack(np.broadcast_arrays(scale[:, None], v[None]), 2)
    return grid(points, uv, BODY, closed=True, flip=True)


def _bumper(spec: BodySpec, x: float, z: Floats, scale: float) -> Floats:
    """How far the bumpers stand out at heights `z`.

    Towards the end of the car, where the rings shrink.
    """
    end = 1 if x > 0 else -1
    edge = spec.clearance + (0.26 if end > 0 else 0.3) * (1.25 if spec.boxiness else 1.0)
    low = 1 / (1 + np.exp((z - edge) / 0.012))
    lip = np.exp(-(((z - spec.clearance - 0.06) / 0.035) ** 2))
    share = np.clip((1 - scale) / 0.12, 0, 1)
    return end * share * (0.045 * low + 0.02 * lip)


def _cabin(spec: BodySpec) -> Mesh:
    """Loft the greenhouse; uv = (share of the way from rear base to windscreen base.

    -2 .. 2 across).
    """
    n = 64
    profile = smooth_curve(np.array(spec.cabin), n)
    base = deck_height(spec, profile[:, 0]) - 0.07
    wide = half_width(spec, profile[:, 0]) * 0.925
    share = np.linspace(0, 1, n)
    rows, vs = [], []
    for (x, z), zb, wb, u in zip(profile, base, wide, share, strict=True):
        h = max(z - zb, 0.004)
        lean = spec.tumblehome * h
        edge = min(0.1, 0.45 * h)
        wt = wb - lean
        crown = 0.025
        ring = np.array(
            [
                (wb, 0.0),
                (wb - 0.26 * lean, h * 0.3),
                (wb - 0.58 * lean, h * 0.62),
                (wt + 0.1 * lean, h - edge),
                (wt - 0.025, h - 0.35 * edge),
                (wt - 0.09, h - 0.05 * edge),
                (wt - 0.2, h + 0.1 * crown),
                (0.5 * wt, h + 0.7 * crown),
                (0.0, h + crown),
            ]
        )
        curve = smooth_curve(ring, 160)
        corner = int(np.argmin(np.abs(curve[:, 1] - (h - edge)) + (np.arange(160) > 110)))
        half = np.concatenate([resample(curve[: corner + 1], 9), resample(curve[corner:], 17)[1:]])
        # v: 0 in the middle, 1 at the roof's edge, 2 at the foot of the side window
        v = np.concatenate([np.linspace(2, 1, 9), np.abs(half[9:, 0]) / max(half[8, 0], 1e-3)])
        # bow windscreen and rear window in plan view
        bow = (
            0.16 * np.clip((u - 0.62) / 0.38, 0, 1) ** 1.5
            - 0.1 * np.clip((0.3 - u) / 0.3, 0, 1) ** 1.5
        )
        y, dz = half[:, 0], half[:, 1]
        line = np.stack([x - bow * (y / wb) ** 2, y, zb + dz], 1)
        other = line[::-1] * np.array([1, -1, 1])
        rows.append(np.vstack([line, other[1:]]))
        vs.append(np.concatenate([v, -v[::-1][1:]]))
    points = np.array(rows)
    uv = np.stack(np.broadcast_arrays(share[:, None], np.array(vs)), 2)
    return grid(points, uv, CABIN, flip=True)


def _wheel(spec: BodySpec, x: float, side: int) -> Mesh:
    r = spec.wheel
    rim = rim_radius(spec)
    profile = np.array(
        [
            (0.0, -0.19),
            (r - 0.07, -0.2),
            (r - 0.012, -0.2),
            (r, -0.17),
            (r, -0.04),
            (r - 0.01, -0.016),
            (r - 0.03, -0.002),
            (r - 0.055, 0.004),
            (rim + 0.012, -0.004),
            (rim + 0.004, -0.012),
            (rim - 0.008, -0.012),
            (rim - 0.022, -0.03),
            (rim * 0.8, -0.036),
            (rim * 0.5, -0.03),
            (rim * 0.25, -0.026),
            (rim * 0.2, -0.02),
            (0.0, -0.018),
        ]
    )
    y = side * (float(half_width(spec, np.array([x]))[0]) - 0.012)
    return lathe(profile, (x, y, r), side, WHEEL)


def rim_radius(spec: BodySpec) -> float:
    """Radius of the rims."""
    return spec.wheel * (0.66 if spec.cladding else 0.7)


def _well(spec: BodySpec, x: float, side: int) -> Mesh:
    """Dark half drum inside the wheel arch, seen from within."""
    angle = np.linspace(-0.25, np.pi + 0.25, 25)
    w = float(half_width(spec, np.array([x]))[0])
    r = spec.arch + 0.004
    rows = []
    for radius, y in ((r, w + 0.85 * spec.flare), (r, w - 0.2), (r, w - 0.36), (0.0, w - 0.36)):
        px, pz = x + radius * np.cos(angle), spec.wheel + radius * np.sin(angle)
        rows.append(np.stack([px, np.full_like(px, side * y), np.maximum(pz, spec.clearance)], 1))
    points = np.array(rows)
    return grid(points, np.zeros((*points.shape[:2], 2)), WELL, flip=side < 0)


def _mirrors(spec: BodySpec) -> list[Mesh]:
    x = spec.cabin[-1][0] - 0.36
    z = float(deck_height(spec, np.array([x]))[0]) + 0.09
    w = float(half_width(spec, np.array([x]))[0])
    size = 1.25 if spec.cladding else 1.0
    out = []
    for side in (1, -1):
        out.append(
            ellipsoid(
                (x, side * (w + 0.07), z + 0.02),
                (0.075 * size, 0.115 * size, 0.07 * size),
                SHELL,
                power=2.9,
                n=13,
            )
        )
        out.append(
            ellipsoid((x + 0.02, side * (w - 0.05), z - 0.04), (0.03, 0.09, 0.022), TRIM, n=8)
        )
    return out


def _extras(spec: BodySpec) -> list[Mesh]:
    out = []
    profile = smooth_curve(np.array(spec.cabin), 120)
    roof = profile[profile[:, 1] > spec.height - 0.1]
    if spec.rails:
        inner = (
            half_width(spec, np.array([0.0]))[0] * 0.925
            - spec.tumblehome * (spec.height - 1.0)
            - 0.14
        )
        xs = np.linspace(roof[0, 0] + 0.12, roof[-1, 0] - 0.1, 18)
        zs = np.interp(xs, profile[:, 0], profile[:, 1]) + 0.05
        zs[0] -= 0.05
        zs[-1] -= 0.05
        for side in (1, -1):
            path = np.stack([xs, np.full_like(xs, side * inner), zs], 1)
            out.append(tube(path, 0.016, TRIM))
    fin_x = roof[0, 0] + 0.2
    fin_z = float(np.interp(fin_x, profile[:, 0], profile[:, 1]))
    out.append(ellipsoid((fin_x, 0, fin_z + 0.03), (0.09, 0.018, 0.035), SHELL, n=8))
    if spec.spoiler:
        xs = np.linspace(0, 1, 5)
        y = np.linspace(-0.66, 0.66, 15)
        x0, z0 = spec.tail + 0.12, float(deck_height(spec, np.array([spec.tail + 0.2]))[0]) + 0.05
        top = np.array([[(x0 + 0.24 * t, yy, z0 + 0.035 - 0.06 * t) for yy in y] for t in xs])
        bottom = top[::-1] - np.array([0, 0, 0.018])
        ring = np.concatenate([top, bottom, top[:1]])
        out.append(grid(ring, np.zeros((*ring.shape[:2], 2)), SHELL))
    return out
