"""Draw where each material lies on a car, seen flat from the side, the front and the rear.

A skin is three maps. The side map is addressed by (x, z). The front and rear maps are addressed by
(s, z), where s = y on the face itself and goes on around the corner, so that lamps run around the
corners without a break.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from showroom.bodies import BODIES, BodySpec, Point
from showroom.canvas import Canvas, Map
from showroom.car import deck_height
from showroom.faces import front_map, rear_map
from showroom.materials import Material as Mat
from showroom.mesh import smooth_curve


@dataclass(frozen=True, slots=True)
class Skin:
    """The maps of one body and where its number plates are.

    (s, z) of the centre, front and rear.
    """

    side: Map
    front: Map
    rear: Map
    seats: Map
    plates: tuple[Point, Point]


@lru_cache(maxsize=8)
def skin(kind: str) -> Skin:
    """Draw the skin of a body kind of `BODIES`."""
    spec = BODIES[kind]
    front, plate_front = front_map(spec)
    rear, plate_rear = rear_map(spec)
    return Skin(_side(spec), front, rear, _seats(spec), (plate_front, plate_rear))


def window_outline(spec: BodySpec, inset: float) -> list[Point]:
    """Outline of all side windows together, `inset` metres inside the greenhouse's silhouette."""
    curve = smooth_curve(np.array(spec.cabin), 240)
    x, z = curve[:, 0], curve[:, 1]
    slope = np.gradient(z, x)
    top = z - (inset + 0.03) * np.minimum(np.sqrt(1 + slope**2), 2.4)
    low = deck_height(spec, x) + 0.012 + 0.4 * inset
    ok = (top > low + 0.015) & (x > spec.side_glass_rear + inset)
    upper = list(zip(x[ok].tolist(), top[ok].tolist(), strict=True))
    lower = list(zip(x[ok].tolist(), low[ok].tolist(), strict=True))
    return upper + lower[::-1]


def _side(spec: BodySpec) -> Map:
    c = Canvas((spec.tail - 0.1, 0.0), (spec.nose + 0.1, spec.height + 0.1))
    low = spec.clearance
    arch = spec.arch
    if spec.cladding:
        c.box(spec.tail, spec.nose, 0, low + 0.15, Mat.MATTE)
        for x in (spec.axle, -spec.axle):
            c.disc(x, spec.wheel, arch + 0.065, Mat.MATTE)
        c.box(-spec.axle + arch, spec.axle - arch, low + 0.1, low + 0.115, Mat.CHROME)
    else:
        c.box(-spec.axle, spec.axle, 0, low + 0.045, Mat.BLACK)
    frame = Mat.CHROME if spec.style != "corvo" else Mat.BLACK
    c.polygon(window_outline(spec, 0.022), frame)
    c.polygon(window_outline(spec, 0.036), Mat.BLACK)
    c.polygon(window_outline(spec, 0.046), Mat.GLASS)
    belt = float(deck_height(spec, np.array([0.0]))[0])
    for x in spec.pillars:
        c.polygon(
            [
                (x - 0.05, belt),
                (x + 0.05, belt),
                (x + 0.015, spec.height),
                (x - 0.075, spec.height),
            ],
            Mat.BLACK,
        )
    mirror_x = spec.cabin[-1][0] - 0.3
    c.polygon(
        [(mirror_x + 0.32, belt), (mirror_x - 0.04, belt + 0.02), (mirror_x - 0.02, belt + 0.2)],
        Mat.BLACK,
    )
    c.polygon(_above(window_outline(spec, 0.0), spec), Mat.PAINT)
    _doors(c, spec, belt)
    # bumpers and wings
    z_front = float(deck_height(spec, np.array([spec.nose - 0.4]))[0])
    c.cut([(spec.axle + arch * 0.97, spec.wheel + 0.1), (spec.axle + arch + 0.06, z_front - 0.16)])
    z_rear = float(deck_height(spec, np.array([spec.tail + 0.3]))[0])
    c.cut([(-spec.axle - arch * 0.97, spec.wheel + 0.12), (spec.tail + 0.1, z_rear - 0.36)])
    c.box(
        spec.axle + arch + 0.03, spec.axle + arch + 0.12, low + 0.34, low + 0.365, Mat.AMBER, r=0.01
    )
    if spec.bed:
        c.cut([(spec.bed[1] + 0.09, low + 0.1), (spec.bed[1] + 0.09, belt + 0.1)], width=0.022)
    # fuel flap
    fx, fz = -spec.axle - 0.02, belt - 0.17
    c.cut(
        [
            (fx - 0.08, fz - 0.07),
            (fx + 0.08, fz - 0.07),
            (fx + 0.08, fz + 0.07),
            (fx - 0.08, fz + 0.07),
            (fx - 0.08, fz - 0.07),
        ],
        depth=170,
    )
    return c.map()


