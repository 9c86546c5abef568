"""Labels of pictures, their origins, and which one counts."""

from __future__ import annotations

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


DAMAGED_WORDS = frozenset({"damaged", "damage", "broken", "파손", "파손차량"})
WHOLE_WORDS = frozenset({"whole", "undamaged", "intact", "ok", "정상", "정상차량"})


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
    """Return whether a damage label means that the car is damaged."""
    return nfc(value).strip().lower() in DAMAGED_WORDS


def means_whole(value: str) -> bool:
    """Return whether a damage label means that the car is undamaged."""
    return nfc(value).strip().lower() in WHOLE_WORDS


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
