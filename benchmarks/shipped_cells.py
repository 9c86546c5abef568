"""The small network that judges each cell of a photo by itself: its samples and its fitting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.abroad_photos import NEITHER, Photo, mask_of
from benchmarks.shipped_features import views_of
from bodyshop_core.inference import FrozenNetwork
from bodyshop_core.inference.convert import convert
from train.windows.cells import CellHead
from train.windows.grid import FINE, SIDE, boxes, squeeze
from train.windows.network import STRIDES, fine_maps, judged_cells

KINDS = {
    "dent": {"dent", "minor-dent", "moderate-dent", "severe-dent", "bonnet damage", "deformation"},
    "scratch": {"scratch", "minor-scratch", "moderate-scratch", "severe-scratch"},
    "broken": {"broken window", "glass crack", "lamp damage", "broken or missing",
               "moderate-broken", "severe-broken"},
}  # fmt: skip
"""Classes of the sources' masks, by kind. Cells are asked for the kind while the head is fitted; of
sources left out half of the answers about outlines were right, so the head doesn't keep them."""

ANSWERS = ("damage", *KINDS)

HIDDEN = (128, 64)
"""Units of the hidden layers."""

EPOCHS, BATCH, RATE, DECAY = 4, 2048, 2e-3, 1e-3
"""Passes over the cells, cells per step, learning rate (cosine) and weight decay of AdamW."""

DROPPED, NOISE = 0.3, 0.1
"""Share of hidden units left out per step; deviation of the noise on standardised features."""

OF_DAMAGE, OF_UNDAMAGED = 150, 70
"""Cells with and without damage of a photo with masks, and of an undamaged one, at most."""

OF_KIND = 0.3
"""Weight of the question which kind, where the question whether weighs 1."""

UNDAMAGED = 1.5
"""Weight of undamaged photos, where the two kinds of cells of photos with masks weigh 1 each."""

CLOSE = 3.0
"""Weight of undamaged close-ups among the undamaged."""


@dataclass(frozen=True)
class Maps:
    """Outputs of the backbone's strides for photos, or for one cut of each.

    `photo` (n,) is the place in the list of photos; `blocks` block -> (n, side, side, channels)
    float16, on disk; `marked` (n, 2 + kinds, FINE, FINE) uint8, share of each cell that is damage,
    neither, and each of `KINDS`, of 255.
    """

    photo: np.ndarray
    blocks: dict[str, np.ndarray]
    marked: np.ndarray


@dataclass(frozen=True)
class Cells:
    """Cells whose answer is known.

    `features` (n, channels of all blocks) float16, `answers` (n, ANSWERS), `photo` (n,) its place.
    """

    features: np.ndarray
    answers: np.ndarray
    photo: np.ndarray
    channels: tuple[int, ...]


def look_at_maps(photos: list[Photo], work: Path, *, cuts: bool) -> Maps:
    """Look at all photos, or at the same cut of each as `look`, or read what was seen before."""
    name = "cuts" if cuts else "whole"
    files = {block: work / f"{name}-{block}.npy" for block in STRIDES}
    done = work / f"{name}-cells.npz"
    if not done.exists():
        run = FrozenNetwork(_maps_network(work / "maps.tflite"))
        stored = {
            block: np.lib.format.open_memmap(
                file, "w+", np.float16, (len(photos), *run.shapes[block])
            )
            for block, file in files.items()
        }
        places, marked = [], []
        for place, photo, box, rgb in views_of(photos, cuts=cuts):
            for block, value in run.run(squeeze(rgb)[None]).items():
                stored[block][len(places)] = value[0]
            places.append(place)
            marked.append(_marked(photo, box))
            if place % 200 == 0:
                print(f"{name} cells: {place} of {len(photos)}", flush=True)
        for each in stored.values():
            each.flush()
        np.savez(done, photo=np.array(places), marked=np.stack(marked))
    with np.load(done) as seen:
        photo, shares = seen["photo"], seen["marked"]
    return Maps(
        photo, {b: np.load(f, mmap_mode="r")[: len(photo)] for b, f in files.items()}, shares
    )


