"""`bodyshop label …`: damage masks and reviews in Label Studio."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    label = typer.Typer(
        help="Damage masks and reviews in Label Studio.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    app.add_typer(label, name="label")
