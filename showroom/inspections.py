"""Two inspections of one car: the same views before and after, with known new damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from bodyshop_core.atomic import replacing
from bodyshop_core.progress import SILENT, Progress
from showroom.damage import Decal
from showroom.lineup import BRANDS, COLOURS
from showroom.render import lay_damage, render
from showroom.scenes import SCENES
from showroom.shade import Paint
from showroom.shot import Shot
from showroom.tiles import DAMAGE_CLASSES

Rng = np.random.Generator

VIEWS: tuple[tuple[float, str | None], ...] = (
    (35, None), (90, None), (145, None), (215, None), (270, None), (325, None),
    (2, "front"), (75, "front_wheel"), (262, "door"), (178, "rear"),
)  # fmt: skip
"""Heading in degrees and part of each picture of an inspection: six whole views, four parts."""

WIDTHS = 480, 504
"""Of the pictures before and after: another camera, so no two have the same noise."""

TURN_DEG = 6.0
"""How far the second photographer stands from where the first one stood, at most."""

SHOWN = 0.002
"""A picture shows a damage that covers at least this share of it."""


@dataclass(frozen=True, slots=True)
class InspectedView:
    """What is true about one view of two inspections.

    Parameters
    ----------
    before, after : Path or None
        The pictures; None where the view was left out.
    new, old : float
        Share of the picture after that damage made in between, and earlier damage, covers.
    box : (left, top, right, bottom) or None
        Around the new damage, 0 to 1 of width and height.
    """

    before: Path | None
    after: Path | None
    new: float
    old: float
    box: tuple[float, float, float, float] | None


def build_inspection(
    root: Path,
    *,
    seed: int,
    elsewhere: bool = False,
    harmed: bool = True,
    views: Sequence[int] | None = None,
    progress: Progress = SILENT,
) -> list[InspectedView]:
    """Render a car twice, into ``before`` and ``after`` below a folder.

    The car may have earlier damage of one class. In between it got new damage of one or two other
    classes. One view is missing before, another one after; file names say nothing.

    Parameters
    ----------
    root : Path
        Folder, created when missing.
    seed : int
        Decides everything else.
    elsewhere : bool
        Take the pictures after in another place and light, with another amount of dirt.
    harmed : bool
        Whether anything happened to the car in between.
    views : sequence of int, optional
        Some of `VIEWS`, none of which is then missing.
    progress : Progress
        Told of every picture.

    Returns
    -------
    list of InspectedView
        One per view.
    """
    rng = np.random.default_rng([seed, int(elsewhere)])
    cars = [model for brand in BRANDS for model in brand.models]
    body = cars[seed % len(cars)].body
    colour, metallic = COLOURS[str(rng.choice(list(COLOURS)))]
    paint = Paint(colour, metallic, float(rng.uniform(0, 0.3)))
    place = str(rng.choice(SCENES)), int(rng.integers(6))
    other = str(rng.choice([scene for scene in SCENES if scene != place[0]])), int(rng.integers(6))
    dirt = float(rng.uniform(0, 0.3)) if elsewhere else paint.dirt
    shots = [
        Shot(body, paint, *place, heading, 7.0, WIDTHS[0], WIDTHS[0] * 2 // 3, seed, focus=focus)
        for heading, focus in VIEWS
    ]
    classes = [str(name) for name in rng.permutation(DAMAGE_CLASSES)]
    spots = rng.permutation(len(VIEWS))
    old = _damage(shots[spots[0]], classes[:1]) if rng.random() < 0.6 else []
    new = _damage(shots[spots[1]], classes[1 : 2 + int(rng.integers(2))]) if harmed else []
    names = rng.permutation(len(VIEWS)), rng.permutation(len(VIEWS))
    lost = rng.choice(len(VIEWS), 2, replace=False) if views is None else (-1, -1)
    chosen = range(len(VIEWS)) if views is None else views
    found = []
    with progress.task("render", total=2 * len(chosen)) as tick:
        for index in chosen:
            first = _elsewhere(shots[index], rng, place, paint.dirt, WIDTHS[0])
            second = _elsewhere(shots[index], rng, other if elsewhere else place, dirt, WIDTHS[1])
            before = root / "before" / f"IMG_{1000 + names[0][index]}.jpg"
            after = root / "after" / f"IMG_{2000 + names[1][index]}.jpg"
            if index != lost[0]:
                _save(render(first, old).rgb, before)
            tick(1)
            photo = render(second, [*old, *new])
            if index != lost[1]:
                _save(photo.rgb, after)
            tick(1)
            fresh = {decal.name for decal in new}
            marked = np.zeros(photo.rgb.shape[:2], bool)
            for name, mask in photo.masks.items():
                if name in fresh:
                    marked |= mask
            found.append(
                InspectedView(
                    before if index != lost[0] else None,
                    after if index != lost[1] else None,
                    float(marked.mean()),
                    float((photo.mask & ~marked).mean()),
                    _box(marked),
                )
            )
    return found


def _damage(shot: Shot, classes: Sequence[str]) -> list[Decal]:
    """Lay damage of some classes where a view sees it; a crack may have become a dent: drop it."""
    found = lay_damage(replace(shot, damage=tuple(classes)))
    return [decal for decal in found if decal.name in classes]


def _elsewhere(shot: Shot, rng: Rng, place: tuple[str, int], dirt: float, width: int) -> Shot:
    """Return a shot as another photographer takes it, on another day."""
    return replace(
        shot,
        paint=replace(shot.paint, dirt=dirt),
        scene=place[0],
        scene_seed=place[1],
        angle_deg=float((shot.angle_deg + rng.uniform(-TURN_DEG, TURN_DEG) / 2) % 360),
        elevation_deg=float(shot.elevation_deg + rng.uniform(-1.5, 1.5)),
        width=width,
        height=width * 2 // 3,
        distance=float(rng.uniform(8.0, 10.0)),
        reach=float(rng.uniform(1.9, 2.3)),
        fill=float(rng.uniform(0.82, 0.92)),
        shift=(float(rng.uniform(-0.5, 0.5)), float(rng.uniform(-0.5, 0.5))),
        roll_deg=float(rng.normal(0, 0.8)),
        exposure=float(rng.normal(0, 0.15)),
        noise=float(rng.uniform(1.0, 3.0)),
        vignette=float(rng.uniform(0.0, 0.2)),
    )


def _box(mask: np.ndarray) -> tuple[float, float, float, float] | None:
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return (
        float(columns[0] / width),
        float(rows[0] / height),
        float((columns[-1] + 1) / width),
        float((rows[-1] + 1) / height),
    )


def _save(rgb: np.ndarray, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        Image.fromarray(rgb).save(temporary, "JPEG", quality=88)
