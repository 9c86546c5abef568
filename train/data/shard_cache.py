"""Numbers computed once per picture and kept: shards on disk that many runs share."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic
from bodyshop_core.progress import SILENT, Progress
from train.data.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARD = 256
"""Pictures per shard: what a kill loses at most."""


class ShardCache:
    """A folder of ``.npz`` shards, each with ``keys`` (n,) and ``values`` (n, ...).

    Every shard is written atomically and carries the zip format's CRC: one that no longer matches
    is dropped and its pictures are computed again. Two processes may fill the same folder.

    Parameters
    ----------
    folder : Path
        One folder per (network, weights, preprocessing, cut); created when first written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fetch(
        self,
        keys: Sequence[str],
        compute: Callable[[list[int]], NDArray[Any]],
        *,
        limit: int | None = None,
        progress: Progress = SILENT,
        task: str = "features",
    ) -> NDArray[Any]:
        """Return one row per key, computing what is not there yet.

        Parameters
        ----------
        keys : Sequence of str
            Identities of the pictures; may repeat.
        compute : callable
            Positions in `keys` -> their rows, an array of shape (positions, ...).
        limit : int, optional
            Bytes; more of them come as `train.data.table.Table` keeps them.
        progress : Progress
            Told of each computed shard.
        task : str
            What the progress calls it.

        Returns
        -------
        ndarray, shape (len(keys), ...)
            In the order of `keys`.
        """
        import numpy as np

        wanted: dict[str, int] = {}
        for place, key in enumerate(keys):
            wanted.setdefault(key, place)
        rows = Table(len(keys), self.folder, limit)
        missing = dict(wanted)
        for shard in sorted(self.folder.glob("*.npz")):
            names, values = self._read(shard, missing, progress)
            if names:
                rows.put([missing.pop(name) for name in names], values)
        if missing:
            left = list(missing.values())
            with progress.task(task, total=len(left)) as tick:
                for start in range(0, len(left), SHARD):
                    places = left[start : start + SHARD]
                    values = np.asarray(compute(places))
                    self._write([keys[place] for place in places], values)
                    rows.put(places, values)
                    tick(len(places))
        for place, key in enumerate(keys):
            if wanted[key] != place:
                rows.put([place], rows.array[[wanted[key]]])
        return rows.array

    def stored(self) -> set[str]:
        """Return the identities of all pictures in the cache."""
        import numpy as np

        found: set[str] = set()
        for shard in sorted(self.folder.glob("*.npz")):
            with np.load(shard, allow_pickle=False) as content:
                found.update(str(name) for name in content["keys"])
        return found

    def drop(self, keys: Iterable[str]) -> int:
        """Remove these pictures' rows; returns how many were there."""
        import numpy as np

        unwanted, dropped = set(keys), 0
        for shard in sorted(self.folder.glob("*.npz")):
            with np.load(shard, allow_pickle=False) as content:
                names, values = content["keys"], content["values"]
            stay = np.array([name not in unwanted for name in names], bool)
            if not stay.all():
                dropped += int((~stay).sum())
                if stay.any():
                    self._write([str(name) for name in names[stay]], values[stay])
                shard.unlink()
        return dropped

    def _read(
        self, shard: Path, wanted: Mapping[str, Any], progress: Progress
    ) -> tuple[list[str], NDArray[Any]]:
        """Return the names and values of a shard's wanted rows; no name where it is damaged."""
        import numpy as np

        nothing: tuple[list[str], NDArray[Any]] = [], np.empty(0)
        try:
            # np.load leaves a file it opened itself open when the content is damaged.
            with shard.open("rb") as file, np.load(file, allow_pickle=False) as content:
                names = [str(name) for name in content["keys"]]
                # A name that is there twice, after two processes filled the folder, counts once.
                here = {name: place for place, name in enumerate(names) if name in wanted}
                if not here:
                    return nothing
                values = content["values"]
                return list(here), values[list(here.values())]
        except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError) as error:
            progress.log(f"cache shard {shard.name} is damaged ({error}): computing it again")
            shard.unlink(missing_ok=True)
            return nothing

    def _write(self, names: Sequence[str], values: NDArray[Any]) -> None:
        import numpy as np

        name = hashlib.sha256("\n".join(names).encode()).hexdigest()[:24]
        with atomic.replacing(self.folder / f"{name}.npz") as temporary:
            np.savez(temporary, keys=np.array(names), values=values)
