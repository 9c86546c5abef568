"""A small painter for decoys.

Shaded balls, soft shadows, gradients and textures, twice the final size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from showroom.arrays import Floats

Colour = Sequence[float] | Floats
Rng = np.random.Generator


class Brush:
    """Paints in units of the picture: x, y in 0..1 across and down; lengths per height.

    Parameters
    ----------
    width, height
        Final size in pixels; `image` is twice as large.
    rng
        For textures.
    """

    def __init__(self, width: int, height: int, rng: Rng) -> None:
        self.w, self.h = width * 2, height * 2
        self.rng = rng
        self.image = Image.new("RGB", (self.w, self.h))

    def points(self, xy: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """Pixels of relative positions."""
        return [(float(x * self.w), float(y * self.h)) for x, y in xy]

    def gradient(self, top: Colour, bottom: Colour, y0: float = 0.0, y1: float = 1.0) -> None:
        """Fill the rows y0..y1 from `top` to `bottom`."""
        rows = max(int((y1 - y0) * self.h), 1)
        t = np.linspace(0, 1, rows)[:, None]
        colour = np.asarray(top, float) * (1 - t) + np.asarray(bottom, float) * t
        strip = np.broadcast_to(colour[:, None], (rows, self.w, 3))
        self.image.paste(
            Image.fromarray(np.clip(strip, 0, 255).astype(np.uint8)), (0, int(y0 * self.h))
        )

    def texture(
        self,
        amount: float,
        *,
        stretch: tuple[int, int] = (1, 1),
        y0: float = 0.0,
        y1: float = 1.0,
        cell: int = 4,
    ) -> None:
        """Multiply the rows y0..y1 by soft noise; `stretch` makes grain."""
        a, b = int(y0 * self.h), int(y1 * self.h)
        h, w = b - a, self.w
        small = self.rng.normal(
            0, 1, (h // (cell * stretch[1]) + 2, w // (cell * stretch[0]) + 2)
        ).astype(np.float32)
        noise = np.asarray(Image.fromarray(small).resize((w, h), Image.Resampling.BICUBIC))
        part = np.asarray(self.image.crop((0, a, w, b)), np.float32)
        rough = part * (1 + amount * noise)[..., None]
        self.image.paste(Image.fromarray(np.clip(rough, 0, 255).astype(np.uint8)), (0, a))

    def shape(
        self,
        xy: Sequence[tuple[float, float]],
        colour: Colour,
        *,
        light: float = 0.35,
        soft: float = 0.0,
        angle: float = -2.2,
        dark: float = 0.45,
    ) -> None:
        """Fill a polygon; lighter towards `angle` (radians on the screen), darker away from it."""
        p = self.points(xy)
        mask = Image.new("L", (self.w, self.h), 0)
        ImageDraw.Draw(mask).polygon(p, fill=255)
        self._lit(mask, colour, light, dark, angle, soft)

    def ellipse(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        colour: Colour,
        *,
        light: float = 0.35,
        dark: float = 0.45,
        angle: float = -2.2,
        soft: float = 0.0,
    ) -> None:
        """Fill an ellipse with linear shading; radii in shares of the height."""
        mask = Image.new("L", (self.w, self.h), 0)
        ImageDraw.Draw(mask).ellipse(self._box(x, y, rx, ry), fill=255)
        self._lit(mask, colour, light, dark, angle, soft)

    def ball(
        self,
        x: float,
        y: float,
        r: float,
        colour: Colour,
        *,
        ry: float | None = None,
        gloss: float = 0.7,
        rough: float = 0.0,
    ) -> None:
        """Paint a shaded ball."""
        ry = r if ry is None else ry
        x0, y0, x1, y1 = (int(v) for v in self._box(x, y, r, ry))
        x1, y1 = max(x1, x0 + 2), max(y1, y0 + 2)
        u = (np.arange(x0, x1) + 0.5 - (x0 + x1) / 2) / ((x1 - x0) / 2)
        v = (np.arange(y0, y1) + 0.5 - (y0 + y1) / 2) / ((y1 - y0) / 2)
        uu, vv = np.meshgrid(u, v)
        d2 = uu**2 + vv**2
        z = np.sqrt(np.clip(1 - d2, 0, 1))
        n_l = np.clip(-0.5 * uu - 0.62 * vv + 0.6 * z, 0, 1)
        tone = 0.3 + 0.8 * n_l
        if rough:
            tone = tone * (1 + rough * self.rng.normal(0, 1, tone.shape))
        shine = gloss * 220 * np.clip(n_l, 0, 1) ** 24
        colour3 = np.asarray(colour, float) * tone[..., None] + shine[..., None]
        colour3 = colour3 + 25 * ((1 - z) ** 3)[..., None]
        alpha = np.clip((1 - np.sqrt(d2)) * (x1 - x0) / 3, 0, 1) * 255
        patch = Image.fromarray(np.clip(colour3, 0, 255).astype(np.uint8))
        self.image.paste(patch, (x0, y0), Image.fromarray(alpha.astype(np.uint8)))

    def line(self, xy: Sequence[tuple[float, float]], colour: Colour, width: float) -> None:
        """Stroke a polyline; width in shares of the height."""
        ImageDraw.Draw(self.image).line(
            self.points(xy), fill=self.rgb(colour), width=max(1, int(width * self.h)), joint="curve"
        )

    def shadow(
        self, x: float, y: float, rx: float, ry: float, strength: float = 0.5, soft: float = 0.03
    ) -> None:
        """Darken a soft ellipse."""
        mask = Image.new("L", (self.w, self.h), 0)
        ImageDraw.Draw(mask).ellipse(self._box(x, y, rx, ry), fill=int(255 * strength))
        self.image.paste((12, 10, 10), (0, 0), mask.filter(ImageFilter.GaussianBlur(soft * self.h)))

    def blur(self, radius: float) -> None:
        """Blur all that is painted so far; radius as a share of the height."""
        self.image = self.image.filter(ImageFilter.GaussianBlur(radius * self.h))

    @staticmethod
    def rgb(colour: Colour) -> tuple[int, int, int]:
        """Clamp a colour to three bytes."""
        r, g, b = np.clip(np.asarray(colour, float), 0, 255).astype(int).tolist()
        return r, g, b

    def _box(self, x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
        return (
            x * self.w - rx * self.h,
            y * self.h - ry * self.h,
            x * self.w + rx * self.h,
            y * self.h + ry * self.h,
        )

    def _lit(
        self,
        mask: Image.Image,
        colour: Colour,
        light: float,
        dark: float,
        angle: float,
        soft: float,
    ) -> None:
        box = mask.getbbox()
        if box is None:
            return
        if soft:
            mask = mask.filter(ImageFilter.GaussianBlur(soft * self.h))
            box = mask.getbbox() or box
        x0, y0, x1, y1 = box
        v, u = np.mgrid[0 : y1 - y0, 0 : x1 - x0].astype(np.float32)
        u, v = u / max(x1 - x0, 1) * 2 - 1, v / max(y1 - y0, 1) * 2 - 1
        side = (u * np.cos(angle) + v * np.sin(angle)) / 1.4
        tone = 1 + np.where(side > 0, light * side, dark * side)
        filled = np.asarray(colour, float) * tone[..., None]
        patch = Image.fromarray(np.clip(filled, 0, 255).astype(np.uint8))
        self.image.paste(patch, (x0, y0), mask.crop(box))
