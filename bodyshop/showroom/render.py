"""Photograph one car: camera, place, light, damage and the camera's own flaws."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.spatial import ConvexHull

from bodyshop.showroom.bodies import BODIES
from bodyshop.showroom.camera import Camera, frame_all, look_at, orbit
from bodyshop.showroom.car import CABIN, car_mesh, deck_height, half_width
from bodyshop.showroom.damage import Decal, apply_damage, can_bear, draw_tile, touched
from bodyshop.showroom.light import from_srgb, tone_map
from bodyshop.showroom.materials import Material
from bodyshop.showroom.scenes import Scene, make_scene
from bodyshop.showroom.shade import PLATE_PIXELS, Paint, finish_of, shade
from bodyshop.showroom.surface import Surface, visible_surface

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
    finish = finish_of(surface, shot.paint, number_plates(look), shot.body)
    decals = choose_decals(surface, fine, shot.damage, harm)
    touched_by, frosted = apply_damage(surface, finish, decals)
    colour = tone_map(shade(surface, finish, scene, shot.body, frosted) * np.float32(2**shot.exposure))
    rgb = tone_map(_background(scene, camera, shot) * np.float32(2**shot.exposure))
    rgb = _composite(rgb, colour, surface.pixel, camera)
    masks = {name: _footprint(surface.pixel[at], camera) for name, at in touched_by.items()}
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


def choose_decals(surface: Surface, camera: Camera, classes: tuple[str, ...], rng: Rng) -> list[Decal]:
    """Lay one decal per class on a spot that the camera sees well.

    A spot is tried again, up to 16 times, until the damage covers at least 0.6 % of the picture;
    the best one is taken.
    """
    chosen: list[Decal] = []
    facing = np.einsum("ij,ij->i", surface.normal, surface.view)
    column = surface.pixel % camera.width / camera.width
    row = surface.pixel // camera.width / camera.height
    central = (np.abs(column - 0.5) < 0.38) & (np.abs(row - 0.5) < 0.38) & (facing > 0.42)
    central &= surface.position[:, 2] > 0.3
    pixels = camera.width * camera.height
    for name in classes:
        spots = np.flatnonzero(central & can_bear(name, surface))
        if not len(spots):
            continue
        best, best_area = None, -1
        want = float(np.exp(rng.uniform(np.log(0.016), np.log(0.07))))
        for _ in range(16):
            spot = int(spots[rng.integers(len(spots))])
            on_glass = surface.material[spot] == Material.GLASS
            if on_glass and rng.random() < 0.5:
                continue
            decal = _lay(surface, camera, name, spot, want, rng, bool(on_glass))
            at, _texel = touched(surface, decal)
            area = len(at)
            for other in chosen:  # keep the classes apart
                area -= 2 * np.isin(at, touched(surface, other)[0]).sum()
            if area > best_area:
                best, best_area = decal, area
            if area > 0.006 * pixels:
                break
        if best is not None:
            chosen.append(best)
    return chosen


def _lay(
    surface: Surface, camera: Camera, name: str, spot: int, want: float, rng: Rng, on_glass: bool
) -> Decal:
    tile = draw_tile(name, rng, on_glass=on_glass)
    centre, normal = surface.position[spot], surface.normal[spot]
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


def _background(scene: Scene, camera: Camera, shot: Shot) -> F32:
    """Sky, skyline and the ground with the car's shadow: linear RGB (h * w, 3)."""
    n = camera.width * camera.height
    rays = camera.rays(np.arange(n))
    rays /= np.sqrt(np.einsum("ij,ij->i", rays, rays))[:, None]
    out = np.empty((n, 3), np.float32)
    up = rays[:, 2] >= -1e-4
    out[up] = scene.radiance(rays[up])
    down = np.flatnonzero(~up)
    t = -camera.eye[2] / rays[down, 2]
    xy = camera.eye[:2] + t[:, None] * rays[down, :2]
    size = t / camera.focal / np.clip(-rays[down, 2], 0.02, 1)
    ground = scene.ground(xy, size.astype(np.float32))
    far = 1 - np.exp(-np.log(2) * np.maximum(t - 8, 0) / scene.haze[1])
    ground = ground * (1 - far[:, None]) + scene.haze[0] * far[:, None]
    out[down] = ground * (1 - _shadow(scene, shot.body, xy))[:, None]
    return out


