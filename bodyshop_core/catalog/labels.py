"""Labels of pictures, their origins, and which one counts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.catalog.store import Catalog, now

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Field(StrEnum):
    """What a label is about."""

    DAMAGE = "damage"
    BRAND = "brand"
    MODEL = "model"


class Origin(StrEnum):
    """Who gave a label, in descending order of precedence."""

    HUMAN = "human"
    ANNOTATION = "annotation"
    IMPORT = "import"
    QUERY = "query"


DAMAGED_WORDS = frozenset({
    "accident", "bad", "bent", "break", "broken", "bump", "bumped", "collision", "crack", "cracked",
    "cracks", "crash", "crashed", "damage", "damaged", "damages", "defect", "defective", "defects",
    "dent", "dented", "dents", "faulty", "flaw", "flawed", "flaws", "hail", "rust", "rusted",
    "rusty", "scratch", "scratched", "scratches", "shattered", "smashed", "torn", "totaled",
    "totalled", "wreck", "wrecked",
})  # fmt: skip
WHOLE_WORDS = frozenset({
    "clean", "faultless", "fine", "flawless", "good", "healthy", "intact", "normal", "ok", "okay",
    "perfect", "pristine", "whole",
})  # fmt: skip
NEGATIONS = frozenset({"free", "never", "nil", "no", "non", "none", "not", "un", "without", "zero"})
DAMAGED_STEMS = ("파손", "손상", "사고", "흠집", "스크래치", "찌그러", "결함", "불량")
WHOLE_STEMS = ("정상", "양호", "멀쩡", "온전")


@dataclass(frozen=True)
class EffectiveLabel:
    """The label that counts for one picture.

    Parameters
    ----------
    value : str or None
        The label; None when labels of equal precedence differ.
    origin : Origin
        The origin of highest precedence that gave a label.
    conflict : tuple of str
        The values that differ; empty without a conflict.
    """

    value: str | None
    origin: Origin
    conflict: tuple[str, ...] = ()


def nfc(text: str) -> str:
    """Normalise to NFC, so that a Hangul syllable is one code point."""
    return unicodedata.normalize("NFC", text)


def means_damaged(value: str) -> bool:
    """Return whether a damage label means that the car is damaged; see `damage_meaning`."""
    return damage_meaning(value) is True


def means_whole(value: str) -> bool:
    """Return whether a damage label means that the car is undamaged; see `damage_meaning`."""
    return damage_meaning(value) is False


def damage_meaning(value: str) -> bool | None:
    """Read a damage label in English or Korean, word by word.

    Each negation turns the meaning around, wherever it stands: ``no_damage``, ``scratch-free``,
    ``undamaged``, ``비파손``. Numbers and unknown words say nothing: ``00-damage``, ``carDented``.

    Parameters
    ----------
    value : str
        A label, often the name of a folder.

    Returns
    -------
    bool or None
        Whether the car is damaged; None when no word is known, or the words contradict.
    """
    meanings, negated = set(), False
    for word in _words(value):
        if word in NEGATIONS:
            negated = not negated
        elif (meaning := _word_meaning(word)) is not None:
            meanings.add(meaning)
    return (meanings.pop() != negated) if len(meanings) == 1 else None


def _words(value: str) -> list[str]:
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", nfc(value))
    return re.findall(r"[^\W\d_]+", apart.lower())


def _word_meaning(word: str) -> bool | None:
    if word in DAMAGED_WORDS or word in WHOLE_WORDS:
        return word in DAMAGED_WORDS
    for prefix in ("un", "non", "no", "not"):
        rest = word.removeprefix(prefix)
        if rest != word and (rest in DAMAGED_WORDS or rest in WHOLE_WORDS):
            return rest in WHOLE_WORDS
    for stems, damaged in ((DAMAGED_STEMS, True), (WHOLE_STEMS, False)):
        for stem in stems:
            if stem in word:  # "un-" directly before the stem, "without" and "is not" anywhere
                return damaged != bool(re.search(f"[무미비불]{stem}|없|아님|아닌", word))
    return None


def add_labels(
    catalog: Catalog,
    rows: Iterable[tuple[str, Field | str, str, Origin | str, str]],
    *,
    connection: Connection | None = None,
) -> int:
    """Store labels (sha256, field, value, origin, annotator); a repeated one changes nothing.

    Returns
    -------
    int
        The number of rows given.
    """
    at = now()
    return catalog.upsert(
        schema.labels,
        [
            {
                "sha256": sha256,
                "field": Field(field).value,
                "value": nfc(value),
                "origin": Origin(origin).value,
                "annotator": annotator,
                "at": at,
            }
            for sha256, field, value, origin, annotator in rows
        ],
        connection=connection,
    )


def effective_labels(catalog: Catalog, field: Field | str) -> dict[str, EffectiveLabel]:
    """Decide the label of every picture that has one.

    Parameters
    ----------
    catalog : Catalog
        Its labels are read.
    field : Field
        ``damage``, ``brand`` or ``model``. A model is (brand, model): its value is
        ``"<brand> <model>"``, as the collector and the import write it.

    Returns
    -------
    dict
        sha256 -> `EffectiveLabel`. Precedence: human > annotation > import > query.
    """
    rank = {origin: place for place, origin in enumerate(Origin)}
    given: dict[str, dict[Origin, set[str]]] = {}
    query = select(schema.labels.c.sha256, schema.labels.c.value, schema.labels.c.origin).where(
        schema.labels.c.field == Field(field).value
    )
    with catalog.read() as connection:
        for sha256, value, origin in connection.execute(query):
            given.setdefault(sha256, {}).setdefault(Origin(origin), set()).add(value)
    effective = {}
    for sha256, by_origin in given.items():
        origin = min(by_origin, key=rank.__getitem__)
        values = sorted(by_origin[origin])
        effective[sha256] = (
            EffectiveLabel(values[0], origin)
            if len(values) == 1
            else EffectiveLabel(None, origin, tuple(values))
        )
    return effective
