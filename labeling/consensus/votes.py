"""The rows of one annotation, read as the vote of its annotator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

CONSENSUS = "consensus"
"""Annotator of the masks that several annotators agreed on."""


@dataclass(frozen=True)
class AnnotatorVote:
    """One annotation of one picture by one annotator.

    Parameters
    ----------
    rows : tuple of Row
        Its rows of the table `annotations`: one of kind ``choices``, one of kind ``mask`` per
        class. Masks that another program wrote may have no row of choices.
    """

    rows: tuple[Row[Any], ...]

    @property
    def head(self) -> Row[Any]:
        """The row of choices, or the first row when there is none."""
        return next((row for row in self.rows if row.kind == "choices"), self.rows[0])

    @property
    def annotator(self) -> str:
        """Who annotated."""
        return str(self.head.annotator)

    @property
    def is_import(self) -> bool:
        """Whether it is from a file, not from a labelling project."""
        return not self.head.instance

    @property
    def is_named(self) -> bool:
        """Whether an import was given the name of a person: only people agree or disagree."""
        return bool((self.head.value or {}).get("named"))

    @property
    def is_review(self) -> bool:
        """Whether it answers keep or reject."""
        return "decision" in self.chosen

    @property
    def order(self) -> tuple[str, int]:
        """Sort key: of two annotations, the one with the larger key is newer."""
        return self.head.updated_at, self.head.remote_id or 0

    @property
    def masks(self) -> dict[str, Row[Any]]:
        """Class -> row of its mask."""
        return {row.label: row for row in self.rows if row.kind == "mask"}

    def has_seen(self, mask: Row[Any]) -> bool:
        """Return whether the annotator's page showed this imported mask, as it is now."""
        shown = (self.head.value or {}).get("shown")
        return isinstance(shown, dict) and shown.get(mask.key) == mask.updated_at

    @property
    def chosen(self) -> dict[str, list[str]]:
        """Control -> chosen values."""
        choices = (self.head.value or {}).get("choices", {})
        return choices if isinstance(choices, dict) else {}

    def choice(self, control: str) -> str | None:
        """Return the chosen value of a control that takes one value."""
        values = self.chosen.get(control)
        return values[0] if values else None

    @property
    def damage(self) -> str | None:
        """The damage label: the choice, or ``damaged`` when only masks were drawn."""
        return self.choice("state") or ("damaged" if self.masks else None)


def read_votes(rows: Iterable[Row[Any]]) -> list[AnnotatorVote]:
    """Group the rows of one picture by annotation, in the order of their first rows."""
    grouped: dict[tuple[Any, ...], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        grouped[row.project, row.instance, row.remote_id, row.annotator].append(row)
    return [AnnotatorVote(tuple(group)) for group in grouped.values()]
