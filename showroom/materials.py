"""Surface materials: what colour they are and how they shine."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from showroom.arrays import Floats
from showroom.light import from_srgb


class Material(IntEnum):
    """Ids in the material maps of `showroom.skin`."""

    PAINT = 0
    GLASS = 1
    BLACK = 2
    CHROME = 3
    LAMP = 4
    RED = 5
    AMBER = 6
    PLATE = 7
    GAP = 8
    MATTE = 9
    MESH = 10
    DRL = 11
    TYRE = 12
    RIM = 13
    BRAKE = 14
    VOID = 15
    REVERSE = 16
    SILVER = 17
    GLOW = 18
    PROJECTOR = 19
    SEAT = 20
    EMBOSS = 21
    BED = 22


# sRGB colour; mirror share (1 = Fresnel of lacquer); metal share (coloured reflection); glow
_TABLE: dict[Material, tuple[tuple[int, int, int], float, float, float]] = {
    Material.PAINT: ((128, 128, 128), 1.0, 0.0, 0.0),
    Material.GLASS: ((10, 13, 15), 1.0, 0.0, 0.0),
    Material.BLACK: ((14, 14, 16), 0.9, 0.0, 0.0),
    Material.CHROME: ((205, 208, 212), 1.0, 1.0, 0.0),
    Material.LAMP: ((120, 128, 138), 1.0, 0.5, 0.0),
    Material.RED: ((150, 8, 12), 1.0, 0.0, 0.06),
    Material.AMBER: ((235, 120, 10), 1.0, 0.0, 0.0),
    Material.PLATE: ((235, 235, 228), 0.25, 0.0, 0.0),
    Material.GAP: ((8, 8, 9), 0.0, 0.0, 0.0),
    Material.MATTE: ((38, 39, 41), 0.12, 0.0, 0.0),
    Material.MESH: ((13, 13, 14), 0.25, 0.0, 0.0),
    Material.DRL: ((240, 246, 255), 1.0, 0.0, 0.75),
    Material.TYRE: ((27, 27, 28), 0.1, 0.0, 0.0),
    Material.RIM: ((168, 172, 178), 0.7, 0.75, 0.0),
    Material.BRAKE: ((92, 90, 88), 0.3, 0.6, 0.0),
    Material.VOID: ((7, 7, 8), 0.0, 0.0, 0.0),
    Material.REVERSE: ((222, 222, 226), 1.0, 0.2, 0.0),
    Material.SILVER: ((150, 152, 154), 0.4, 0.5, 0.0),
    Material.GLOW: ((225, 25, 22), 1.0, 0.0, 0.35),
    Material.PROJECTOR: ((36, 40, 50), 1.0, 0.6, 0.0),
    Material.SEAT: ((26, 26, 28), 0.0, 0.0, 0.0),
    Material.EMBOSS: ((128, 128, 128), 1.0, 0.0, 0.0),
    Material.BED: ((30, 30, 32), 0.1, 0.0, 0.0),
}

ALBEDO: Floats = np.stack([from_srgb(_TABLE[m][0]) for m in Material], 1)
MIRROR: Floats = np.array([_TABLE[m][1] for m in Material], np.float32)
METAL: Floats = np.array([_TABLE[m][2] for m in Material], np.float32)
GLOW: Floats = np.array([_TABLE[m][3] for m in Material], np.float32)
