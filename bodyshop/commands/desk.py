"""`bodyshop desk`."""

from __future__ import annotations

import getpass
import signal
import threading
import webbrowser
from typing import Annotated

import typer

from bodyshop.terminal import Terminal


def desk(
    context: typer.Context,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any free port.")
    ] = 0,
    name: Annotated[
        str | None, typer.Option(help="Your name, for the decisions; by default your account's.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Look only.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Private host of photos to try; repeatable."),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Whether to open a browser.")
    ] = True,
) -> None:
    """Look at the set, search it and decide, in a local page.

    Only this machine can reach it, and only the browser that opens the printed address first.
    """
    from bodyshop.desk.serving import serve_desk
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    by = name or getpass.getuser()
    with serve_desk(
        workspace, by=by, port=port, read_only=read_only, allow_hosts=allow_host or ()
    ) as served:
        terminal.summary(
            {"address": served.address, "pictures": served.pictures, "name": by},
            title="Desk",
            notes=["Ctrl+C ends it; every decision is saved at once."],
        )
        if browser:
            webbrowser.open(served.address)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            terminal.progress.log("the desk is closed; `bodyshop curate` applies its decisions")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(desk)
