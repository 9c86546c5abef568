"""Decide which masks of a picture count: a pure function of its annotations.

The rules, per class:

* Masks drawn in a labelling project have priority over imported ones.
* An imported mask of a class that nobody drew stays, unless more than half of the picture's
  annotators had it on their page: they removed it.
* A file states what it contains. Files with different classes are united. Of the same class, the
  later file of one name replaces the earlier one; imports that were given names are annotators of
  their own and have to agree; they have priority over imports without a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from labeling.consensus.votes import AnnotatorVote


@dataclass(frozen=True)
class CountingMasks:
    """The masks of one class of one picture.

    Parameters
    ----------
    label : str
        The class.
    rows : tuple of Row
        The masks that count, one per annotator who drew the class.
    annotators : int
        How many annotators they are counted against: a pixel needs more than half of them.
    dropped : tuple of (Row, str)
        Masks that do not count, each with who is the reason.
    """

    label: str
    rows: tuple[Row[Any], ...]
    annotators: int
    dropped: tuple[tuple[Row[Any], str], ...]


def counting_masks(
    votes: Sequence[AnnotatorVote], imports: Sequence[AnnotatorVote]
) -> list[CountingMasks]:
    """Decide per class which masks count.

    Parameters
    ----------
    votes : sequence of AnnotatorVote
        The newest of each annotator in labelling projects.
    imports : sequence of AnnotatorVote
        All from files.
    """
    labels = sorted({label for vote in (*votes, *imports) for label in vote.masks})
    return [_of_class(label, votes, imports) for label in labels]


def _of_class(
    label: str, votes: Sequence[AnnotatorVote], imports: Sequence[AnnotatorVote]
) -> CountingMasks:
    drawn = tuple(vote.masks[label] for vote in votes if label in vote.masks)
    stated = [vote for vote in imports if label in vote.masks]
    if drawn:
        by = ", ".join(sorted(row.annotator for row in drawn))
        dropped = tuple((vote.masks[label], by) for vote in stated)
        return CountingMasks(label, drawn, len(votes), dropped)
    rows: dict[str, Row[Any]] = {}
    gone: list[tuple[Row[Any], str]] = []
    named = any(vote.is_named for vote in stated)
    for vote in sorted(stated, key=lambda each: each.order):
        row = vote.masks[label]
        seen = [each for each in votes if each.has_seen(row)]
        if len(seen) * 2 > len(votes):
            gone.append((row, f"{', '.join(each.annotator for each in seen)}, who removed it"))
        elif named and not vote.is_named:
            gone.append((row, ", ".join(v.annotator for v in stated if v.is_named)))
        else:
            # All imports without a name are one annotator.
            place = vote.annotator if vote.is_named else ""
            if place in rows:
                gone.append((rows[place], f"a later import of {vote.annotator}"))
            rows[place] = row
    return CountingMasks(label, tuple(rows.values()), len(rows), tuple(gone))
