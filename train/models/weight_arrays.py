"""The arrays inside a ``model.keras``, read without TensorFlow and without trusting the file."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WEIGHTS_ENTRY = "model.weights.h5"

LIMIT = 2 << 30
"""Bytes of the weights, unpacked; those of VGG16 with its top take half of it."""

_DAMAGE = (
    OSError, KeyError, TypeError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile,
    zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What `zipfile`, its decompressors and h5py raise on damaged files."""


def read_arrays(file: Path) -> dict[str, NDArray[np.generic]]:
    """Read the weights of a network.

    Parameters
    ----------
    file : Path
        A Keras 3 file.

    Returns
    -------
    dict
        Path inside the file, such as ``layers/dense/vars/0`` (kinds of layers are numbered in the
        order of the network), to the array.

    Raises
    ------
    BodyshopError
        The file is damaged, too large, or refers to other files.
    """
    import h5py

    try:
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo(WEIGHTS_ENTRY).file_size > LIMIT:
                raise BodyshopError(f"the weights in {file} take more than {LIMIT >> 30} GiB")
            content = io.BytesIO(archive.read(WEIGHTS_ENTRY))
        with h5py.File(content) as stored:
            return dict(_arrays(stored, "", [LIMIT]))
    except _DAMAGE as error:
        raise BodyshopError(f"the weights in {file} can't be read: {error}") from error


def _arrays(group: Any, place: str, left: list[int]) -> Any:
    import h5py

    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{place}{name} is a link")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _arrays(item, f"{place}{name}/", left)
            continue
        if item.external or item.is_virtual:
            raise ValueError(f"{place}{name} refers to another file")
        left[0] -= item.nbytes  # as declared: a small file may declare a large array
        if left[0] < 0:
            raise ValueError(f"{place}{name} is larger than {LIMIT >> 30} GiB")
        yield f"{place}{name}", item[()]
