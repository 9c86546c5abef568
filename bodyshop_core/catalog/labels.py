"""Labels of pictures, their origins, and which one counts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.catalog.store import Catalog, now
from bodyshop_core.catalog.streaming import stream

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select


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
NEGATIONS = frozenset({
    "never", "nil", "no", "non", "none", "not", "un", "without", "zero", "무", "미", "비", "불",
})  # fmt: skip
"""They turn the word after them around."""

LAST_NEGATIONS = frozenset({"never", "nil", "no", "none", "not", "zero"})
"""As the last word they turn the word before them around: ``scratched_no``, ``damage: none``."""

FOLLOWING_NEGATIONS = frozenset({"free", "없음", "없는", "없다", "없이", "아님", "아닌"})
"""They turn the word before them around: ``rust-free``, ``손상 없음``."""

FILLERS = frozenset({"a", "an", "any"})
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

    A negation turns the word around that it stands directly beside: ``no_damage``,
    ``scratch-free``, ``undamaged``, ``비파손``; beside another word it leaves the label unknown:
    ``no_plate_damaged``. "No" before a number is none: ``dent no. 3``. Numbers and unknown words
    say nothing: ``00-damage``, ``carDented``.

    Parameters
    ----------
    value : str
        A label, often the name of a folder.

    Returns
    -------
    bool or None
        Whether the car is damaged; None when no word is known, the words contradict, or a negation
        belongs to neither.
    """
    meanings: set[bool] = set()
    words = _words(value)
    at = 0
    while at < len(words):
        negations = 0
        while at < len(words) and (words[at] in NEGATIONS or _is_free_of(words, at)):
            negations += 1
            at += 2 if _is_free_of(words, at) else 1
            while at < len(words) and words[at] in FILLERS:
                at += 1
        word = words[at] if at < len(words) else ""
        meaning = _word_meaning(word)
        if meaning is None and (negations or word in FOLLOWING_NEGATIONS or _NEGATED.search(word)):
            return None  # who knows what is negated
        at += 1
        if at < len(words) and _turns_back(words, at):
            negations += 1
            at += 1
        if meaning is not None:
            meanings.add(meaning != bool(negations % 2))
        elif negations:
            return None
    return meanings.pop() if len(meanings) == 1 else None


_NEGATED = re.compile("없|아님|아닌")
_PARTICLE = "(?:차량|차|이력|흔적|부위)?[이가은는도]?"


def _words(value: str) -> list[str]:
    """Return the words in lower case, without numbers and the "no" before them."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", nfc(value)).lower()
    without_numbers = re.sub(r"(?<![^\W\d_])no[\W_]*\d+", " ", apart)
    return re.findall(r"[^\W\d_]+", without_numbers)


def _is_free_of(words: list[str], at: int) -> bool:
    return words[at] == "free" and words[at + 1 : at + 2] in (["of"], ["from"])


def _turns_back(words: list[str], at: int) -> bool:
    """Return whether a word negates the one before it."""
    if words[at] in FOLLOWING_NEGATIONS:
        return not _is_free_of(words, at)
    return at == len(words) - 1 and words[at] in LAST_NEGATIONS


def _word_meaning(word: str) -> bool | None:
    if word in DAMAGED_WORDS or word in WHOLE_WORDS:
        return word in DAMAGED_WORDS
    for prefix in ("un", "non", "no", "not"):
        rest = word.removeprefix(prefix)
        if rest != word and (rest in DAMAGED_WORDS or rest in WHOLE_WORDS):
            return rest in WHOLE_WORDS
    for stems, damaged in ((DAMAGED_STEMS, True), (WHOLE_STEMS, False)):
        for stem in stems:
            if stem in word:
                return _korean_meaning(word, stem, damaged)
    return None


def _korean_meaning(word: str, stem: str, damaged: bool) -> bool | None:
    """Turn a word with "un-" directly before its stem, or "without", "is not" after it, around."""
    if re.search(f"^(?:완전|차량|차)?[무미비불]{stem}", word):
        return not damaged if not _NEGATED.search(word) else None
    if re.search(f"{stem}{_PARTICLE}(?:없|아님|아닌)", word):
        return not damaged
    # "경미손상" is slight damage, not undamaged
    return None if _NEGATED.search(word) or re.search(f"[무미비불]{stem}", word) else damaged


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


def effective_labels(
    catalog: Catalog,
    field: Field | str,
    *,
    among: Collection[str] | None = None,
    without: Origin | None = None,
) -> dict[str, EffectiveLabel]:
    """Decide the label of every picture that has one.

    Parameters
    ----------
    catalog : Catalog
        Its labels are read.
    field : Field
        ``damage``, ``brand`` or ``model``. A model is (brand, model): its value is
        ``"<brand> <model>"``, as the collector and the import write it.
    among : collection of str, optional
        sha256 of the pictures that are wanted, at most some hundreds; all by default.
    without : Origin, optional
        Decide as if there were no labels of this origin.

    Returns
    -------
    dict
        sha256 -> `EffectiveLabel`. Precedence: human > annotation > import > query.
    """
    table = schema.labels
    query = select(table.c.sha256, table.c.value, table.c.origin).where(
        table.c.field == Field(field).value
    )
    if among is not None:
        query = query.where(table.c.sha256.in_(among))
    if without is not None:
        query = query.where(table.c.origin != without.value)
    with catalog.read() as connection:
        return dict(_decided(connection, query))


def each_effective_label(
    connection: Connection, field: Field | str
) -> Iterator[tuple[str, EffectiveLabel]]:
    """Yield what `effective_labels` returns, in the order of sha256 and without keeping it."""
    table = schema.labels
    query = select(table.c.sha256, table.c.value, table.c.origin)
    return _decided(connection, query.where(table.c.field == Field(field).value))


def _decided(connection: Connection, query: Select[Any]) -> Iterator[tuple[str, EffectiveLabel]]:
    """Decide about the labels of one picture after the other; equal outcomes are one object."""
    rank = {origin.value: place for place, origin in enumerate(Origin)}
    known: dict[tuple[tuple[int, str], ...], EffectiveLabel] = {}
    rows = (
        row for part in stream(connection, query.order_by(schema.labels.c.sha256)) for row in part
    )
    for sha256, said in groupby(rows, key=itemgetter(0)):
        key = tuple(sorted({(rank[origin], value) for _, value, origin in said}))
        label = known.get(key)
        if label is None:
            label = known[key] = _effective(key)
        yield sha256, label


def _effective(said: Sequence[tuple[int, str]]) -> EffectiveLabel:
    """Return the label of sorted (place of the origin, value)."""
    best = said[0][0]
    values = tuple(value for place, value in said if place == best)
    origin = list(Origin)[best]
    return (
        EffectiveLabel(values[0], origin)
        if len(values) == 1
        else EffectiveLabel(None, origin, values)
    )
