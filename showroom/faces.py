"""Draw the front and the rear of a car in its brand's style: lamps, grilles, bumpers, plates."""

from __future__ import annotations

import numpy as np

from showroom.bodies import BodySpec, Point
from showroom.canvas import Canvas, Map
from showroom.car import deck_height
from showroom.materials import Material as Mat

_S_MAX = 1.7


def front_map(spec: BodySpec) -> tuple[Map, Point]:
    """Draw the front map; also return (s, z) of the middle of the number plate."""
    c = Canvas((-_S_MAX, 0.0), (_S_MAX, 1.5))
    top = float(deck_height(spec, np.array([spec.nose - 0.12]))[0])
    low = spec.clearance + 0.03
    plate = (0.0, low + 0.235)
    if spec.cladding:
        c.box(-_S_MAX, _S_MAX, 0, low + 0.16, Mat.MATTE)
        c.box(-0.55, 0.55, low, low + 0.07, Mat.SILVER, r=0.02)
    c.cut([(-0.62, top - 0.035), (-0.3, top - 0.05), (0.3, top - 0.05), (0.62, top - 0.035)])
    if spec.style == "norden":
        plate = _front_norden(c, spec, top, low)
    elif spec.style == "corvo":
        plate = _front_corvo(c, spec, top, low)
    else:
        plate = _front_hanbit(c, spec, top, low)
    a, z = plate
    c.box(a - 0.275, a + 0.275, z - 0.07, z + 0.07, Mat.BLACK, r=0.01)
    c.box(a - 0.26, a + 0.26, z - 0.056, z + 0.056, Mat.PLATE, r=0.006)
    return c.map(), plate


def _front_norden(c: Canvas, spec: BodySpec, top: float, low: float) -> Point:
    """Upright slats with a diagonal bar, lamps with a hammer-shaped running light."""
    h = 0.1 if spec.kind == "sedan" else 0.13
    z1 = top - 0.075
    z0 = z1 - h
    c.polygon(
        [
            (0.52, z0 - 0.01),
            (0.5, z1),
            (0.8, z1 + 0.02),
            (1.22, z1 + 0.03),
            (1.12, z0 + 0.025),
            (0.9, z0 - 0.02),
        ],
        Mat.BLACK,
        both=True,
    )
    c.polygon(
        [
            (0.54, z0 + 0.005),
            (0.52, z1 - 0.012),
            (0.8, z1 + 0.008),
            (1.18, z1 + 0.017),
            (1.1, z0 + 0.035),
            (0.9, z0 - 0.005),
        ],
        Mat.LAMP,
        both=True,
    )
    for a in (0.64, 0.83):
        c.disc(a, (z0 + z1) / 2, 0.036, Mat.PROJECTOR, both=True)
    c.box(0.53, 0.98, (z0 + z1) / 2 - 0.01, (z0 + z1) / 2 + 0.01, Mat.DRL, both=True)
    c.polygon(
        [(0.98, z0 + 0.01), (1.0, z1 + 0.005), (1.04, z1 + 0.01), (1.02, z0 + 0.015)],
        Mat.DRL,
        both=True,
    )
    g0, g1, w = z0 - (0.1 if spec.kind == "sedan" else 0.16), z1 + 0.012, 0.44
    outline = [
        (-w, g1 - 0.04),
        (-w + 0.06, g1),
        (w - 0.06, g1),
        (w, g1 - 0.04),
        (w - 0.05, g0),
        (-w + 0.05, g0),
    ]
    _framed(c, outline, 0.03, Mat.CHROME, Mat.MESH)
    for a in np.arange(-w + 0.065, w - 0.04, 0.052).tolist():
        c.stroke([(a, g0 + 0.035), (a, g1 - 0.035)], Mat.CHROME, 0.012)
    c.stroke([(-w + 0.06, g0 + 0.04), (w - 0.06, g1 - 0.04)], Mat.CHROME, 0.022)
    c.disc(0, (g0 + g1) / 2, 0.062, Mat.CHROME)
    c.disc(0, (g0 + g1) / 2, 0.044, Mat.BLACK)
    i0, i1 = low + 0.02, g0 - 0.115
    c.polygon([(-0.8, i1), (0.8, i1), (0.66, i0), (-0.66, i0)], Mat.MESH)
    c.stroke([(-0.75, (i0 + i1) / 2), (0.75, (i0 + i1) / 2)], Mat.BLACK, 0.02)
    c.polygon(
        [(0.86, i1 + 0.05), (1.1, i1 + 0.07), (1.04, i0 + 0.03), (0.8, i0 + 0.02)],
        Mat.BLACK,
        both=True,
    )
    c.box(0.88, 1.02, i0 + 0.06, i0 + 0.085, Mat.DRL, both=True, r=0.01)
    return 0.0, g0 - 0.05


