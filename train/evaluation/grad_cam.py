"""Grad-CAM: which regions of a picture support a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from PIL import Image

from bodyshop_core.catalog import BlobRef
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.quiet_tensorflow import import_tensorflow
from train.data.pixels import to_square
from train.models.classifier import Classifier
from train.models.head import BLOCK_POOL
from train.models.window_run import WindowClassifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = Path | str | bytes | BlobRef | NDArray[np.uint8]


class NoFeatureMapError(BodyshopError):
    """The network has no feature map to compute a heat map from."""


BATCH = 4
"""Pictures in memory at the same time, in full size with their heat maps."""

_NETWORKS: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""Model -> the parts before and after its feature maps; built once per model."""


@dataclass(frozen=True)
class HeatMap:
    """Which regions of a picture support a class.

    Parameters
    ----------
    label : str
        The class.
    probability : float
        Of that class, after temperature scaling.
    heat : ndarray of float32, shape (height, width)
        0 to 1, of the whole original picture; 0 outside the square that the network sees.
    """

    label: str
    probability: float
    heat: NDArray[np.float32]

    def mask(self, *, level: float = 0.5) -> NDArray[np.bool_]:
        """Return the region above `level`: a suggestion to a labeler, not a measurement."""
        return self.heat >= level


def grad_cam(run: Classifier, picture: Picture, *, label: str | None = None) -> HeatMap:
    """Compute the Grad-CAM of one picture (see `grad_cams`)."""
    return grad_cams(run, [picture], labels=[label])[0]


def grad_cams(
    run: Classifier, pictures: Sequence[Picture], *, labels: Sequence[str | None] | None = None
) -> list[HeatMap]:
    """Compute the Grad-CAM of pictures (Selvaraju et al. 2017, arXiv:1610.02391).

    The last feature map is weighted by the gradient of the class's log-odds. The gradient of the
    probability itself would vanish where the network is nearly certain. Where the head pools
    earlier blocks, too, the heat is the sum over all their maps, each multiplied by its gradient
    element by element (HiResCAM, Draelos and Carin 2020, arXiv:2011.08891): for averages and
    standard deviations that is exactly what each place adds to the log-odds. A damage model by
    windows needs no gradient: its heat is the evidence of the windows over each place.

    Parameters
    ----------
    run : Classifier
        A loaded run.
    pictures : Sequence of Path, str, bytes or ndarray
        A few pictures: all of them are in memory.
    labels : Sequence of str or None, optional
        For each picture the class to explain; None: the predicted one.

    Returns
    -------
    list of HeatMap
        In the order of `pictures`.

    Raises
    ------
    UsageError
        The run has no such class.
    NoFeatureMapError
        The network has no feature map.
    UnreadableImageError
        A picture can't be decoded.
    """
    if not pictures:
        return []
    asked = list(labels) if labels is not None else [None] * len(pictures)
    unknown = [name for name in asked if name is not None and name not in run.classes]
    if unknown:
        raise UsageError(
            f"the run has no class '{unknown[0]}'", hint=f"choose: {', '.join(run.classes)}"
        )
    rgbs = [each if isinstance(each, np.ndarray) else load_rgb(each) for each in pictures]
    predictions = run.classify(rgbs)
    names = [str(name or answer.label) for name, answer in zip(asked, predictions, strict=True)]
    if isinstance(run, WindowClassifier):
        return [
            HeatMap(name, answer.probabilities[name], _evidence(run, rgb, name))
            for name, answer, rgb in zip(names, predictions, rgbs, strict=True)
        ]
    squares = np.stack([to_square(rgb, run.record.view) for rgb in rgbs])
    heats = _heats(run.model, squares, [run.classes.index(name) for name in names])
    return [
        HeatMap(name, answer.probabilities[name], _to_picture(heat, *rgb.shape[:2]))
        for name, answer, heat, rgb in zip(names, predictions, heats, rgbs, strict=True)
    ]


def overlay(
    rgb: NDArray[np.uint8], heat: NDArray[np.float32], *, longest: int = 640
) -> Image.Image:
    """Draw a heat map over a picture, scaled down to at most `longest` pixels."""
    from matplotlib import colormaps

    image = Image.fromarray(rgb)
    image.thumbnail((longest, longest))
    small = Image.fromarray((heat * 255).astype(np.uint8)).resize(
        image.size, Image.Resampling.BILINEAR
    )
    values = np.asarray(small).astype(np.float32) / 255
    colours = colormaps["inferno"](values)[..., :3] * 255
    share = 0.65 * values[..., None]
    mixed = (1 - share) * np.asarray(image) + share * colours
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def _evidence(run: WindowClassifier, rgb: NDArray[np.uint8], label: str) -> NDArray[np.float32]:
    """Return the windows' evidence for a class, 0 to 1, of the picture's shape."""
    (answer,) = run.windows.answer(run.views_of(rgb))
    sign = 1 if label == run.record.positive else -1
    heat = np.maximum(sign * answer.place.heat, 0)
    heat = heat / max(float(heat.max()), 1e-6)
    size = (rgb.shape[1], rgb.shape[0])
    image = Image.fromarray(heat.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32).clip(0, 1)


