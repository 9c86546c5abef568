"""A pretrained backbone that is only run: pooled outputs of its blocks, on LiteRT."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.backbones import weights as weight_files
from bodyshop_core.backbones.build import build, fingerprint
from bodyshop_core.backbones.registry import get
from bodyshop_core.backbones.torch_file import read_state_dict
from bodyshop_core.errors import UsageError
from bodyshop_core.inference.convert import cached_network, is_cached
from bodyshop_core.quiet_tensorflow import import_tensorflow

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from bodyshop_core.inference.network import FrozenNetwork

KINDS = ("mean", "std", "map")
"""What a block's output is turned into: averages or standard deviations of its channels over the
picture, or the whole map."""


def frozen_backbone(
    name: str,
    weights: Path | str | None = None,
    *,
    blocks: Collection[str] = (),
    kinds: Collection[str] = ("mean",),
    input_size: int | None = None,
    threads: int = 1,
    carried: Path | None = None,
) -> FrozenNetwork:
    """Open a backbone with outputs of several of its blocks; converted on first use.

    Parameters
    ----------
    name : str
        One of `bodyshop_core.backbones.names`.
    weights : Path, str or None
        As for `bodyshop_core.backbones.build`.
    blocks : collection of str
        Some of the backbone's blocks, such as ``b6_``.
    kinds : collection of str
        Some of `KINDS`.
    input_size : int, optional
        Side of the square input in pixels; the size it was trained at by default.
    threads : int
        As for `FrozenNetwork`.
    carried : Path, optional
        As for `bodyshop_core.inference.cached_network`.

    Returns
    -------
    FrozenNetwork
        Its outputs are ``features``, the averages of the last map, shape (n, feature_dim), and for
        each block and kind ``<block><kind>``, such as ``b6_mean``: shape (n, channels), or (n,
        height, width, channels) of a map. A standard deviation is sqrt(variance + 1e-6).

    Raises
    ------
    UsageError
        There is no such backbone, block or kind.
    MissingPartError
        The weights are not available.
    """
    spec = get(name)
    if unknown := sorted(set(blocks) - set(spec.blocks)):
        raise UsageError(
            f"{name} has no block '{unknown[0]}'", hint=f"choose some of: {', '.join(spec.blocks)}"
        )
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise UsageError(f"there is no kind '{unknown[0]}'", hint=f"choose: {', '.join(KINDS)}")
    side = input_size or spec.input_size
    return cached_network(
        _key(name, weights, blocks, kinds, side),
        partial(_model, name, weights, frozenset(blocks), frozenset(kinds), side),
        threads=threads,
        carried=carried,
    )


def is_converted(
    name: str,
    weights: Path | str | None = None,
    *,
    blocks: Collection[str] = (),
    kinds: Collection[str] = ("mean",),
    input_size: int | None = None,
    carried: Path | None = None,
) -> bool:
    """Return whether `frozen_backbone` would open these outputs without TensorFlow."""
    side = input_size or get(name).input_size
    return is_cached(_key(name, weights, blocks, kinds, side), carried)


def has_weights(
    name: str, arrays: Iterable[NDArray[Any]], weights: Path | str | None = None
) -> bool:
    """Return whether all arrays are among the backbone's pretrained weights, bit by bit.

    Parameters
    ----------
    name : str
        One of `bodyshop_core.backbones.names`.
    arrays : iterable of ndarray
        Weights of a network, in Keras' layout.
    weights : Path, str or None
        The weights file; the backbone's own by default.

    Raises
    ------
    MissingPartError
        The weights are not available.
    UsageError
        The weights file does not exist or can't be read.
    """
    file = weight_files.locate(get(name), weights, top=False)
    if file is None:
        return False
    pretrained = Counter(_digest(array) for array in _stored(name, file))
    return Counter(_digest(array) for array in arrays) <= pretrained


def _key(
    name: str,
    weights: Path | str | None,
    blocks: Collection[str],
    kinds: Collection[str],
    side: int,
) -> str:
    outputs = (" ".join(sorted(set(blocks))), " ".join(sorted(set(kinds))))
    parts = (fingerprint(name, weights), f"side {side}", *outputs)
    return f"frozen {' | '.join(parts)}"


def _model(
    name: str,
    weights: Path | str | None,
    blocks: Collection[str],
    kinds: Collection[str],
    side: int,
) -> keras.Model:
    import_tensorflow()
    import keras
    from keras import layers

    base = build(name, weights=weights, input_size=side)
    last = base.get_layer(get(name).feature_layer).output
    outputs: dict[str, Any] = {"features": layers.GlobalAveragePooling2D()(last)}
    for block in sorted(blocks):
        found = [layer for layer in base.layers if layer.name.startswith(block)][-1].output
        for kind in sorted(kinds):
            outputs[f"{block}{kind}"] = _pooled(found, kind)
    return keras.Model(base.input, outputs)


def _pooled(maps: Any, kind: str) -> Any:
    from keras import layers, ops

    if kind == "map":
        return maps
    if kind == "mean":
        return layers.GlobalAveragePooling2D()(maps)
    return ops.sqrt(ops.var(maps, axis=(1, 2)) + 1e-6)


def _stored(name: str, file: Path) -> Iterator[NDArray[Any]]:
    """Yield the arrays of a weights file in Keras' layout, without Keras."""
    if get(name).keras_name is None:
        for array in read_state_dict(file).values():
            if array.ndim == 4:
                # (out, in, h, w) -> (h, w, in, out); of a depthwise kernel in is 1: both layouts
                yield array.transpose(2, 3, 1, 0)
                if array.shape[1] == 1:
                    yield array.transpose(2, 3, 0, 1)
            else:
                yield array
        return
    import h5py

    found: list[NDArray[Any]] = []
    try:
        with h5py.File(file) as content:
            content.visititems(
                lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None
            )
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"the weights file {file} can't be read as HDF5: {error}",
            hint="give the weights that keras.applications uses for this network",
        ) from error
    yield from found


def _digest(array: NDArray[Any]) -> bytes:
    import numpy as np

    plain = np.ascontiguousarray(array)
    return hashlib.sha256(f"{plain.dtype.str} {plain.shape}".encode() + plain.tobytes()).digest()