def _front_corvo(c: Canvas, spec: BodySpec, top: float, low: float) -> Point:
    """Draw a pointed shield grille, wide intakes, the plate on one side."""
    if spec.kind == "hatch":
        z = top - 0.14
        c.disc(0.66, z, 0.125, Mat.CHROME, rz=0.105, both=True)
        c.disc(0.66, z, 0.112, Mat.LAMP, rz=0.094, both=True)
        c.disc(0.66, z, 0.055, Mat.PROJECTOR, both=True)
        c.stroke(
            [(0.66 + 0.09 * np.cos(t), z + 0.076 * np.sin(t)) for t in np.linspace(0.5, 2.7, 14)],
            Mat.DRL,
            0.016,
            both=True,
        )
        c.disc(0.66, low + 0.19, 0.05, Mat.LAMP, both=True)
    else:
        z = top - 0.1
        c.polygon(
            [
                (0.5, z - 0.035),
                (0.52, z + 0.01),
                (0.85, z + 0.045),
                (1.3, z + 0.075),
                (1.12, z - 0.005),
                (0.8, z - 0.05),
            ],
            Mat.BLACK,
            both=True,
        )
        c.polygon(
            [
                (0.52, z - 0.028),
                (0.54, z + 0.004),
                (0.85, z + 0.035),
                (1.24, z + 0.06),
                (1.1, z + 0.0),
                (0.8, z - 0.04),
            ],
            Mat.LAMP,
            both=True,
        )
        for a in (0.66, 0.79, 0.92):
            c.disc(a, z - 0.004 + 0.05 * (a - 0.66), 0.026, Mat.PROJECTOR, both=True)
        c.stroke([(0.55, z - 0.03), (0.8, z - 0.04), (1.1, z + 0.0)], Mat.DRL, 0.012, both=True)
    g1 = top - 0.06
    g0 = low + 0.09
    shield = [
        (-0.2, g1),
        (0.2, g1),
        (0.235, g1 - 0.05),
        (0.08, g0 + 0.03),
        (0, g0),
        (-0.08, g0 + 0.03),
        (-0.235, g1 - 0.05),
    ]
    w0, w1 = low + 0.05, low + 0.05 + 0.42 * (top - low - 0.1)
    c.polygon([(-0.9, w1), (-0.12, w1 - 0.02), (-0.06, w0), (-0.74, w0)], Mat.MESH)
    c.polygon([(0.9, w1), (0.12, w1 - 0.02), (0.06, w0), (0.74, w0)], Mat.MESH)
    c.stroke([(-0.84, (w0 + w1) / 2), (0.84, (w0 + w1) / 2)], Mat.PAINT, 0.018)
    _framed(c, shield, 0.022, Mat.CHROME, Mat.MESH)
    for k in range(1, 6):
        zz = g1 - 0.015 - k * (g1 - g0) / 7.5
        half = 0.2 * (1 - (k / 7.2) ** 1.6)
        c.stroke([(-half, zz), (half, zz)], Mat.CHROME, 0.009)
    c.disc(0, g1 - 0.035, 0.05, Mat.CHROME)
    c.disc(0, g1 - 0.035, 0.035, Mat.RED)
    return -0.53, w1 + 0.02


