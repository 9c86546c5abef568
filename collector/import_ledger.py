"""What imports have said, so that a later import of the same root can correct it.

Every imported file is a sighting with its root and the labels that were said. When a file has moved
to another class folder, or its content was edited, what the same root said before is superseded:
the sighting stays as provenance, its labels go unless another import says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select, update

from bodyshop_core.catalog import Catalog, Origin, add_labels, now, schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

_VARIABLES = 500


@dataclass
class Corrections:
    """What an import changed of earlier ones.

    Parameters
    ----------
    superseded : int
        Statements of this root that no longer hold: the file moved or was edited, or another label
        was given.
    gone : list of str
        Files of an earlier import of this root that are not there any more; their pictures stay.
    conflicts : list of (str, str)
        Pictures with two values of one field, and the values.
    moved : dict
        Earlier root that is not there any more -> its statements that this import replaces, since
        it says as much about the same pictures.
    """

    superseded: int = 0
    gone: list[str] = field(default_factory=list)
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    moved: dict[str, int] = field(default_factory=dict)


def keep_said(
    connection: Connection, rows: Iterable[dict[str, Any]], older: Iterable[str] = ()
) -> tuple[list[dict[str, Any]], set[tuple[str, str, str]]]:
    """Merge new sightings with what the same sightings said before.

    Parameters
    ----------
    connection : Connection
        A write transaction.
    rows : iterable of dict
        Rows of `sightings` with ``said``.
    older : iterable of str
        Keys of the same sightings in a catalog of before imports had a root; they are replaced.

    Returns
    -------
    tuple of (list of dict, set of (sha256, field, value))
        The rows to write: fields that this import says nothing about stay as they were; and what
        was said before and is not any more.
    """
    rows = list(rows)
    for part in _parts(list(older)):
        connection.execute(delete(schema.sightings).where(schema.sightings.c.key.in_(part)))
    known = _said_before(connection, [row["key"] for row in rows])
    withdrawn: set[tuple[str, str, str]] = set()
    for row in rows:
        before = known.get(row["key"], {})
        withdrawn |= {
            (row["sha256"], name, value)
            for name, value in before.items()
            if row["said"].get(name, value) != value
        }
        row["said"] = {**before, **row["said"]}
    return rows, withdrawn


def withdraw(
    catalog: Catalog, connection: Connection, withdrawn: set[tuple[str, str, str]]
) -> None:
    """Delete labels that no import says any more.

    It belongs into the transaction that writes the sightings that no longer say them: an import
    that is interrupted in between would leave two labels for ever.

    Parameters
    ----------
    catalog : Catalog
        Of the connection.
    connection : Connection
        A write transaction in which the new sightings are written already.
    withdrawn : set of (sha256, field, value)
        From `keep_said`; what another sighting still says stays.
    """
    table = schema.sightings
    said: set[tuple[str, str, str]] = set()
    for names in _parts(sorted({sha256 for sha256, _, _ in withdrawn})):
        query = select(table.c.sha256, table.c.said).where(
            table.c.sha256.in_(names), table.c.superseded_at.is_(None), table.c.said.is_not(None)
        )
        for sha256, labels in connection.execute(query):
            said |= {(sha256, *each) for each in (labels or {}).items()}
    labels = schema.labels
    for sha256, name, value in sorted(withdrawn - said):
        connection.execute(
            delete(labels).where(
                labels.c.sha256 == sha256,
                labels.c.field == name,
                labels.c.value == value,
                labels.c.origin == Origin.IMPORT.value,
                labels.c.annotator == "",
            )
        )
    kept = [(*each, Origin.IMPORT, "") for each in sorted(said & withdrawn)]
    add_labels(catalog, kept, connection=connection)


def correct(
    catalog: Catalog, root: str, present: Mapping[str, str], relabelled: int
) -> Corrections:
    """Supersede what a root said before and says no longer.

    Parameters
    ----------
    catalog : Catalog
        Its sightings and labels are corrected, in one transaction.
    root : str
        The folder or archive that was imported, completely.
    present : Mapping
        Name below the root -> sha256, of all files that were read.
    relabelled : int
        Pictures with a label that this import has withdrawn already.

    Returns
    -------
    Corrections
        What changed.
    """
    table = schema.sightings
    found = Corrections()
    there = set(present.values())
    withdrawn: set[tuple[str, str, str]] = set()
    with catalog.begin() as connection:
        query = select(table.c.key, table.c.sha256, table.c.file, table.c.said).where(
            table.c.root == root, table.c.superseded_at.is_(None)
        )
        old: list[dict[str, Any]] = []
        for row in connection.execute(query).mappings():
            if present.get(row["file"]) == row["sha256"]:
                continue
            if row["file"] in present or row["sha256"] in there:
                old.append({"key": row["key"]})
                withdrawn |= {(row["sha256"], *each) for each in (row["said"] or {}).items()}
            else:
                found.gone.append(row["file"])
        moved = _elsewhere(connection, root, sorted(there))
        for one in moved:
            old.append({"key": one["key"]})
            found.moved[one["root"]] = found.moved.get(one["root"], 0) + 1
            withdrawn |= {(one["sha256"], *each) for each in (one["said"] or {}).items()}
        if old:
            connection.execute(
                update(table).where(table.c.key == bindparam("old")).values(superseded_at=now()),
                [{"old": each["key"]} for each in old],
            )
        found.superseded = len(old) - len(moved) + relabelled
        withdraw(catalog, connection, withdrawn)
        found.conflicts = _conflicts(connection, sorted(there))
    found.gone.sort()
    return found


def _elsewhere(connection: Connection, root: str, names: list[str]) -> list[Mapping[str, Any]]:
    """Return what roots that are not there any more said of pictures, where this one says as much.

    A folder was moved or renamed: nobody can correct what was said under its old name. A disk that
    is only away looks the same; when it is back, importing it says the same again.
    """
    table = schema.sightings
    columns = (table.c.key, table.c.sha256, table.c.root, table.c.said)
    there: dict[str, bool] = {root: True}
    found: list[Mapping[str, Any]] = []
    for part in _parts(names):
        query = select(*columns).where(
            table.c.sha256.in_(part), table.c.superseded_at.is_(None), table.c.root.is_not(None)
        )
        rows = [dict(row) for row in connection.execute(query).mappings()]
        said: dict[str, set[str]] = {}
        for row in rows:
            if row["root"] == root:
                said.setdefault(row["sha256"], set()).update(row["said"] or {})
        for row in rows:
            place = Path(row["root"])
            if row["root"] not in there:
                there[row["root"]] = not place.is_absolute() or _may_exist(place)
            if not there[row["root"]] and said.get(row["sha256"], set()) >= set(row["said"] or {}):
                found.append(row)
    return found


def _may_exist(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:  # below a folder that this user may not look into
        return True


def _conflicts(connection: Connection, names: list[str]) -> list[tuple[str, str]]:
    labels = schema.labels
    values: dict[tuple[str, str], set[str]] = {}
    for part in _parts(names):
        query = select(labels.c.sha256, labels.c.field, labels.c.value).where(
            labels.c.sha256.in_(part), labels.c.origin == Origin.IMPORT.value
        )
        for sha256, name, value in connection.execute(query):
            values.setdefault((sha256, name), set()).add(value)
    return [
        (sha256, " and ".join(sorted(found)))
        for (sha256, _), found in sorted(values.items())
        if len(found) > 1
    ]


def _said_before(connection: Connection, keys: list[str]) -> dict[str, dict[str, str]]:
    table = schema.sightings
    known: dict[str, dict[str, str]] = {}
    for part in _parts(keys):
        query = select(table.c.key, table.c.said).where(
            table.c.key.in_(part), table.c.superseded_at.is_(None)
        )
        known |= {key: dict(said or {}) for key, said in connection.execute(query)}
    return known


def _parts(values: list[str]) -> Iterable[list[str]]:
    return (values[at : at + _VARIABLES] for at in range(0, len(values), _VARIABLES))