def _parts(model: Any) -> tuple[Any, Any]:
    """Split a network into what gives its feature maps and what the head makes of them.

    The maps are the last one and those of earlier blocks that the head pools, too (see
    `train.recipes.recipe.Head.feature_blocks`).

    Returns
    -------
    body : keras.Model
        Picture -> list of maps, the last layer's at the end.
    head : keras.Model
        These maps -> the last layer's input.

    Raises
    ------
    NoFeatureMapError
        No layer but the input has a feature map.
    """
    import keras

    if model not in _NETWORKS:
        maps = [layer for layer in model.layers if len(getattr(layer.output, "shape", ())) == 4]
        if len(maps) < 2:
            raise NoFeatureMapError(
                "this network has no feature map: Grad-CAM can't explain its predictions"
            )
        pools = (layer for layer in model.layers if layer.name.startswith(BLOCK_POOL))
        tapped = {id(layer.input): layer.input for layer in pools}
        last = maps[-1].output
        tapped.pop(id(last), None)
        outputs = [*tapped.values(), last]
        _NETWORKS[model] = (
            keras.Model(model.input, outputs),
            keras.Model(outputs, model.layers[-1].input),
        )
    return _NETWORKS[model]


def _heats(model: Any, squares: NDArray[np.uint8], indices: Sequence[int]) -> NDArray[np.float32]:
    """Return the heat of one class per picture, 0 to 1, shape (n, rows, columns of a map)."""
    heats = np.maximum(_contributions(model, squares, indices), 0)
    tops = heats.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(heats, tops, out=np.zeros_like(heats), where=tops > 0))


def _contributions(
    model: Any, squares: NDArray[np.uint8], indices: Sequence[int]
) -> NDArray[np.float32]:
    """Return what each place adds to the log-odds of a class, shape (n, rows, columns)."""
    tf = import_tensorflow()
    body, head = _parts(model)
    found = body(tf.constant(squares.astype(np.float32)), training=False)
    maps = found if isinstance(found, list | tuple) else [found]
    with tf.GradientTape() as tape:
        tape.watch(maps)
        # From the maps on: what a block says through later blocks is theirs to show.
        before = head(maps if len(maps) > 1 else maps[0], training=False)
        score = _log_odds(tf, model.layers[-1], before, indices)
    gradients = tape.gradient(score, maps)
    rows, columns = max((each.shape[1], each.shape[2]) for each in maps)
    total = np.zeros((len(squares), rows, columns), np.float32)
    for each, gradient in zip(maps, gradients, strict=True):
        # bfloat16 in a network of mixed precision
        values, slope = tf.cast(each, tf.float32), tf.cast(gradient, tf.float32)
        if len(maps) == 1:
            slope = tf.reduce_mean(slope, axis=(1, 2), keepdims=True)
        share = tf.reduce_sum(slope * values, axis=-1, keepdims=True)
        # Resized, a map keeps its sum: each block counts as much as it adds to the log-odds.
        area = each.shape[1] * each.shape[2] / (rows * columns)
        total += area * tf.image.resize(share, (rows, columns)).numpy()[..., 0]
    return total


def _log_odds(tf: Any, last: Any, before: Any, indices: Sequence[int]) -> Any:
    """Return the log-odds of one class per row from what goes into the last layer.

    Computed from probabilities close to 1 it would be a difference of rounding errors.
    """
    logits = tf.matmul(tf.cast(before, tf.float32), last.kernel) + last.bias
    if logits.shape[1] == 1:
        return logits[:, 0] * tf.constant([1.0 if index == 1 else -1.0 for index in indices])
    chosen = tf.one_hot(indices, logits.shape[1])
    own = tf.reduce_sum(logits * chosen, axis=1)
    others = tf.reduce_logsumexp(logits - 1e9 * chosen, axis=1)
    return own - others


def _to_picture(heat: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Put the heat of the centre square back where the square was cut from."""
    short = min(height, width)
    square = Image.fromarray(heat).resize((short, short), Image.Resampling.BILINEAR)
    whole = np.zeros((height, width), np.float32)
    top, left = (height - short) // 2, (width - short) // 2
    whole[top : top + short, left : left + short] = np.asarray(square)
    return whole