def _front_hanbit(c: Canvas, spec: BodySpec, top: float, low: float) -> Point:
    """Draw a wide mesh grille that flows into slim lamps, with stacked running lights."""
    tall = spec.kind == "pickup"
    z1 = top - 0.07
    h = 0.2 if tall else 0.085
    z0 = z1 - h
    wide = 0.62 if tall else 0.56
    c.polygon(
        [
            (wide - 0.02, z0),
            (wide - 0.02, z1),
            (1.0, z1 + 0.012),
            (1.26, z1 + 0.02),
            (1.16, z0 + 0.03),
            (0.95, z0),
        ],
        Mat.BLACK,
        both=True,
    )
    c.polygon(
        [
            (wide + 0.02, z0 + 0.012),
            (wide + 0.02, z1 - 0.012),
            (1.0, z1),
            (1.21, z1 + 0.006),
            (1.13, z0 + 0.04),
            (0.95, z0 + 0.012),
        ],
        Mat.LAMP,
        both=True,
    )
    for a in (wide + 0.11, wide + 0.26):
        c.box(
            a - 0.045,
            a + 0.045,
            (z0 + z1) / 2 - 0.026,
            (z0 + z1) / 2 + 0.026,
            Mat.PROJECTOR,
            both=True,
            r=0.012,
        )
    c.stroke(
        [(wide + 0.03, z1 - 0.018), (1.02, z1 - 0.008), (1.14, z1 - 0.01)],
        Mat.DRL,
        0.014,
        both=True,
    )
    g0 = z0 - (0.1 if tall else 0.13)
    outline = [
        (-wide, z1 - 0.005),
        (wide, z1 - 0.005),
        (wide + 0.02, z0),
        (wide - 0.12, g0),
        (-wide + 0.12, g0),
        (-wide - 0.02, z0),
    ]
    _framed(c, outline, 0.018, Mat.CHROME, Mat.MESH)
    bars = 4 if tall else 5
    for k in range(1, bars):
        zz = g0 + (z1 - g0) * k / bars
        c.stroke(
            [(-wide + 0.08, zz), (wide - 0.08, zz)],
            Mat.CHROME if k == bars // 2 or tall else Mat.BLACK,
            0.026 if tall else 0.014,
        )
    zc = (g0 + z1) / 2 + 0.02
    c.disc(0, zc, 0.1, Mat.CHROME, rz=0.052)
    c.disc(0, zc, 0.082, Mat.BLACK, rz=0.038)
    i0, i1 = low + 0.03, low + 0.13
    c.polygon([(-0.7, i1), (0.7, i1), (0.62, i0), (-0.62, i0)], Mat.MESH)
    c.box(0.84, 1.0, low + 0.1, low + 0.26, Mat.BLACK, both=True, r=0.03)
    for k in range(3):
        c.box(
            0.87,
            0.97,
            low + 0.125 + 0.045 * k,
            low + 0.145 + 0.045 * k,
            Mat.DRL,
            both=True,
            r=0.008,
        )
    return 0.0, (g0 + i1) / 2 + (0.0 if tall else 0.005)


def _framed(c: Canvas, outline: list[Point], width: float, frame: Mat, inside: Mat) -> None:
    c.polygon(outline, inside)
    c.stroke([*outline, outline[0], outline[1]], frame, width)


