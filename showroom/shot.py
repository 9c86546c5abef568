"""What decides one picture, and where its camera stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from showroom.arrays import Floats
from showroom.bodies import BODIES
from showroom.camera import Camera, frame_all, look_at, orbit
from showroom.car import car_mesh, deck_height
from showroom.shade import Paint

PARTS = (
    "front_corner",
    "front",
    "front_wheel",
    "door",
    "rear_wheel",
    "rear_corner",
    "rear",
    "bonnet",
)


@dataclass(frozen=True, slots=True)
class Shot:
    """All that decides one picture; two equal shots give equal pixels.

    Attributes
    ----------
    body, paint, scene, scene_seed
        What stands where.
    angle_deg, elevation_deg, distance
        Camera around the car; metres.
    focus
        None for the whole car, or one of `PARTS` for a close view.
    reach
        For a close view: metres of car across the picture.
    damage
        Damage classes to press onto the car, in order; empty for a whole one.
    seed
        Everything else that is random: plate, shadow, noise, where the damage lies.
    exposure, noise, vignette
        Stops, display levels, share lost in the corners.
    blur
        Radius of a camera blur in pixels.
    """

    body: str
    paint: Paint
    scene: str
    scene_seed: int
    angle_deg: float
    elevation_deg: float
    width: int
    height: int
    seed: int
    distance: float = 9.0
    focus: str | None = None
    reach: float = 2.0
    fill: float = 0.86
    shift: tuple[float, float] = (0.0, 0.0)
    roll_deg: float = 0.0
    damage: tuple[str, ...] = ()
    exposure: float = 0.0
    noise: float = 2.0
    vignette: float = 0.12
    blur: float = 0.0
    turntable: bool = False


def frame(shot: Shot) -> Camera:
    """Return the camera of a shot."""
    mesh = car_mesh(shot.body)
    if shot.focus is None:
        return frame_all(
            mesh.vertices[::7],
            shot.angle_deg,
            shot.elevation_deg,
            shot.distance,
            shot.width,
            shot.height,
            fill=shot.fill,
            shift=shot.shift,
            roll_deg=shot.roll_deg,
        )
    target = part_centre(shot.body, shot.focus, shot.angle_deg)
    eye = orbit(shot.angle_deg, shot.elevation_deg, shot.distance * 0.6, target)
    # a door alone could be a fridge: step back until a wheel or a mirror is in the picture
    reach = shot.reach * (1.22 if shot.focus == "door" else 1.0)
    focal = shot.width * shot.distance * 0.6 / reach
    aim = target + 0.12 * reach * np.array([shot.shift[0], shot.shift[0], shot.shift[1]])
    return look_at(eye, aim, focal, shot.width, shot.height, roll_deg=shot.roll_deg)


def part_centre(kind: str, focus: str, angle_deg: float) -> Floats:
    """Where on the car a close view looks; the side that faces the camera."""
    spec = BODIES[kind]
    side = 1.0 if np.sin(np.radians(angle_deg)) >= 0 else -1.0
    w = spec.half_width * side
    belt = float(deck_height(spec, np.zeros(1))[0])
    spots = {
        "front_corner": (spec.nose - 0.4, 0.75 * w, 0.58),
        "front": (spec.nose - 0.1, 0.0, 0.58),
        "front_wheel": (spec.axle + 0.05, w, 0.5),
        "door": (0.4, w, 0.72 * belt),
        "rear_wheel": (-spec.axle - 0.05, w, 0.52),
        "rear_corner": (spec.tail + 0.4, 0.75 * w, 0.62),
        "rear": (spec.tail + 0.1, 0.0, 0.65),
        "bonnet": (spec.nose - 0.6, 0.3 * w, 0.75),
    }
    return np.array(spots[focus])
