"""Migrations of catalogs that an older bodyshop created; they keep all rows."""

from __future__ import annotations

from sqlalchemy import Connection, text

from bodyshop_core.catalog.schema import SCHEMA_VERSION

_STEPS: dict[int, tuple[str, ...]] = {
    # artist and copyright in the picture; its element on the page, and Last-Modified
    1: (
        "ALTER TABLE images ADD COLUMN artist TEXT",
        "ALTER TABLE images ADD COLUMN copyright TEXT",
        "ALTER TABLE sightings ADD COLUMN selector TEXT",
        "ALTER TABLE sightings ADD COLUMN last_modified TEXT",
    ),
    # the field's names; a revision, since times can't tell which split set is the newest
    2: (
        "ALTER TABLE sightings RENAME COLUMN full_size_rung TO url_candidate",
        "ALTER TABLE split_sets RENAME COLUMN proof TO leakage_check",
        "ALTER TABLE split_sets ADD COLUMN revision INTEGER NOT NULL DEFAULT 0",
        "UPDATE split_sets SET revision = (SELECT count(*) FROM split_sets AS other WHERE"
        " other.created_at < split_sets.created_at OR (other.created_at = split_sets.created_at"
        " AND other.name <= split_sets.name))",
        "UPDATE annotations SET value = json_remove(json_set(value, '$.annotators',"
        " json_extract(value, '$.voices')), '$.voices') WHERE annotator = 'consensus'"
        " AND json_extract(value, '$.voices') IS NOT NULL",
        "UPDATE candidates SET details = json_remove(json_set(details, '$.url_candidates',"
        " json_extract(details, '$.ladder')), '$.ladder')"
        " WHERE json_type(details, '$.ladder') IS NOT NULL",
        "UPDATE candidates SET error_class = 'host_disabled' WHERE error_class = 'host_left_alone'",
        "UPDATE pages SET error_class = 'host_disabled' WHERE error_class = 'host_left_alone'",
        "ALTER TABLE pages ADD COLUMN announced INTEGER",
        "ALTER TABLE sightings ADD COLUMN sense VARCHAR(3)",
    ),
}
"""Version -> the statements that lead to the next version."""


def can_migrate(version: int) -> bool:
    """Return whether a catalog of this version can be migrated to `SCHEMA_VERSION`."""
    return all(step in _STEPS for step in range(version, SCHEMA_VERSION))


def migrate(connection: Connection) -> None:
    """Bring a catalog to `SCHEMA_VERSION`, in the write transaction of the caller.

    The version is read again inside the transaction: another command may have been faster.
    """
    version = connection.execute(text("PRAGMA user_version")).scalar_one()
    for step in range(version, SCHEMA_VERSION):
        for statement in _STEPS[step]:
            connection.execute(text(statement))
    connection.execute(text(f"PRAGMA user_version = {SCHEMA_VERSION}"))
