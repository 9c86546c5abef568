"""Class probabilities and feature vectors of pretrained networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.backbones.build import build, fingerprint
from bodyshop_core.backbones.quiet_tensorflow import import_tensorflow
from bodyshop_core.backbones.registry import get
from bodyshop_core.errors import MissingPartError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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

    Attributes
    ----------
    input_size : int
        Side of the square input, in pixels.
    has_top : bool
        Whether the weights have the 1,000-class top, so that there are probabilities.
    fingerprint : str
        Identifies backbone, weights and preprocessing.

    Raises
    ------
    MissingPartError
        The weights are not available.
    """

    def __init__(self, name: str, weights: Path | str | None = None) -> None:
        import_tensorflow()
        import keras

        spec = get(name)
        try:
            model = build(name, weights=weights, include_top=True)
            self.has_top = True
        except MissingPartError:
            model = build(name, weights=weights, include_top=False)
            self.has_top = False
        pooled = keras.layers.GlobalAveragePooling2D(name="features")(
            model.get_layer(spec.feature_layer).output
        )
        outputs = {"features": pooled}
        if self.has_top:
            outputs["probabilities"] = model.output
        self._model = keras.Model(model.input, outputs)
        self._call = _compiled(self._model, spec.input_size)
        self.input_size = spec.input_size
        self.fingerprint = fingerprint(name, weights)

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
        outputs = {name: output.numpy() for name, output in self._call(batch).items()}
        return Scores(outputs.get("probabilities"), outputs["features"])


def _compiled(model: Any, size: int) -> Any:
    import tensorflow as tf

    signature = [tf.TensorSpec((None, size, size, 3), tf.uint8)]

    def call(batch: Any) -> Any:
        return model(tf.cast(batch, tf.float32), training=False)

    return tf.function(call, input_signature=signature, jit_compile=False)
