"""Feature vectors on disk: one Parquet file per shard, float16, written whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FeatureBatch:
    """The output of a backbone for n pictures.

    Parameters
    ----------
    keys : tuple of str
        The pictures' sha256.
    features : ndarray of float16, shape (n, d)
        Pooled feature vectors.
    probabilities : ndarray of float16, shape (n, 1000), or None
        ImageNet class probabilities; None when the weights have no top.
    errors : dict
        sha256 -> text, of pictures that could not be decoded; they are not among `keys`.
    """

    keys: tuple[str, ...]
    features: NDArray[np.float16]
    probabilities: NDArray[np.float16] | None
    errors: dict[str, str]

    def __len__(self) -> int:
        return len(self.keys)

    def only(self, pictures: Collection[str]) -> FeatureBatch:
        """Return the batch without the pictures that are not among `pictures`."""
        rows = [index for index, key in enumerate(self.keys) if key in pictures]
        errors = {key: why for key, why in self.errors.items() if key in pictures}
        if len(rows) == len(self.keys) and len(errors) == len(self.errors):
            return self
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        keys = tuple(self.keys[index] for index in rows)
        return FeatureBatch(keys, self.features[rows], probabilities, errors)


class FeatureStore:
    """The shards of one backbone in one workspace.

    Parameters
    ----------
    folder : Path
        ``workspace/features/<fingerprint>``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self) -> set[str]:
        """Return the pictures in the shards, also those that could not be decoded."""
        import pyarrow.parquet as pq

        found: set[str] = set()
        for shard in self._shards():
            found.update(pq.read_table(shard, columns=["key"]).column("key").to_pylist())
        return found

    def add(self, batch: FeatureBatch) -> Path:
        """Write one shard, whole or not at all; return its path."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        def packed(array: NDArray[np.float16] | None) -> list[bytes | None]:
            rows = (
                [None] * len(batch)
                if array is None
                else [row.tobytes() for row in np.ascontiguousarray(array, dtype="<f2")]
            )
            return [*rows, *[None] * len(batch.errors)]

        keys = [*batch.keys, *batch.errors]
        errors = [*[None] * len(batch), *batch.errors.values()]
        table = pa.table(
            {
                "key": pa.array(keys, pa.string()),
                "error": pa.array(errors, pa.string()),
                "features": pa.array(packed(batch.features), pa.binary()),
                "probabilities": pa.array(packed(batch.probabilities), pa.binary()),
            }
        )
        name = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
        path = self.folder / f"{name}.parquet"
        with atomic.replacing(path) as temporary:
            # Float16 noise does not compress; storing it plain halves the time.
            pq.write_table(table, temporary, compression="NONE", use_dictionary=False)
        return path

    def load(self, keys: Iterable[str] | None = None) -> FeatureBatch:
        """Read the stored features.

        Parameters
        ----------
        keys : iterable of str, optional
            Only these pictures; all by default. Pictures without stored features are left out.

        Raises
        ------
        BodyshopError
            A shard is damaged: names it and what to do.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        wanted = None if keys is None else set(keys)
        rows: dict[str, tuple[bytes, bytes | None]] = {}
        errors: dict[str, str] = {}
        for shard in self._shards():
            try:
                table = pq.read_table(shard)
            except (pa.ArrowInvalid, OSError) as error:
                raise BodyshopError(
                    f"{shard} is damaged: {error}",
                    hint="delete that file; the next curate scores its pictures again",
                ) from error
            columns = (table.column(name).to_pylist() for name in _COLUMNS)
            for key, failure, features, probabilities in zip(*columns, strict=True):
                if wanted is not None and key not in wanted:
                    continue
                if failure is not None:
                    errors[key] = failure
                else:
                    rows[key] = (features, probabilities)
        order = sorted(rows)
        vectors = np.frombuffer(b"".join(rows[key][0] for key in order), dtype="<f2")
        vectors = vectors.reshape(len(order), -1) if order else np.empty((0, 0), np.float16)
        probabilities = None
        if order and all(rows[key][1] is not None for key in order):
            joined = b"".join(rows[key][1] or b"" for key in order)
            probabilities = np.frombuffer(joined, dtype="<f2").reshape(len(order), -1)
        return FeatureBatch(tuple(order), vectors, probabilities, errors)

    def stream(self) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        """Yield shard after shard the pictures and their vectors, of length 1.

        Yields
        ------
        tuple of (list of str, ndarray of float32, shape (n, d))
            A picture that is in two shards comes once.

        Raises
        ------
        BodyshopError
            A shard is damaged.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        seen: set[str] = set()
        for shard in self._shards():
            try:
                table = pq.read_table(shard, columns=["key", "features"])
            except (pa.ArrowInvalid, OSError) as error:
                raise BodyshopError(
                    f"{shard} is damaged: {error}",
                    hint="delete that file; the next curate scores its pictures again",
                ) from error
            rows = {
                key: features
                for key, features in zip(
                    table.column("key").to_pylist(),
                    table.column("features").to_pylist(),
                    strict=True,
                )
                if features is not None and key not in seen
            }
            seen.update(rows)
            if rows:
                vectors = np.frombuffer(b"".join(rows.values()), dtype="<f2")
                vectors = vectors.reshape(len(rows), -1).astype(np.float32)
                vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12
                yield list(rows), vectors

    def forget(self, sha256: str) -> int:
        """Rewrite the shards that hold a picture without it; return how many did."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        changed = 0
        for shard in self._shards():
            table = pq.read_table(shard)
            rest = table.filter(pc.not_equal(table.column("key"), sha256))
            if rest.num_rows == table.num_rows:
                continue
            changed += 1
            self._replace(shard, rest)
        return changed

    def forget_errors(self) -> int:
        """Rewrite the shards without the pictures that could not be decoded; return how many."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        count = 0
        for shard in self._shards():
            failed = pq.read_table(shard, columns=["error"]).column("error")
            errors = len(failed) - failed.null_count
            if errors:
                table = pq.read_table(shard)
                self._replace(shard, table.filter(pc.is_null(table.column("error"))))
                count += errors
        return count

    def _replace(self, shard: Path, rest: Any) -> None:
        import pyarrow.parquet as pq

        if not rest.num_rows:
            shard.unlink()
            return
        with atomic.replacing(shard) as temporary:
            pq.write_table(rest, temporary, compression="NONE", use_dictionary=False)

    def _shards(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.parquet") if path.name[0] != ".")


_COLUMNS = ("key", "error", "features", "probabilities")
