"""Photograph one car: camera, place, light, damage and the camera's own flaws."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.spatial import ConvexHull

from bodyshop.showroom.bodies import BODIES, BodySpec
from bodyshop.showroom.camera import Camera, frame_all, look_at, orbit
from bodyshop.showroom.car import CABIN, car_mesh, deck_height, half_width
from bodyshop.showroom.damage import Decal, apply_damage, can_bear, draw_tile, touched
from bodyshop.showroom.light import from_srgb, tone_map
from bodyshop.showroom.materials import Material
from bodyshop.showroom.scenes import Scene, make_scene
from bodyshop.showroom.shade import PLATE_PIXELS, Paint, finish_of, shade
from bodyshop.showroom.surface import CHUNK, Surface, dot, length, thin_out, visible_surface

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Rng = np.random.Generator

SUPERSAMPLING = 2

PARTS = ("front_corner", "front", "front_wheel", "door", "rear_wheel", "rear_corner", "rear", "bonnet")


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


@dataclass(frozen=True, slots=True)
class Photo:
    """A finished picture: `rgb` uint8 (h, w, 3), and per damage class the touched pixels, bool (h, w)."""

    rgb: U8
    masks: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Pixels with damage of any class."""
        out = np.zeros(self.rgb.shape[:2], bool)
        for m in self.masks.values():
            out |= m
        return out


def render(shot: Shot) -> Photo:
    """Render a shot."""
    streams = np.random.SeedSequence(shot.seed).spawn(3)
    look, harm, grain = (np.random.default_rng(s) for s in streams)
    scene = make_scene(shot.scene, shot.scene_seed)
    camera = frame(shot)
    fine = camera.scaled(SUPERSAMPLING)
    surface = visible_surface(shot.body, fine)
    plates = number_plates(look)
    spec = BODIES[shot.body]
    decals = choose_decals(surface, fine, shot.damage, spec, harm)
    harmed = np.zeros(len(surface.pixel), bool)
    for decal in decals:
        harmed[touched(surface, decal, spec)[0]] = True
    target = _coarse(surface.pixel, camera)
    cover = np.bincount(target, minlength=camera.width * camera.height)
    chosen, weight = thin_out(surface, fine, SUPERSAMPLING, harmed)
    surface, target = surface.only(chosen), target[chosen]
    colour = np.empty((3, len(chosen)), np.float32)
    masks: dict[str, npt.NDArray[np.bool_]] = {}
    gain = np.float32(2**shot.exposure)
    for chunk, some in surface.chunks():
        finish = finish_of(some, shot.paint, plates, shot.body)
        hit, frosted = apply_damage(some, finish, decals, spec)
        colour[:, chunk] = tone_map(shade(some, finish, scene, shot.body, frosted) * gain) * weight[chunk]
        for name, at in hit.items():
            mask = masks.setdefault(name, np.zeros((camera.height, camera.width), bool))
            mask.ravel()[target[chunk][at]] = True
    rgb = _backdrop(scene, camera, shot, gain, np.float32(1) - cover.astype(np.float32) * np.float32(1 / SUPERSAMPLING**2))
    for k in range(3):
        rgb[k] += np.bincount(target, weights=colour[k], minlength=len(cover)).astype(np.float32)
    rgb = rgb.reshape(3, camera.height, camera.width)
    return Photo(_develop(rgb, shot, grain), masks)


def frame(shot: Shot) -> Camera:
    """Return the camera of a shot."""
    mesh = car_mesh(shot.body)
    if shot.focus is None:
        return frame_all(
            mesh.vertices[::7], shot.angle_deg, shot.elevation_deg, shot.distance, shot.width, shot.height,
            fill=shot.fill, shift=shot.shift, roll_deg=shot.roll_deg,
        )
    target = part_centre(shot.body, shot.focus, shot.angle_deg)
    eye = orbit(shot.angle_deg, shot.elevation_deg, shot.distance * 0.6, target)
    focal = shot.width * shot.distance * 0.6 / shot.reach
    aim = target + 0.12 * shot.reach * np.array([shot.shift[0], shot.shift[0], shot.shift[1]])
    return look_at(eye, aim, focal, shot.width, shot.height, roll_deg=shot.roll_deg)


