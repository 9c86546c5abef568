"""A picture with one spot that a smart tool can find."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

W, H = 320, 240
SPOT = (100, 80, 180, 140)


def spotted(width=W, height=H, spot=SPOT):
    """A grey door with some noise and one dark red spot, as an array and as a mask."""
    rng = np.random.default_rng(1)
    image = Image.new("RGB", (width, height), (150, 152, 156))
    ImageDraw.Draw(image).ellipse(spot, fill=(90, 30, 30))
    rgb = np.asarray(image).astype(int) + rng.integers(-6, 7, (height, width, 3))
    mask = Image.new("1", (width, height))
    ImageDraw.Draw(mask).ellipse(spot, fill=1)
    return rgb.clip(0, 255).astype(np.uint8), np.asarray(mask)


def iou(a, b):
    return (a & b).sum() / (a | b).sum()
