"""Flat maps of what a car is made of, drawn in metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from showroom.arrays import Bytes, Floats, Ints
from showroom.bodies import Point
from showroom.materials import Material as Mat

PER_METRE = 420


@dataclass(frozen=True, slots=True)
class Map:
    """One flat view: a material id and a seam depth (0..255) per texel.

    `origin` is the (first, second) coordinate in metres of texel (0, 0); the second one points up.
    """

    material: Bytes
    seam: Bytes
    origin: Point

    def index(self, a: Floats, z: Floats) -> Ints:
        """Flat texel index of each point (a, z), clamped to the map."""
        h, w = self.material.shape
        column = np.clip((a - np.float32(self.origin[0])) * PER_METRE, 0, w - 1).astype(np.int32)
        row = np.clip((np.float32(self.origin[1]) - z) * PER_METRE, 0, h - 1).astype(np.int32)
        return row * np.int32(w) + column


class Canvas:
    """Draw in metres on a material map and a seam map."""

    def __init__(self, low: Point, high: Point) -> None:
        self.origin = (low[0], high[1])
        size = (round((high[0] - low[0]) * PER_METRE), round((high[1] - low[1]) * PER_METRE))
        self.material = Image.new("L", size, int(Mat.PAINT))
        self.seam = Image.new("L", size, 0)
        self._m = ImageDraw.Draw(self.material)
        self._s = ImageDraw.Draw(self.seam)

    def at(self, points: Sequence[Point]) -> list[Point]:
        """Return pixels of points in metres."""
        return [
            ((a - self.origin[0]) * PER_METRE, (self.origin[1] - z) * PER_METRE) for a, z in points
        ]

    def polygon(self, points: Sequence[Point], material: Mat, *, both: bool = False) -> None:
        """Fill a polygon; `both`: its mirror image too."""
        self._m.polygon(self.at(points), fill=int(material))
        if both:
            self._m.polygon(self.at([(-a, z) for a, z in points]), fill=int(material))

    def box(
        self,
        a0: float,
        a1: float,
        z0: float,
        z1: float,
        material: Mat,
        *,
        r: float = 0.0,
        both: bool = False,
    ) -> None:
        """Fill a box with corners of radius `r`."""
        for low, high in ((a0, a1), (-a1, -a0))[: 2 if both else 1]:
            (x0, y0), (x1, y1) = self.at([(low, z1), (high, z0)])
            self._m.rounded_rectangle((x0, y0, x1, y1), r * PER_METRE, fill=int(material))

    def disc(
        self,
        a: float,
        z: float,
        ra: float,
        material: Mat,
        *,
        rz: float | None = None,
        both: bool = False,
    ) -> None:
        """Fill an ellipse."""
        rz = ra if rz is None else rz
        for c in (a, -a)[: 2 if both else 1]:
            (x0, y0), (x1, y1) = self.at([(c - ra, z + rz), (c + ra, z - rz)])
            self._m.ellipse((x0, y0, x1, y1), fill=int(material))

    def stroke(
        self, points: Sequence[Point], material: Mat, width: float, *, both: bool = False
    ) -> None:
        """Draw a line of `width` metres."""
        for p in (points, [(-a, z) for a, z in points])[: 2 if both else 1]:
            self._m.line(
                self.at(p),
                fill=int(material),
                width=max(1, round(width * PER_METRE)),
                joint="curve",
            )

    def cut(
        self, points: Sequence[Point], *, both: bool = False, width: float = 0.011, depth: int = 255
    ) -> None:
        """Draw a panel gap."""
        for p in (points, [(-a, z) for a, z in points])[: 2 if both else 1]:
            self._s.line(
                self.at(p), fill=depth, width=max(1, round(width * PER_METRE)), joint="curve"
            )

    def map(self) -> Map:
        """Return what was drawn."""
        seam = self.seam.filter(ImageFilter.GaussianBlur(0.8))
        return Map(np.asarray(self.material), np.asarray(seam), self.origin)
