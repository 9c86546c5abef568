"""The copies in a workspace's duplicate clusters that were made from another member."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from bodyshop_core.catalog import schema
from curate.duplicates import descent

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

    Size = tuple[int, int]
    Scores = Callable[[Sequence[tuple[str, str]]], Mapping[tuple[str, str], float]]

MOST = 64
"""Members of a cluster, the best by everything else, that are compared with the best one."""

ROUNDS = 3
"""Times that a better one may take its place."""

_VARIABLES = 500


def made_from_others(
    ranked: Sequence[str],
    clusters: Mapping[str, str],
    sizes: Mapping[str, Size],
    scores: Scores,
) -> set[str]:
    """Return the members that were made from another one of their cluster and size.

    Parameters
    ----------
    ranked : sequence of str
        sha256 of members, the best by everything else first.
    clusters : Mapping
        sha256 -> cluster.
    sizes : Mapping
        sha256 -> sides in pixels, the shorter first, of those that can be compared.
    scores : callable
        Pairs of sha256, the smaller first -> scores of `curate.duplicates.descent.descent`.
    """
    members: dict[tuple[str, Size], list[str]] = {}  # only those of one size are comparable
    for name in ranked:
        if name in sizes:
            members.setdefault((clusters[name], sizes[name]), []).append(name)
    derived: set[str] = set()
    sources = {which: names[0] for which, names in members.items() if len(names) > 1}
    for _ in range(ROUNDS):
        pairs = {
            (min(source, name), max(source, name))
            for which, source in sources.items()
            for name in members[which][:MOST]
            if name != source
        }
        if not pairs:
            break
        found = scores(sorted(pairs))
        better: dict[tuple[str, Size], str] = {}
        for which, source in sources.items():
            for name in members[which][:MOST]:
                score = found.get((min(source, name), max(source, name)), 0.0)
                score = score if source < name else -score
                if score >= descent.MIN_DESCENT:
                    derived.add(name)
                elif score <= -descent.MIN_DESCENT and name not in derived:
                    derived.add(source)
                    better.setdefault(which, name)
        sources = better
    return derived


def sizes_of(workspace: Workspace, extensions: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Return the sides, the shorter first, of the pictures whose format `descent` can save again.

    Parameters
    ----------
    workspace : Workspace
        Theirs.
    extensions : Mapping
        sha256 -> extension.
    """
    images = schema.images
    wanted = sorted(name for name, kind in extensions.items() if kind in descent.EXTENSIONS)
    sizes: dict[str, tuple[int, int]] = {}
    with workspace.catalog.read() as connection:
        for at in range(0, len(wanted), _VARIABLES):
            query = select(images.c.sha256, images.c.width, images.c.height).where(
                images.c.sha256.in_(wanted[at : at + _VARIABLES])
            )
            for name, width, height in connection.execute(query):
                if width and height:
                    sizes[name] = (min(width, height), max(width, height))
    return sizes
