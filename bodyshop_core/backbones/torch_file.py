"""Tensors of a legacy PyTorch file, read without PyTorch and without running pickled code.

The file is a sequence of pickles followed by raw storages: magic number, protocol, system
information, the state dict with its tensors as references to storages, the storages' keys, then
per storage its length (int64) and its elements, all little-endian. Format:
https://github.com/pytorch/pytorch/blob/main/torch/serialization.py, ``_legacy_save``.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C

_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8", "HalfStorage": "<f2", "IntStorage": "<i4"}


def read_state_dict(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read every tensor of a legacy PyTorch state dict.

    Parameters
    ----------
    path : Path
        A ``.pth`` file written by ``torch.save`` before version 1.6, or in its legacy format.

    Returns
    -------
    dict
        Name -> array with the dtype and shape it was saved with.

    Raises
    ------
    BodyshopError
        The file is of another kind, ends early, or asks for anything but an ordered dictionary
        of tensors.
    """
    import numpy as np

    stream = io.BytesIO(path.read_bytes())
    storages: dict[str, _Storage] = {}
    try:
        if _Reader(stream, storages).load() != MAGIC:
            raise BodyshopError(f"{path} is not a legacy PyTorch file")
        for _ in ("protocol", "system information"):
            _Reader(stream, storages).load()
        state = _Reader(stream, storages).load()
        for key in _Reader(stream, storages).load():
            storage = storages[key]
            (length,) = struct.unpack("<q", stream.read(8))
            dtype = np.dtype(_DTYPES[storage.kind])
            data = stream.read(length * dtype.itemsize)
            storage.data = np.frombuffer(data, dtype=dtype, count=length)
    except (pickle.UnpicklingError, struct.error, KeyError, ValueError, EOFError) as error:
        raise BodyshopError(f"{path} can't be read: {error}") from error
    return {name: tensor.array() for name, tensor in state.items()}


@dataclass
class _Storage:
    kind: str
    data: NDArray[np.generic] | None = None


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> NDArray[np.generic]:
        import numpy as np

        data = self.storage.data
        if data is None:
            raise BodyshopError("the file holds a tensor without its data")
        last = self.offset + sum(
            (n - 1) * step for n, step in zip(self.size, self.stride, strict=True)
        )
        if self.offset < 0 or min((*self.stride, 0)) < 0 or last >= data.size:
            raise BodyshopError("the file holds a tensor that points outside its data")
        strides = [step * data.itemsize for step in self.stride]
        view = np.lib.stride_tricks.as_strided(data[self.offset :], self.size, strides)
        return view.copy()


@dataclass(frozen=True)
class _StorageType:
    kind: str


def _rebuild_tensor(
    storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> _Tensor:
    return _Tensor(storage, offset, tuple(size), tuple(stride))


class _Reader(pickle.Unpickler):
    """An unpickler that allows three names and refuses all others."""

    def __init__(self, stream: io.BytesIO, storages: dict[str, _Storage]) -> None:
        super().__init__(stream)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return _StorageType(name)
        raise pickle.UnpicklingError(f"it refers to {module}.{name}, which is refused")

    def persistent_load(self, reference: Any) -> _Storage:
        kind, storage_type, key, *_ = reference
        if kind != "storage":
            raise pickle.UnpicklingError(f"it holds a reference of unknown kind {kind!r}")
        return self._storages.setdefault(key, _Storage(storage_type.kind))
