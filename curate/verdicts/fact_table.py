"""What is known about all pictures, in columns; one picture's `Facts` are made when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from curate.verdicts.screen import Facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.catalog import EffectiveLabel
    from curate.duplicates.copies import CopyFacts
    from curate.duplicates.signatures import Signatures
    from curate.measure.columns import MeasurementColumns

NO_RANK = -(1 << 62)
"""In `Found.rank`, of a picture that has none."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What the gate said of n pictures.

    Parameters
    ----------
    p_car : ndarray of float64, shape (n,)
        NaN where it did not score.
    framing : list of (str or None)
        As the gate, or a person, says.
    errors : dict
        Position -> why a picture could not be scored.
    """

    p_car: NDArray[np.float64]
    framing: list[str | None]
    errors: dict[int, str]


@dataclass(frozen=True, eq=False)
class Found:
    """Where n pictures were found, and what groups them.

    Parameters
    ----------
    page, host, source : list of (str or None)
        Of the first sighting that stands.
    rank : ndarray of int64, shape (n,)
        `NO_RANK` where there is none.
    keys : list of tuple of str
        What a picture shares with others.
    spinners, given : dict
        Position -> spinner, and the split that a folder named.
    superseded : ndarray of bool, shape (n,)
        Whether all that found it has been replaced.
    """

    page: list[str | None]
    host: list[str | None]
    source: list[str | None]
    rank: NDArray[np.int64]
    keys: list[tuple[str, ...]]
    spinners: dict[int, str]
    given: dict[int, str]
    superseded: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FactTable(Sequence[Facts]):
    """Everything verdicts may depend on, of n pictures, the oldest first.

    Parameters
    ----------
    names : list of str
        sha256.
    size_bytes : ndarray of int64, shape (n,)
        Of the originals.
    measured : MeasurementColumns
        Their measurements.
    scores : Scores
        What the gate said.
    labels : list of (EffectiveLabel or None)
        For the target field.
    decisions : dict
        Position -> ``keep`` or ``reject``, decided by a person.
    found : Found
        Where they were found.
    copies : Mapping
        sha256 -> `CopyFacts` of members of duplicate clusters.
    probes : Mapping
        sha256 -> name -> probability.
    clustered : Mapping
        Position -> the cluster that a person put it into, and whether all of it show the same.
    """

    names: list[str]
    size_bytes: NDArray[np.int64]
    measured: MeasurementColumns
    scores: Scores
    labels: list[EffectiveLabel | None]
    decisions: dict[int, str]
    found: Found
    copies: Mapping[str, CopyFacts] = field(default_factory=dict)
    probes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    clustered: Mapping[int, tuple[str, bool]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, position: int) -> Facts: ...
    @overload
    def __getitem__(self, position: slice) -> list[Facts]: ...
    def __getitem__(self, position: int | slice) -> Facts | list[Facts]:
        if isinstance(position, slice):
            return [self._facts(place) for place in range(*position.indices(len(self)))]
        return self._facts(range(len(self))[position])

    def __iter__(self) -> Iterator[Facts]:
        return map(self._facts, range(len(self)))

    def with_copies(self, copies: Mapping[str, CopyFacts]) -> FactTable:
        """Return the table with what is known of members of duplicate clusters."""
        return self._with(copies=copies)

    def with_probes(self, probes: Mapping[str, Mapping[str, float]]) -> FactTable:
        """Return the table with what named probes say."""
        return self._with(probes=probes)

    def _with(self, **changes: Any) -> FactTable:
        changed = replace(self, **changes)
        changed.__dict__["positions"] = self.positions  # what was computed stays
        return changed

    @cached_property
    def positions(self) -> dict[str, int]:
        """sha256 -> position."""
        return {name: position for position, name in enumerate(self.names)}

    @cached_property
    def _by_name(self) -> NDArray[np.int64]:
        return np.array(sorted(range(len(self)), key=self.names.__getitem__), dtype=np.int64)

    def of(self, sha256: str) -> Facts:
        """Return the facts of one picture."""
        return self._facts(self.positions[sha256])

    def signatures(self, among: NDArray[np.bool_] | None = None) -> Signatures:
        """Return what is compared to find duplicates, of the pictures that could be measured.

        Parameters
        ----------
        among : ndarray of bool, shape (n,), optional
            Only these pictures.
        """
        from curate.duplicates.signatures import Signatures

        usable = self.measured.hashed.copy()
        usable[[place for place, error in self.measured.texts["error"].items() if error]] = False
        if among is not None:
            usable &= among
        chosen = self._by_name[usable[self._by_name]]
        return Signatures.of_columns(self.measured, chosen, self.names)

    @property
    def spin_groups(self) -> dict[str, str]:
        """sha256 -> spinner, of spinner frames."""
        return {self.names[place]: spinner for place, spinner in self.found.spinners.items()}

    def _facts(self, place: int) -> Facts:
        name, found = self.names[place], self.found
        p_car, rank = self.scores.p_car.item(place), found.rank.item(place)
        more: dict[str, Any] = {}
        copy = self.copies.get(name)
        if copy is not None:
            more = {
                "content": copy.content, "copy_quality": copy.quality, "overlaid": copy.overlaid,
                "clipped": copy.clipped, "resampled": copy.resampled, "framed": copy.framed,
                "derived": copy.derived, "made_from": copy.made_from, "camera": copy.camera,
            }  # fmt: skip
        if place in self.clustered:
            more["placed"], more["merged"] = self.clustered[place]
        if name in self.probes:
            more["probes"] = self.probes[name]
        return Facts(
            name,
            measured=self.measured.row(place),
            p_car=None if p_car != p_car else p_car,
            framing=self.scores.framing[place],
            gate_error=self.scores.errors.get(place),
            label=self.labels[place],
            decision=self.decisions.get(place),
            size_bytes=self.size_bytes.item(place),
            group_keys=found.keys[place],
            spin_group=found.spinners.get(place),
            given_split=found.given.get(place),
            superseded=found.superseded.item(place),
            page=found.page[place],
            host=found.host[place],
            source=found.source[place],
            rank=None if rank == NO_RANK else rank,
            **more,
        )
