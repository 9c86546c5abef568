"""Masks and variants that are in a workspace's folder, though it keeps them in a bucket."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bodyshop_core.locking import locked
from bodyshop_core.storage import remote_objects
from bodyshop_core.storage.derived_files import LocalDerived
from bodyshop_core.storage.manifests import rename_in_manifests
from bodyshop_core.storage.remote_derived import RemoteDerived

LOCK = "masks.lock"

_log = logging.getLogger(__name__)


def upload_local(
    root: Path, target: RemoteDerived, renamed: Callable[[dict[str, str]], None]
) -> int:
    """Move masks and variants from a workspace's folder into its bucket.

    They are in the folder when they were made before ``blobs`` was set, or by a version that kept
    only the originals in the bucket. They are removed from the folder once the bucket has given the
    same bytes back, and the catalog and the manifests have the names that they got there.

    Parameters
    ----------
    root : Path
        Of the workspace.
    target : RemoteDerived
        Its store.
    renamed : callable
        Brings the new names into the catalog.

    Returns
    -------
    int
        How many; usually none are there.

    Raises
    ------
    TransientError
        The store does not answer, or does not hold what was written; all stay as files, and
        opening the workspace again goes on.
    """
    source = LocalDerived(root)
    if not source.sizes():
        return 0
    with locked(root / LOCK, wait=True):
        names = list(source.sizes())  # another process may just have moved them
        with ThreadPoolExecutor(remote_objects.THREADS) as pool:
            got = list(pool.map(lambda name: target.bring(name, source.fetch(name)), names))
        now = dict(zip(names, got, strict=True))
        renamed(now)
        rename_in_manifests(root, now)
        source.discard(names)
    if names:
        _log.warning(
            "%d masks and variants were files in %s; they are now in %s",
            len(names),
            root,
            target.place.url,
        )
    return len(names)
