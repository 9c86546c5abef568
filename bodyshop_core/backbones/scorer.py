"""Class probabilities and feature vectors of pretrained networks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.backbones.assembled import FLOAT_LITE0, INT8_LITE0
from bodyshop_core.backbones.build import build, fingerprint
from bodyshop_core.backbones.registry import get
from bodyshop_core.backbones.weights import INT8, RANDOM, digest, locate
from bodyshop_core.errors import MissingPartError
from bodyshop_core.inference.convert import cached_network
from bodyshop_core.quiet_tensorflow import import_tensorflow

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray


_ASSEMBLED: dict[Path | str | None, Callable[[Path], None]] = {
    None: FLOAT_LITE0.write,
    INT8: INT8_LITE0.write,
}
"""Weights -> how the converted EfficientNet-Lite0 is written without TensorFlow."""


@dataclass(frozen=True)
class Scores:
    """Scores of a batch of pictures.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, 1000), or None
        ImageNet class probabilities; None when the weights have no top.
    features : ndarray of float32, shape (n, feature_dim)
        Globally average-pooled last feature map.
    """

    probabilities: NDArray[np.float32] | None
    features: NDArray[np.float32]


class Scorer:
    """A loaded backbone that scores batches of pictures.

    Parameters
    ----------
    name : str
        One of `bodyshop_core.backbones.names`.
    weights : Path, str or None
        As for `bodyshop_core.backbones.build`.
    threads : int, optional
        Pictures that LiteRT looks at side by side; default one per CPU.
    carried : Path, optional
        As for `bodyshop_core.inference.cached_network`.
    converted : bool
        Run the converted network also where Keras is faster, as with VGG16. On a machine without
        TensorFlow that is so anyway.

    Attributes
    ----------
    input_size : int
        Side of the square input, in pixels.
    has_top : bool
        Whether the weights have the 1,000-class top, so that there are probabilities.
    fingerprint : str
        Identifies backbone, weights and preprocessing.
    file : Path or None
        The converted network; None for one that Keras runs.

    Raises
    ------
    MissingPartError
        The weights are not available.
    """

    def __init__(
        self,
        name: str,
        weights: Path | str | None = None,
        *,
        threads: int | None = None,
        carried: Path | None = None,
        converted: bool = False,
    ) -> None:
        spec = get(name)
        self.input_size = spec.input_size
        self.fingerprint = fingerprint(name, weights)
        top = _weights_with_top(name, weights)
        build_model = partial(scorer_model, name, weights, top)
        self._run: Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]
        self.file: Path | None = None
        lite = converted or spec.runtime == "litert" or find_spec("tensorflow") is None
        if lite and weights != RANDOM:
            # The fingerprint stays the same when weights with the top are downloaded later.
            outputs_of = "no top" if top is None else f"top {digest(Path(top))}"
            network = cached_network(
                f"scorer {self.fingerprint} {outputs_of}",
                build_model,
                threads=threads or os.cpu_count() or 1,
                carried=carried,
                assemble=_ASSEMBLED.get(weights) if spec.keras_name is None else None,
            )
            self._run, outputs = network.run, network.outputs
            self.file = network.file
        else:
            model = build_model()
            self._run, outputs = _compiled(model, spec.input_size), tuple(model.output)
        self.has_top = "probabilities" in outputs

    def score(self, batch: NDArray[np.uint8]) -> Scores:
        """Score pictures.

        Parameters
        ----------
        batch : ndarray of uint8, shape (n, input_size, input_size, 3)
            RGB squares, as `bodyshop_core.imaging.fit_square` makes them.

        Returns
        -------
        Scores
            One row per picture.
        """
        outputs = self._run(batch)
        return Scores(outputs.get("probabilities"), outputs["features"])


def _weights_with_top(name: str, weights: Path | str | None) -> Path | str | None:
    """Return the weights to take probabilities from, or None when they are not available."""
    if weights == RANDOM:
        return RANDOM
    try:
        return locate(get(name), weights, top=True)
    except MissingPartError:
        return None


def scorer_model(name: str, weights: Path | str | None, top: Path | str | None) -> keras.Model:
    """Build what a `Scorer` runs: features, and probabilities where `top` has a top.

    Parameters
    ----------
    name, weights
        As for `Scorer`.
    top : Path, str or None
        Weights with the 1,000-class top, ``"none"`` for random ones, or None.

    Raises
    ------
    MissingPartError
        The weights are not available.
    """
    import_tensorflow()
    import keras

    spec = get(name)
    model, outputs = None, {}
    if top is not None:
        # A file that turns out to have no top never gets one: its contents are in the cache's key.
        with contextlib.suppress(MissingPartError):
            model = build(name, weights=top, include_top=True)
            outputs = {"probabilities": model.output}
    if model is None:
        model = build(name, weights=weights, include_top=False)
    outputs["features"] = keras.layers.GlobalAveragePooling2D(name="features")(
        model.get_layer(spec.feature_layer).output
    )
    return keras.Model(model.input, outputs)


def _compiled(
    model: keras.Model, size: int
) -> Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]:
    import tensorflow as tf

    signature = [tf.TensorSpec((None, size, size, 3), tf.uint8)]

    def call(batch: Any) -> Any:
        return model(tf.cast(batch, tf.float32), training=False)

    compiled = tf.function(call, input_signature=signature, jit_compile=False)

    def run(batch: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        return {name: output.numpy() for name, output in compiled(batch).items()}

    return run
