"""Light from all directions: environment maps, reflections and tone mapping.

Directions are looked up in an octahedral map (Engelhardt and Dachsbacher 2008), which needs no
trigonometry. Colours are linear RGB, 1.0 = white paper in the sun's open shade.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from showroom.arrays import Floats

SHARP = 224
_BLOCK = 7
_GLOSSY = 48
_COARSE = 24


@dataclass(frozen=True, slots=True)
class Environment:
    """Light around the car.

    Attributes
    ----------
    sharp
        What a mirror sees, (3, SHARP * SHARP).
    glossy
        The same through brushed metal, (3, _GLOSSY**2).
    irradiance
        Cosine-weighted mean over the hemisphere around a normal, (3, _COARSE**2).
    sun
        Unit vector towards the sun or main lamp.
    sun_colour
        Its irradiance on a surface facing it, linear RGB.
    """

    sharp: Floats
    glossy: Floats
    irradiance: Floats
    sun: Floats
    sun_colour: Floats


def build_environment(
    radiance: Callable[[Floats], Floats], sun: npt.ArrayLike, sun_colour: npt.ArrayLike
) -> Environment:
    """Sample `radiance` (directions (3.

    N) -> linear RGB (3, n)) into the maps of an `Environment`.
    """
    sharp = radiance(np.ascontiguousarray(octahedron(SHARP).T)).astype(np.float32)
    cells = SHARP // _BLOCK
    small = sharp.reshape(3, cells, _BLOCK, cells, _BLOCK).mean((2, 4)).reshape(3, -1)
    # einsum, not @: a matrix this small is not worth waking the BLAS threads of every worker
    glossy = np.einsum("ck,sk->cs", small, _kernel(_GLOSSY, 40.0))
    irradiance = np.einsum("ck,sk->cs", small, _kernel(_COARSE, 1.0))
    return Environment(
        sharp,
        glossy,
        irradiance,
        np.asarray(sun, np.float32) / np.float32(np.linalg.norm(np.asarray(sun))),
        np.asarray(sun_colour, np.float32),
    )


def look_up(octahedral: Floats, direction: Floats, *, smooth: bool = False) -> Floats:
    """Return the map's value in each direction (3.

    N): nearest texel or, `smooth`, bilinear; (3, n).
    """
    side = round(octahedral.shape[1] ** 0.5)
    x, y, z = direction
    scale = np.abs(x) + np.abs(y) + np.abs(z)
    np.divide(np.float32(1), scale, out=scale)
    u, v = x * scale, y * scale
    below = np.flatnonzero(z < 0)
    if len(below):
        ub, vb = u[below], v[below]
        u[below] = np.copysign(1 - np.abs(vb), ub)
        v[below] = np.copysign(1 - np.abs(ub), vb)
    half = np.float32(side / 2)
    if not smooth:
        last = np.float32(side - 0.01)
        column = np.minimum(u * half + half, last).astype(np.int32)
        row = np.minimum(v * half + half, last).astype(np.int32)
        return octahedral[:, row * side + column]
    last = np.float32(side - 1.01)
    u, v = (
        np.clip(u * half + (half - np.float32(0.5)), 0, last),
        np.clip(v * half + (half - np.float32(0.5)), 0, last),
    )
    column, row = u.astype(np.int32), v.astype(np.int32)
    u -= column
    v -= row
    at = row * side + column
    out = np.empty_like(direction)
    for k, plane in enumerate(octahedral):
        top, low = plane[at], plane[at + side]
        top += (plane[at + 1] - top) * u
        low += (plane[at + side + 1] - low) * u
        out[k] = top + (low - top) * v
    return out


@lru_cache(maxsize=4)
def octahedron(side: int) -> Floats:
    """Return the unit directions of an octahedral map's texel centres, (side**2, 3)."""
    t = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    u, v = np.meshgrid(t, t)
    z = 1 - np.abs(u) - np.abs(v)
    below = z < 0
    x = np.where(below, np.copysign(1 - np.abs(v), u), u)
    y = np.where(below, np.copysign(1 - np.abs(u), v), v)
    d = np.stack([x, y, z], -1).reshape(-1, 3)
    return (d / np.linalg.norm(d, axis=1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=4)
def _kernel(side: int, exponent: float) -> Floats:
    """Weights (side**2, cells**2) that blur a coarse map with a cosine lobe."""
    cells = SHARP // _BLOCK
    source = octahedron(SHARP).reshape(cells, _BLOCK, cells, _BLOCK, 3).mean((1, 3)).reshape(-1, 3)
    source /= np.linalg.norm(source, axis=1, keepdims=True)
    weight = np.maximum(octahedron(side) @ source.T, 0) ** exponent
    return (weight / weight.sum(1, keepdims=True)).astype(np.float32)


def tone_map(linear: Floats) -> Floats:
    """Map linear radiance to display values 0..255 with a filmic curve and the sRGB gamma.

    The curve is Narkowicz' fit of ACES (2015); a table of 4,096 steps over 0..8 replaces the
    powers.
    """
    index = np.clip(np.sqrt(np.maximum(linear, 0)) * np.float32(_STEPS / 8**0.5), 0, _STEPS - 1)
    return _curve()[index.astype(np.int32)]


_STEPS = 4096


@lru_cache(maxsize=1)
def _curve() -> Floats:
    x = ((np.arange(_STEPS) + 0.5) / _STEPS) ** 2 * 8 * 0.8
    y = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
    return np.where(y <= 0.0031308, 12.92 * y, 1.055 * y ** (1 / 2.4) - 0.055).astype(
        np.float32
    ) * np.float32(255)


def from_srgb(colour: npt.ArrayLike) -> Floats:
    """Convert display values 0..255 to linear 0..1."""
    if isinstance(colour, np.ndarray) and colour.dtype == np.uint8:
        return _linear()[colour]
    c = np.asarray(colour, np.float32) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)


@lru_cache(maxsize=1)
def _linear() -> Floats:
    return from_srgb(np.arange(256, dtype=np.float32))
