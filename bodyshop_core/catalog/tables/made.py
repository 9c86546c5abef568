"""What was made of it, and what was known when: variants, runs, snapshots, tombstones."""

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, LargeBinary, Table

from bodyshop_core.catalog.tables.columns import Integer, String, Text, metadata, sha256_column

variant_sets = Table(
    "variant_sets",
    metadata,
    Column("policy", String(64), primary_key=True),  # digest: another policy is another set
    Column("split_set", String(64), primary_key=True),
    Column("name", String(64), nullable=False),  # the policy's name and the start of its digest
    Column("content", JSON, nullable=False),  # the policy itself
    Column("copies", Integer, nullable=False),
    Column("balance", Boolean, nullable=False),
    Column("versions", JSON, nullable=False),  # of the libraries that decide about pixels
    Column("updated_at", String(32), nullable=False),
)

variants = Table(
    "variants",
    metadata,
    sha256_column(primary_key=True),
    Column("policy", String(64), primary_key=True),
    Column("copy", Integer, primary_key=True),  # from 1
    Column("split_set", String(64), primary_key=True),
    Column("label", Text, nullable=False),
    Column("group", String(64), nullable=False),
    Column("current", Boolean, nullable=False),  # part of the set as it was last asked for
    Column("file", Text),  # relative to the workspace; NULL with an error
    Column("masks", JSON),  # damage class -> file
    Column("boxes", JSON),  # [[class, x1, y1, x2, y2], ...] as fractions
    Column("applied", JSON),  # the transforms and their parameters
    Column("seed", Integer),
    Column("attempt", Integer),  # 0, or how often it was drawn again to keep its masks
    Column("inputs", String(64), nullable=False),  # digest of the masks and boxes it was made with
    Column("digest", String(64)),  # sha256 of the file
    Column("bytes", Integer),
    Column("width", Integer),
    Column("height", Integer),
    Column("error", Text),
    Column("made_at", String(32), nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("command", String(32), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("versions", JSON, nullable=False),
    Column("state", String(16), nullable=False),  # running | done | failed | interrupted
    Column("counts", JSON),
    Column("folder", Text),
    Column("started_at", String(32), nullable=False),
    Column("seconds", Float),
    Column("data_state", String(64)),  # id in `states`: what the run learned from
)

policies = Table(  # what the digests in `verdicts` stand for
    "policies",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("content", JSON, nullable=False),
)

states = Table(  # what was known of all pictures at one time; equal states are one row
    "states",
    metadata,
    Column("id", String(64), primary_key=True),  # digest of all that follows but the last four
    Column("about", JSON, nullable=False),  # policies and split sets
    Column("chunks", JSON, nullable=False),  # [[first two digits of sha256, digest], ...]
    Column("pictures", Integer, nullable=False),  # that are in it now
    Column("erased", Integer, nullable=False, default=0),  # by `forget`, since it was recorded
    Column("tool_version", String(32), nullable=False),
    Column("created_at", String(32), nullable=False),
)

state_chunks = Table(  # pictures whose sha256 begin alike; states share what they have in common
    "state_chunks",
    metadata,
    Column("digest", String(64), primary_key=True),  # of the uncompressed rows
    Column("rows", LargeBinary, nullable=False),  # zlib of JSON, see bodyshop_core.snapshots
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("state", ForeignKey("states.id"), nullable=False),
    Column("note", Text),
    Column("tool_version", String(32), nullable=False),
    Column("created_at", String(32), nullable=False),
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("kind", String(8), primary_key=True),  # sha256 | url | host
    Column("value", Text, primary_key=True),
    Column("at", String(32), nullable=False),
)
