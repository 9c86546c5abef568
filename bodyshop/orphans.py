"""Stored files that no row of the catalog refers to: counted, and removed on request."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from bodyshop.pending_downloads import read_pending
from bodyshop_core.catalog import all_images, pictures_among
from bodyshop_core.catalog.derived_names import names_of_masks_and_variants
from bodyshop_core.storage.derived_files import picture_of
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace

HOURS = 24.0
"""Age before which a file may be one that a running command has not noted yet."""

_AT_ONCE = 1000


@dataclass(frozen=True)
class OrphansSummary(Summary):
    """Outcome of `orphans`.

    Parameters
    ----------
    files : int
        Masks and variants of the workspace.
    orphans : int
        Those of pictures of the catalog that no row refers to, old enough.
    bytes : int
        Of these.
    young : int
        Such files that are younger: they may belong to a command that runs.
    unfinished : tuple of str
        Sets of variants that an interrupted `augment` left, whose files are kept: run it again.
    removed : bool
        The orphans were removed.
    originals : int
        Original pictures that the catalog does not have, old enough; 0 unless asked for. They are
        in `files`, `orphans`, `bytes` and `young`, too.
    """

    files: int
    orphans: int
    bytes: int
    young: int
    unfinished: tuple[str, ...]
    removed: bool
    originals: int


def orphans(
    workspace: Workspace,
    *,
    remove: bool = False,
    older_than: float = HOURS,
    originals: bool = False,
) -> OrphansSummary:
    """Count files to which nothing refers any more, and remove them on request.

    In a bucket, a mask that is drawn again and a variant that is made again are other objects; the
    earlier ones stay. On a disk, a killed command may leave some. What any row of the catalog names
    is kept, whatever its state; so are masks and variants of pictures that it does not have.
    Original pictures that it does not have are left by a killed import or collect.

    Parameters
    ----------
    workspace : Workspace
        An existing workspace.
    remove : bool
        Remove them, with their earlier versions.
    older_than : float
        Hours. A command that has run for longer, `augment` above all, may not have noted its files.
    originals : bool
        Also original pictures that the catalog does not have. A catalog that was restored from a
        backup lacks those that came after it.

    Raises
    ------
    ForeignPlaceError
        The workspace's bucket and prefix belong to another workspace.
    TransientError
        The store does not answer, or does not allow it.
    """
    workspace.blobs.claim(leave_note=remove)
    stored = workspace.derived.written()
    limit = time.time() - older_than * 3600
    known = all_images(workspace.catalog).keys()
    with workspace.catalog.read() as connection:
        named = names_of_masks_and_variants(connection)
    unfinished = _unfinished(workspace)
    left = [
        name
        for name in stored
        if name not in named
        and picture_of(name) in known
        and not name.startswith(tuple(f"variants/{each}/" for each in unfinished))
    ]
    old = [name for name in left if stored[name][1] < limit]
    pictures = workspace.blobs.written() if originals else {}
    promised = {each.sha256 for each in read_pending(workspace)} if pictures else set()
    unknown = [each for each in pictures if each not in known and each not in promised]
    lost = [each for each in unknown if pictures[each][1] < limit]
    if remove:
        _remove(workspace, old)
        _remove_originals(workspace, lost)
    return OrphansSummary(
        len(stored) + len(pictures),
        len(old) + len(lost),
        sum(stored[name][0] for name in old) + sum(pictures[each][0] for each in lost),
        len(left) - len(old) + len(unknown) - len(lost),
        unfinished,
        remove,
        len(lost),
    )


def _unfinished(workspace: Workspace) -> tuple[str, ...]:
    """Return the sets of variants whose results are not in the catalog yet."""
    shards = workspace.variants.glob("*/.shards/*.parquet")
    return tuple(sorted({path.parent.parent.name for path in shards}))


def _remove_originals(workspace: Workspace, sha256s: Iterable[str]) -> None:
    waiting = iter(sha256s)
    while part := list(islice(waiting, _AT_ONCE)):
        # Nobody who relies on stored bytes enters a picture meanwhile; what came before is kept.
        with workspace.catalog.removing() as connection:
            known = pictures_among(connection, part)
            workspace.blobs.remove(each for each in part if each not in known)


def _remove(workspace: Workspace, names: Iterable[str]) -> None:
    waiting = iter(names)
    while part := list(islice(waiting, _AT_ONCE)):
        # What was drawn or made again meanwhile has the same name when it is the same.
        with workspace.catalog.read() as connection:
            named = names_of_masks_and_variants(connection)
        workspace.derived.discard(name for name in part if name not in named)
