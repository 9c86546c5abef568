"""Imported masks as predictions, so that labelers see them and can correct them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import schema
from labeling.formats.shapes import Shape
from labeling.records.annotations import ACTIVE_STATES
from labeling.records.regions import PictureInstances, current_instances

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

VERSION = "imported masks"
"""Name of these predictions, as labelers see it."""


@dataclass(frozen=True)
class ImportedMasks:
    """What files say about one picture.

    Parameters
    ----------
    instances : PictureInstances
        The instances that count.
    rows : dict
        Key of every imported class mask -> its class, and when it was imported.
    """

    instances: PictureInstances
    rows: dict[str, tuple[str, str]]

    def shown(self, offered: set[str]) -> dict[str, str]:
        """Return key -> time of the masks that a page with these classes can show."""
        return {key: at for key, (label, at) in self.rows.items() if label in offered}

    def shapes(self) -> list[Shape]:
        """Return the instances in upright pixels, each with a place of its own in the picture."""
        shapes = self.instances.shapes()
        return [replace(shape, place=f"{VERSION}|{n}") for n, shape in enumerate(shapes)]


def imported_masks(
    workspace: Workspace, sha256s: Sequence[str], *, states: Sequence[str] = ("current",)
) -> dict[str, ImportedMasks]:
    """Return sha256 -> the imported masks of those pictures that have some.

    Parameters
    ----------
    workspace : Workspace
        Where they are.
    sha256s : sequence of str
        The pictures.
    states : sequence of str
        Of the masks whose instances are returned; by default only of those that count.
    """
    table = schema.annotations
    query = select(table.c.sha256, table.c.key, table.c.label, table.c.updated_at).where(
        table.c.kind == "mask",
        table.c.state.in_(ACTIVE_STATES),
        table.c.project.startswith("import:"),
        table.c.annotator.startswith("import"),
    )
    wanted = set(sha256s)
    rows: dict[str, dict[str, tuple[str, str]]] = {}
    with workspace.catalog.read() as connection:
        for sha256, key, label, at in connection.execute(query):
            if sha256 in wanted:
                rows.setdefault(sha256, {})[key] = (label or "damage", at)
    if not rows:
        return {}
    found = current_instances(workspace, imported=True, states=states)
    return {
        sha256: ImportedMasks(found[sha256], of_picture)
        for sha256, of_picture in rows.items()
        if sha256 in found
    }


def not_offered(imported: Mapping[str, ImportedMasks], offered: Sequence[str]) -> tuple[str, ...]:
    """Return the classes of imported masks that a project lacks."""
    labels = {label for each in imported.values() for label, _ in each.rows.values()}
    return tuple(sorted(labels - set(offered)))


def shown_record(shown: dict[str, str], server_time: str) -> dict[str, Any]:
    """Return what `label_tasks.shown` stores: the masks, and when the server got them."""
    at = parsedate_to_datetime(server_time) if server_time else datetime.now(UTC)
    return {"at": at.astimezone(UTC).isoformat(timespec="seconds"), "masks": shown}
