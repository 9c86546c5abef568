"""What judges each part of a picture by itself: a small network on features of four strides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class CellHead:
    """Weights of two hidden layers and the answer, on features less their mean over the picture.

    The answer is the log-odds that a cell shows damage.

    Parameters
    ----------
    first : mapping of str to ndarray of float32, shape (channels, hidden)
        Block of the backbone -> its part of the first layer.
    first_bias, second, second_bias, last, last_bias : ndarray of float32
        The rest; the last layer has shape (hidden, 1).
    mean, scale : float
        Of the largest log-odds of damage in the windows of undamaged cars.
    """

    first: Mapping[str, NDArray[np.float32]]
    first_bias: NDArray[np.float32]
    second: NDArray[np.float32]
    second_bias: NDArray[np.float32]
    last: NDArray[np.float32]
    last_bias: NDArray[np.float32]
    mean: float
    scale: float
