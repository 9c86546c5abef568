"""Examples that must not be in two folds: near-duplicates of one another, and views of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bodyshop_core.catalog import BlobRef

RADIUS = 8


@dataclass(frozen=True)
class Example:
    """A picture with a known answer.

    Parameters
    ----------
    path : Path or BlobRef
        The picture.
    accept : bool
        Whether the gate should accept it.
    folder : str
        The group its figures are counted in.
    framing : str, optional
        ``full`` or ``part``, when a person labelled it.
    """

    path: Path | BlobRef
    accept: bool
    folder: str
    framing: str | None = None


def group_examples(examples: Sequence[Example]) -> list[int]:
    """Return a group number per example.

    Parameters
    ----------
    examples : sequence of Example
        A path may occur several times.

    Returns
    -------
    list of int
        The same number for the same file, for files with hashes within `RADIUS` bits, and for
        files connected through others. Two cars before the same wall may share a number: that
        makes the folds a little coarser, and no figure too good.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    from curate.duplicates.search import near_pairs
    from curate.measure.hashes import as_integers
    from curate.measure.picture import measure_picture

    files = {str(example.path): example.path for example in examples}
    paths = sorted(files)
    hashes = as_integers([measure_picture(files[path].read_bytes())["phash"] for path in paths])
    found = near_pairs(hashes, radius=RADIUS)
    links = coo_array(
        (np.ones(len(found.first)), (found.first, found.second)), shape=(len(paths), len(paths))
    )
    _, numbers = connected_components(links, directed=False)
    number_of = dict(zip(paths, numbers.tolist(), strict=True))
    return [number_of[str(example.path)] for example in examples]