def _above(outline: list[Point], spec: BodySpec) -> list[Point]:
    """Return everything above the window outline, to trim what pillars and corners drew over it."""
    upper = outline[: len(outline) // 2]
    return [
        (spec.tail - 1, upper[0][1]),
        *upper,
        (spec.nose + 1, upper[-1][1]),
        (spec.nose + 1, 9.0),
        (spec.tail - 1, 9.0),
    ]


def _doors(c: Canvas, spec: BodySpec, belt: float) -> None:
    sill = spec.clearance + (0.17 if spec.cladding else 0.08)
    for i, x in enumerate(spec.doors):
        foot = x
        if i == len(spec.doors) - 1 and len(spec.doors) > 2:  # the rear door bends around the arch
            foot = -spec.axle + spec.arch + 0.06
        c.cut(
            [
                (foot + (0.03 if i == 0 else 0), sill),
                (foot, sill + 0.22),
                (x, belt - 0.12),
                (x, belt + 0.03),
            ]
        )
        if i:
            c.cut([(x, belt), (x - 0.03, spec.height - 0.1)], width=0.008)
    last = -spec.axle + spec.arch + 0.06 if len(spec.doors) > 2 else spec.doors[-1]
    c.cut([(spec.doors[0] + 0.03, sill), (last, sill)])
    handle = Mat.CHROME if spec.style == "norden" else Mat.PAINT
    for x in spec.doors[1:]:
        z = belt - 0.15
        c.box(x + 0.06, x + 0.25, z - 0.026, z + 0.026, Mat.GAP, r=0.024)
        c.box(x + 0.05, x + 0.24, z - 0.006, z + 0.026, handle, r=0.014)


def _seats(spec: BodySpec) -> Map:
    """Silhouettes of the seats, seen from the side, for the view through the windows."""
    c = Canvas((spec.tail - 0.1, 0.0), (spec.nose + 0.1, spec.height + 0.1))
    belt = float(deck_height(spec, np.array([0.0]))[0])
    roof = spec.height
    rows = [0.12, -0.85] if len(spec.doors) > 2 else [-0.2]
    for x in rows:
        x += spec.doors[0] - 0.86
        shoulder = belt + 0.3 * (roof - belt)
        c.polygon(
            [
                (x - 0.02, belt - 0.5),
                (x - 0.2, shoulder),
                (x - 0.1, shoulder + 0.02),
                (x + 0.16, belt - 0.5),
            ],
            Mat.SEAT,
        )
        c.box(x - 0.25, x - 0.13, shoulder + 0.03, shoulder + 0.18, Mat.SEAT, r=0.04)
    c.polygon(
        [
            (spec.cabin[-1][0], belt - 0.1),
            (spec.cabin[-1][0], belt + 0.02),
            (spec.doors[0] - 0.1, belt + 0.03),
            (spec.doors[0] - 0.16, belt - 0.1),
        ],
        Mat.SEAT,
    )
    c.stroke(
        [(spec.doors[0] - 0.3, belt - 0.02), (spec.doors[0] - 0.22, belt + 0.1)], Mat.SEAT, 0.025
    )
    return c.map()