def sampled_cells(photos: list[Photo], parts: list[Maps], file: Path) -> Cells:
    """Draw cells whose answer is known, as many with damage as without; kept in a file."""
    if not file.exists():
        rng = np.random.default_rng(3)
        rows = [each for maps in parts for each in _drawn(photos, maps, rng)]
        features, answers, places = (np.concatenate(each) for each in zip(*rows, strict=True))
        np.savez(file, features=features, answers=answers, photo=places)
    with np.load(file) as seen:
        channels = tuple(each.shape[-1] for each in parts[0].blocks.values())
        return Cells(seen["features"], seen["answers"], seen["photo"], channels)


def fit_cells(photos: list[Photo], cells: Cells, known: np.ndarray, *, seed: int = 1) -> CellHead:
    """Fit the head to the cells of the known photos; `mean` and `scale` are still 0 and 1."""
    import keras
    from keras import layers, ops

    keras.utils.set_random_seed(seed)
    chosen = known[cells.photo]
    x, y = cells.features[chosen], cells.answers[chosen].astype(np.float32)
    weights = _weights(photos, cells.photo[chosen], y[:, 0] == 1)
    deviation = x[:: max(len(x) // 50_000, 1)].astype(np.float32).std(axis=0) + 1e-3
    given = keras.Input((x.shape[1],))
    value = layers.GaussianNoise(NOISE)(layers.Rescaling(1 / deviation)(given))
    dense = []
    for units in HIDDEN:
        dense.append(layers.Dense(units, "relu"))
        value = layers.Dropout(DROPPED)(dense[-1](value))
    dense.append(layers.Dense(len(ANSWERS)))
    model = keras.Model(given, dense[-1](value))
    steps = EPOCHS * -(-len(x) // BATCH)
    share = np.array([1.0] + [OF_KIND] * (len(ANSWERS) - 1), np.float32)

    def loss(truth: object, said: object) -> object:
        each = ops.binary_crossentropy(truth, said, from_logits=True)
        return ops.sum(each * share, axis=-1)

    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(RATE, steps), weight_decay=DECAY
        ),
        loss,
    )
    model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, sample_weight=weights, verbose=0, shuffle=True)
    first, second, last = (layer.get_weights() for layer in dense)
    scaled = first[0] / deviation[:, None]
    blocks = np.split(scaled, np.cumsum(cells.channels)[:-1])
    by_block = dict(zip(STRIDES, blocks, strict=True))
    damage = last[0][:, :1], last[1][:1]
    return CellHead(by_block, first[1], *second, *damage, mean=0.0, scale=1.0)


def judge(maps: Maps, head: CellHead) -> np.ndarray:
    """Return what a head says of every photo: float16 log-odds, (n, FINE, FINE)."""
    import keras

    inputs = {block: keras.Input(maps.blocks[block].shape[1:], name=block) for block in STRIDES}
    model = keras.Model(inputs, judged_cells(inputs, head))
    found = []
    for start in range(0, len(maps.photo), 16):
        batch = {b: np.asarray(m[start : start + 16], np.float32) for b, m in maps.blocks.items()}
        found.append(np.asarray(model(batch, training=False), np.float16)[..., 0])
    return np.concatenate(found)


def window_maxima(judged: np.ndarray) -> np.ndarray:
    """Return the largest log-odds of damage in each window, float32, shape (n, windows)."""
    places = (boxes() * FINE).round().astype(int)
    damage = judged.astype(np.float32)
    return np.stack(
        [damage[:, top:bottom, left:right].max(axis=(1, 2)) for left, top, right, bottom in places],
        axis=1,
    )


