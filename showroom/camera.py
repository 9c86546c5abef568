"""Pinhole cameras and how they frame a car."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from showroom.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera.

    Attributes
    ----------
    eye
        Position in metres, (3,).
    right, up, forward
        Orthonormal axes, (3,) each.
    focal
        Focal length in pixels.
    centre
        Principal point in pixels (column, row).
    width, height
        Size of the picture in pixels.
    """

    eye: Floats
    right: Floats
    up: Floats
    forward: Floats
    focal: float
    centre: tuple[float, float]
    width: int
    height: int

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Return screen positions in pixels (n.

        2) and inverse depths (n,) of world points (n, 3).
        """
        v = points - self.eye
        inverse = 1 / np.maximum(v @ self.forward, 1e-3)
        x = self.centre[0] + self.focal * (v @ self.right) * inverse
        y = self.centre[1] - self.focal * (v @ self.up) * inverse
        return np.stack([x, y], 1), inverse

    def rays(self, pixel: Ints) -> Floats:
        """Return the view ray of each flat pixel index.

        Scaled to length 1 along the view axis, (3, n).
        """
        row, column = np.divmod(pixel.astype(np.int32), np.int32(self.width))
        x = (column + np.float32(0.5 - self.centre[0])) * np.float32(1 / self.focal)
        y = (np.float32(self.centre[1] - 0.5) - row) * np.float32(1 / self.focal)
        x, y = x.astype(np.float32), y.astype(np.float32)
        return np.stack(
            [x * r + y * u + f for r, u, f in zip(self.right, self.up, self.forward, strict=True)]
        )

    def scaled(self, factor: int) -> Camera:
        """Return the same view with `factor` times as many pixels along each side."""
        return Camera(
            self.eye,
            self.right,
            self.up,
            self.forward,
            self.focal * factor,
            (self.centre[0] * factor, self.centre[1] * factor),
            self.width * factor,
            self.height * factor,
        )


def look_at(
    eye: npt.ArrayLike,
    target: npt.ArrayLike,
    focal: float,
    width: int,
    height: int,
    *,
    roll_deg: float = 0.0,
) -> Camera:
    """Return a camera at `eye` that looks at `target`."""
    position = np.asarray(eye, float)
    forward = np.asarray(target, float) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    c, s = np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))
    right, up = c * right + s * up, c * up - s * right
    f32 = np.float32
    return Camera(
        position.astype(f32),
        right.astype(f32),
        up.astype(f32),
        forward.astype(f32),
        float(focal),
        (width / 2, height / 2),
        width,
        height,
    )


def orbit(angle_deg: float, elevation_deg: float, distance: float, target: npt.ArrayLike) -> Floats:
    """Return the eye that sees `target` from `distance`.

    Angle 0 in front of the car, 90 at its left side.
    """
    a, e = np.radians([angle_deg, elevation_deg])
    direction = np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
    return np.asarray(target, float) + distance * direction


def frame_all(
    points: Floats,
    angle_deg: float,
    elevation_deg: float,
    distance: float,
    width: int,
    height: int,
    *,
    fill: float = 0.86,
    shift: tuple[float, float] = (0.0, 0.0),
    roll_deg: float = 0.0,
) -> Camera:
    """Frame all `points`: they take `fill` of the width or height, whichever is tighter.

    `shift` moves the car off the centre, as a share of the free space (-1 .. 1).
    """
    target = np.array(
        [(points[:, 0].min() + points[:, 0].max()) / 2, 0.0, points[:, 2].max() * 0.45]
    )
    eye = orbit(angle_deg, elevation_deg, distance, target)
    probe = look_at(eye, target, 1000.0, width, height, roll_deg=roll_deg)
    screen, _ = probe.project(points)
    low, high = screen.min(0), screen.max(0)
    size = high - low
    scale = min(fill * width / size[0], fill * height / size[1])
    middle = (low + high) / 2 - np.array(probe.centre)
    free = (np.array([width, height]) - size * scale) / 2
    centre = np.array([width, height]) / 2 - middle * scale + np.array(shift) * free
    return Camera(
        probe.eye,
        probe.right,
        probe.up,
        probe.forward,
        1000.0 * scale,
        (float(centre[0]), float(centre[1])),
        width,
        height,
    )
