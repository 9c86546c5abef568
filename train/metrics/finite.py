"""Figures are computed from numbers: NaN and infinity are errors, never a score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class NotFiniteError(BodyshopError):
    """Predictions or features hold NaN or infinite values."""


def require_finite(values: NDArray[np.floating[Any]], what: str) -> None:
    """Refuse an array that holds NaN or infinite values.

    Parameters
    ----------
    values : ndarray of float, shape (n, ...)
        One row per picture.
    what : str
        What the message calls them, such as ``probabilities``.

    Raises
    ------
    NotFiniteError
        A value is NaN or infinite.
    """
    finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    if not finite.all():
        raise NotFiniteError(
            f"{what} of {int((~finite).sum())} of {len(values)} pictures are NaN or infinite",
            hint="check the weights file, or train again with a lower learning rate",
        )