def part_centre(kind: str, focus: str, angle_deg: float) -> npt.NDArray[np.float64]:
    """Where on the car a close view looks; the side that faces the camera."""
    spec = BODIES[kind]
    side = 1.0 if np.sin(np.radians(angle_deg)) >= 0 else -1.0
    w = spec.half_width * side
    belt = float(deck_height(spec, np.zeros(1))[0])
    spots = {
        "front_corner": (spec.nose - 0.4, 0.75 * w, 0.58),
        "front": (spec.nose - 0.1, 0.0, 0.58),
        "front_wheel": (spec.axle + 0.05, w, 0.5),
        "door": (0.15, w, 0.75 * belt),
        "rear_wheel": (-spec.axle - 0.05, w, 0.52),
        "rear_corner": (spec.tail + 0.4, 0.75 * w, 0.62),
        "rear": (spec.tail + 0.1, 0.0, 0.65),
        "bonnet": (spec.nose - 0.6, 0.3 * w, 0.75),
    }
    return np.array(spots[focus])


def number_plates(rng: Rng) -> tuple[F32, F32]:
    """Draw the front and rear number plate: linear RGB pictures."""
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
    text = "".join(rng.choice(list(letters), 2)) + " " + "".join(rng.choice(list("0123456789"), rng.integers(3, 5)))
    text += " " + str(rng.choice(list(letters)))
    styles = [((240, 240, 234), (20, 20, 24)), ((240, 240, 234), (20, 20, 24)), ((236, 196, 40), (20, 20, 20)),
              ((228, 236, 240), (20, 60, 120))]
    back, ink = styles[int(rng.integers(len(styles)))]
    band = rng.random() < 0.5
    w, h = PLATE_PIXELS
    image = Image.new("RGB", (w, h), back)
    d = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=h * 0.78)
    d.text((w * (0.54 if band else 0.5), h * 0.5), text, font=font, fill=ink, anchor="mm", stroke_width=1, stroke_fill=ink)
    d.rectangle((1, 1, w - 2, h - 2), outline=ink, width=2)
    if band:
        d.rectangle((2, 2, int(w * 0.085), h - 3), fill=(20, 60, 150))
    plate = from_srgb(np.asarray(image))
    return plate, plate


def choose_decals(
    surface: Surface, camera: Camera, classes: tuple[str, ...], spec: BodySpec, rng: Rng
) -> list[Decal]:
    """Lay one decal per class on a spot that the camera sees well.

    A spot is tried again, up to 16 times, until the damage covers at least `MIN_AREA` of the picture; the best one
    is taken. Where nothing in view can crack, the crack becomes a dent.
    """
    if not classes:
        return []
    chosen: list[Decal] = []
    taken = np.zeros(len(surface.pixel), bool)
    facing = dot(surface.normal, surface.view)
    row, column = np.divmod(surface.pixel, camera.width)
    central = (np.abs(column / camera.width - 0.5) < 0.38) & (np.abs(row / camera.height - 0.5) < 0.38)
    central &= (facing > 0.42) & (surface.position[2] > 0.3)
    pixels = camera.width * camera.height
    for wanted in classes:
        name = wanted
        spots = np.flatnonzero(central & can_bear(name, surface, spec))
        if len(spots) < MIN_AREA * pixels:
            name = "dent"
            spots = np.flatnonzero(central & can_bear(name, surface, spec))
        if not len(spots) or name in [d.name for d in chosen]:
            continue
        best, best_at = None, np.zeros(0, np.int64)
        want = float(np.exp(rng.uniform(np.log(0.016), np.log(0.07))))
        for _ in range(16):
            spot = int(spots[rng.integers(len(spots))])
            decal = _lay(surface, camera, name, spot, want, rng, bool(surface.material[spot] == Material.GLASS))
            at, _texel = touched(surface, decal, spec)
            area = len(at) - 2 * int(taken[at].sum())  # keep the classes apart
            if area > len(best_at):
                best, best_at = decal, at
            if area > MIN_AREA * pixels:
                break
            want = min(want * 1.12, 0.1)
        if best is not None:
            chosen.append(best)
            taken[best_at] = True
    return chosen


MIN_AREA = 0.0075
"""Smallest share of the picture that a damage should cover."""


def _lay(
    surface: Surface, camera: Camera, name: str, spot: int, want: float, rng: Rng, on_glass: bool
) -> Decal:
    tile = draw_tile(name, rng, on_glass=on_glass)
    centre, normal = surface.position[:, spot], surface.normal[:, spot]
    level = np.cross(normal, [0.0, 0.0, 1.0])
    if np.linalg.norm(level) < 0.35:  # bonnet or roof
        level = np.array([1.0, 0.0, 0.0]) - normal[0] * normal
    level /= np.linalg.norm(level)
    across = np.cross(normal, level)
    turn = rng.normal(0, 0.2) if name == "scratch" else rng.uniform(0, 2 * np.pi)
    along = np.cos(turn) * level + np.sin(turn) * across
    across = np.cross(normal, along)
    depth = float((centre - camera.eye) @ camera.forward)
    per_metre = camera.focal / depth
    share = max(float(tile.cover.mean()), 0.05)
    half = np.sqrt(want * camera.width * camera.height / (4 * tile.aspect * share)) / per_metre
    half = float(np.clip(half, 0.08, 0.62))
    f32 = np.float32
    return Decal(name, tile, centre.astype(f32), along.astype(f32), across.astype(f32), half)


