"""Rows of numbers, filled one after the other: in memory or, when they are many, on disk."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import BodyshopError
from bodyshop_core.processes import allocate

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Table:
    """An array that is made when its first rows are known.

    More bytes than `limit` become a memory-mapped file in half precision: a row then has 3 digits.
    The file has no name and is gone with the array, also after a kill. Numbers beyond the range of
    half precision stay in single precision.

    Parameters
    ----------
    rows : int
        How many.
    folder : Path
        Where such a file is put.
    limit : int, optional
        Bytes; None: there is none.
    """

    array: NDArray[Any]

    def __init__(self, rows: int, folder: Path, limit: int | None = None) -> None:
        import numpy as np

        self._rows, self._folder, self._limit = rows, folder, limit
        self.array, self._made = np.empty(0, np.float32), False

    def put(self, places: Sequence[int], values: NDArray[Any]) -> None:
        """Fill some rows.

        Raises
        ------
        BodyshopError
            The disk has no space for the file, which is made whole with the first rows.
        """
        import numpy as np

        if not self._made:
            self.array, self._made = self._empty(values.shape[1:], values.dtype), True
        here: Any = list(places)
        first = here[0]
        if here == list(range(first, first + len(here))):  # no copy of a memory map's pages
            here = slice(first, first + len(here))
        with np.errstate(over="ignore"):
            rows = values.astype(self.array.dtype, copy=False)
        if not np.isfinite(rows).all() and np.isfinite(values).all():
            wider = self._mapped if isinstance(self.array, np.memmap) else np.empty
            earlier, self.array = self.array, wider(self.array.shape, values.dtype)
            self.array[:] = earlier
            rows = values
        self.array[here] = rows

    def _empty(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        import numpy as np

        whole = (self._rows, *shape)
        if self._limit is None or int(np.prod(whole)) * dtype.itemsize <= self._limit:
            return np.empty(whole, dtype)
        return self._mapped(whole, np.float16)

    def _mapped(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        import numpy as np

        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # The map keeps the nameless file alive until the array is gone.
            with tempfile.TemporaryFile(dir=self._folder) as file:
                # A full disk would end the process when a page of a sparse file is written.
                allocate(file.fileno(), size)
                return np.memmap(file, dtype, "w+", shape=shape)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise BodyshopError(
                f"the disk is full: features need {size / 2**20:,.0f} MiB in {self._folder} "
                f"({error})",
                hint="free some space and run the same command again",
            ) from error
