"""The catalog's tables. Everything about a picture hangs on its sha256.

Computed values are keyed on (sha256, algorithm name and version); nothing here is ever deleted by a
stage: a reject is a row in `verdicts`, an erasure leaves a row in `tombstones`.
"""

import sqlalchemy
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
)
from sqlalchemy.types import TypeEngine

SCHEMA_VERSION = 6
"""In the catalog itself; older ones are migrated, newer ones refused with a message."""

metadata = MetaData()

# SQLite keeps any text and whole numbers of 64 bits whatever a column is declared as, and compares
# texts byte by byte. The other databases are told to.
Integer = BigInteger().with_variant(sqlalchemy.Integer(), "sqlite")
Text = sqlalchemy.Text(collation="C").with_variant(sqlalchemy.Text(), "sqlite")


def String(width: int) -> TypeEngine[str]:  # noqa: N802 - it stands where a type does
    """Return the type of a short text; its width is for people to read."""
    return sqlalchemy.Text(collation="C").with_variant(sqlalchemy.String(width), "sqlite")


Sha = String(64)


def _sha(**options: object) -> Column[str]:
    return Column("sha256", Sha, ForeignKey("images.sha256", ondelete="CASCADE"), **options)  # type: ignore[arg-type]


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
    _sha(nullable=False, index=True),
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
    Column("capture", String(32)),  # "bytes", "panorama", "sprite", "canvas", "screenshot"
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
    _sha(primary_key=True),
    Column("field", String(16), primary_key=True),  # damage | brand | model
    Column("value", Text, primary_key=True),  # NFC
    Column("origin", String(16), primary_key=True),  # human | annotation | import | query
    Column("annotator", String(64), primary_key=True, default=""),
    Column("at", String(32), nullable=False),
    Index("labels_by_field", "field", "value"),
)

measurements = Table(
    "measurements",
    metadata,
    _sha(primary_key=True),
    Column("version", String(64), primary_key=True),  # measure's name, version, hash library
    Column("width", Integer),  # after EXIF rotation
    Column("height", Integer),
    Column("phash", String(16)),  # 64 bits, hex
    Column("phash_mirror", String(16)),  # of the picture seen in a mirror
    Column("phash256", String(64)),
    Column("inner", Text),  # phash of pictures that it shows (a screenshot's), with blanks
    Column("dhash", String(16)),
    Column("colour", String(96)),  # mean RGB of 4 x 4 cells, hex
    Column("ac_energy", Float),  # too small: too plain to hash
    Column("pixel_digest", String(64)),  # of the decoded pixels: the same picture saved again
    Column("sharpness", Float),  # 0 to 1
    Column("brightness", Float),  # 0 to 1, as the fractions
    Column("dark_fraction", Float),
    Column("bright_fraction", Float),
    Column("contrast", Float),  # 0 to 0.5
    Column("entropy", Float),  # bits, 0 to 8
    Column("colourfulness", Float),
    Column("jpeg_quality", Integer),  # estimated, 1 to 100; NULL: no JPEG
    Column("exif_camera", Text),
    Column("exif_time", String(32)),
    Column("damage", Float),  # 0 to 1: share of the data behind the first damaged place
    Column("damage_note", Text),
    Column("error", Text),
)

pair_checks = Table(
    "pair_checks",
    metadata,
    Column("first", Sha, ForeignKey("images.sha256", ondelete="CASCADE"), primary_key=True),
    Column("second", Sha, ForeignKey("images.sha256", ondelete="CASCADE"), primary_key=True),
    Column("version", String(32), primary_key=True),
    Column("mirrored", Boolean),
    Column("overlap", Float),  # 0 to 1, as the others; see curate.duplicates.pixels
    Column("covered", Float),
    Column("outliers", Float),
    Column("correlation", Float),
    Column("added", Float),  # by version: curate.duplicates.checks, overlays, descent
    Column("framed", Integer),  # 1: the first shows the second in a frame; 2: the other way; 3
    Column("error", Text),
)

copy_checks = Table(  # of members of duplicate clusters: what is left of the original
    "copy_checks",
    metadata,
    _sha(primary_key=True),
    Column("version", String(32), primary_key=True),
    Column("quality", Integer),  # lowest JPEG quality it was ever saved with; 100: none seen
    Column("content", Float),  # 0 to 1: share inside of black or white bars
    Column("clipped", Float),  # 0 to 1: share of it at its brightest level
    Column("resampled", Float),  # cycles per pixel that interpolation left in it; NULL: none seen
    Column("error", Text),
)

gate_scores = Table(
    "gate_scores",
    metadata,
    _sha(primary_key=True),
    Column("gate", String(96), primary_key=True),  # backbone, weights, rule and its version
    Column("p_car", Float),
    Column("framing", String(16)),  # full | part | interior
    Column("top5", JSON),  # [[class name, probability], ...] for people to read
    Column("error", Text),
)

detections = Table(  # where the car is, found by an object detector
    "detections",
    metadata,
    _sha(primary_key=True),
    Column("detector", String(64), primary_key=True),  # file name and digest of the model
    Column("label", String(32)),  # car | truck | bus; NULL: none found
    Column("score", Float),
    Column("box", JSON),  # [left, top, right, bottom], 0 to 1 of the upright picture
    Column("error", Text),
)

