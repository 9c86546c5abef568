"""Weights of backbones: a given file, a package, the cache of Keras, or its download."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from bodyshop_core.backbones.lite import lite0_weights
from bodyshop_core.backbones.registry import BackboneSpec
from bodyshop_core.errors import MissingPartError, UsageError

RANDOM = "none"
"""Given instead of a file, it leaves the weights random."""

INT8 = "int8"
"""Given instead of a file: the pretrained weights and the activations in 8 bits, to look only."""


def locate(spec: BackboneSpec, weights: Path | str | None, *, top: bool) -> Path | None:
    """Find the weights file.

    Parameters
    ----------
    spec : BackboneSpec
        The backbone.
    weights : Path, str or None
        A file; ``"none"`` for random weights; None for the pretrained ones, ``"int8"`` for those
        that are rounded to 8 bits.
    top : bool
        Whether the 1,000-class top is wanted.

    Returns
    -------
    Path or None
        None means random.

    Raises
    ------
    UsageError
        The given file does not exist, or there is no network in 8 bits for the backbone.
    MissingPartError
        No pretrained weights are available.
    """
    if weights == INT8:
        if spec.keras_name is not None:
            raise UsageError(
                f"there is no {spec.name} in 8 bits", hint="efficientnet-lite0 has one"
            )
        return lite0_weights()
    if weights == RANDOM:
        return None
    if weights is not None:
        file = Path(weights)
        if not file.is_file():
            raise UsageError(f"there is no weights file {file}")
        return file
    if spec.keras_name is None:
        return lite0_weights()
    return _from_keras(spec, top=top)


def _from_keras(spec: BackboneSpec, *, top: bool) -> Path:
    assert spec.keras_name is not None and spec.cache_files is not None
    with_top, without_top = (cache_folder() / name for name in spec.cache_files)
    wanted = with_top if top else without_top
    if wanted.is_file():
        return wanted
    if with_top.is_file():
        return with_top
    from bodyshop_core.quiet_tensorflow import import_tensorflow

    import_tensorflow()
    import keras

    try:
        # Keras downloads, checks the digest where it knows one, and stores under `wanted`.
        getattr(keras.applications, spec.keras_name)(include_top=top, weights="imagenet")
    except Exception as error:
        raise MissingPartError(
            f"the ImageNet weights of {spec.name} were not found and could not be downloaded "
            f"({_first_line(error)})",
            hint=f"put the file at {wanted}, or give it with --weights FILE; "
            "efficientnet-lite0 needs no download",
        ) from error
    return wanted


def cache_folder() -> Path:
    """Return the folder in which Keras keeps downloaded weights."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def digest(file: Path) -> str:
    """Return the first 16 hexadecimal digits of a file's sha256."""
    stat = file.stat()
    return _digest(file, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=32)
def _digest(file: Path, _modified: int, _size: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