def rear_map(spec: BodySpec) -> tuple[Map, Point]:
    """Draw the rear map; also return (s, z) of the middle of the number plate."""
    c = Canvas((-_S_MAX, 0.0), (_S_MAX, 1.5))
    top = float(deck_height(spec, np.array([spec.tail + 0.12]))[0])
    low = spec.clearance + 0.08
    c.box(
        -_S_MAX,
        _S_MAX,
        0,
        low + (0.16 if spec.cladding else 0.09),
        Mat.MATTE if spec.cladding else Mat.BLACK,
    )
    plate = (0.0, top - 0.3 if spec.kind != "pickup" else low + 0.17)
    c.box(0.62, 0.8, low + 0.2, low + 0.225, Mat.RED, both=True, r=0.01)
    if not spec.cladding:
        c.disc(0.55, low + 0.05, 0.085, Mat.CHROME, rz=0.04, both=True)
        c.disc(0.55, low + 0.05, 0.07, Mat.VOID, rz=0.03, both=True)
    else:
        c.box(-0.45, 0.45, low, low + 0.07, Mat.SILVER, r=0.02)
    half = 0.62 if spec.kind in {"sedan", "coupe"} else 0.7
    seam_low = top - 0.42 if spec.kind in {"hatch", "suv", "wagon", "pickup"} else top - 0.36
    c.cut(
        [(half, top + 0.1), (half - 0.02, seam_low), (-half + 0.02, seam_low), (-half, top + 0.1)]
    )
    c.cut([(half + 0.02, seam_low - 0.03), (1.25, seam_low + 0.02)], both=True)
    if spec.style == "norden":
        shape = [
            (0.6, top - 0.2),
            (0.6, top - 0.12),
            (0.74, top - 0.06),
            (1.12, top - 0.04),
            (1.06, top - 0.27),
            (0.82, top - 0.3),
        ]
        c.polygon(shape, Mat.RED, both=True)
        c.polygon(
            [(0.78, top - 0.18), (1.0, top - 0.17), (1.0, top - 0.23), (0.82, top - 0.25)],
            Mat.REVERSE,
            both=True,
        )
        c.stroke(
            [(0.62, top - 0.14), (0.76, top - 0.085), (1.08, top - 0.07)],
            Mat.GLOW,
            0.018,
            both=True,
        )
        c.stroke([(-0.3, top - 0.13), (0.3, top - 0.13)], Mat.CHROME, 0.022)
        c.disc(0, top - 0.13, 0.045, Mat.CHROME)
    elif spec.style == "corvo":
        for a, r in ((0.6, 0.075), (0.8, 0.085)):
            c.disc(a, top - 0.19, r + 0.012, Mat.BLACK, both=True)
            c.disc(a, top - 0.19, r, Mat.RED, both=True)
            c.disc(a, top - 0.19, r * 0.62, Mat.GLOW, both=True)
            c.disc(a, top - 0.19, r * 0.45, Mat.RED if a > 0.7 else Mat.REVERSE, both=True)
        c.disc(0, top - 0.14, 0.05, Mat.CHROME)
        c.disc(0, top - 0.14, 0.035, Mat.RED)
        c.box(-0.7, 0.7, low + 0.0, low + 0.12, Mat.MESH, r=0.04)
        c.disc(0.42, low + 0.05, 0.07, Mat.CHROME, both=True)
        c.disc(0.42, low + 0.05, 0.055, Mat.VOID, both=True)
    else:
        deep = 0.34 if spec.kind == "pickup" else 0.17
        c.polygon(
            [
                (0.62, top - 0.13),
                (0.62, top - 0.08),
                (0.8, top - 0.05),
                (1.1, top - 0.05),
                (1.04, top - 0.05 - deep),
                (0.84, top - 0.05 - deep),
            ],
            Mat.RED,
            both=True,
        )
        c.box(
            0.86,
            1.0,
            top - 0.04 - deep * 0.75,
            top - 0.05 - deep * 0.5,
            Mat.REVERSE,
            both=True,
            r=0.01,
        )
        c.stroke(
            [(0.66, top - 0.105), (0.84, top - 0.08), (1.06, top - 0.08)], Mat.GLOW, 0.02, both=True
        )
        if spec.kind != "pickup":
            c.box(-0.64, 0.64, top - 0.125, top - 0.085, Mat.RED)
            c.box(-0.64, 0.64, top - 0.112, top - 0.098, Mat.GLOW)
        else:
            for k, a in enumerate(np.arange(-0.32, 0.33, 0.16).tolist()):
                c.box(
                    a - 0.05, a + 0.05, top - 0.28, top - 0.16 - 0.03 * (k % 2), Mat.EMBOSS, r=0.015
                )
            c.box(-0.12, 0.12, top - 0.11, top - 0.07, Mat.BLACK, r=0.015)
    a, z = plate
    c.box(a - 0.3, a + 0.3, z - 0.085, z + 0.09, Mat.BLACK, r=0.02)
    c.box(a - 0.26, a + 0.26, z - 0.056, z + 0.056, Mat.PLATE, r=0.006)
    return c.map(), plate
