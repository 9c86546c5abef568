"""The map of a set, with labels that a cross-validated classifier doubts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from curate.similar.map_summary import MapSummary


def map_pictures(
    workspace: Workspace, *, clusters: int | None = None, progress: Progress = SILENT
) -> MapSummary:
    """Lay all pictures out by their features, cluster them, and look for wrong labels.

    Parameters
    ----------
    workspace : Workspace
        Curated, so that features are stored.
    clusters : int, optional
        How many; by default one for 25 pictures, 2 to 24.
    progress : Progress
        Told how many thumbnails are done.

    Returns
    -------
    MapSummary
        Its ``to_arrow()`` has one row per picture; ``page`` and ``image`` show them.

    Raises
    ------
    NothingFoundError
        Features of fewer than three pictures are stored.
    """
    import curate
    from bodyshop.suspects import disbelief

    return curate.map_pictures(workspace, clusters=clusters, disbelief=disbelief, progress=progress)
