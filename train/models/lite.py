"""A finished run's network on LiteRT: no TensorFlow is imported once it has been converted.

Two ways. The network of a run that learned only its head is the pretrained backbone, converted once
for all such runs, and a few products of matrices. Any other network is converted as a whole, once
per content of ``model.keras``.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, softmax

from bodyshop_core import backbones
from bodyshop_core.backbones.frozen import frozen_backbone, has_weights, is_converted
from bodyshop_core.errors import BodyshopError, MissingPartError, UsageError
from bodyshop_core.inference.convert import cached_network, is_cached
from train.models.load import OTHER_RUN, load_model, output_shapes
from train.models.run_folder import COPY_AGAIN, MODEL_FILE, NETWORKS_FOLDER, RECORD_FILE, RunRecord
from train.models.weight_arrays import read_arrays
from train.recipes.recipe import Dense, Dropout, Recipe

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from bodyshop_core.inference import FrozenNetwork

OUTPUT = "outputs"

_DENSE = re.compile(r"layers/dense(?:_(\d+))?/vars/([01])")


@dataclass(frozen=True)
class Forward:
    """A run's network on LiteRT; may be shared by threads.

    Parameters
    ----------
    file : Path
        The converted network.
    look : callable
        uint8 pictures, shape (n, side, side, 3), to what the converted network gives, float32,
        shape (n, ...).
    conclude : callable, optional
        What `look` gave to the outputs of the run's network; the same by default.
    backbone : str, optional
        Fingerprint of the pretrained backbone, whose averages of the last map end the rows of
        `look`.
    averages : int
        How many of them there are.
    """

    file: Path
    look: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    conclude: Callable[[NDArray[np.float32]], NDArray[np.float32]] = lambda looked: looked
    backbone: str | None = None
    averages: int = 0

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the outputs of pictures."""
        return self.conclude(self.look(pixels))


def lite_forward(folder: Path, record: RunRecord, *, convert: bool) -> Forward | None:
    """Return a run's network as a function on LiteRT.

    A converted file that the run brings along in its folder is used where this machine has none.

    Parameters
    ----------
    folder : Path
        The run's folder.
    record : RunRecord
        Its record.
    convert : bool
        Convert the network if that has not been done; this imports TensorFlow.

    Returns
    -------
    Forward or None
        None when there is no conversion and `convert` is False.

    Raises
    ------
    BodyshopError
        The network can't be converted: ``model.keras`` is damaged, or LiteRT gives other outputs.
    """
    return _on_backbone(folder, record, convert=convert) or _whole(folder, record, convert=convert)


