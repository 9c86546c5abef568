"""Running a backbone over pictures: feature vectors and class probabilities."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import TransientError, UnreadableImageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.storage.blobs import BlobRef
from curate.gate.feature_store import FeatureBatch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.backbones import Scorer

Picture = Path | str | bytes | BlobRef
"""A file, its content, or a file of a workspace's store."""

BATCH = 32
"""Pictures per call of the network; larger batches are no faster on a CPU."""

SHARD = 256
"""Pictures per file: what a killed run loses at most."""


def extract_features(
    scorer: Scorer, files: Sequence[tuple[str, Picture]], *, progress: Progress = SILENT
) -> Iterator[FeatureBatch]:
    """Run a loaded network over pictures, `SHARD` at a time.

    Parameters
    ----------
    scorer : Scorer
        The network.
    files : sequence of (key, picture)
        Pictures that can't be decoded are in the batch's ``errors``.
    progress : Progress
        Told how many pictures are done.

    Yields
    ------
    FeatureBatch
        Up to `SHARD` pictures, in order.

    Raises
    ------
    TransientError
        After the last batch: storage did not give some of its pictures (`BlobRef`).
    """
    left: list[tuple[str, str]] = []
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        pending: list[list[Future[Any]]] = []
        chunks = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]

        def read(chunk: Sequence[tuple[str, Picture]]) -> list[Future[Any]]:
            return [pool.submit(_try_read, path, scorer.input_size) for _, path in chunk]

        # Decoding stays two batches ahead of the network, and no further: memory stays flat.
        pending.extend(read(chunk) for chunk in chunks[:2])
        part: list[FeatureBatch] = []
        with progress.task("gate", total=len(files)) as tick:
            for number, chunk in enumerate(chunks):
                squares = [future.result() for future in pending.pop(0)]
                keys = [key for key, _ in chunk]
                for key, square in zip(keys, squares, strict=True):
                    if isinstance(square, TransientError):
                        left.append((key, square.message))
                good = [at for at, one in enumerate(squares) if not isinstance(one, TransientError)]
                if number + 2 < len(chunks):
                    pending.append(read(chunks[number + 2]))
                part.append(
                    score_squares(scorer, [keys[at] for at in good], [squares[at] for at in good])
                )
                tick(len(good))
                if sum(len(batch) + len(batch.errors) for batch in part) >= SHARD:
                    yield _join(part)
                    part = []
        if any(len(batch) or batch.errors for batch in part):
            yield _join(part)
    if left:
        raise TransientError.of(left)


def read_square(source: Path | str | bytes, side: int) -> NDArray[np.uint8]:
    """Decode a picture to the square that a network takes.

    Parameters
    ----------
    source : Path, str or bytes
        A picture.
    side : int
        The backbone's input size, in pixels.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        RGB.

    Raises
    ------
    UnreadableImageError
        It can't be decoded.
    """
    from bodyshop_core.imaging import fit_square, load_rgb

    return fit_square(load_rgb(source, at_least=decoded_at(side)), side)


def decoded_at(side: int) -> int:
    """Return the pixels that both sides of a picture keep when it is decoded for a square.

    Twice as many as the square has: the rounding of a scaled decode does not reach the network.
    """
    return 2 * side


def _try_read(picture: Picture, side: int) -> NDArray[np.uint8] | str | TransientError:
    """Return the square, or why there is none: a text without the file's path, for the catalog."""
    try:
        return read_square(_content(picture), side)
    except TransientError as error:
        return error
    except UnreadableImageError as error:
        return error.message
    except OSError as error:
        return f"the file can't be read: {error.strerror}"


def _content(picture: Picture) -> bytes:
    if isinstance(picture, BlobRef):
        return picture.read()
    return picture if isinstance(picture, bytes) else Path(picture).read_bytes()


def score_squares(scorer: Scorer, keys: Sequence[str], squares: Sequence[Any]) -> FeatureBatch:
    """Run a loaded network over decoded pictures.

    Parameters
    ----------
    scorer : Scorer
        The network.
    keys : sequence of str
        Names of the pictures.
    squares : sequence of (ndarray or str)
        What `read_square` returns for each, or a text: why there is no square.

    Returns
    -------
    FeatureBatch
        The texts are its errors.
    """
    import numpy as np

    good = [(key, square) for key, square in zip(keys, squares, strict=True) if _is_array(square)]
    errors = {key: why for key, why in zip(keys, squares, strict=True) if not _is_array(why)}
    if not good:
        return FeatureBatch((), np.empty((0, 0), np.float16), None, errors)
    scores = scorer.score(np.stack([square for _, square in good]))
    probabilities = scores.probabilities
    return FeatureBatch(
        tuple(key for key, _ in good),
        scores.features.astype(np.float16),
        None if probabilities is None else probabilities.astype(np.float16),
        errors,
    )


def _is_array(value: object) -> bool:
    return not isinstance(value, str)


def _join(parts: Sequence[FeatureBatch]) -> FeatureBatch:
    import numpy as np

    full = [part for part in parts if len(part)]
    errors = {key: why for part in parts for key, why in part.errors.items()}
    if not full:
        return FeatureBatch((), np.empty((0, 0), np.float16), None, errors)
    probabilities = [part.probabilities for part in full if part.probabilities is not None]
    return FeatureBatch(
        tuple(key for part in full for key in part.keys),
        np.concatenate([part.features for part in full]),
        np.concatenate(probabilities) if probabilities else None,
        errors,
    )
