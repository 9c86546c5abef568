"""What is behind and under the car: sky, skyline, and the ground with the car's shadow."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.spatial import ConvexHull

from showroom.arrays import Floats
from showroom.bodies import BODIES
from showroom.camera import Camera
from showroom.car import CABIN, car_mesh
from showroom.light import tone_map
from showroom.scenes import Scene
from showroom.surface import CHUNK, length


def backdrop(scene: Scene, camera: Camera, kind: str, gain: np.float32, free: Floats) -> Floats:
    """Sky, skyline and the ground with the car's shadow: display values (3, h * w).

    `free` is the share of each pixel that the car leaves free, (h * w,); the result is multiplied
    by it.
    """
    out = np.zeros((3, len(free)), np.float32)
    cast = _cast_shadow(scene, kind) if scene.cast > 0 else None
    fade = np.float32(-np.log(2) / scene.haze[1])
    visible = np.flatnonzero(free > 0)
    for start in range(0, len(visible), CHUNK):
        pixel = visible[start : start + CHUNK]
        rays = camera.rays(pixel)
        rays /= length(rays)
        up = rays[2] >= -1e-4
        if up.any():
            seen = pixel[up]
            out[:, seen] = tone_map(scene.radiance(rays[:, up]) * gain) * free[seen]
        rays = rays[:, ~up]
        if not rays.shape[1]:
            continue
        t = -camera.eye[2] / rays[2]
        xy = camera.eye[:2, None] + t * rays[:2]
        size = t / np.float32(camera.focal) / np.maximum(-rays[2], np.float32(0.02))
        ground = scene.ground(xy, size)
        ground += (scene.haze[0][:, None] - ground) * (1 - np.exp(np.maximum(t - 8, 0) * fade))
        seen = pixel[~up]
        out[:, seen] = tone_map(ground * (1 - _shadow(scene, kind, xy, cast)) * gain) * free[seen]
    return out


_CAST_SIDE, _CAST_SCALE, _CAST_ORIGIN = 384, 24.0, -8.0


def _cast_shadow(scene: Scene, kind: str) -> Floats:
    """Draw the car's shadow in the sun on a map of the ground, (_CAST_SIDE, _CAST_SIDE) 0..1."""
    sun = scene.environment.sun
    mesh = car_mesh(kind)
    flat = mesh.vertices[:, :2] - mesh.vertices[:, 2:] * (sun[:2] / sun[2])
    image = Image.new("L", (_CAST_SIDE, _CAST_SIDE), 0)
    d = ImageDraw.Draw(image)
    in_cabin = np.zeros(len(flat), bool)
    in_cabin[mesh.triangles[mesh.part == CABIN]] = True
    for points in (flat[~in_cabin][::5], flat[in_cabin]):
        hull = points[ConvexHull(points).vertices]
        d.polygon([(float(a), float(b)) for a, b in (hull - _CAST_ORIGIN) * _CAST_SCALE], fill=255)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(1.6)), np.float32) / 255


def _shadow(scene: Scene, kind: str, xy: Floats, cast: Floats | None) -> Floats:
    """Darkness 0..1 of the ground: soft under the car, sharper where the sun is blocked."""
    spec = BODIES[kind]
    middle = (spec.nose + spec.tail) / 2
    x, y = xy
    qx = np.maximum(
        np.abs(x - np.float32(middle)) - np.float32((spec.nose - spec.tail) / 2 - 0.3), 0
    )
    qy = np.maximum(np.abs(y) - np.float32(spec.half_width - 0.22), 0)
    outside = np.sqrt(qx * qx + qy * qy) - np.float32(0.1)
    tight = 1 / (1 + np.exp(np.minimum((outside - np.float32(0.08)) / np.float32(0.085), 30)))
    wide = np.exp(-np.maximum(outside, 0) / np.float32(0.55))
    dark = np.float32(scene.contact) * (np.float32(0.72) * tight + np.float32(0.28) * wide)
    # the four tyres: symmetric in both axes but for the car's middle
    dx, dy = (
        (np.abs(x) - np.float32(spec.axle)) / np.float32(0.24),
        (np.abs(y) - np.float32(spec.half_width - 0.12)) / np.float32(0.16),
    )
    d = dx * dx + dy * dy
    near = np.flatnonzero(d < 9)
    dark[near] = np.maximum(dark[near], np.float32(0.95) * np.exp(-d[near]))
    if cast is not None:
        ij = ((xy - _CAST_ORIGIN) * _CAST_SCALE).astype(np.int32)
        inside = np.flatnonzero(((ij >= 0) & (ij < _CAST_SIDE)).all(0))
        ij = ij[:, inside]
        dark[inside] = 1 - (1 - dark[inside]) * (1 - np.float32(scene.cast) * cast[ij[1], ij[0]])
    return np.asarray(dark, np.float32)
