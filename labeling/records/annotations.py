"""Annotations as rows of the catalog, and their masks as PNG files.

`upload_masks` brings masks into a bucket, before the catalog is locked for writing;
`store_annotations` writes annotations and `mark_deleted` marks those that are gone from the server.
These two return the pictures for which `labeling.consensus.update.update_consensus` must run. The
regions of an annotation keep their identity (`labeling.records.regions`); the mask of a class is
their union.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row, select, update

from bodyshop_core.catalog import schema
from bodyshop_core.catalog.labels import nfc
from bodyshop_core.errors import DamagedBlobError, UnreadableImageError
from bodyshop_core.storage.derived_files import picture_of
from labeling.formats.instances import shape_mask
from labeling.formats.mask_file import encode_mask, read_mask
from labeling.formats.shapes import Shape
from labeling.records.pictures import erased_pictures
from labeling.records.regions import region_row, regions_of, replace_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace

IMPORTED = "import:"
"""Prefix of the `project` of annotations from files."""

ACTIVE_STATES = ("current", "superseded")
"""States of annotations that are neither skipped, drafts nor deleted."""


@dataclass(frozen=True)
class Annotation:
    """One annotation of one picture by one annotator.

    Parameters
    ----------
    sha256 : str
        The picture.
    project : str
        Labelling project, or ``import:`` and what identifies the file.
    instance : str
        The project on one server; empty for imports.
    remote_id : int or None
        The annotation's id on the server.
    annotator : str
        E-mail of the annotator, ``import:<name>``, or ``import`` when no name was given.
    updated_at : str
        Time of the last change, UTC, ISO 8601.
    state : str
        ``current``, ``skipped`` or ``draft``.
    masks : mapping
        Damage class -> bool array (height, width), upright, of classes that come without regions;
        empty masks are not stored.
    shapes : sequence of Shape
        Regions in upright pixels, in the order they were drawn; those without a pixel are left out.
    size : (int, int)
        Upright width and height of the picture, for `shapes`.
    choices : mapping
        Control -> chosen values.
    details : mapping
        Other facts (task, seconds, origins, problems), JSON-able.
    """

    sha256: str
    project: str
    instance: str
    remote_id: int | None
    annotator: str
    updated_at: str
    state: str = "current"
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    shapes: Sequence[Shape] = ()
    size: tuple[int, int] = (0, 0)
    choices: Mapping[str, list[str]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def key(self, kind: str, label: str = "") -> str:
        """Return the primary key of one of its rows."""
        identity = (self.project, self.instance, self.sha256, self.remote_id, self.annotator)
        return digest(*identity, kind, label)


def upload_masks(workspace: Workspace, annotations: Iterable[Annotation]) -> dict[str, str]:
    """Write masks into a bucket, before the catalog is locked for `store_annotations`.

    Without a bucket it does nothing: a file changes in place, together with its row.

    Returns
    -------
    dict of str
        Key of each mask -> its name in `Workspace.derived`. When nobody stores them, such as after
        an interruption, they are left over.
    """
    if not workspace.derived.immutable:
        return {}
    workspace.blobs.claim()
    annotations = list(annotations)
    with workspace.catalog.read() as connection:
        erased = erased_pictures(connection, {annotation.sha256 for annotation in annotations})
    keys: list[str] = []

    def files() -> Iterator[tuple[str, bytes]]:
        for annotation in annotations:
            if annotation.sha256 not in erased:
                for label, mask in _drawn(annotation)[0].items():
                    key = annotation.key("mask", label)
                    keys.append(key)
                    yield mask_file(annotation.sha256, label, key), encode_mask(mask)

    names = workspace.derived.put_all(files())
    return dict(zip(keys, names, strict=True))


def store_annotations(
    connection: Connection,
    workspace: Workspace,
    annotations: Iterable[Annotation],
    uploaded: Mapping[str, str] | None = None,
) -> set[str]:
    """Write annotations; a class that an annotation no longer has is marked as deleted.

    Annotations of pictures that were erased (``bodyshop forget``) are not written, even when the
    picture was erased after the caller read it. An imported mask that is the same as before keeps
    its time: labelers have seen it if they had seen it then.

    Parameters
    ----------
    connection : Connection
        The write transaction.
    workspace : Workspace
        Where the masks are.
    annotations : iterable of Annotation
        New or changed ones.
    uploaded : mapping, optional
        What `upload_masks` returned for them; other masks are written here.

    Returns
    -------
    set of str
        The pictures whose consensus has to be updated.
    """
    annotations, uploaded = list(annotations), uploaded or {}
    table = schema.annotations
    touched = {annotation.sha256 for annotation in annotations}
    erased = erased_pictures(connection, touched)
    touched -= erased
    workspace.derived.discard(  # erased since they were uploaded
        name for name in uploaded.values() if picture_of(name) in erased
    )
    rows: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    current_keys: dict[tuple[Any, ...], set[str]] = {}
    before = connection.execute(select(table).where(table.c.sha256.in_(touched))).all()
    projects = {annotation.project for annotation in annotations}
    earlier = _EarlierImports(
        connection, workspace, [row for row in before if row.project in projects]
    )
    for annotation in annotations:
        if annotation.sha256 in touched:
            own, drawn = _rows(workspace, annotation, earlier, uploaded)
            rows += own
            regions += drawn
            current_keys[_identity(annotation)] = {row["key"] for row in own}
    lost = [row.key for row in before if row.key not in current_keys.get(_identity(row), {row.key})]
    connection.execute(update(table).where(table.c.key.in_(lost)).values(state="deleted"))
    workspace.catalog.upsert(table, rows, connection=connection)
    masks = [row["key"] for row in rows if row["kind"] == "mask"]
    replace_regions(connection, workspace, masks, regions)
    return touched


def mark_deleted(connection: Connection, instance: str, remote_ids: Iterable[int]) -> set[str]:
    """Mark annotations that are gone from the server as deleted; their files stay.

    Returns
    -------
    set of str
        The pictures whose consensus has to be updated.
    """
    table = schema.annotations
    touched: set[str] = set()
    for remote_id in remote_ids:
        same = (table.c.instance == instance, table.c.remote_id == remote_id)
        touched |= set(connection.scalars(select(table.c.sha256).where(*same)))
        connection.execute(update(table).where(*same).values(state="deleted"))
    return touched


def current_masks(workspace: Workspace) -> dict[str, dict[str, str]]:
    """Return sha256 -> class -> name in `Workspace.derived`, of the masks in use."""
    table = schema.annotations
    query = (
        select(table.c.sha256, table.c.label, table.c.file)
        .where(table.c.kind == "mask", table.c.state == "current")
        .order_by(table.c.sha256, table.c.label.asc().nulls_first())
    )
    files: dict[str, dict[str, str]] = {}
    with workspace.catalog.read() as connection:
        for sha256, label, file in connection.execute(query):
            files.setdefault(sha256, {})[label] = file
    return files


def write_mask(
    workspace: Workspace, sha256: str, label: str, key: str, mask: NDArray[np.bool_]
) -> str:
    """Write a mask as PNG; return its name in `Workspace.derived`."""
    return workspace.derived.put(mask_file(sha256, label, key), encode_mask(mask))


def mask_file(sha256: str, label: str, key: str) -> str:
    """Return the name under which a mask is put into `Workspace.derived`."""
    # The label may come from outside: only its ASCII letters and digits enter the file name.
    slug = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:32] or "mask"
    return f"masks/{sha256[:2]}/{sha256}-{slug}-{key[:10]}.png"


def mask_facts(mask: NDArray[np.bool_]) -> dict[str, int]:
    """Return width, height and pixels of a mask, the ``value`` of its row."""
    return {"width": mask.shape[1], "height": mask.shape[0], "pixels": int(mask.sum())}


def digest(*parts: object) -> str:
    """Return a hexadecimal SHA-256 digest of parts, 64 characters."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()