def _backdrop(scene: Scene, camera: Camera, shot: Shot, gain: np.float32, free: F32) -> F32:
    """Sky, skyline and the ground with the car's shadow: display values (3, h * w).

    `free` is the share of each pixel that the car leaves free, (h * w,); the result is multiplied by it.
    """
    out = np.zeros((3, len(free)), np.float32)
    cast = _cast_shadow(scene, shot.body) if scene.cast > 0 else None
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
        out[:, seen] = tone_map(ground * (1 - _shadow(scene, shot.body, xy, cast)) * gain) * free[seen]
    return out


_CAST_SIDE, _CAST_SCALE, _CAST_ORIGIN = 384, 24.0, -8.0


def _cast_shadow(scene: Scene, kind: str) -> F32:
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


def _shadow(scene: Scene, kind: str, xy: F32, cast: F32 | None) -> F32:
    """Darkness 0..1 of the ground: soft under the car, sharper where the sun is blocked."""
    spec = BODIES[kind]
    middle = (spec.nose + spec.tail) / 2
    x, y = xy
    qx = np.maximum(np.abs(x - np.float32(middle)) - np.float32((spec.nose - spec.tail) / 2 - 0.3), 0)
    qy = np.maximum(np.abs(y) - np.float32(spec.half_width - 0.22), 0)
    outside = np.sqrt(qx * qx + qy * qy) - np.float32(0.1)
    tight = 1 / (1 + np.exp(np.minimum((outside - np.float32(0.08)) / np.float32(0.085), 30)))
    wide = np.exp(-np.maximum(outside, 0) / np.float32(0.55))
    dark = np.float32(scene.contact) * (np.float32(0.72) * tight + np.float32(0.28) * wide)
    # the four tyres: symmetric in both axes but for the car's middle
    dx, dy = (np.abs(x) - np.float32(spec.axle)) / np.float32(0.24), (np.abs(y) - np.float32(spec.half_width - 0.12)) / np.float32(0.16)
    d = dx * dx + dy * dy
    near = np.flatnonzero(d < 9)
    dark[near] = np.maximum(dark[near], np.float32(0.95) * np.exp(-d[near]))
    if cast is not None:
        ij = ((xy - _CAST_ORIGIN) * _CAST_SCALE).astype(np.int32)
        inside = np.flatnonzero(((ij >= 0) & (ij < _CAST_SIDE)).all(0))
        ij = ij[:, inside]
        dark[inside] = 1 - (1 - dark[inside]) * (1 - np.float32(scene.cast) * cast[ij[1], ij[0]])
    return np.asarray(dark, np.float32)


def _coarse(pixel: npt.NDArray[np.int64], camera: Camera) -> npt.NDArray[np.int64]:
    row, column = np.divmod(pixel.astype(np.int32), np.int32(camera.width * SUPERSAMPLING))
    return (row // SUPERSAMPLING) * camera.width + column // SUPERSAMPLING


@lru_cache(maxsize=1)
def _grain() -> F32:
    """A reel of sensor noise, mean 0, deviation 1; pictures cut pieces from it."""
    return np.random.default_rng(1826).standard_normal(3_000_000, np.float32)


def _develop(rgb: F32, shot: Shot, rng: Rng) -> U8:
    """Vignetting, noise, blur and rounding."""
    h, w = rgb.shape[1:]
    y = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, w, dtype=np.float32)[None]
    rgb = rgb * (1 - shot.vignette * 0.5 * (x * x + y * y))
    bank = _grain()
    starts = rng.integers(0, len(bank) - h * w, 4)
    grey, *colours = (bank[s : s + h * w].reshape(h, w) for s in starts)
    for k in range(3):
        rgb[k] += np.float32(shot.noise) * (grey + np.float32(0.5) * colours[k])
    out = np.clip(rgb.transpose(1, 2, 0), 0, 255)
    if shot.blur:
        soft = Image.fromarray(out.astype(np.uint8)).filter(ImageFilter.GaussianBlur(shot.blur))
        return np.asarray(soft)
    return (out + np.float32(0.499)).astype(np.uint8)
