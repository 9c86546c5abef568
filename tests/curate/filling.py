"""Filling a workspace with pictures, as an import or a crawl would."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bodyshop.catalog import add_labels, now, register_image, schema
from bodyshop.errors import UnreadableImageError
from bodyshop.imaging import probe, sniff
from bodyshop.workspace import Workspace


def add_picture(
    workspace: Workspace, data: bytes, *, labels: dict[str, str] | None = None, **sighting: Any
) -> str:
    """Register one picture with its labels and one sighting; return its sha256."""
    extension = sniff(data) or "jpg"
    blob = workspace.blobs.put_bytes(data, extension)
    try:
        facts = probe(data)
    except UnreadableImageError:
        facts = {}
    row = {column.name: None for column in schema.sightings.columns}
    row.update(
        key=hashlib.sha256(f"{blob.sha256}{sorted(sighting.items())}".encode()).hexdigest(),
        sha256=blob.sha256,
        source="import",
        fetched_at=now(),
        tool_version="test",
    )
    row.update(sighting)
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension=extension, facts=facts)
        workspace.catalog.upsert(schema.sightings, [row], connection=connection)
        add_labels(
            workspace.catalog,
            [(blob.sha256, field, value, "import", "") for field, value in (labels or {}).items()],
            connection=connection,
        )
    return blob.sha256


def add_folder(
    workspace: Workspace, files: Iterable[Path], *, label: str | None = None
) -> list[str]:
    """Register files with one damage label."""
    return [
        add_picture(
            workspace,
            file.read_bytes(),
            labels={"damage": label} if label else None,
            file=str(file),
            given_split={"training": "train", "validation": "validation"}.get(
                file.parent.parent.name
            ),
        )
        for file in files
    ]
