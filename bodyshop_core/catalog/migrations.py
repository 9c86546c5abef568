"""What changes in a catalog that an older bodyshop made; its rows stay."""

from __future__ import annotations

from sqlalchemy import Connection, text

from bodyshop_core.catalog.schema import SCHEMA_VERSION

_STEPS: dict[int, tuple[str, ...]] = {
    # who made a picture, as it says itself; where on the page it stood, and how old the server
    # says that it is
    1: (
        "ALTER TABLE images ADD COLUMN artist TEXT",
        "ALTER TABLE images ADD COLUMN copyright TEXT",
        "ALTER TABLE sightings ADD COLUMN selector TEXT",
        "ALTER TABLE sightings ADD COLUMN last_modified TEXT",
    ),
    # names as the field uses them; which split set is the newest is counted, not read off a clock
    2: (
        "ALTER TABLE sightings RENAME COLUMN full_size_rung TO url_candidate",
        "ALTER TABLE split_sets RENAME COLUMN proof TO leakage_check",
        "ALTER TABLE split_sets ADD COLUMN revision INTEGER NOT NULL DEFAULT 0",
        "UPDATE split_sets SET revision = (SELECT count(*) FROM split_sets AS other WHERE"
        " other.created_at < split_sets.created_at OR (other.created_at = split_sets.created_at"
        " AND other.name <= split_sets.name))",
        "UPDATE candidates SET details = json_remove(json_set(details, '$.url_candidates',"
        " json_extract(details, '$.ladder')), '$.ladder')"
        " WHERE json_type(details, '$.ladder') IS NOT NULL",
        "UPDATE candidates SET error_class = 'host_disabled' WHERE error_class = 'host_left_alone'",
        "UPDATE pages SET error_class = 'host_disabled' WHERE error_class = 'host_left_alone'",
    ),
}
"""Version -> the statements that make the next version of it."""


def can_migrate(version: int) -> bool:
    """Say whether a catalog of this version can become one of `SCHEMA_VERSION`."""
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
