"""What a worker makes of a batch of pictures, each decoded once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.engine.allocator import keep_freed_memory
from bodyshop_core.engine.task import put_back
from bodyshop_core.errors import TransientError, UnreadableImageError
from bodyshop_core.imaging import fit_image, open_image
from curate.gate.extract import decoded_at, read_square, score_squares
from curate.gate.workers import as_rows, loaded
from curate.measure.picture import DecodedPicture, decode_for_measuring, measure_decoded
from curate.measure.thumbnail import thumbnail_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.engine.task import Item, Row


def look_at_pictures(items: list[Item], *, backbone: str, weights: Path | str | None) -> list[Row]:
    """Measure pictures, run the gate's network over them and make their thumbnails.

    Parameters
    ----------
    items : list of dict
        ``key`` (sha256) and ``blob`` (a `BlobRef`).
    backbone, weights
        Of the network, loaded once per process.

    Returns
    -------
    list of dict
        ``key`` and, for an unreadable picture, ``error``; else ``measured`` (what
        `curate.measure.picture.measure_picture` returns), ``seen`` (a row of
        `curate.gate.workers.as_rows`) and ``thumbnail`` (JPEG). One that storage does not give is
        put back.
    """
    import cv2

    cv2.setNumThreads(1)  # the engine runs a process per CPU already
    keep_freed_memory()
    scorer = loaded(backbone, weights)
    rows: dict[str, Row] = {}
    squares: dict[str, NDArray[np.uint8] | str] = {}
    for item in items:
        key = item["key"]
        try:
            data = item["blob"].read()
            picture = decode_for_measuring(data)
            rows[key] = {
                "key": key,
                "measured": measure_decoded(picture),
                "thumbnail": thumbnail_of(picture.rgb),
            }
            squares[key] = square_of(picture, data, scorer.input_size)
        except TransientError as error:
            rows[key] = put_back(item, error)
        except UnreadableImageError as error:
            rows[key] = {"key": key, "error": str(error)}
    batch = score_squares(scorer, list(squares), list(squares.values()))
    for seen in as_rows(batch):
        rows[seen["key"]]["seen"] = seen
    return [rows[item["key"]] for item in items]


def square_of(picture: DecodedPicture, data: bytes, side: int) -> NDArray[np.uint8]:
    """Return the square that `curate.gate.extract.read_square` returns, from the decode at hand.

    Parameters
    ----------
    picture : DecodedPicture
        Decoded for measuring.
    data : bytes
        The file, which is decoded again if the network needs more pixels of it.
    side : int
        The backbone's input size, in pixels.

    Raises
    ------
    UnreadableImageError
        The file can't be decoded at the larger size.
    """
    if picture.stored_at != _size_for_network(picture, data, decoded_at(side)):
        return read_square(data, side)
    return np.asarray(fit_image(picture.rgb, side))


def _size_for_network(picture: DecodedPicture, data: bytes, side: int) -> tuple[int, int]:
    """Return the size at which the network's square is decoded, before rotation."""
    if min(picture.stored_whole) < 2 * side:
        return picture.stored_whole  # a half would be too small
    with open_image(data) as image:
        image.draft("RGB", (side, side))
        return image.size