verdicts = Table(
    "verdicts",
    metadata,
    _sha(primary_key=True),
    Column("verdict", String(8), nullable=False),  # keep | reject
    Column("reasons", JSON, nullable=False),  # list of Reason values
    Column("details", JSON),  # per reason: value, threshold, the other picture
    Column("cluster", String(64), index=True),
    Column("representative", Sha),
    Column("group", String(64), index=True),  # never straddles a split
    Column("policy", String(64), nullable=False),  # digest of the policy that decided
    Column("gate", String(96)),
    Column("human", Boolean, nullable=False, default=False),
    Column("decided_at", String(32), nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    _sha(primary_key=True),
    Column("decision", String(8), nullable=False),  # keep | reject
    Column("framing", String(16)),
    Column("note", Text),
    Column("by", String(64), nullable=False),
    Column("at", String(32), nullable=False),
)

cluster_decisions = Table(  # duplicate clusters that a person made, by merging or splitting
    "cluster_decisions",
    metadata,
    _sha(primary_key=True),
    Column("cluster", String(32), nullable=False),  # pictures of two of them are never joined
    Column("merged", Boolean, nullable=False),  # all of it show the same: one is enough
    Column("by", String(64), nullable=False),
    Column("at", String(32), nullable=False),
)

gold = Table(  # what the catalog says about these pictures was checked: a reference
    "gold",
    metadata,
    _sha(primary_key=True),
    Column("by", String(64), nullable=False),
    Column("at", String(32), nullable=False),
)

split_sets = Table(
    "split_sets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("target", String(16), nullable=False),
    Column("seed", Integer, nullable=False),
    Column("ratios", JSON, nullable=False),  # {"train": 0.7, ...}
    Column("options", JSON, nullable=False),
    Column("audit", JSON),  # what the shortcut audit found for this set
    Column("leakage_check", JSON),  # which detected duplicates lie in two of its splits
    Column("created_at", String(32), nullable=False),
    # grows with every run of curate: the largest is the newest set
    Column("revision", Integer, nullable=False, default=0),
)

splits = Table(
    "splits",
    metadata,
    Column("split_set", ForeignKey("split_sets.name", ondelete="CASCADE"), primary_key=True),
    _sha(primary_key=True),
    Column("split", String(16), nullable=False),  # train | validation | test
    Column("label", Text, nullable=False),
    Column("group", String(64), nullable=False),
)

assignments = Table(  # what a split set once decided; `splits` holds those that are kept now
    "assignments",
    metadata,
    Column("split_set", ForeignKey("split_sets.name", ondelete="CASCADE"), primary_key=True),
    _sha(primary_key=True),
    Column("split", String(16), nullable=False),
)

annotations = Table(
    "annotations",
    metadata,
    Column("key", String(64), primary_key=True),
    _sha(nullable=False, index=True),
    Column("project", String(64), nullable=False),  # labelling project, or "import:<name>"
    Column("instance", String(64), nullable=False, default=""),  # of that project on one server
    Column("remote_id", Integer),  # the annotation's id there; NULL for imports and consensus
    Column("annotator", String(64), nullable=False),  # e-mail, "consensus", or the import's name
    Column("kind", String(16), nullable=False),  # mask | choices
    Column("label", Text),  # damage class of a mask
    Column("file", Text),  # mask, relative to the workspace: 0/255, upright size
    Column("value", JSON),
    # current (at most one mask per picture and class) | superseded (by a newer or agreed one)
    # | deleted | skipped | draft
    Column("state", String(16), nullable=False),
    Column("updated_at", String(32), nullable=False),
    Index("annotations_of_a_project", "instance", "sha256"),
)

regions = Table(  # the instances of which a class mask in `annotations` is the union
    "regions",
    metadata,
    Column("key", String(64), primary_key=True),
    _sha(nullable=False, index=True),
    Column("mask", String(64), nullable=False, index=True),  # key of that row of `annotations`
    Column("number", Integer, nullable=False),  # order within its annotation
    Column("label", Text, nullable=False),  # damage class
    Column("severity", Text),  # minor | moderate | severe, or as the file says
    Column("part", Text),  # of the car: door, bumper, lamp, ...
    Column("annotator", String(64), nullable=False),
    Column("origin", String(32)),  # manual | prediction | prediction-changed | import
    Column("kind", String(16), nullable=False),  # polygon | rectangle | ellipse | mask
    # {"rings": [[x1, y1, ...], ...], "united": bool} in pixels of the upright picture, or
    # {"size": [height, width], "counts": text}, as COCO's RLE
    Column("geometry", JSON, nullable=False),
    Column("box", JSON, nullable=False),  # [left, top, width, height] in pixels
    Column("area", Integer, nullable=False),  # pixels
)

label_projects = Table(
    "label_projects",
    metadata,
    Column("name", String(64), primary_key=True),  # damage | review | a name of one's own
    Column("kind", String(16), nullable=False),  # damage | review
    Column("url", Text, nullable=False),
    Column("remote_id", Integer, nullable=False),
    Column("instance", String(64), nullable=False),  # digest of url, id and creation time
    Column("config", Text, nullable=False),  # labelling configuration, XML
    Column("cursor", JSON, nullable=False),  # how far pull has come, by the server's clock
    Column("updated_at", String(32), nullable=False),
)

label_tasks = Table(
    "label_tasks",
    metadata,
    Column("instance", String(64), primary_key=True),
    _sha(primary_key=True),
    Column("remote_id", Integer, nullable=False),  # the server may reuse it: never a key
    Column("seen_at", String(32), nullable=False),
    # imported masks that its page shows: {"at": server time, "masks": {key: updated_at}}
    Column("shown", JSON),
)

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
    _sha(primary_key=True),
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
