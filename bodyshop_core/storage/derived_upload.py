"""Masks and variants that are in a workspace's folder, though it keeps them in a bucket."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bodyshop_core.errors import TransientError
from bodyshop_core.locking import locked
from bodyshop_core.storage import remote_objects
from bodyshop_core.storage.derived_files import LocalDerived
from bodyshop_core.storage.remote_derived import RemoteDerived

LOCK = "masks.lock"

_log = logging.getLogger(__name__)


def upload_local(root: Path, target: RemoteDerived) -> int:
    """Move masks and variants from a workspace's folder into its bucket, under their names.

    They are in the folder when they were made before ``blobs`` was set, or by a version that kept
    only the originals in the bucket. Each is removed from the folder once the bucket has given the
    same bytes back.

    Parameters
    ----------
    root : Path
        Of the workspace.
    target : RemoteDerived
        Its store.

    Returns
    -------
    int
        How many; usually none are there.

    Raises
    ------
    TransientError
        The store does not answer, or does not hold what was written; the others stay as files,
        and opening the workspace again goes on.
    """
    source = LocalDerived(root)
    if not source.sizes():
        return 0
    with locked(root / LOCK, wait=True):
        names = list(source.sizes())  # another process may just have moved them
        with ThreadPoolExecutor(remote_objects.THREADS) as pool:
            list(pool.map(partial(_move, source, target), names))
    if names:
        _log.warning(
            "%d masks and variants were files in %s; they are now in %s",
            len(names),
            root,
            target.place.url,
        )
    return len(names)


def _move(source: LocalDerived, target: RemoteDerived, name: str) -> None:
    data = source.fetch(name)
    target.restore(name, data)
    if target.fetch(name) != data:
        raise TransientError(f"{target.ref(name)} does not hold what was written")
    source.discard([name])
