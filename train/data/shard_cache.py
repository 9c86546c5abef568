"""Numbers computed once per picture and kept: shards on disk that many runs share."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic
from bodyshop_core.progress import SILENT, Progress

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

        wanted = dict.fromkeys(keys)
        rows: dict[str, NDArray[Any]] = {}
        for shard in sorted(self.folder.glob("*.npz")):
            rows |= self._read(shard, wanted, progress)
        first = {key: place for place, key in reversed(list(enumerate(keys)))}
        missing = [first[key] for key in wanted if key not in rows]
        if missing:
            with progress.task(task, total=len(missing)) as tick:
                for start in range(0, len(missing), SHARD):
                    places = missing[start : start + SHARD]
                    values = np.asarray(compute(places))
                    names = [keys[place] for place in places]
                    self._write(names, values)
                    rows |= dict(zip(names, values, strict=True))
                    tick(len(places))
        return np.stack([rows[key] for key in keys])

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
        self, shard: Path, wanted: dict[str, None], progress: Progress
    ) -> dict[str, NDArray[Any]]:
        import numpy as np

        try:
            # np.load leaves a file it opened itself open when the content is damaged.
            with shard.open("rb") as file, np.load(file, allow_pickle=False) as content:
                names = [str(name) for name in content["keys"]]
                here = [place for place, name in enumerate(names) if name in wanted]
                if not here:
                    return {}
                values = content["values"]
                return {names[place]: values[place] for place in here}
        except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError) as error:
            progress.log(f"cache shard {shard.name} is damaged ({error}): computing it again")
            shard.unlink(missing_ok=True)
            return {}

    def _write(self, names: Sequence[str], values: NDArray[Any]) -> None:
        import numpy as np

        name = hashlib.sha256("\n".join(names).encode()).hexdigest()[:24]
        with atomic.replacing(self.folder / f"{name}.npz") as temporary:
            np.savez(temporary, keys=np.array(names), values=values)
