"""Pairs that may be copies: those that hashes have confirmed, and those that pixels decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from curate.duplicates.crowded import few_of_each, in_turns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Kind = Literal["exact", "near", "flip", "crop", "person"]

PairCheck = Callable[[Sequence[tuple[str, str]]], Mapping[tuple[str, str], Kind | None]]
"""Compares pixels: pairs of sha256 -> their relation, None for different pictures."""


@dataclass
class Candidates:
    """Pairs of positions, the smaller first.

    Parameters
    ----------
    seeds : ndarray of uint64, shape (n,)
        A number per picture that hangs on what it shows, see `curate.duplicates.crowded.ranks`.
    confirmed : dict
        Pair -> kind and differing bits.
    unclear : dict
        Pair -> differing bits, of those that pixels decide or have decided.
    asked : set
        Those of them that were compared.
    heavy : int
        Pictures in crowds of equal hashes.
    in_part : set of int
        Pictures that were compared with some of their crowd only.
    """

    seeds: NDArray[np.uint64]
    confirmed: dict[tuple[int, int], tuple[Kind, int]] = field(default_factory=dict)
    unclear: dict[tuple[int, int], int] = field(default_factory=dict)
    asked: set[tuple[int, int]] = field(default_factory=set)
    heavy: int = 0
    in_part: set[int] = field(default_factory=set)

    def offer(
        self,
        first: NDArray[np.int64],
        second: NDArray[np.int64],
        distance: NDArray[np.uint8],
    ) -> None:
        """Add pairs for pixels to decide; in a crowd, a few of each picture.

        Parameters
        ----------
        first, second : ndarray of int64, shape (m,)
            Positions, ``first < second``; a pair may be there several times.
        distance : ndarray of uint8, shape (m,)
            Differing bits.
        """
        few, late = few_of_each(first, second, distance, self.seeds)
        self.in_part.update(first[late].tolist(), second[late].tolist())
        for i, j, bits in zip(
            first[few].tolist(), second[few].tolist(), distance[few].tolist(), strict=True
        ):
            if (i, j) not in self.confirmed:
                self.unclear.setdefault((i, j), bits)

    def ask(self, names: Sequence[str], check: PairCheck | None) -> int:
        """Have the unclear pairs decided by their pixels; return how many were refuted.

        Parameters
        ----------
        names : sequence of str
            sha256 by position.
        check : callable, optional
            Compares pixels; without it the pairs are counted as asked.
        """
        asked = {
            pair: bits
            for pair, bits in self.unclear.items()
            if pair not in self.confirmed and pair not in self.asked
        }
        if check is None:
            self.asked.update(asked)
            return 0
        refuted = 0
        for turn in in_turns(asked, self.confirmed, self.seeds) if asked else ():
            self.asked.update(turn)
            answers = check([(names[i], names[j]) for i, j in turn])
            for i, j in turn:
                kind = answers.get((names[i], names[j]))
                if kind is not None:
                    self.confirmed[i, j] = (kind, self.unclear[i, j])
            refuted += sum(answer is None for answer in answers.values())
        for pair in asked:
            if pair not in self.asked:
                self.in_part.update(pair)
                del self.unclear[pair]
        return refuted
