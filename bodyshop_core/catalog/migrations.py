"""Migrations of catalogs that an older bodyshop created; they keep all rows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import Connection, text

from bodyshop_core.catalog.dialect import Dialect
from bodyshop_core.catalog.schema import SCHEMA_VERSION

_HOST_AS_ORIGIN = (
    "ALTER TABLE sightings ADD COLUMN origin TEXT",
    "UPDATE sightings SET origin = substr(final_url, instr(final_url, '://') + 3)"
    " WHERE instr(final_url, '://') > 0",
    *(
        f"UPDATE sightings SET origin = substr(origin, 1, instr(origin, '{end}') - 1)"
        f" WHERE instr(origin, '{end}') > 0"
        for end in "/?#"
    ),
    "UPDATE sightings SET origin = substr(origin, instr(origin, '@') + 1)"
    " WHERE instr(origin, '@') > 0",
    "UPDATE sightings SET origin = substr(origin, 2, instr(origin, ']') - 2)"
    " WHERE origin LIKE '[%]%'",  # an IPv6 address
    "UPDATE sightings SET origin = substr(origin, 1, instr(origin, ':') - 1)"
    " WHERE origin LIKE '%:%' AND origin NOT LIKE '%:%:%'",
    "UPDATE sightings SET origin = lower(origin)",
    # The name of an imported folder was not kept: importing it again with --source sets it.
    "UPDATE sightings SET origin = source WHERE origin IS NULL OR origin = ''",
)
"""What `bodyshop_core.catalog.origins.host_of` does, in SQL."""

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
        *_HOST_AS_ORIGIN,
        # imports that can be corrected, and damage inside of a picture's data
        "ALTER TABLE sightings ADD COLUMN root TEXT",
        "ALTER TABLE sightings ADD COLUMN said JSON",
        "ALTER TABLE sightings ADD COLUMN superseded_at VARCHAR(32)",
        "ALTER TABLE measurements ADD COLUMN damage FLOAT",
        "ALTER TABLE measurements ADD COLUMN damage_note TEXT",
        # which copy of a picture is the better one
        "ALTER TABLE pair_checks ADD COLUMN added FLOAT",
        "CREATE TABLE copy_checks (sha256 VARCHAR(64) NOT NULL, version VARCHAR(32) NOT NULL,"
        " quality INTEGER, content FLOAT, error TEXT, PRIMARY KEY (sha256, version),"
        " FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE)",
        # one row per drawn region; which imported masks a labeler has been shown
        "CREATE TABLE regions (key VARCHAR(64) NOT NULL PRIMARY KEY, sha256 VARCHAR(64) NOT NULL"
        " REFERENCES images (sha256) ON DELETE CASCADE, mask VARCHAR(64) NOT NULL,"
        " number INTEGER NOT NULL, label TEXT NOT NULL, severity TEXT, part TEXT,"
        " annotator VARCHAR(64) NOT NULL, origin VARCHAR(32), kind VARCHAR(16) NOT NULL,"
        " geometry JSON NOT NULL, box JSON NOT NULL, area INTEGER NOT NULL)",
        "CREATE INDEX ix_regions_sha256 ON regions (sha256)",
        "CREATE INDEX ix_regions_mask ON regions (mask)",
        "ALTER TABLE label_tasks ADD COLUMN shown JSON",
        "ALTER TABLE pages ADD COLUMN announced INTEGER",
        "ALTER TABLE sightings ADD COLUMN sense VARCHAR(3)",
    ),
    # snapshots, and which state of the pictures a run learned from
    3: (
        "ALTER TABLE runs ADD COLUMN data_state VARCHAR(64)",
        "CREATE TABLE policies (digest VARCHAR(64) NOT NULL PRIMARY KEY, content JSON NOT NULL)",
        "CREATE TABLE states (id VARCHAR(64) NOT NULL PRIMARY KEY, about JSON NOT NULL,"
        " chunks JSON NOT NULL, pictures INTEGER NOT NULL, erased INTEGER NOT NULL,"
        " tool_version VARCHAR(32) NOT NULL, created_at VARCHAR(32) NOT NULL)",
        "CREATE TABLE state_chunks (digest VARCHAR(64) NOT NULL PRIMARY KEY, rows BLOB NOT NULL)",
        # pictures inside of others, and what tells a copy that was changed
        "ALTER TABLE measurements ADD COLUMN inner TEXT",
        "ALTER TABLE pair_checks ADD COLUMN framed INTEGER",
        "ALTER TABLE copy_checks ADD COLUMN clipped FLOAT",
        "ALTER TABLE copy_checks ADD COLUMN resampled FLOAT",
        "CREATE TABLE snapshots (name VARCHAR(64) NOT NULL PRIMARY KEY,"
        " state VARCHAR(64) NOT NULL REFERENCES states (id), note TEXT,"
        " tool_version VARCHAR(32) NOT NULL, created_at VARCHAR(32) NOT NULL)",
    ),
    # clusters that people made, and pictures that are a reference
    4: (
        "CREATE TABLE cluster_decisions (sha256 VARCHAR(64) NOT NULL PRIMARY KEY"
        " REFERENCES images (sha256) ON DELETE CASCADE, cluster VARCHAR(32) NOT NULL,"
        ' merged BOOLEAN NOT NULL, "by" VARCHAR(64) NOT NULL, at VARCHAR(32) NOT NULL)',
        "CREATE TABLE gold (sha256 VARCHAR(64) NOT NULL PRIMARY KEY"
        ' REFERENCES images (sha256) ON DELETE CASCADE, "by" VARCHAR(64) NOT NULL,'
        " at VARCHAR(32) NOT NULL)",
    ),
    # several collectors
    5: (
        "ALTER TABLE pages ADD COLUMN lease VARCHAR(32)",
        "ALTER TABLE candidates ADD COLUMN lease VARCHAR(32)",
        "ALTER TABLE candidates ADD COLUMN address VARCHAR(32)",
        "CREATE TABLE collectors (id VARCHAR(32) NOT NULL PRIMARY KEY, machine TEXT NOT NULL,"
        " blobs TEXT NOT NULL, started_at VARCHAR(32) NOT NULL, expires_at FLOAT NOT NULL)",
        "CREATE TABLE hosts (host TEXT NOT NULL PRIMARY KEY, counts_as TEXT,"
        " interval FLOAT NOT NULL, gap FLOAT NOT NULL, connections INTEGER,"
        " next_start FLOAT NOT NULL, cooling_until FLOAT NOT NULL, open JSON NOT NULL,"
        " blocks INTEGER NOT NULL, disabled TEXT NOT NULL)",
    ),
    # number plates and faces that are proposed, and what people said about them
    6: (
        "CREATE TABLE hiding_proposals (sha256 VARCHAR(64) NOT NULL REFERENCES images (sha256)"
        " ON DELETE CASCADE, kind VARCHAR(8) NOT NULL, version VARCHAR(16) NOT NULL,"
        " width INTEGER NOT NULL, height INTEGER NOT NULL, boxes JSON NOT NULL,"
        " PRIMARY KEY (sha256, kind))",
        "CREATE TABLE hiding_decisions (sha256 VARCHAR(64) NOT NULL PRIMARY KEY"
        " REFERENCES images (sha256) ON DELETE CASCADE, regions JSON NOT NULL,"
        ' "by" VARCHAR(64) NOT NULL, at VARCHAR(32) NOT NULL)',
    ),
}
"""Version -> the statements that lead to the next version, as SQLite has them."""

_POSTGRES_STEPS: dict[int, tuple[str, ...]] = {
    5: (
        "CREATE INDEX candidates_queued ON candidates (host, updated_at, key)"
        " WHERE state = 'queued'",
        "CREATE INDEX candidates_leased ON candidates (lease) WHERE lease IS NOT NULL",
        "CREATE INDEX candidates_done ON candidates (brand, model) WHERE state = 'done'",
        "CREATE INDEX candidates_address ON candidates (address)",
    ),
}
"""What is done there only. Versions before 5 are on SQLite only."""

_POSTGRES_TYPES = (
    (re.compile(r"VARCHAR\(\d+\)|\bTEXT\b"), 'TEXT COLLATE "C"'),
    (re.compile(r"\bINTEGER\b"), "BIGINT"),
)


def can_migrate(version: int) -> bool:
    """Return whether a catalog of this version can be migrated to `SCHEMA_VERSION`."""
    return all(step in _STEPS for step in range(version, SCHEMA_VERSION))


def migrate(connection: Connection, dialect: Dialect) -> None:
    """Bring a catalog to `SCHEMA_VERSION`, in the write transaction of the caller.

    The version is read again inside the transaction: another command may have been faster.
    """
    version = dialect.version(connection)
    for step in range(version, SCHEMA_VERSION):
        for statement in _statements(step, connection.dialect.name):
            connection.execute(text(statement))
    dialect.set_version(connection, SCHEMA_VERSION)


def _statements(step: int, dialect: str) -> Iterator[str]:
    if dialect != "postgresql":
        yield from _STEPS[step]
        return
    for statement in _STEPS[step]:
        for pattern, there in _POSTGRES_TYPES:
            statement = pattern.sub(there, statement)
        yield statement
    yield from _POSTGRES_STEPS.get(step, ())