def _shadow(scene: Scene, kind: str, xy: F32) -> F32:
    """Darkness 0..1 of the ground: soft under the car, sharper where the sun is blocked."""
    spec = BODIES[kind]
    middle = (spec.nose + spec.tail) / 2
    half = np.array([(spec.nose - spec.tail) / 2 - 0.3, spec.half_width - 0.22], np.float32)
    q = np.abs(xy - np.float32([middle, 0])) - half
    outside = np.sqrt((np.maximum(q, 0) ** 2).sum(1)) - 0.1
    soft = np.where(outside < 0, 1.0, np.exp(-outside / 0.24))
    dark = scene.contact * soft * np.where(outside < 0, 1.0, 0.9)
    for x in (spec.axle, -spec.axle):
        for y in (spec.half_width - 0.12, -spec.half_width + 0.12):
            d = ((xy[:, 0] - x) / 0.24) ** 2 + ((xy[:, 1] - y) / 0.16) ** 2
            dark = np.maximum(dark, 0.95 * np.exp(-d))
    if scene.cast > 0:
        sun = scene.environment.sun
        mesh = car_mesh(kind)
        flat = mesh.vertices[:, :2] - mesh.vertices[:, 2:] * (sun[:2] / sun[2])
        side, scale = 384, 24.0
        origin = np.array([-8.0, -8.0])
        image = Image.new("L", (side, side), 0)
        d = ImageDraw.Draw(image)
        in_cabin = np.zeros(len(flat), bool)
        in_cabin[mesh.triangles[mesh.part == CABIN]] = True
        for points in (flat[~in_cabin][::5], flat[in_cabin]):
            hull = points[ConvexHull(points).vertices]
            d.polygon([(float(a), float(b)) for a, b in (hull - origin) * scale], fill=255)
        shape = np.asarray(image.filter(ImageFilter.GaussianBlur(1.6)), np.float32) / 255
        ij = ((xy - origin) * scale).astype(np.int32)
        inside = ((ij >= 0) & (ij < side)).all(1)
        cast = np.zeros(len(xy), np.float32)
        cast[inside] = shape[ij[inside, 1], ij[inside, 0]]
        dark = 1 - (1 - dark) * (1 - scene.cast * cast)
    return np.asarray(dark, np.float32)


def _composite(rgb: F32, colour: F32, pixel: npt.NDArray[np.int64], camera: Camera) -> F32:
    """Average the car's subsamples over the background: display values (h, w, 3)."""
    target = _coarse(pixel, camera)
    n = camera.width * camera.height
    share = np.bincount(target, minlength=n).astype(np.float32) / SUPERSAMPLING**2
    out = rgb * (1 - share)[:, None]
    for k in range(3):
        out[:, k] += np.bincount(target, weights=colour[:, k], minlength=n) / SUPERSAMPLING**2
    return out.reshape(camera.height, camera.width, 3)


def _coarse(pixel: npt.NDArray[np.int64], camera: Camera) -> npt.NDArray[np.int64]:
    wide = camera.width * SUPERSAMPLING
    return (pixel // wide // SUPERSAMPLING) * camera.width + (pixel % wide) // SUPERSAMPLING


def _footprint(pixel: npt.NDArray[np.int64], camera: Camera) -> npt.NDArray[np.bool_]:
    out = np.zeros(camera.width * camera.height, bool)
    out[_coarse(pixel, camera)] = True
    return out.reshape(camera.height, camera.width)


def _develop(rgb: F32, shot: Shot, rng: Rng) -> U8:
    """Vignetting, noise, blur and rounding."""
    h, w = rgb.shape[:2]
    y = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, w, dtype=np.float32)[None]
    rgb = rgb * (1 - shot.vignette * 0.5 * (x * x + y * y))[..., None]
    noise = rng.standard_normal((h, w, 1), np.float32) + 0.5 * rng.standard_normal((h, w, 3), np.float32)
    out = np.clip(rgb + noise * np.float32(shot.noise), 0, 255)
    if shot.blur:
        soft = Image.fromarray(out.astype(np.uint8)).filter(ImageFilter.GaussianBlur(shot.blur))
        return np.asarray(soft)
    return (out + 0.5).clip(0, 255).astype(np.uint8)
