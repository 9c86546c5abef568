"""Rendered pictures: exact masks, repeatable bytes, whole cars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from showroom.bodies import BODIES
from showroom.car import car_mesh
from showroom.decoys import KINDS, draw_decoy
from showroom.light import look_up, octahedron, tone_map
from showroom.raster import rasterise
from showroom.render import render
from showroom.scenes import SCENES, make_scene
from showroom.shade import Paint
from showroom.shot import PARTS, Shot, frame
from showroom.tiles import DAMAGE_CLASSES

SHOT = Shot("hatch", Paint((170, 30, 28), 0.3), "plaza", 1, 60, 6, 240, 160, 5)


@pytest.mark.parametrize("classes", [("scratch",), ("dent",), ("crack",), ("scratch", "dent")])
@pytest.mark.parametrize("focus", [None, "front_corner"])
def test_a_mask_holds_every_pixel_that_the_damage_changed_and_no_other(
    classes: tuple[str, ...], focus: str | None
) -> None:
    whole = replace(SHOT, focus=focus, angle_deg=40)
    damaged = render(replace(whole, damage=classes))
    changed = (damaged.rgb != render(whole).rgb).any(2)
    mask = damaged.mask
    assert set(damaged.masks) <= set(DAMAGE_CLASSES)
    assert mask.mean() > 0.005
    assert not (changed & ~mask).any()
    assert changed[mask].mean() > 0.9


def test_a_whole_car_has_no_mask() -> None:
    assert render(SHOT).masks == {}


def test_damage_covers_a_visible_share_of_the_picture() -> None:
    areas = []
    for seed in range(12):
        focus = ("door", None)[seed % 2]
        shot = replace(SHOT, seed=seed, focus=focus, angle_deg=80, damage=("dent",))
        areas.append(render(shot).mask.mean())
    assert min(areas) > 0.005
    assert max(areas) < 0.2


def test_equal_shots_give_equal_pixels_and_another_seed_others() -> None:
    shot = replace(SHOT, damage=("scratch",))
    assert np.array_equal(render(shot).rgb, render(shot).rgb)
    assert not np.array_equal(render(shot).rgb, render(replace(shot, seed=6)).rgb)


@pytest.mark.parametrize("kind", BODIES)
def test_every_body_is_seen_whole_inside_the_frame(kind: str) -> None:
    shot = replace(SHOT, body=kind, angle_deg=215, fill=0.9)
    screen, inverse = frame(shot).project(car_mesh(kind).vertices)
    assert (inverse > 0).all()
    assert screen[:, 0].min() >= 0
    assert screen[:, 0].max() <= shot.width
    assert screen[:, 1].min() >= -1
    assert screen[:, 1].max() <= shot.height + 1


@pytest.mark.parametrize("kind", BODIES)
def test_meshes_are_sound(kind: str) -> None:
    mesh = car_mesh(kind)
    spec = BODIES[kind]
    assert np.isfinite(mesh.vertices).all()
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-3)
    assert np.isclose(mesh.vertices[:, 2].min(), 0, atol=0.02), "the wheels stand on the ground"
    assert abs(mesh.vertices[:, 2].max() - spec.height) < 0.12
    assert mesh.triangles.max() < len(mesh.vertices)


def test_the_nearer_triangle_hides_the_farther_one() -> None:
    square = [(2, 2), (2, 18), (18, 18), (18, 2)]
    screen = np.array(square * 2, np.float32)
    inverse = np.array([0.5] * 4 + [0.25] * 4, np.float32)
    near, far = [(0, 1, 2), (0, 2, 3)], [(4, 5, 6), (4, 6, 7)]
    for triangles in (near + far, far + near):
        order = np.array(triangles, np.int32)
        found = rasterise(screen, inverse, order, 20, 20)
        assert len(found.pixel) == 16 * 16
        assert (order[found.triangle] < 4).all()


def test_triangles_that_share_an_edge_leave_no_gap_and_no_doubles() -> None:
    rng = np.random.default_rng(0)
    inner = rng.uniform(5, 35, (40, 2))
    from scipy.spatial import Delaunay

    points = np.vstack([inner, [(1, 1), (39, 1), (39, 39), (1, 39)]])
    triangles = Delaunay(points).simplices
    a, b, c = (points[triangles[:, k]] for k in range(3))
    clockwise = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] > 0
    triangles[clockwise] = triangles[clockwise][:, ::-1]
    found = rasterise(
        points.astype(np.float32), np.ones(44, np.float32), triangles.astype(np.int32), 40, 40
    )
    assert len(found.pixel) == 38 * 38
    assert len(np.unique(found.pixel)) == len(found.pixel)


def test_an_octahedral_map_gives_back_each_direction() -> None:
    directions = octahedron(32)
    plane = np.ascontiguousarray(directions.T)
    assert np.allclose(look_up(plane, plane), plane, atol=1e-6)


def test_tone_mapping_is_increasing_and_stays_on_the_scale() -> None:
    out = tone_map(np.linspace(0, 30, 500, dtype=np.float32))
    assert (np.diff(out) >= 0).all()
    assert out[0] < 3
    assert out[-1] <= 255


@pytest.mark.parametrize("kind", SCENES)
def test_every_place_gives_light_from_everywhere(kind: str) -> None:
    scene = make_scene(kind, 3)
    assert np.isfinite(scene.environment.sharp).all()
    assert scene.environment.irradiance.min() > 0.002
    ground = scene.ground(np.zeros((2, 5), np.float32), np.full(5, 0.01, np.float32))
    assert ground.shape == (3, 5)
    assert (ground >= 0).all()


@pytest.mark.parametrize("part", PARTS)
def test_every_part_view_is_filled_by_the_car_and_shows_its_surroundings_or_parts(
    part: str,
) -> None:
    angles = {"rear": 180, "rear_corner": 140, "rear_wheel": 100, "front": 0}
    shot = replace(SHOT, focus=part, angle_deg=angles.get(part, 50), noise=0.0)
    other = replace(shot, paint=Paint((30, 60, 170), 0.3))
    painted = (render(shot).rgb.astype(int) - render(other).rgb).any(2)
    assert 0.15 < painted.mean() < 0.95


def test_decoys_are_many_and_each_has_its_own_dice() -> None:
    assert len(KINDS) >= 12
    for kind in KINDS:
        one, two = draw_decoy(kind, 96, 64, 1), draw_decoy(kind, 96, 64, 2)
        assert one.shape == (64, 96, 3)
        assert not np.array_equal(one, two)
        assert np.array_equal(one, draw_decoy(kind, 96, 64, 1))