def _rows(
    workspace: Workspace,
    annotation: Annotation,
    earlier: _EarlierImports,
    uploaded: Mapping[str, str],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return an annotation's rows: one of its choices, one per mask; and those of its regions.

    Mask files that were not uploaded are written.
    """
    common = {
        "sha256": annotation.sha256,
        "project": annotation.project,
        "instance": annotation.instance,
        "remote_id": annotation.remote_id,
        "annotator": annotation.annotator,
        "state": annotation.state,
        "updated_at": annotation.updated_at,
    }
    value = {"choices": dict(annotation.choices), **annotation.details}
    row = {"key": annotation.key("choices"), "kind": "choices", "label": None, "file": None}
    rows = [common | row | {"value": value}]
    masks, regions = _drawn(annotation)
    for name, mask in masks.items():
        key = annotation.key("mask", name)
        file = uploaded.get(key)
        at = earlier.unchanged_since(
            key, file, mask, [each for each in regions if each["mask"] == key]
        )
        file = file or write_mask(workspace, annotation.sha256, name, key, mask)
        row = {"key": key, "kind": "mask", "label": name, "file": file}
        row |= {"updated_at": at or annotation.updated_at}
        rows.append(common | row | {"value": mask_facts(mask)})
    return rows, regions


def _drawn(annotation: Annotation) -> tuple[dict[str, NDArray[np.bool_]], list[dict[str, Any]]]:
    """Return the masks of an annotation, by class, and the rows of its regions."""
    masks = {nfc(label): mask for label, mask in annotation.masks.items() if mask.any()}
    regions: list[dict[str, Any]] = []
    width, height = annotation.size
    for number, shape in enumerate(annotation.shapes):
        part = shape_mask(shape, height, width)
        if not part.any():
            continue
        name = nfc(shape.label)
        key = annotation.key("mask", name)
        regions.append(
            region_row(
                replace(shape, label=name), part, key=digest(key, number), sha256=annotation.sha256,
                of=key, number=number, annotator=annotation.annotator,
            )
        )  # fmt: skip
        masks[name] = masks[name] | part if name in masks else part
    return masks, regions


class _EarlierImports:
    """What files said before; to be asked before the mask files are written."""

    def __init__(
        self, connection: Connection, workspace: Workspace, before: Iterable[Row[Any]]
    ) -> None:
        self._derived = workspace.derived
        self._masks = {
            row.key: row
            for row in before
            if row.kind == "mask"
            and row.state in ACTIVE_STATES
            and row.project.startswith(IMPORTED)
            and row.file
        }
        self._regions = regions_of(connection, self._masks)

    def unchanged_since(
        self,
        key: str,
        file: str | None,
        mask: NDArray[np.bool_],
        regions: Sequence[Mapping[str, Any]],
    ) -> str | None:
        """Return since when a mask has these pixels and instances; None: it is new or changed.

        The name of its file, if it was uploaded, is that of before where the pixels are.
        """
        row = self._masks.get(key)
        if row is None:
            return None
        said = [each._asdict() for each in self._regions.get(key, [])]
        if [_facts(each) for each in said] != [_facts(each) for each in regions]:
            return None
        try:
            same = file == row.file or np.array_equal(read_mask(self._derived.ref(row.file)), mask)
        except (UnreadableImageError, DamagedBlobError):
            return None
        return str(row.updated_at) if same else None


def _facts(region: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what a labeler sees of an instance."""
    return (*(region[key] for key in ("kind", "severity", "part", "area")), *region["box"])


def _identity(annotation: Any) -> tuple[Any, ...]:
    """Return what identifies an annotation, given as `Annotation` or as a row.

    On a server this is its number: the annotator's e-mail address may have changed.
    """
    by = annotation.annotator if annotation.remote_id is None else ""
    return (
        annotation.project, annotation.instance, annotation.sha256, annotation.remote_id, by
    )  # fmt: skip
