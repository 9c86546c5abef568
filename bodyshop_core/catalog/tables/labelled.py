"""What people drew, and the projects that they drew it in."""

from sqlalchemy import JSON, Column, Index, Table

from bodyshop_core.catalog.tables.columns import Integer, String, Text, metadata, sha256_column

annotations = Table(
    "annotations",
    metadata,
    Column("key", String(64), primary_key=True),
    sha256_column(nullable=False, index=True),
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
    sha256_column(nullable=False, index=True),
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
    sha256_column(primary_key=True),
    Column("remote_id", Integer, nullable=False),  # the server may reuse it: never a key
    Column("seen_at", String(32), nullable=False),
    # imported masks that its page shows: {"at": server time, "masks": {key: updated_at}}
    Column("shown", JSON),
)
