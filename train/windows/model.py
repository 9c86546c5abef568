"""The weights of a damage model, in one small file beside its network."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 1

LIMIT = 16 << 20
"""Bytes of a model's numbers, unpacked; the shipped one has 12,000."""


@dataclass(frozen=True, eq=False)
class DamageModel:
    """What turns the features of windows into answers.

    Parameters
    ----------
    network : str
        SHA-256 of the network file that the weights belong to.
    weights, bias : ndarray of float32, shape (features,), and float
        Log-odds of damage of a window.
    slope, offset : float
        Probability of damage from the pooled log-odds.
    threshold : float
        Probability from which on a picture is called damaged, 0 to 1.
    car_weights, car_bias : ndarray of float32, shape (2 * features,), and float
        Log-odds that the picture shows a car, from the window that is the whole picture and the
        mean of those of 57 %.
    car_threshold : float
        Log-odds from which on it does.
    mean, scale : ndarray of float32, shape (features,)
        Of the whole-picture window of the training pictures.
    limit : float
        Distance from them beyond which a picture gets no label.
    """

    network: str
    weights: NDArray[np.float32]
    bias: float
    slope: float
    offset: float
    threshold: float
    car_weights: NDArray[np.float32]
    car_bias: float
    car_threshold: float
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    limit: float


def save_model(model: DamageModel, file: Path) -> None:
    """Write a model, whole or not at all."""
    arrays: dict[str, Any] = {}
    rest: dict[str, str | float] = {}
    for field in fields(model):
        value = getattr(model, field.name)
        (arrays if isinstance(value, np.ndarray) else rest)[field.name] = value
    head = np.frombuffer(json.dumps({"format": FORMAT, **rest}).encode(), np.uint8)
    with atomic.replacing(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, head=head, **arrays)


def load_model_file(file: Path) -> DamageModel:
    """Read a model.

    Raises
    ------
    BodyshopError
        The file is missing, damaged, or of another format.
    """
    try:
        # from memory: NumPy leaves a damaged file open
        content = io.BytesIO(file.read_bytes())
        with zipfile.ZipFile(content) as archive:
            if sum(part.file_size for part in archive.infolist()) > LIMIT:
                raise ValueError(f"more than {LIMIT >> 20} MiB")
        with np.load(content, allow_pickle=False) as stored:
            values: dict[str, Any] = json.loads(stored["head"].tobytes())
            values |= {name: stored[name] for name in stored.files if name != "head"}
        if values.pop("format") != FORMAT:
            raise ValueError("another format")
        model = DamageModel(**values)
        _check(model)
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, EOFError,
        zipfile.BadZipFile, zlib.error, NotImplementedError,
    ) as error:  # fmt: skip
        raise BodyshopError(
            f"the damage model {file} can't be read: {type(error).__name__} {str(error)[:200]}",
            hint="copy or train it again",
        ) from error
    return model


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a network file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check(model: DamageModel) -> None:
    size = len(model.weights)
    shapes = {"weights": size, "car_weights": 2 * size, "mean": size, "scale": size}
    for name, expected in shapes.items():
        value = getattr(model, name)
        if value.shape != (expected,) or value.dtype != np.float32 or not np.isfinite(value).all():
            raise ValueError(f"{name} is not {expected} finite numbers")
    for name in ("bias", "slope", "offset", "threshold", "car_bias", "car_threshold", "limit"):
        number = getattr(model, name)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"{name} is no number")
        if not math.isfinite(number):
            raise ValueError(f"{name} is not finite")
    if not 0 <= model.threshold <= 1 or not (model.scale > 0).all():
        raise ValueError("threshold lies outside 0 to 1, or a scale is not above 0")
    if not isinstance(model.network, str):
        raise ValueError("network is no digest")