def _on_backbone(folder: Path, record: RunRecord, *, convert: bool) -> Forward | None:
    """Return backbone and head, for a run whose backbone is the pretrained one, bit by bit."""
    recipe = Recipe.model_validate(record.recipe) if record.kind == "classifier" else None
    if recipe is None or not _keeps_backbone(recipe):
        return None
    file = folder / MODEL_FILE
    arrays = read_arrays(file)
    dense = _take_dense(arrays)
    head = _head(recipe, record, dense, file)
    kinds = ("std", "mean") if recipe.head.std_pooling else ("mean",)
    asked: dict[str, Any] = {
        "blocks": recipe.head.feature_blocks,
        "kinds": kinds,
        "carried": folder / NETWORKS_FOLDER,
    }
    name, weights = str(recipe.backbone), recipe.weights
    try:
        if head is None or not has_weights(name, arrays.values(), weights):
            return None
        if not convert and not is_converted(name, weights, input_size=record.side, **asked):
            return None
        network = frozen_backbone(
            name, weights, input_size=record.side, threads=os.cpu_count() or 1, **asked
        )
    except (MissingPartError, UsageError):  # the weights it began with are not on this machine
        return None
    order = [f"{block}{kind}" for kind in kinds for block in recipe.head.feature_blocks]
    order.append("features")
    features = sum(network.shapes[output][0] for output in order)
    if len(dense[0][0]) != features:
        raise BodyshopError(
            f"the first dense layer of {file} takes {len(dense[0][0])} features, but the backbone "
            f"{name} gives {features}",
            hint=OTHER_RUN,
        )

    def look(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = network.run(pixels)
        return np.concatenate([found[each] for each in order], axis=1)

    return Forward(
        network.file,
        look,
        head,
        backbone=backbones.fingerprint(name, weights),
        averages=network.shapes["features"][0],
    )


def _whole(folder: Path, record: RunRecord, *, convert: bool) -> Forward | None:
    """Return the converted ``model.keras``."""
    with (folder / MODEL_FILE).open("rb") as stream:
        key = f"run {hashlib.file_digest(stream, 'sha256').hexdigest()}"
    carried = folder / NETWORKS_FOLDER
    if not convert and not is_cached(key, carried):
        return None
    network = cached_network(
        key, partial(_named, folder, record), threads=os.cpu_count() or 1, carried=carried
    )
    _check_shape(network, record)
    return Forward(network.file, lambda pixels: network.run(pixels)[OUTPUT])


def _check_shape(network: FrozenNetwork, record: RunRecord) -> None:
    """Refuse a converted file that came with a run and is another network's."""
    found = network.input_size, network.shapes.get(OUTPUT)
    if found[0] != record.side or found[1] not in output_shapes(record):
        raise BodyshopError(
            f"{network.file} takes {found[0]} pixels and gives {found[1]}, which is not what "
            f"{RECORD_FILE} says",
            hint=f"delete the file, or {COPY_AGAIN}",
        )


def _named(folder: Path, record: RunRecord) -> keras.Model:
    model = load_model(folder, record)
    import keras

    return keras.Model(model.input, {OUTPUT: model.output})


def _keeps_backbone(recipe: Recipe) -> bool:
    """Say whether training changed nothing but a head of averages and dense layers."""
    return (
        recipe.backbone in backbones.names()
        and recipe.head.pooling == "average"
        and not recipe.mixed_precision
        and all(stage.trainable == "head" for stage in recipe.stages)
        and all(isinstance(layer, Dense | Dropout) for layer in recipe.head.layers)
    )


def _take_dense(arrays: dict[str, NDArray[Any]]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Remove kernels and biases of the dense layers; return them from the first layer to the last.

    No backbone has a dense layer below its top.
    """
    found: dict[int, dict[str, NDArray[Any]]] = {}
    for path in list(arrays):
        if match := _DENSE.fullmatch(path):
            found.setdefault(int(match[1] or 0), {})[match[2]] = arrays.pop(path)
    return [
        (found[index]["0"], found[index]["1"])
        for index in sorted(found)
        if found[index].keys() == {"0", "1"}
    ]


def _head(
    recipe: Recipe,
    record: RunRecord,
    dense: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    file: Path,
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]] | None:
    """Return the dense layers as a function; None where the file does not fit the recipe.

    Raises
    ------
    BodyshopError
        A kernel does not fit its bias or the layer before it.
    """
    steps: list[str] = [part.activation for part in recipe.head.layers if isinstance(part, Dense)]
    steps.append(recipe.head.activation)
    if len(dense) != len(steps) or dense[-1][1].shape not in output_shapes(record):
        return None
    _check_chain(dense, file)
    if not all(np.isfinite(array).all() for pair in dense for array in pair):
        return None

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        for (kernel, bias), step in zip(dense, steps, strict=True):
            x = _ACTIVATIONS[step](x @ kernel + bias)
        return x.astype(np.float32)

    return run


def _check_chain(dense: Sequence[tuple[NDArray[Any], NDArray[Any]]], file: Path) -> None:
    """Refuse dense layers that can't follow each other."""
    width = None
    for number, (kernel, bias) in enumerate(dense, start=1):
        numbers = kernel.dtype.kind == bias.dtype.kind == "f"
        if not numbers or kernel.ndim != 2 or bias.shape != kernel.shape[1:]:
            raise BodyshopError(
                f"dense layer {number} of {file} has a kernel of shape {kernel.shape} "
                f"({kernel.dtype}) and a bias of shape {bias.shape} ({bias.dtype})",
                hint=COPY_AGAIN,
            )
        if width is not None and len(kernel) != width:
            raise BodyshopError(
                f"dense layer {number} of {file} takes {len(kernel)} values, the layer before it "
                f"gives {width}",
                hint=COPY_AGAIN,
            )
        width = len(bias)


def _swish(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return x * expit(x)


_ACTIVATIONS: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "swish": _swish,
    "sigmoid": expit,
    "softmax": lambda x: softmax(x, axis=1),
}
