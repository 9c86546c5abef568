"""A small workspace for curate, and what curate wrote into it."""

from __future__ import annotations

from typing import Any

from filling import add_picture, photo
from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace


def fill(workspace: Workspace, count: int = 12, **sighting: Any) -> list[str]:
    return [
        add_picture(
            workspace,
            photo(seed),
            labels={"damage": ("damaged", "whole")[seed % 2]},
            file=f"/photos/{seed}.jpg",
            **sighting,
        )
        for seed in range(count)
    ]


def verdicts(workspace: Workspace) -> dict[str, Any]:
    with workspace.catalog.read() as connection:
        return {row.sha256: row for row in connection.execute(select(schema.verdicts))}


def splits(workspace: Workspace, name: str = "damage") -> dict[str, str]:
    table = schema.splits
    with workspace.catalog.read() as connection:
        query = select(table.c.sha256, table.c.split).where(table.c.split_set == name)
        return dict(connection.execute(query).all())
