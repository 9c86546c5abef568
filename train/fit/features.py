"""The inputs of a stage: pixels, or what the frozen part of the network makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.backbones.build import PREPROCESSING_VERSION
from bodyshop_core.progress import SILENT, Progress
from train.data.pictures import Pictures
from train.data.pixels import View
from train.data.samples import Sample
from train.data.shard_cache import SHARD, ShardCache
from train.metrics.finite import require_finite
from train.models.inference import predict
from train.models.network import between_cuts, split_at

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

FOLDER = "bottleneck"
"""Below the workspace's features folder."""

EXTRACT_BATCH = 32
MEMORY_LIMIT = 4 << 30
"""Bytes of pixels or features that a stage keeps in memory: 28,532 pictures of 224 by 224."""


def cut_features(
    model: keras.Model,
    cut: str,
    samples: Sequence[Sample],
    view: View,
    folder: Path,
    *,
    via: str | None = None,
    progress: Progress = SILENT,
) -> NDArray[Any]:
    """Return what a layer puts out for each picture, from the cache where it is known.

    Parameters
    ----------
    model : keras.Model
        The whole classifier.
    cut : str
        Name of a layer through which everything flows (see `train.models.network.find_cut`).
    samples : Sequence of Sample
        The pictures.
    view : View
        How they are converted to the input.
    folder : Path
        The workspace's features folder; the cache is a subfolder of it named by the weights up to
        the cut, the cut and the view, so that any run that shares them shares the numbers.
    via : str, optional
        An earlier cut whose output is needed, too: it is computed and kept first, so that the
        network up to there runs once for both.
    progress : Progress
        Told of computed pictures.

    Returns
    -------
    ndarray, shape (len(samples), ...)
        float32 vectors, or float16 maps; more than `MEMORY_LIMIT` bytes of either are float16 in a
        memory-mapped file, half as large.

    Raises
    ------
    NotFiniteError
        The network's outputs are NaN or infinite; nothing is cached.
    """
    before, _ = split_at(model, cut)
    name = cache_name(before, cut, view)
    if via is not None:
        name += f"-via-{via}"  # half-precision maps on the way: not quite the same numbers
        between = between_cuts(model, via, cut)
    cache = ShardCache(folder / FOLDER / name)
    keys = [identity(sample) for sample in samples]
    source: list[NDArray[Any]] = []

    def compute(places: list[int]) -> NDArray[Any]:
        if via is not None:
            if not source:  # all of it at once: a shard is then read once, not once per shard
                source.append(cut_features(model, via, samples, view, folder, progress=progress))
            return _compact(predict(between, source[0][places]))
        chosen = [samples[place] for place in places]
        return _compact(predict(before, Pictures(chosen, view), batch=EXTRACT_BATCH))

    return cache.fetch(keys, compute, limit=MEMORY_LIMIT, progress=progress, task="features")


def load_pixels(
    samples: Sequence[Sample], view: View, *, progress: Progress = SILENT
) -> NDArray[np.uint8] | Pictures:
    """Return the pictures as the network sees them, uint8, shape (n, side, side, 3).

    More than `MEMORY_LIMIT` bytes of them are not kept: each is decoded whenever it is read.
    """
    pictures = Pictures(samples, view)
    if int(np.prod(pictures.shape)) > MEMORY_LIMIT:
        return pictures
    pixels = np.empty(pictures.shape, np.uint8)
    with progress.task("load pictures", total=len(samples)) as tick:
        for start in range(0, len(samples), SHARD):
            part = slice(start, min(start + SHARD, len(samples)))
            pixels[part] = pictures[part]
            tick(part.stop - part.start)
    return pixels


def identity(sample: Sample) -> str:
    """Name a sample's pixels: the original's sha256, the augmented copy, the view, the box.

    An augmented copy is named by its file's hash, too, so that copies made by another policy or
    version are not taken for the old ones.
    """
    if not sample.variant:
        part = "" if sample.box is None else "@" + ",".join(f"{each:g}" for each in sample.box)
        return f"{sample.sha256}#{sample.view}{part}"
    content = sample.content or hashlib.sha256(sample.path.read_bytes()).hexdigest()
    return f"{sample.sha256}~{sample.variant}~{content[:16]}#{sample.view}"


def worth_caching(model: keras.Model, cut: str) -> bool:
    """Say whether a cut is small enough to cache: larger maps are computed again each time."""
    values = int(np.prod(model.get_layer(cut).output.shape[1:]))
    pixels = int(np.prod(model.input_shape[1:]))
    return values * 2 <= 4 * pixels


def purge_feature_cache(folder: Path, sha256s: Sequence[str]) -> int:
    """Erase pictures, their augmented copies and views from every cache.

    Parameters
    ----------
    folder : Path
        The workspace's features folder.
    sha256s : Sequence of str
        Of the originals.

    Returns
    -------
    int
        The number of rows erased.
    """
    wanted = set(sha256s)
    erased = 0
    for place in sorted((folder / FOLDER).glob("*")):
        cache = ShardCache(place)
        erased += cache.drop(key for key in cache.stored() if key[:64] in wanted)
    return erased


def cache_name(before: keras.Model, cut: str, view: View) -> str:
    """Name the cache folder of a frozen part, by its layers and weights rather than by its file."""
    digest = hashlib.blake2b(digest_size=8)
    # Weights alone do not say which blocks are pooled, so the layers are part of the name.
    for layer in before.layers:
        digest.update(f"{layer.name} {layer.output.shape}\n".encode())
    for weight in before.weights:
        digest.update(weight.path.encode())
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return f"{cut}-{digest.hexdigest()}-p{PREPROCESSING_VERSION}-{view.digest()}"


def _compact(values: NDArray[Any]) -> NDArray[Any]:
    require_finite(values, "features")
    if values.ndim == 2:
        return values
    half = values.astype(np.float16)
    return half if np.isfinite(half).all() else values
