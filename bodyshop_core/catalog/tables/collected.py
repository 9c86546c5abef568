"""What was collected: pictures, where they were seen, pages and hosts, labels."""

from sqlalchemy import JSON, Column, Float, Index, Table

from bodyshop_core.catalog.tables.columns import Integer, Sha, String, Text, metadata, sha256_column

images = Table(
    "images",
    metadata,
    Column("sha256", Sha, primary_key=True),
    Column("extension", String(8), nullable=False),  # of the sniffed type, with no dot
    Column("bytes", Integer, nullable=False),
    Column("format", String(16)),  # Pillow's name: JPEG, PNG, WEBP, ...; NULL: not decodable
    Column("width", Integer),  # as stored, before EXIF rotation
    Column("height", Integer),
    Column("mode", String(16)),
    Column("exif_orientation", Integer),
    Column("artist", Text),  # as the picture's own EXIF, XMP or IPTC says
    Column("copyright", Text),
    Column("added_at", String(32), nullable=False),  # UTC, ISO 8601
)

sightings = Table(
    "sightings",
    metadata,
    Column("key", String(64), primary_key=True),  # digest of what makes this sighting this one
    sha256_column(nullable=False, index=True),
    Column("url", Text),
    Column("final_url", Text),
    Column("page_url", Text),
    Column("page_title", Text),
    Column("alt", Text),
    Column("caption", Text),
    Column("selector", Text),  # CSS path of the element it was found at
    Column("file", Text),  # original path of an imported picture
    Column(
        "source", String(64), nullable=False
    ),  # "pages", "spinner", "search:bing", "import", ...
    # where pictures of the same camera, site or person come from: host, or name of an import
    Column("origin", Text),
    Column("brand", Text),
    Column("model", Text),
    Column("query", Text),
    Column("rank", Integer),
    Column("spin_group", String(64), index=True),
    Column("frame", Integer),
    Column("frames", Integer),  # of the whole turn; NULL when it was not seen to close
    Column("angle_deg", Float),
    Column("sense", String(3)),  # ccw | cw, seen from above; NULL: not known
    Column("capture", String(32)),  # bytes, panorama, sprite, canvas, screenshot, inline
    Column("url_candidate", String(32)),  # where on the page its address was found
    Column("status", Integer),
    Column("etag", Text),
    Column("last_modified", Text),  # as the server sent it
    Column("content_type", Text),
    Column("licence", Text),
    Column("author", Text),
    Column("permission", JSON),  # what robots and opt-out headers said, and any override
    Column("given_split", String(16)),  # train | validation | test, as the folder was named
    Column("root", Text),  # of an import: the folder or archive that was imported
    Column("said", JSON),  # of an import: {field: label}, as its path or table says
    Column("superseded_at", String(32)),  # a later import of the same root says otherwise
    Column("fetched_at", String(32), nullable=False),
    Column("tool_version", String(32), nullable=False),
    Column("recipe_version", String(32)),
)

pages = Table(
    "pages",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("source", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("brand", Text),
    Column("model", Text),
    Column("query", Text),
    Column("state", String(16), nullable=False),  # queued | done | partial | failed | refused
    Column("found", Integer, nullable=False, default=0),
    Column("announced", Integer),  # pictures that the page says it has; NULL: it does not say
    Column("error_class", String(64)),
    Column("error", Text),
    Column("recipe_version", String(32)),
    Column("visited_at", String(32)),
    Column("lease", String(32)),  # of several collectors the one that works on it; NULL: none
)

candidates = Table(
    "candidates",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("page_key", String(64), index=True),
    Column("url", Text, nullable=False),
    Column("host", Text, nullable=False, index=True),
    Column("brand", Text),
    Column("model", Text),
    Column("source", String(64), nullable=False),
    Column("details", JSON, nullable=False),  # the whole Candidate, for the sighting to come
    Column("state", String(16), nullable=False, index=True),  # queued|done|duplicate|refused|failed
    Column("error_class", String(64)),
    Column("error", Text),
    Column("attempts", Integer, nullable=False, default=0),
    Column("not_before", Float),  # UNIX time in seconds
    Column("sha256", Sha),
    Column("updated_at", String(32), nullable=False),
    Column("lease", String(32)),  # as that of a page
    # digest of the first address, the same for every spelling; NULL: before version 6
    Column("address", String(32)),
)

# What several collectors look for; one alone keeps it in memory, so SQLite does not pay for them.
for _index in (
    Index(
        "candidates_queued", candidates.c.host, candidates.c.updated_at, candidates.c.key,
        postgresql_where=candidates.c.state == "queued",
    ),
    Index(
        "candidates_leased", candidates.c.lease, postgresql_where=candidates.c.lease.is_not(None)
    ),
    Index(
        "candidates_done", candidates.c.brand, candidates.c.model,
        postgresql_where=candidates.c.state == "done",
    ),
    Index("candidates_address", candidates.c.address),
):  # fmt: skip
    _index.ddl_if(dialect="postgresql")

collectors = Table(  # that work on one ledger at present; their leases end with their row
    "collectors",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("machine", Text, nullable=False),
    Column("blobs", Text, nullable=False),  # where it puts the pictures
    Column("started_at", String(32), nullable=False),
    Column("expires_at", Float, nullable=False),  # UNIX time in seconds, of the database's clock
)

hosts = Table(  # the politeness that several collectors share; see collector.net.politeness
    "hosts",
    metadata,
    Column("host", Text, primary_key=True),
    Column("counts_as", Text),  # another row's host: they have one address
    Column("interval", Float, nullable=False, default=0.0),  # seconds
    Column("gap", Float, nullable=False, default=0.0),
    Column("connections", Integer),
    Column("next_start", Float, nullable=False, default=0.0),  # as collectors.expires_at
    Column("cooling_until", Float, nullable=False, default=0.0),
    Column("open", JSON, nullable=False, default={}),  # collector -> requests in progress
    Column("blocks", Integer, nullable=False, default=0),
    Column("disabled", Text, nullable=False, default=""),
)

labels = Table(
    "labels",
    metadata,
    sha256_column(primary_key=True),
    Column("field", String(16), primary_key=True),  # damage | brand | model
    Column("value", Text, primary_key=True),  # NFC
    Column("origin", String(16), primary_key=True),  # human | annotation | import | query
    Column("annotator", String(64), primary_key=True, default=""),
    Column("at", String(32), nullable=False),
    Index("labels_by_field", "field", "value"),
)
