"""Decoys in and about the house."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from showroom.brush import Brush
from showroom.decoy_table import any_colour, draw_room

Rng = np.random.Generator


def balloons(b: Brush, rng: Rng) -> None:
    """Balloons in the sky."""
    b.gradient((80, 140, 215), (200, 225, 245))
    for _ in range(rng.integers(3, 7)):
        b.ellipse(
            rng.uniform(0, 1),
            rng.uniform(0.1, 0.9),
            rng.uniform(0.1, 0.3),
            0.06,
            (245, 248, 252),
            soft=0.03,
        )
    for _ in range(rng.integers(5, 15)):
        x, y, r = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.65), rng.uniform(0.08, 0.16)
        colour = any_colour(rng)
        t = np.linspace(0, 1, 12)
        b.line(
            [(x + 0.01 * np.sin(5 * s), y + r * 1.15 + s * 0.3) for s in t], (235, 235, 235), 0.004
        )
        b.shape([(x - 0.012, y + r * 1.24), (x + 0.012, y + r * 1.24), (x, y + r * 1.1)], colour)
        b.ball(x, y, r, colour, ry=r * 1.18)


def cat(b: Brush, rng: Rng) -> None:
    """Draw the face of a cat."""
    draw_room(b, rng, 0.8)
    fur = np.array(
        [[200, 130, 60], [90, 85, 82], [225, 215, 200], [60, 52, 46], [160, 140, 115]][
            int(rng.integers(5))
        ],
        float,
    )
    x, y, r = rng.uniform(0.42, 0.58), rng.uniform(0.45, 0.55), rng.uniform(0.26, 0.33)
    k = b.h / b.w
    b.ball(x, y + r * 1.5, r * 1.15, fur * 0.95, gloss=0, rough=0.06)
    for s in (-1, 1):
        b.shape(
            [
                (x + s * r * 0.9 * k, y - r * 0.35),
                (x + s * r * 0.82 * k, y - r * 1.35),
                (x + s * r * 0.2 * k, y - r * 0.8),
            ],
            fur * 0.9,
        )
        b.shape(
            [
                (x + s * r * 0.8 * k, y - r * 0.55),
                (x + s * r * 0.76 * k, y - r * 1.15),
                (x + s * r * 0.36 * k, y - r * 0.8),
            ],
            (215, 150, 140),
        )
    b.ball(x, y, r, fur, ry=r * 0.88, gloss=0, rough=0.08)
    for j in range(5):
        b.line(
            [(x + (j - 2) * 0.05 * k, y - r * 0.82), (x + (j - 2) * 0.04 * k, y - r * 0.5)],
            fur * 0.5,
            0.016,
        )
    b.ball(x, y + r * 0.38, r * 0.4, np.minimum(fur * 1.35, 250), ry=r * 0.3, gloss=0, rough=0.05)
    iris = [(90, 160, 70), (220, 170, 40), (110, 170, 210)][int(rng.integers(3))]
    for s in (-1, 1):
        b.ball(x + s * r * 0.42 * k, y - r * 0.1, r * 0.2, iris, ry=r * 0.18)
        b.ellipse(x + s * r * 0.42 * k, y - r * 0.1, r * 0.06, r * 0.16, (8, 8, 8), light=0)
        b.ellipse(
            x + s * r * 0.46 * k, y - r * 0.16, r * 0.03, r * 0.03, (255, 255, 255), light=0, dark=0
        )
    b.shape(
        [(x - 0.03 * k, y + r * 0.22), (x + 0.03 * k, y + r * 0.22), (x, y + r * 0.32)],
        (200, 110, 110),
    )
    for s in (-1, 1):
        for j in range(4):
            b.line(
                [
                    (x + s * r * 0.3 * k, y + r * (0.32 + 0.05 * j)),
                    (x + s * r * 1.35 * k, y + r * (0.12 + 0.14 * j)),
                ],
                (240, 240, 240),
                0.004,
            )
        b.line([(x, y + r * 0.32), (x + s * 0.05 * k, y + r * 0.46)], fur * 0.4, 0.008)


def text_page(b: Brush, rng: Rng) -> None:
    """Draw a printed page."""
    b.gradient(rng.uniform(225, 250, 3), rng.uniform(215, 245, 3))
    d = ImageDraw.Draw(b.image)
    words = [
        *("report", "page", "order", "notice", "invoice", "of", "the", "and", "in", "on", "data"),
        *("meeting", "results", "table", "figure", "was", "were", "shown", "total", "list", "new"),
    ]
    size = rng.uniform(0.035, 0.055)
    font, big = (
        ImageFont.load_default(size=size * b.h),
        ImageFont.load_default(size=size * 2.2 * b.h),
    )
    left = rng.uniform(0.05, 0.15) * b.w
    d.text((left, 0.05 * b.h), " ".join(rng.choice(words, 3)).title(), font=big, fill=(20, 20, 20))
    y = 0.2
    while y < 0.93:
        if rng.random() < 0.9:
            d.text(
                (left, y * b.h),
                " ".join(rng.choice(words, rng.integers(5, 14))),
                font=font,
                fill=(40, 40, 42),
            )
        y += size * 1.45
    for _ in range(rng.integers(0, 3)):
        y = rng.uniform(0.3, 0.9)
        b.line([(0.1, y), (0.9, y)], (60, 60, 60), 0.004)


def pattern(b: Brush, rng: Rng) -> None:
    """Stripes, checks, dots or waves of a fabric."""
    one, two = any_colour(rng), any_colour(rng) * 0.6
    y, x = np.mgrid[0 : b.h, 0 : b.w].astype(float) / b.h
    f, turn = rng.uniform(6, 22), rng.uniform(0, np.pi)
    u, v = f * (x * np.cos(turn) + y * np.sin(turn)), f * (-x * np.sin(turn) + y * np.cos(turn))
    which = int(rng.integers(4))
    value = [
        np.sign(np.sin(u * 3)) * np.sign(np.sin(v * 3)),
        np.where(np.hypot(np.mod(u, 1) - 0.5, np.mod(v, 1) - 0.5) < 0.3, 1, -1),
        np.sin(3 * u + 1.5 * np.sin(v * 2)),
        np.sin(u * 4) + 0.6 * np.sin(v * 9),
    ][which]
    t = np.clip(value * 0.5 + 0.5, 0, 1)[..., None]
    b.image = Image.fromarray(np.clip(one * t + two * (1 - t), 0, 255).astype(np.uint8))
    b.texture(0.06, cell=2)


def chair(b: Brush, rng: Rng) -> None:
    """Draw a wooden chair in a room."""
    draw_room(b, rng, rng.uniform(0.72, 0.82))
    wood = np.array([150, 95, 50]) * rng.uniform(0.5, 1.5)
    x, w = rng.uniform(0.4, 0.6), rng.uniform(0.13, 0.17)
    k = b.h / b.w
    w *= k * 1.6
    b.shadow(x, 0.93, 0.3, 0.04)
    for dx, low in ((-w, 0.93), (w, 0.93), (-w * 0.72, 0.86), (w * 0.78, 0.86)):
        b.line([(x + dx * 0.92, 0.55), (x + dx, low)], wood * 0.8, 0.032)
    for dx in (-w * 0.8, w * 0.84):
        b.line([(x + dx, 0.56), (x + dx * 1.02, 0.1)], wood, 0.034)
    for j in range(rng.integers(3, 6)):
        yy = 0.13 + j * 0.09
        b.line([(x - w * 0.8, yy), (x + w * 0.84, yy)], wood * 1.1, 0.03)
    b.shape(
        [(x - w * 0.84, 0.52), (x + w * 0.86, 0.52), (x + w * 1.08, 0.6), (x - w * 1.08, 0.6)],
        wood * 1.2,
    )
    b.shape(
        [(x - w * 1.08, 0.6), (x + w * 1.08, 0.6), (x + w * 1.08, 0.635), (x - w * 1.08, 0.635)],
        wood * 0.75,
    )


def clock(b: Brush, rng: Rng) -> None:
    """Draw a wall clock."""
    wall = rng.uniform(130, 235, 3) * 0.3 + 150
    b.gradient(wall, wall * 0.85)
    b.texture(0.03, cell=3)
    x, y, r = rng.uniform(0.4, 0.6), rng.uniform(0.45, 0.55), rng.uniform(0.32, 0.4)
    k = b.h / b.w
    b.shadow(x + 0.02, y + 0.03, r, r, 0.45)
    b.ellipse(x, y, r, r, any_colour(rng) * 0.6)
    b.ellipse(x, y, r * 0.9, r * 0.9, (246, 243, 234), light=0.03, dark=0.08)
    d = ImageDraw.Draw(b.image)
    font = ImageFont.load_default(size=r * 0.2 * b.h)
    for n in range(1, 13):
        a = n * np.pi / 6 - np.pi / 2
        d.text(
            ((x + r * 0.72 * k * np.cos(a)) * b.w, (y + r * 0.72 * np.sin(a)) * b.h),
            str(n),
            font=font,
            fill=(25, 25, 25),
            anchor="mm",
        )
    for length, width, a in (
        (0.45, 0.022, rng.uniform(0, 6.28)),
        (0.68, 0.014, rng.uniform(0, 6.28)),
        (0.75, 0.005, rng.uniform(0, 6.28)),
    ):
        b.line(
            [(x, y), (x + r * length * k * np.cos(a), y + r * length * np.sin(a))],
            (20, 20, 22),
            width,
        )
    b.ball(x, y, 0.018, (40, 40, 40))


def flower(b: Brush, rng: Rng) -> None:
    """Daisies and sunflowers."""
    b.gradient((70, 115, 50), (40, 80, 32))
    b.texture(0.3, cell=16)
    b.blur(0.03)
    k = b.h / b.w
    for _ in range(rng.integers(1, 5)):
        x, y, r = rng.uniform(0.2, 0.8), rng.uniform(0.25, 0.65), rng.uniform(0.14, 0.3)
        colour = any_colour(rng) if rng.random() < 0.6 else np.array([250, 248, 240])
        b.line([(x, y), (x + rng.uniform(-0.05, 0.05), 1.0)], (55, 110, 40), 0.024)
        n = int(rng.integers(9, 18))
        for ring in (1.0, 0.75):
            for j in range(n):
                a = (j + 0.5 * (ring < 1)) * 2 * np.pi / n
                t = np.linspace(0, 2 * np.pi, 16)
                u, v = r * ring * (0.6 + 0.42 * np.cos(t)), r * 0.15 * np.sin(t)
                b.shape(
                    [
                        (x + (p * np.cos(a) - q * np.sin(a)) * k, y + p * np.sin(a) + q * np.cos(a))
                        for p, q in zip(u, v, strict=True)
                    ],
                    colour * (0.85 if ring == 1.0 else 1.05),
                    angle=a,
                )
        b.ball(
            x,
            y,
            r * 0.34,
            (190, 130, 30) if rng.random() < 0.6 else (90, 60, 30),
            gloss=0,
            rough=0.15,
        )


def books(b: Brush, rng: Rng) -> None:
    """Draw a shelf of books."""
    wood = np.array([120, 80, 48]) * rng.uniform(0.5, 1.4)
    b.gradient(wood * 0.3, wood * 0.4)
    shelves = int(rng.integers(1, 4))
    for s in range(shelves):
        base = (s + 1) / shelves - 0.04
        x = 0.0
        while x < 1.0:
            w, h = rng.uniform(0.016, 0.05), (1 / shelves) * rng.uniform(0.6, 0.86)
            colour = any_colour(rng) * rng.uniform(0.35, 0.95)
            b.shape(
                [(x, base - h), (x + w, base - h), (x + w, base), (x, base)],
                colour,
                angle=3.14,
                light=0.25,
                dark=0.5,
            )
            for q in (0.12, 0.8):
                b.line(
                    [(x + 0.003, base - h * q), (x + w - 0.003, base - h * q)],
                    colour * 0.4 + 120,
                    0.006,
                )
            x += w + 0.002
        b.shape([(0, base), (1, base), (1, base + 0.04), (0, base + 0.04)], wood * 1.2)


KINDS: dict[str, Callable[[Brush, Rng], None]] = {
    f.__name__: f for f in (balloons, cat, text_page, pattern, chair, clock, flower, books)
}
