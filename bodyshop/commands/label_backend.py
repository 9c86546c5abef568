"""`bodyshop label backend`: a model that answers while people label."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from bodyshop.terminal import Terminal


def register(label: typer.Typer) -> None:
    """Add the command to `bodyshop label`."""
    label.command("backend")(backend)


def backend(
    context: typer.Context,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|shipped",
            help="Segmenter or damage classifier; by default the newest segmenter, the newest "
            "classifier, or the model that comes with bodyshop.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any free port.")
    ] = 9090,
    sam: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="ENCODER.onnx DECODER.onnx",
            help="Answer clicks and boxes with Segment Anything, from your two ONNX files.",
        ),
    ] = None,
) -> None:
    """Answer labelers while they label: proposals, and regions from a click or a box.

    For the server of this machine, started with: bodyshop label serve --backend
    """
    from bodyshop.proposals import live_proposals_of
    from bodyshop_core.workspace import Workspace
    from labeling.backend.answers import Answers
    from labeling.backend.segment_anything import SegmentAnything
    from labeling.backend.serving import running_backend
    from labeling.sync.ml_backend import connected, prepare_project

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    grow = SegmentAnything(*sam).region if sam else None
    propose, name = live_proposals_of(run, workspace, progress=terminal.progress)
    version = prepare_project(workspace, name)
    answers = Answers(workspace, propose, version, grow=grow, progress=terminal.progress)
    # A service manager sends SIGTERM, and the project must not go on asking.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        running_backend(answers.answer, version, port=port, progress=terminal.progress) as server,
        connected(workspace, server.url, server.user, server.token, version) as there,
    ):
        terminal.summary(
            {
                "url": server.url,
                "project": there.project,
                "model": name,
                "version": version,
                "smart_tool": f"Segment Anything ({sam[0].name})" if sam else "GrabCut",
            },
            title="Backend",
            notes=[
                f"Label at {there.project}; switch on Auto-Annotation there for the smart tools.",
                "Ctrl+C stops the backend.",
            ],
        )
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            terminal.progress.log("the project no longer asks this backend")
