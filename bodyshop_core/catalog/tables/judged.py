"""What curate found and what was decided: measurements, scores, verdicts, splits."""

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Table

from bodyshop_core.catalog.tables.columns import Integer, Sha, String, Text, metadata, sha256_column

measurements = Table(
    "measurements",
    metadata,
    sha256_column(primary_key=True),
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
    sha256_column(primary_key=True),
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
    sha256_column(primary_key=True),
    Column("gate", String(96), primary_key=True),  # backbone, weights, rule and its version
    Column("p_car", Float),
    Column("framing", String(16)),  # full | part | interior
    Column("top5", JSON),  # [[class name, probability], ...] for people to read
    Column("error", Text),
)

detections = Table(  # where the car is, found by an object detector
    "detections",
    metadata,
    sha256_column(primary_key=True),
    Column("detector", String(64), primary_key=True),  # file name and digest of the model
    Column("label", String(32)),  # car | truck | bus; NULL: none found
    Column("score", Float),
    Column("box", JSON),  # [left, top, right, bottom], 0 to 1 of the upright picture
    Column("error", Text),
)

verdicts = Table(
    "verdicts",
    metadata,
    sha256_column(primary_key=True),
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
    sha256_column(primary_key=True),
    Column("decision", String(8), nullable=False),  # keep | reject
    Column("framing", String(16)),
    Column("note", Text),
    Column("by", String(64), nullable=False),
    Column("at", String(32), nullable=False),
)

cluster_decisions = Table(  # duplicate clusters that a person made, by merging or splitting
    "cluster_decisions",
    metadata,
    sha256_column(primary_key=True),
    Column("cluster", String(32), nullable=False),  # pictures of two of them are never joined
    Column("merged", Boolean, nullable=False),  # all of it show the same: one is enough
    Column("by", String(64), nullable=False),
    Column("at", String(32), nullable=False),
)

gold = Table(  # what the catalog says about these pictures was checked: a reference
    "gold",
    metadata,
    sha256_column(primary_key=True),
    Column("by", String(64), nullable=False),
    Column("at", String(32), nullable=False),
)

hiding_proposals = Table(  # where a cascade sees number plates or faces; mostly it sees none
    "hiding_proposals",
    metadata,
    sha256_column(primary_key=True),
    Column("kind", String(8), primary_key=True),  # plates | faces
    Column("version", String(16), nullable=False),  # of the search
    Column("width", Integer, nullable=False),  # of the upright picture, in pixels
    Column("height", Integer, nullable=False),
    Column("boxes", JSON, nullable=False),  # [left, top, width, height] in these pixels
)

hiding_decisions = Table(  # what a person said about proposals
    "hiding_decisions",
    metadata,
    sha256_column(primary_key=True),
    Column("regions", JSON, nullable=False),  # kind, box, hide (true: it is one), by
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
    sha256_column(primary_key=True),
    Column("split", String(16), nullable=False),  # train | validation | test
    Column("label", Text, nullable=False),
    Column("group", String(64), nullable=False),
)

assignments = Table(  # what a split set once decided; `splits` holds those that are kept now
    "assignments",
    metadata,
    Column("split_set", ForeignKey("split_sets.name", ondelete="CASCADE"), primary_key=True),
    sha256_column(primary_key=True),
    Column("split", String(16), nullable=False),
)