def _maps_network(file: Path) -> Path:
    import keras

    from bodyshop_core.backbones.lite import build_lite0, lite0_weights

    if not file.exists():
        body = build_lite0(input_size=SIDE, include_top=False, weights=lite0_weights())
        convert(keras.Model(body.input, fine_maps(body)), file)
    return file


def _marked(photo: Photo, box: tuple[int, int, int, int]) -> np.ndarray:
    if photo.rings is None:
        return np.zeros((2 + len(KINDS), FINE, FINE), np.uint8)
    size = SIDE // FINE
    found = [mask_of(photo, box, SIDE, classes) for classes in (None, NEITHER, *KINDS.values())]
    shares = np.stack(found).reshape(-1, FINE, size, FINE, size).mean(axis=(2, 4))
    return np.asarray((shares * 255).round(), np.uint8)


def _drawn(
    photos: list[Photo], maps: Maps, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield features, answers and the photo's place of the cells drawn from each photo."""
    for row, place in enumerate(maps.photo):
        photo = photos[place]
        masked = photo.rings is not None
        if not masked and photo.label != "whole":
            continue
        damage, neither, *kinds = maps.marked[row]
        shows = rng.permutation(np.flatnonzero(damage >= 128))[:OF_DAMAGE]
        shows_none = np.flatnonzero((damage == 0) & (neither == 0))
        shows_none = rng.permutation(shows_none)[: OF_DAMAGE if masked else OF_UNDAMAGED]
        chosen = np.concatenate([shows, shows_none])
        answers = np.zeros((len(chosen), len(ANSWERS)), np.uint8)
        answers[: len(shows), 0] = 1
        answers[: len(shows), 1:] = (np.reshape(kinds, (len(KINDS), -1))[:, shows] >= 128).T
        features = _cell_features(maps, row).reshape(FINE * FINE, -1)[chosen]
        yield features.astype(np.float16), answers, np.full(len(chosen), place)


def _cell_features(maps: Maps, row: int) -> np.ndarray:
    """Return all blocks at the finest size, less their means, (FINE, FINE, channels)."""
    parts = []
    for block in STRIDES:
        seen = maps.blocks[block][row].astype(np.float32)
        enlarge = _enlarging(seen.shape[0])
        parts.append(np.einsum("ia,jb,abc->ijc", enlarge, enlarge, seen, optimize=True))
    features = np.concatenate(parts, axis=-1)
    return np.asarray(features - features.mean(axis=(0, 1)))


def _enlarging(size: int) -> np.ndarray:
    """Return the matrix of bilinear enlarging to FINE, shape (FINE, size)."""
    place = ((np.arange(FINE) + 0.5) * size / FINE - 0.5).clip(0, size - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, size - 1)
    matrix = np.zeros((FINE, size), np.float32)
    np.add.at(matrix, (np.arange(FINE), low), 1 - (place - low))
    np.add.at(matrix, (np.arange(FINE), high), place - low)
    return matrix


def _weights(photos: list[Photo], place: np.ndarray, damage: np.ndarray) -> np.ndarray:
    """Return how much each cell counts; within a kind, sources by the root of their photos."""
    origins = np.array([photo.origin for photo in photos])[place]
    masked = np.array([photo.rings is not None for photo in photos])[place]
    close = np.array([photo.view == "close" for photo in photos])[place]
    weights = np.zeros(len(place), np.float32)
    kinds = ((masked & damage, 1.0), (masked & ~damage, 1.0), (~masked, UNDAMAGED))
    for kind, total in kinds:
        for origin in set(origins[kind]):
            for near in (False, True):
                part = kind & (origins == origin) & (close == near)
                if part.any():
                    count = len(set(place[part].tolist()))
                    heavy = CLOSE if near and not masked[part].any() else 1.0
                    weights[part] = heavy * np.sqrt(count) / part.sum()
        weights[kind] *= total / weights[kind].sum()
    return weights / weights.mean()
