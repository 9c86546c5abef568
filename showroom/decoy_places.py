"""Decoys outdoors: landscapes, buildings, animals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from showroom.brush import Brush

Rng = np.random.Generator


def _sky(b: Brush, rng: Rng, horizon: float) -> None:
    mood = int(rng.integers(3))
    top = [(70, 130, 205), (150, 165, 185), (60, 60, 110)][mood]
    low = [(205, 225, 240), (220, 222, 225), (240, 150, 90)][mood]
    b.gradient(np.array(top) * rng.uniform(0.85, 1.1), low, 0, horizon + 0.01)
    for _ in range(rng.integers(2, 9)):
        b.ellipse(
            rng.uniform(0, 1),
            rng.uniform(0.02, horizon * 0.8),
            rng.uniform(0.08, 0.3),
            rng.uniform(0.02, 0.06),
            np.array(low) * 1.06,
            soft=0.02,
        )


def _ridge(
    b: Brush, rng: Rng, base: float, height: float, colour: np.ndarray, *, rough: float = 1.0
) -> None:
    x = np.linspace(0, 1, 90)
    y = np.zeros_like(x)
    for k in range(1, 7):
        y += np.sin(k * 3.1 * x + rng.uniform(0, 6.28)) * rough / k**1.1
    y = base - height * (0.6 + 0.35 * y / 1.6)
    b.shape(
        [(0, 1.0), *zip(x.tolist(), y.tolist(), strict=True), (1, 1.0)],
        colour,
        light=0.25,
        dark=0.3,
        angle=-1.57,
    )


def _tree(b: Brush, rng: Rng, x: float, base: float, size: float, green: np.ndarray) -> None:
    k = b.h / b.w
    b.line([(x, base), (x, base - size * 0.45)], (80, 60, 42), size * 0.07)
    if rng.random() < 0.35:  # conifer
        for j in range(6):
            y, w = base - size * (0.2 + 0.13 * j), size * (0.3 - 0.045 * j)
            b.shape([(x - w * k, y), (x + w * k, y), (x, y - size * 0.3)], green * 0.7, angle=3.6)
        return
    for _ in range(26):
        u, v = rng.normal(0, 0.17, 2)
        b.ball(
            x + u * size * k,
            base - size * 0.68 + v * size,
            size * rng.uniform(0.08, 0.17),
            green * rng.uniform(0.7, 1.15),
            gloss=0,
            rough=0.15,
        )


def mountains(b: Brush, rng: Rng) -> None:
    """Mountains behind a lake."""
    h = rng.uniform(0.5, 0.68)
    _sky(b, rng, h)
    for j in range(3):
        _ridge(
            b,
            rng,
            h + 0.02,
            0.4 - 0.12 * j,
            np.array([120, 135, 160]) * (1 - 0.22 * j) * rng.uniform(0.85, 1.1),
        )
    water = np.array([70, 110, 140]) * rng.uniform(0.7, 1.2)
    b.gradient(water * 1.2, water * 0.6, h, 1.0)
    b.texture(0.09, stretch=(12, 1), y0=h, cell=4)
    for _ in range(rng.integers(3, 10)):
        _tree(
            b,
            rng,
            rng.uniform(0, 1),
            rng.uniform(0.9, 1.02),
            rng.uniform(0.12, 0.35),
            np.array([50, 85, 45]),
        )


def beach(b: Brush, rng: Rng) -> None:
    """Sea, sand and palms."""
    h = rng.uniform(0.35, 0.5)
    _sky(b, rng, h)
    b.gradient((30, 110, 150), (110, 190, 195), h, h + 0.22)
    b.texture(0.1, stretch=(14, 1), y0=h, y1=h + 0.22, cell=3)
    b.gradient((225, 200, 155), (200, 170, 120), h + 0.22, 1.0)
    b.texture(0.06, y0=h + 0.22, cell=3)
    x = np.linspace(0, 1, 40)
    b.line([(float(q), h + 0.22 + 0.01 * np.sin(9 * q)) for q in x], (245, 250, 250), 0.014)
    k = b.h / b.w
    for _ in range(rng.integers(1, 4)):
        px, py, lean = rng.uniform(0.1, 0.9), rng.uniform(0.2, 0.35), rng.uniform(-0.12, 0.12)
        b.line([(px - lean, 0.85), (px - lean * 0.3, 0.55), (px, py)], (110, 85, 58), 0.026)
        for a in np.linspace(0.2, 6.1, 9):
            t = np.linspace(0, 1, 12)
            b.line(
                [
                    (px + 0.2 * k * q * np.cos(a), py + 0.09 * q * np.sin(a) + 0.14 * q * q)
                    for q in t
                ],
                (50, 110, 45),
                0.022,
            )


def forest(b: Brush, rng: Rng) -> None:
    """Draw a wood."""
    _sky(b, rng, 0.6)
    tone = np.array([85, 120, 55]) if rng.random() < 0.7 else np.array([185, 120, 45])
    b.gradient(tone * 0.55, tone * 0.8, 0.6, 1.0)
    b.texture(0.18, y0=0.6, cell=6)
    for base in np.sort(rng.uniform(0.62, 1.02, int(rng.integers(9, 18)))):
        _tree(
            b,
            rng,
            rng.uniform(-0.02, 1.02),
            base,
            0.35 + (base - 0.6) * rng.uniform(0.8, 1.4),
            tone * rng.uniform(0.7, 1.2),
        )


def house(b: Brush, rng: Rng) -> None:
    """Draw a house with a garden."""
    _sky(b, rng, 0.7)
    green = np.array([95, 140, 60]) * rng.uniform(0.7, 1.1)
    for _ in range(5):
        _tree(b, rng, rng.uniform(0, 1), 0.76, rng.uniform(0.3, 0.5), green * 0.8)
    b.gradient(green, green * 0.75, 0.74, 1.0)
    b.texture(0.12, y0=0.74, cell=4)
    wall = rng.uniform(150, 240, 3) * 0.4 + 130
    x0, x1, top, base = (
        rng.uniform(0.12, 0.25),
        rng.uniform(0.72, 0.86),
        rng.uniform(0.4, 0.46),
        rng.uniform(0.8, 0.86),
    )
    roof = np.array([150, 70, 50]) * rng.uniform(0.5, 1.2)
    b.shape([(x0, top), (x1, top), (x1, base), (x0, base)], wall, angle=3.14, light=0.1, dark=0.2)
    b.shape(
        [(x0 - 0.04, top), (x1 + 0.04, top), (x1 - 0.14, top - 0.24), (x0 + 0.14, top - 0.24)],
        roof,
        light=0.1,
        dark=0.2,
    )
    b.shape(
        [
            (x1 - 0.2, top - 0.12),
            (x1 - 0.15, top - 0.12),
            (x1 - 0.15, top - 0.32),
            (x1 - 0.2, top - 0.32),
        ],
        roof * 0.8,
    )
    door = x0 + (x1 - x0) * rng.uniform(0.4, 0.6)
    b.shape(
        [
            (door - 0.035, base - 0.24),
            (door + 0.035, base - 0.24),
            (door + 0.035, base),
            (door - 0.035, base),
        ],
        rng.uniform(40, 160, 3),
    )
    for q in np.linspace(x0 + 0.07, x1 - 0.07, int(rng.integers(3, 6))):
        if abs(q - door) > 0.08:
            b.shape(
                [
                    (q - 0.045, top + 0.09),
                    (q + 0.045, top + 0.09),
                    (q + 0.045, top + 0.25),
                    (q - 0.045, top + 0.25),
                ],
                (245, 245, 245),
                light=0,
            )
            b.shape(
                [
                    (q - 0.038, top + 0.1),
                    (q + 0.038, top + 0.1),
                    (q + 0.038, top + 0.24),
                    (q - 0.038, top + 0.24),
                ],
                (70, 90, 115),
                light=0.7,
            )
            b.line([(q, top + 0.1), (q, top + 0.24)], (245, 245, 245), 0.008)
    for q in np.linspace(x0, x1, 9):
        b.ball(q, base + 0.01, rng.uniform(0.03, 0.06), green * 0.7, gloss=0, rough=0.2)


def castle(b: Brush, rng: Rng) -> None:
    """Draw a castle on a hill."""
    _sky(b, rng, 0.75)
    _ridge(b, rng, 0.85, 0.2, np.array([90, 125, 70]))
    stone = np.array([165, 155, 140]) * rng.uniform(0.7, 1.15)
    x0, x1, top, base = 0.25, 0.75, rng.uniform(0.42, 0.5), 0.82
    b.shape([(x0, top), (x1, top), (x1, base), (x0, base)], stone, angle=3.14, light=0.1)
    for q in np.arange(x0, x1, 0.04).tolist():
        b.shape([(q, top - 0.03), (q + 0.022, top - 0.03), (q + 0.022, top), (q, top)], stone)
    for q in np.linspace(x0, x1, int(rng.integers(3, 5))):
        w, t = rng.uniform(0.04, 0.06), top - rng.uniform(0.1, 0.22)
        b.shape([(q - w, t), (q + w, t), (q + w, base), (q - w, base)], stone * 1.05, angle=3.14)
        b.shape(
            [(q - w * 1.25, t), (q + w * 1.25, t), (q, t - 0.18)],
            np.array([120, 60, 50]) * rng.uniform(0.6, 1.2),
            angle=3.14,
        )
        b.shape(
            [
                (q - 0.008, t + 0.06),
                (q + 0.008, t + 0.06),
                (q + 0.008, t + 0.13),
                (q - 0.008, t + 0.13),
            ],
            (40, 38, 40),
        )
    b.texture(0.05, cell=5)
    b.ellipse(0.5, base, 0.06, 0.13, (45, 35, 30))
    b.gradient((85, 125, 60), (60, 95, 45), base, 1.0)
    b.texture(0.15, y0=base, cell=4)


def fish(b: Brush, rng: Rng) -> None:
    """Fish in clear water."""
    b.gradient((40, 130, 175), (8, 40, 80))
    for _ in range(8):
        x = rng.uniform(0, 1)
        b.shape(
            [(x, 0), (x + 0.05, 0), (x + rng.uniform(0, 0.2), 1), (x - 0.05, 1)],
            (70, 155, 190),
            soft=0.02,
        )
    k = b.h / b.w
    for _ in range(rng.integers(2, 8)):
        x, y, r, s = (
            rng.uniform(0.15, 0.85),
            rng.uniform(0.15, 0.8),
            rng.uniform(0.07, 0.16),
            rng.choice([-1, 1]),
        )
        colour = np.array(
            [[245, 130, 30], [240, 210, 50], [70, 130, 220], [220, 70, 70]][int(rng.integers(4))],
            float,
        )
        b.shape(
            [
                (x - s * r * 1.1 * k, y),
                (x - s * r * 2 * k, y - r * 0.6),
                (x - s * r * 1.8 * k, y),
                (x - s * r * 2 * k, y + r * 0.6),
            ],
            colour * 0.9,
        )
        b.shape(
            [
                (x - r * 0.5 * k, y - r * 0.4),
                (x + r * 0.4 * k, y - r * 0.5),
                (x - s * r * 0.3 * k, y - r * 0.95),
            ],
            colour * 0.8,
        )
        b.ball(x, y, r * 1.35, colour, ry=r * 0.62, gloss=0.3)
        for q in (-0.3, 0.35):
            b.line(
                [(x + s * q * r * k, y - r * 0.5), (x + s * q * r * k, y + r * 0.5)],
                (245, 245, 245),
                r * 0.14,
            )
        b.ball(x + s * r * 0.9 * k, y - r * 0.1, r * 0.13, (250, 250, 250))
        b.ball(x + s * r * 0.93 * k, y - r * 0.1, r * 0.07, (10, 10, 10))
    for _ in range(20):
        b.ellipse(rng.uniform(0, 1), rng.uniform(0, 1), 0.008, 0.008, (190, 225, 240))
    b.ellipse(0.5, 1.05, 1.2, 0.14, (190, 170, 120), soft=0.01)


def bird(b: Brush, rng: Rng) -> None:
    """Draw a bird on a branch."""
    b.gradient((150, 180, 120), (90, 130, 80))
    b.texture(0.25, cell=20)
    b.blur(0.05)
    colour = np.array(
        [[200, 70, 50], [70, 120, 190], [225, 190, 60], [110, 95, 80]][int(rng.integers(4))], float
    )
    x, y, r = rng.uniform(0.42, 0.55), rng.uniform(0.45, 0.52), rng.uniform(0.15, 0.2)
    k = b.h / b.w
    b.line([(0, y + r * 1.3), (0.4, y + r * 1.2), (1, y + r * 1.05)], (95, 70, 48), 0.04)
    b.shape(
        [
            (x - r * 0.6 * k, y),
            (x - r * 2.6 * k, y + r * 1.5),
            (x - r * 2.2 * k, y + r * 1.75),
            (x - r * 0.2 * k, y + r * 0.6),
        ],
        colour * 0.6,
    )
    b.ball(x, y, r * 1.1, np.minimum(colour * 1.1, 255), ry=r, gloss=0, rough=0.06)
    b.ball(
        x + r * 0.15 * k, y + r * 0.35, r * 0.75, (230, 220, 200), ry=r * 0.6, gloss=0, rough=0.05
    )
    b.ball(x + r * 0.85 * k, y - r * 0.85, r * 0.6, colour, gloss=0, rough=0.06)
    b.shape(
        [
            (x + r * 1.35 * k, y - r * 0.98),
            (x + r * 1.95 * k, y - r * 0.78),
            (x + r * 1.35 * k, y - r * 0.65),
        ],
        (225, 160, 50),
    )
    b.ball(x + r * 1.02 * k, y - r * 0.95, r * 0.1, (8, 8, 8))
    t = np.linspace(0, 2 * np.pi, 30)
    b.shape(
        [
            (
                x + (-0.35 + 0.85 * np.cos(a)) * r * k,
                y + (0.05 + 0.42 * np.sin(a) + 0.25 * -np.cos(a)) * r,
            )
            for a in t
        ],
        colour * 0.55,
    )
    for q in (-0.1, 0.2):
        b.line([(x + q * r * k, y + r * 0.9), (x + q * r * k, y + r * 1.22)], (120, 90, 60), 0.012)


def night(b: Brush, rng: Rng) -> None:
    """Moon and stars over hills."""
    b.gradient((8, 10, 30), (40, 44, 90))
    for _ in range(rng.integers(80, 260)):
        s = rng.uniform(0.001, 0.004)
        b.ellipse(
            rng.uniform(0, 1),
            rng.uniform(0, 0.8),
            s,
            s,
            np.full(3, rng.uniform(150, 255)),
            light=0,
            dark=0,
        )
    x, y, r = rng.uniform(0.2, 0.8), rng.uniform(0.15, 0.4), rng.uniform(0.07, 0.16)
    b.ellipse(x, y, r * 1.6, r * 1.6, (70, 72, 110), soft=0.06)
    b.ball(x, y, r, (235, 232, 215), gloss=0, rough=0.03)
    for j in range(3):
        _ridge(b, rng, 0.85 + 0.06 * j, 0.25 - 0.06 * j, np.array([30, 34, 55]) * (1 - 0.3 * j))


def field(b: Brush, rng: Rng) -> None:
    """Draw a field with rows of flowers."""
    h = rng.uniform(0.35, 0.5)
    _sky(b, rng, h)
    _ridge(b, rng, h + 0.02, 0.12, np.array([100, 130, 110]))
    b.gradient((110, 140, 60), (80, 110, 45), h, 1.0)
    bloom = [(150, 80, 170), (235, 200, 60), (215, 60, 60)][int(rng.integers(3))]
    vanish = rng.uniform(0.3, 0.7)
    for j in np.arange(-12, 13):
        b.shape(
            [(vanish, h), (vanish + j * 0.16 - 0.045, 1), (vanish + j * 0.16 + 0.045, 1)],
            np.array(bloom) * rng.uniform(0.85, 1.1),
            angle=1.57,
        )
    b.texture(0.2, y0=h, cell=5)
    for _ in range(rng.integers(1, 5)):
        _tree(b, rng, rng.uniform(0, 1), h + 0.03, rng.uniform(0.15, 0.3), np.array([70, 105, 50]))


KINDS: dict[str, Callable[[Brush, Rng], None]] = {
    f.__name__: f for f in (mountains, beach, forest, house, castle, fish, bird, night, field)
}
