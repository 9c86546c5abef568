"""Names for the arrays of the renderer; the docstrings say shape and exact type."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
"""float32 wherever speed matters, float64 while a mesh is built."""
Ints = npt.NDArray[np.signedinteger[Any]]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
