"""Decoys on a kitchen table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from showroom.brush import Brush

Rng = np.random.Generator


def draw_room(b: Brush, rng: Rng, table: float = 0.6) -> None:
    """Draw a blurred wall and a wooden or cloth table top."""
    wall = rng.uniform(110, 235, 3) * 0.4 + rng.uniform(110, 235) * 0.6
    b.gradient(wall * 0.85, wall)
    for _ in range(rng.integers(0, 4)):
        x, w = rng.uniform(0, 1), rng.uniform(0.05, 0.25)
        b.shape([(x, 0), (x + w, 0), (x + w, table), (x, table)], wall * rng.uniform(0.6, 1.2))
    b.blur(0.02)
    wood = (
        np.array([150, 100, 60]) * rng.uniform(0.5, 1.3)
        if rng.random() < 0.65
        else rng.uniform(120, 240, 3)
    )
    b.gradient(wood * 0.8, wood * 1.1, table, 1.0)
    b.texture(0.07, stretch=(14, 1), y0=table, cell=3)


def any_colour(rng: Rng) -> np.ndarray:
    """Return a random, rather pure colour."""
    hue = rng.uniform(0, 6)
    ramp = np.clip(np.abs(np.mod(hue + np.array([0, 4, 2]), 6) - 3) - 1, 0, 1)
    return 40 + 205 * (1 - rng.uniform(0.55, 0.95) * (1 - ramp))


def fruit(b: Brush, rng: Rng) -> None:
    """Apples, oranges and lemons in a bowl."""
    draw_room(b, rng)
    cx, cy, r = rng.uniform(0.4, 0.6), rng.uniform(0.66, 0.74), rng.uniform(0.27, 0.36)
    b.shadow(cx, cy + r * 0.62, r * 1.1, r * 0.25)
    fruits = [
        ((205, 40, 35), 0.0),
        ((240, 140, 25), 0.05),
        ((235, 210, 60), 0.04),
        ((120, 170, 50), 0.0),
    ]
    for _ in range(rng.integers(8, 14)):
        colour, rough = fruits[int(rng.integers(4))]
        x, y = cx + rng.uniform(-0.62, 0.62) * r * b.h / b.w, cy - rng.uniform(0.05, 0.62) * r
        s = rng.uniform(0.085, 0.12)
        b.ball(
            x,
            y,
            s,
            np.array(colour) * rng.uniform(0.85, 1.1),
            ry=s * rng.uniform(0.9, 1.05),
            gloss=0.45,
            rough=rough,
        )
        if rough == 0:
            b.line([(x, y - s * 0.8), (x + 0.01, y - s * 1.15)], (70, 50, 30), 0.008)
    bowl = rng.uniform(90, 245, 3)
    t = np.linspace(0, np.pi, 40)
    rim = [(cx - r * np.cos(a) * b.h / b.w, cy + 0.62 * r * np.sin(a)) for a in t]
    b.shape(rim, bowl)
    b.line([rim[0], rim[-1]], bowl * 1.1, 0.015)


def mug(b: Brush, rng: Rng) -> None:
    """Draw a cup of coffee."""
    draw_room(b, rng, rng.uniform(0.5, 0.65))
    colour = any_colour(rng) if rng.random() < 0.7 else np.full(3, 235.0)
    x, y, r, h = (
        rng.uniform(0.4, 0.6),
        rng.uniform(0.36, 0.44),
        rng.uniform(0.15, 0.2),
        rng.uniform(0.34, 0.42),
    )
    k = b.h / b.w
    b.shadow(x + 0.06, y + h, r * 1.4, 0.06)
    side = 1 if rng.random() < 0.5 else -1
    t = np.linspace(-1.4, 1.4, 30)
    b.line(
        [(x + side * (r * 0.9 + 0.13 * np.cos(a)) * k, y + h * 0.45 + 0.12 * np.sin(a)) for a in t],
        colour * 0.85,
        0.038,
    )
    low = [
        (x - r * 0.86 * np.cos(a) * k, y + h + 0.05 * np.sin(a)) for a in np.linspace(0, np.pi, 30)
    ]
    b.shape([(x - r * k, y), *low, (x + r * k, y)], colour, angle=3.4, dark=0.55)
    b.ellipse(x, y, r, r * 0.32, colour * 1.1)
    b.ellipse(x, y + 0.006, r * 0.9, r * 0.27, (62, 36, 20), light=0.8)
    for _ in range(3):
        s = np.linspace(0, 1, 20)
        x0 = x + rng.uniform(-0.06, 0.06)
        b.line([(x0 + 0.02 * np.sin(6 * q), y - 0.03 - 0.2 * q) for q in s], (225, 225, 225), 0.006)


def pizza(b: Brush, rng: Rng) -> None:
    """Draw a pizza from above."""
    board = np.array([165, 120, 75]) * rng.uniform(0.5, 1.2)
    b.gradient(board, board * 0.9)
    b.texture(0.08, stretch=(16, 1), cell=3)
    x, y, r = rng.uniform(0.45, 0.55), rng.uniform(0.46, 0.54), rng.uniform(0.38, 0.46)
    b.shadow(x + 0.01, y + 0.02, r, r, 0.6)
    b.ball(x, y, r, (205, 150, 85), gloss=0, rough=0.08)
    b.ellipse(x, y, r * 0.86, r * 0.86, (200, 70, 35), light=0.1, dark=0.15)
    k = b.h / b.w
    for _ in range(60):
        a, q = rng.uniform(0, 6.28), r * 0.8 * np.sqrt(rng.random())
        b.ellipse(
            x + q * k * np.cos(a),
            y + q * np.sin(a),
            rng.uniform(0.02, 0.06),
            rng.uniform(0.02, 0.05),
            (242, 214, 130),
            soft=0.006,
        )
    for _ in range(rng.integers(9, 18)):
        a, q = rng.uniform(0, 6.28), r * 0.75 * np.sqrt(rng.random())
        what = rng.integers(3)
        px, py = x + q * k * np.cos(a), y + q * np.sin(a)
        if what == 0:
            b.ellipse(px, py, 0.05, 0.05, (165, 42, 32))
        elif what == 1:
            b.ellipse(px, py, 0.025, 0.02, (30, 32, 26))
        else:
            b.ellipse(px, py, 0.045, 0.02, (60, 120, 40), angle=float(rng.uniform(0, 6)))


def bottle(b: Brush, rng: Rng) -> None:
    """Bottles on a table."""
    draw_room(b, rng, rng.uniform(0.7, 0.8))
    k = b.h / b.w
    for x in np.linspace(0.3, 0.7, int(rng.integers(1, 4))) + rng.uniform(-0.05, 0.05):
        colour = [(30, 80, 40), (90, 50, 20), (60, 110, 140), (120, 20, 40)][int(rng.integers(4))]
        w, top, base = (
            rng.uniform(0.075, 0.1) * k * 1.2,
            rng.uniform(0.08, 0.2),
            rng.uniform(0.84, 0.92),
        )
        b.shadow(x + 0.05, base, 0.16, 0.03)
        b.shape(
            [
                (x - w * 0.32, top),
                (x + w * 0.32, top),
                (x + w * 0.36, top + 0.2),
                (x + w, top + 0.34),
                (x + w, base - 0.02),
                (x + w * 0.85, base),
                (x - w * 0.85, base),
                (x - w, base - 0.02),
                (x - w, top + 0.34),
                (x - w * 0.36, top + 0.2),
            ],
            colour,
            angle=3.3,
            light=0.8,
            dark=0.6,
        )
        b.shape(
            [(x - w, top + 0.42), (x + w, top + 0.42), (x + w, top + 0.6), (x - w, top + 0.6)],
            any_colour(rng) * 0.5 + 110,
            angle=3.3,
        )
        b.shape(
            [
                (x - w * 0.36, top - 0.03),
                (x + w * 0.36, top - 0.03),
                (x + w * 0.36, top + 0.05),
                (x - w * 0.36, top + 0.05),
            ],
            (150, 30, 30),
        )
        b.line(
            [(x - w * 0.7, top + 0.36), (x - w * 0.7, base - 0.06)],
            np.minimum(np.array(colour) + 110, 255),
            0.01,
        )


KINDS: dict[str, Callable[[Brush, Rng], None]] = {
    f.__name__: f for f in (fruit, mug, pizza, bottle)
}
