"""Decide which pictures the showroom has, before any is rendered.

Search pictures come in pairs. Both members of a pair get the same framing, size, kind of place,
JPEG quality and spread of angles first; only then a coin decides which of the two is damaged. So
no nuisance variable can tell the damage classes apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from showroom.decoys import KINDS
from showroom.duplicates import TRANSFORMS
from showroom.lineup import BRANDS, COLOURS, queries
from showroom.scenes import SCENES
from showroom.shade import Paint
from showroom.shot import PARTS, Shot
from showroom.tiles import DAMAGE_CLASSES
from showroom.truth import Picture, ShowroomBrand, ShowroomModel, Slot

Size = Literal["demo", "tiny"]
Rng = np.random.Generator

_WIDTHS = (432, 480, 512, 560)
_ASPECTS = (3 / 2, 4 / 3, 16 / 10)
_SLOTS: tuple[Slot, ...] = ("img", "srcset", "picture", "lazy", "css", "img")


@dataclass(frozen=True, slots=True)
class Copy:
    """How a near-duplicate is made from another picture of the plan."""

    of: str
    transform: str


@dataclass(frozen=True, slots=True)
class RenderJob:
    """One picture to make: its truth so far (sha256.

    Size and masks come later) and how to make it.
    """

    picture: Picture
    seed: int
    shot: Shot | None = None
    decoy: str | None = None
    copy: Copy | None = None
    thumbnail: bool = False


@dataclass(frozen=True, slots=True)
class _Amounts:
    """How many of what, per model or in total."""

    pairs: int
    blurred_pairs: int
    copies: int
    decoys: int
    gallery: tuple[int, ...]
    spinners: tuple[tuple[str, int], ...]
    canvas: tuple[str, int]
    scale: float


_AMOUNTS: dict[str, _Amounts] = {
    "demo": _Amounts(24, 2, 10, 12, (6,) * 6, (("strada", 24), ("baram", 24)), ("monte", 12), 1.0),
    "tiny": _Amounts(2, 0, 1, 1, (5, 1, 1, 1, 1, 1), (("strada", 6),), ("monte", 4), 0.6),
}


def plan(seed: int, size: Size) -> list[RenderJob]:
    """List all pictures of a showroom; the same seed and size give the same list."""
    amounts = _AMOUNTS[size]
    jobs: list[RenderJob] = []
    index = 0
    for brand in BRANDS:
        for model in brand.models:
            root = np.random.SeedSequence([seed, index])
            search, gallery, spin = (np.random.default_rng(s) for s in root.spawn(3))
            jobs += _gallery(brand, model, amounts, index, gallery)
            jobs += _spinners(brand, model, amounts, spin)
            jobs += _search(brand, model, amounts, index, search)
            index += 1
    return jobs


def _seed(rng: Rng) -> int:
    return int(rng.integers(1 << 31))


def _scene_seed(scene: str, rng: Rng) -> int:
    """One of a few variants of each place.

    A place in the open looks different from every side anyway.
    """
    return int(rng.integers(40 if scene.startswith("studio") else 6))


def _paint(rng: Rng, name: str) -> Paint:
    rgb, metallic = COLOURS[name]
    shift = rng.normal(0, 5, 3) + rng.normal(0, 6)
    r, g, b = np.clip(np.array(rgb) + shift, 8, 240).astype(int).tolist()
    dirt = float(rng.uniform(0.15, 0.6)) if rng.random() < 0.3 else 0.0
    return Paint((r, g, b), metallic, dirt)


def _size(width: int, aspect: float, scale: float) -> tuple[int, int]:
    w = round(width * scale)
    return w, round(w / aspect)


def _gallery(
    brand: ShowroomBrand, model: ShowroomModel, amounts: _Amounts, index: int, rng: Rng
) -> Iterator[RenderJob]:
    """Clean press pictures of whole cars."""
    angles = np.array([32, 325, 62, 148, 215, 90, 12]) + rng.uniform(-6, 6, 7)
    colours = rng.permutation(list(COLOURS))
    for k in range(amounts.gallery[index]):
        scene = str(rng.choice(["studio_light", "studio_dark", "plaza", "coast", "street"]))
        width, height = _size(760, 3 / 2, amounts.scale)
        angle = float(angles[k] % 360)
        shot = Shot(
            model.body,
            replace(_paint(rng, str(colours[k])), dirt=0.0),
            scene,
            _scene_seed(scene, rng),
            angle,
            float(rng.uniform(3, 9)),
            width,
            height,
            _seed(rng),
            noise=1.0,
            vignette=0.08,
            fill=0.88,
        )
        slot = _SLOTS[k % len(_SLOTS)] if amounts.gallery[index] > 1 else _SLOTS[index % 5]
        picture = Picture(
            id=f"g-{model.slug}-{k:02d}",
            file="",
            sha256="",
            width=0,
            height=0,
            kind="car",
            place="gallery",
            brand=brand.name,
            model=model.name,
            colour=str(colours[k]),
            angle_deg=angle,
            framing="full",
            damage="whole",
            slot=slot,
            scene=scene,
            jpeg_quality=92,
        )
        yield RenderJob(picture, shot.seed, shot, thumbnail=True)


def _spinners(
    brand: ShowroomBrand, model: ShowroomModel, amounts: _Amounts, rng: Rng
) -> Iterator[RenderJob]:
    """Frames of a car on a turntable."""
    turning: list[tuple[Literal["spinner", "canvas"], int]] = [
        ("spinner", n) for slug, n in amounts.spinners if slug == model.slug
    ]
    if amounts.canvas[0] == model.slug:
        turning.append(("canvas", amounts.canvas[1]))
    for place, frames in turning:
        colour = str(rng.choice(["red", "silver", "blue", "white", "orange", "turquoise"]))
        paint = replace(_paint(rng, colour), dirt=0.0)
        scene = "studio_light" if place == "spinner" else "studio_dark"
        seed, scene_seed = _seed(rng), _scene_seed(scene, rng)
        width, height = _size(600, 3 / 2, amounts.scale)
        group = f"{model.slug}-{place}"
        for k in range(frames):
            angle = 360.0 * k / frames
            shot = Shot(
                model.body,
                paint,
                scene,
                scene_seed,
                angle,
                6.0,
                width,
                height,
                seed,
                distance=10.0,
                noise=0.8,
                vignette=0.06,
                fill=0.84,
                turntable=True,
            )
            picture = Picture(
                id=f"{'s' if place == 'spinner' else 'c'}-{model.slug}-{k:02d}",
                file="",
                sha256="",
                width=0,
                height=0,
                kind="car",
                place=place,
                brand=brand.name,
                model=model.name,
                colour=colour,
                angle_deg=angle,
                framing="full",
                damage="whole",
                spin_group=group,
                frame=k,
                n_frames=frames,
                scene=scene,
                jpeg_quality=88,
            )
            yield RenderJob(picture, seed, shot)


def _search(
    brand: ShowroomBrand, model: ShowroomModel, amounts: _Amounts, index: int, rng: Rng
) -> list[RenderJob]:
    """Results of the two queries of a model, in the order of the result pages."""
    results: dict[str, list[RenderJob]] = {"whole": [], "damaged": []}
    asked = queries(brand, model)
    blurred = set(rng.permutation(amounts.pairs)[: amounts.blurred_pairs].tolist())
    number = 0
    for pair in range(amounts.pairs):
        nuisance = _nuisance(amounts, pair, rng)
        flip = bool(rng.random() < 0.5)
        for member in range(2):
            shot, colour, quality = _member(model, nuisance, rng, blurred=pair in blurred)
            is_damaged = flip == (member == 0)
            classes = _classes(rng) if is_damaged else ()
            label: Literal["damaged", "whole"] = "damaged" if is_damaged else "whole"
            picture = Picture(
                id=f"q-{model.slug}-{number:03d}",
                file="",
                sha256="",
                width=0,
                height=0,
                kind="car",
                place="search",
                brand=brand.name,
                model=model.name,
                colour=colour,
                angle_deg=shot.angle_deg,
                framing="part" if shot.focus else "full",
                damage=label,
                blurred=shot.blur > 0,
                query=asked[label],
                scene=shot.scene,
                jpeg_quality=quality,
            )
            results[label].append(
                RenderJob(picture, shot.seed, replace(shot, damage=classes), thumbnail=True)
            )
            number += 1
    _plant_copies(results, amounts, index, model, rng)
    _plant_decoys(results, amounts, index, model, asked, rng)
    return [
        job
        for label in ("whole", "damaged")
        for job in (results[label][i] for i in rng.permutation(len(results[label])))
    ]


@dataclass(frozen=True, slots=True)
class _Nuisance:
    focus: str | None
    width: int
    height: int
    scene: str
    quality: int
    angle_deg: float
    elevation_deg: float


def _nuisance(amounts: _Amounts, pair: int, rng: Rng) -> _Nuisance:
    focus = str(rng.choice(PARTS)) if pair % 2 else None
    width, height = _size(int(rng.choice(_WIDTHS)), float(rng.choice(_ASPECTS)), amounts.scale)
    return _Nuisance(
        focus,
        width,
        height,
        str(rng.choice(SCENES)),
        int(rng.choice([80, 84, 88, 92])),
        _angle(focus, rng),
        float(rng.choice([3.0, 6.0, 10.0, 15.0])),
    )


def _angle(focus: str | None, rng: Rng) -> float:
    """Return a heading from which the part can be seen."""
    if focus is None:
        return float(rng.uniform(0, 360))
    around, spread = {
        "front_corner": (42, 18),
        "front": (0, 28),
        "front_wheel": (72, 20),
        "door": (90, 22),
        "rear_wheel": (108, 20),
        "rear_corner": (138, 18),
        "rear": (180, 28),
        "bonnet": (30, 20),
    }[focus]
    side = 1 if rng.random() < 0.5 else -1
    return float((side * (around + rng.uniform(-spread, spread))) % 360)


def _member(
    model: ShowroomModel, n: _Nuisance, rng: Rng, *, blurred: bool
) -> tuple[Shot, str, int]:
    """Draw one car of a pair; what may differ between the two has the same distribution."""
    colour = str(rng.choice(list(COLOURS)))
    shot = Shot(
        model.body,
        _paint(rng, colour),
        n.scene,
        _scene_seed(n.scene, rng),
        float((n.angle_deg + rng.uniform(-14, 14)) % 360),
        float(n.elevation_deg + rng.uniform(-1.5, 1.5)),
        n.width,
        n.height,
        _seed(rng),
        distance=float(rng.uniform(7.5, 11.0)),
        focus=n.focus,
        reach=float(rng.uniform(1.75, 2.5)),
        fill=float(rng.uniform(0.78, 0.94)),
        shift=(float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.6, 0.6))),
        roll_deg=float(rng.normal(0, 1.0)),
        exposure=float(rng.normal(0.0, 0.16)),
        noise=float(rng.uniform(1.0, 4.0)),
        vignette=float(rng.uniform(0.0, 0.25)),
        blur=float(rng.uniform(6.0, 9.0)) * n.width / 640 if blurred else 0.0,
    )
    return shot, colour, n.quality


def _classes(rng: Rng) -> tuple[str, ...]:
    count = int(rng.choice([1, 2, 3], p=[0.3, 0.45, 0.25]))
    return tuple(str(c) for c in rng.permutation(DAMAGE_CLASSES)[:count])


def _plant_copies(
    results: dict[str, list[RenderJob]],
    amounts: _Amounts,
    index: int,
    model: ShowroomModel,
    rng: Rng,
) -> None:
    """Add the same number of near-duplicates to both queries, of sharp pictures only."""
    for k in range(amounts.copies):
        label = ("whole", "damaged")[(k + index) % 2]
        sharp = [j for j in results[label] if not j.picture.blurred and j.copy is None]
        taken = {j.copy.of for j in results[label] if j.copy}
        source = [j for j in sharp if j.picture.id not in taken]
        original = source[int(rng.integers(len(source)))]
        picture = replace(
            original.picture, id=f"d-{model.slug}-{k:02d}", duplicate_of=original.picture.id
        )
        job = replace(
            original,
            picture=picture,
            seed=_seed(rng),
            copy=Copy(original.picture.id, TRANSFORMS[(k + index) % len(TRANSFORMS)]),
        )
        results[label].append(job)


def _plant_decoys(
    results: dict[str, list[RenderJob]],
    amounts: _Amounts,
    index: int,
    model: ShowroomModel,
    asked: dict[str, str],
    rng: Rng,
) -> None:
    kinds = sorted(KINDS)
    for k in range(amounts.decoys):
        label = ("whole", "damaged")[(k + index) % 2]
        width, height = _size(int(rng.choice(_WIDTHS)), float(rng.choice(_ASPECTS)), amounts.scale)
        quality = int(rng.choice([80, 84, 88, 92]))
        kind = kinds[(k + index * amounts.decoys) % len(kinds)]
        picture = Picture(
            id=f"x-{model.slug}-{k:02d}",
            file="",
            sha256="",
            width=width,
            height=height,
            kind="decoy",
            place="search",
            query=asked[label],
            scene=kind,
            jpeg_quality=quality,
        )
        results[label].append(RenderJob(picture, _seed(rng), decoy=kind, thumbnail=True))
