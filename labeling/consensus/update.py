"""Update the consensus of annotators: one mask per picture and class, labels and decisions.

The result depends only on the rows in `annotations` and can be computed again at any time.
The rules:

* Only the newest annotation of each annotator counts.
* Which masks count, drawn or imported, is decided per class by `labeling.consensus.counting`.
* The masks of a single annotator are used as drawn. With several annotators, a pixel belongs to the
  consensus mask when more than half of them drew it; an annotator who drew nothing of the class
  votes against it. Two annotators therefore have to agree on a pixel. The instances are those of
  the annotator who is closest to the consensus, cut to it; what is left over is cut into parts.
* The majority of the reviewers decides a review; a tie gives no decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, update

from bodyshop_core.catalog import Field, Origin, add_labels, schema
from labeling.consensus.computing import (
    DECIDED_BY,
    ConsensusOfChunk,
    Said,
    compute_consensus,
)
from labeling.consensus.votes import CONSENSUS
from labeling.records.pictures import erased_pictures
from labeling.records.regions import replace_regions

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

CHUNK = 100
"""Pictures per statement."""


@dataclass(frozen=True)
class PreparedConsensus:
    """The consensus that a change leads to, with its masks in the bucket; none without one."""

    parts: Sequence[tuple[Said, ConsensusOfChunk]] = ()

    def consensus(self, number: int, said: Said) -> ConsensusOfChunk | None:
        """Return that of a chunk of pictures; None when the catalog now says something else."""
        if number < len(self.parts) and self.parts[number][0] == said:
            return self.parts[number][1]
        return None


def prepare_consensus(
    workspace: Workspace, write: Callable[[Connection], Iterable[str]]
) -> PreparedConsensus:
    """Compute the consensus of a change and bring its masks into a bucket, before the change.

    So nobody waits for the store, or for the pixels, while the catalog is locked for writing.
    Without a bucket nothing is done: a file changes in place, together with its row.

    Parameters
    ----------
    workspace : Workspace
        Where the masks are.
    write : callable
        Makes the change in a write transaction, and returns the pictures for `update_consensus`.
        It is called here and taken back, and again by the caller.

    Raises
    ------
    TransientError
        The store does not answer.
    """
    if not workspace.derived.immutable:
        return PreparedConsensus()
    workspace.blobs.claim()  # which may write into the catalog: not in the caller's transaction
    with workspace.catalog.begin() as connection:
        said = [Said.read(connection, chunk) for chunk in _chunks(write(connection))]
        connection.rollback()
    return PreparedConsensus([(each, _with_files(workspace, each)) for each in said])


def update_consensus(
    connection: Connection,
    workspace: Workspace,
    sha256s: Iterable[str],
    prepared: PreparedConsensus | None = None,
) -> tuple[str, ...]:
    """Compute the consensus of pictures whose annotations changed, and write it.

    Parameters
    ----------
    connection : Connection
        The write transaction in which the annotations changed.
    workspace : Workspace
        Where the masks are.
    sha256s : iterable of str
        The pictures.
    prepared : PreparedConsensus, optional
        From `prepare_consensus` of the same change; what it does not fit is computed here.

    Returns
    -------
    tuple of str
        Masks that counted until now, or are new, and do not count: one sentence each.
    """
    dropped: list[str] = []
    prepared = prepared or PreparedConsensus()
    _discard_erased(connection, workspace, prepared)
    for number, chunk in enumerate(_chunks(sha256s)):
        said = Said.read(connection, chunk)
        consensus = prepared.consensus(number, said) or _with_files(workspace, said)
        _write(connection, workspace, chunk, consensus)
        dropped += consensus.dropped
    return tuple(dropped)


def _chunks(sha256s: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(set(sha256s))
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def _discard_erased(
    connection: Connection, workspace: Workspace, prepared: PreparedConsensus
) -> None:
    """Remove the masks of pictures that were erased since they were prepared."""
    masks = [mask for _, consensus in prepared.parts for mask in consensus.masks]
    erased = erased_pictures(connection, {mask["sha256"] for mask in masks})
    workspace.derived.discard(mask["file"] for mask in masks if mask["sha256"] in erased)


def _with_files(workspace: Workspace, said: Said) -> ConsensusOfChunk:
    """Compute a consensus, and write its masks: each gets the name that it has in the store."""
    consensus = compute_consensus(workspace, said)
    files = [mask["file"] for mask in consensus.masks]
    names = workspace.derived.put_all(zip(files, consensus.pngs, strict=True))
    for mask, name in zip(consensus.masks, names, strict=True):
        mask["file"] = name
    return consensus


def _write(
    connection: Connection,
    workspace: Workspace,
    sha256s: Sequence[str],
    consensus: ConsensusOfChunk,
) -> None:
    table, labels, decided = schema.annotations, schema.labels, schema.decisions
    for state, keys in (("current", consensus.current), ("superseded", consensus.superseded)):
        connection.execute(update(table).where(table.c.key.in_(keys)).values(state=state))
    connection.execute(
        update(table)
        .where(table.c.sha256.in_(sha256s), table.c.annotator == CONSENSUS)
        .values(state="deleted")
    )
    workspace.catalog.upsert(table, consensus.masks, connection=connection)
    agreed = [row["key"] for row in consensus.masks]
    replace_regions(connection, workspace, agreed, consensus.regions)
    connection.execute(
        delete(labels).where(
            labels.c.sha256.in_(sha256s),
            labels.c.field == Field.DAMAGE.value,
            (labels.c.origin == Origin.ANNOTATION.value)
            | ((labels.c.origin == Origin.HUMAN.value) & labels.c.annotator.startswith(DECIDED_BY)),
        )
    )
    add_labels(workspace.catalog, consensus.labels, connection=connection)
    connection.execute(
        delete(decided).where(decided.c.sha256.in_(sha256s), decided.c.by.startswith(DECIDED_BY))
    )
    workspace.catalog.upsert(decided, consensus.decisions, connection=connection)
