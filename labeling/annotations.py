"""What annotators said, as rows of the catalog and PNG files beside it.

An opinion is one annotation of one picture by one annotator. `store` writes opinions, `withdraw`
marks those gone; both end in `labeling.consensus.decide.settle`, which decides what counts.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, select, update

from bodyshop_core import atomic
from bodyshop_core.catalog import schema
from bodyshop_core.catalog.labels import nfc

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace

LIVE = ("current", "superseded")
"""States of annotations that still say something."""


@dataclass(frozen=True)
class Opinion:
    """One annotation of one picture by one annotator.

    Parameters
    ----------
    sha256 : str
        The picture.
    project : str
        Labelling project, or ``import:<name>``.
    instance : str
        The project on one server; empty for imports.
    remote_id : int or None
        The annotation's id on the server.
    annotator : str
        Who said it.
    updated_at : str
        When, UTC, ISO 8601.
    state : str
        ``current``, ``skipped`` or ``draft``.
    masks : mapping
        Damage class -> bool array (height, width), upright; those without a pixel are not stored.
    choices : mapping
        Control -> chosen values.
    details : mapping
        Anything else worth keeping (task, seconds, origins, problems), JSON-able.
    """

    sha256: str
    project: str
    instance: str
    remote_id: int | None
    annotator: str
    updated_at: str
    state: str = "current"
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    choices: Mapping[str, list[str]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def key(self, kind: str, label: str = "") -> str:
        """Return the primary key of one of its rows."""
        told = (self.project, self.instance, self.sha256, self.remote_id, self.annotator)
        return digest(*told, kind, label)


def store(connection: Connection, workspace: Workspace, opinions: Iterable[Opinion]) -> set[str]:
    """Write opinions; a class that an opinion no longer has is marked deleted.

    Returns
    -------
    set of str
        The pictures to be settled.
    """
    table = schema.annotations
    rows: list[dict[str, Any]] = []
    wanted: dict[tuple[Any, ...], set[str]] = {}
    touched: set[str] = set()
    for opinion in opinions:
        mine = rows_of(workspace, opinion)
        rows += mine
        wanted[_place(opinion)] = {row["key"] for row in mine}
        touched.add(opinion.sha256)
    before = connection.execute(select(table).where(table.c.sha256.in_(touched))).all()
    lost = [row.key for row in before if row.key not in wanted.get(_place(row), {row.key})]
    connection.execute(update(table).where(table.c.key.in_(lost)).values(state="deleted"))
    workspace.catalog.upsert(table, rows, connection=connection)
    return touched


def withdraw(connection: Connection, instance: str, remote_ids: Iterable[int]) -> set[str]:
    """Mark annotations that are gone from the server as deleted; their files stay.

    Returns
    -------
    set of str
        The pictures to be settled.
    """
    table = schema.annotations
    touched: set[str] = set()
    for remote_id in remote_ids:
        mine = (table.c.instance == instance, table.c.remote_id == remote_id)
        touched |= set(connection.scalars(select(table.c.sha256).where(*mine)))
        connection.execute(update(table).where(*mine).values(state="deleted"))
    return touched


def rows_of(workspace: Workspace, opinion: Opinion) -> list[dict[str, Any]]:
    """Return an opinion's rows, with its mask files written."""
    common = {
        "sha256": opinion.sha256,
        "project": opinion.project,
        "instance": opinion.instance,
        "remote_id": opinion.remote_id,
        "annotator": opinion.annotator,
        "state": opinion.state,
        "updated_at": opinion.updated_at,
    }
    told = {"choices": dict(opinion.choices), **opinion.details}
    row = {"key": opinion.key("choices"), "kind": "choices", "label": None, "file": None}
    rows = [common | row | {"value": told}]
    for label, mask in opinion.masks.items():
        if not mask.any():
            continue
        name = nfc(label)
        key = opinion.key("mask", name)
        file = write_mask(workspace, opinion.sha256, name, key, mask)
        facts = {"width": mask.shape[1], "height": mask.shape[0], "pixels": int(mask.sum())}
        row = {"key": key, "kind": "mask", "label": name, "file": file}
        rows.append(common | row | {"value": facts})
    return rows


def _place(said: Any) -> tuple[Any, ...]:
    """Return what tells one annotation from another, of an opinion or a row.

    On a server that is its number: its annotator may be known under another e-mail since.
    """
    by = said.annotator if said.remote_id is None else ""
    return said.project, said.instance, said.sha256, said.remote_id, by


def write_mask(
    workspace: Workspace, sha256: str, label: str, key: str, mask: NDArray[np.bool_]
) -> str:
    """Write a mask as an 8-bit grey PNG of 0 and 255; return its path relative to the workspace."""
    # The label may come from outside: only its plain letters enter the file's name.
    slug = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:32] or "mask"
    path = workspace.masks / sha256[:2] / f"{sha256}-{slug}-{key[:10]}.png"
    data = mask_png(mask)
    if not (path.exists() and path.read_bytes() == data):
        atomic.write_bytes(path, data)
    return path.relative_to(workspace.root).as_posix()


def mask_png(mask: NDArray[np.bool_]) -> bytes:
    """Encode a mask as an 8-bit grey PNG of 0 and 255."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask that `write_mask` wrote.

    Raises
    ------
    UnreadableImageError
        The file is gone or damaged.
    """
    from bodyshop_core.imaging import load_rgb

    return np.asarray(load_rgb(path)[:, :, 0] >= 128)


def digest(*parts: object) -> str:
    """Return a hexadecimal digest of parts, 64 characters."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()
