"""`bodyshop label …`: damage masks and reviews in Label Studio, and annotation files."""

from __future__ import annotations

import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bodyshop.commands import label_backend, label_files
from bodyshop.commands.options import SplitSetOption
from bodyshop.terminal import Terminal, first_lines
from bodyshop_core.errors import MissingPartError, UsageError

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


class ProjectName(StrEnum):
    """The two kinds of projects."""

    DAMAGE = "damage"
    REVIEW = "review"


class Images(StrEnum):
    """How the browser of an annotator gets the pictures."""

    AUTO = "auto"
    LOCAL = "local"
    UPLOAD = "upload"
    URL = "url"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    label = typer.Typer(
        help="Draw damage masks and review pictures in Label Studio.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    label.command("serve")(serve)
    label.command("init")(init)
    label.command("push")(push)
    label.command("pull")(pull)
    label.command("status")(show_status)
    label_files.register(label)
    label_backend.register(label)
    app.add_typer(label, name="label")


ProjectOption = Annotated[
    ProjectName, typer.Option("--project", help="damage: masks; review: keep or reject.")
]


def serve(
    context: typer.Context,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any free port.")
    ] = 8080,
    backend: Annotated[
        bool,
        typer.Option("--backend", help="Let it connect to bodyshop label backend on this machine."),
    ] = False,
) -> None:
    """Start Label Studio for this workspace.

    Installs it on first use (1 GB).
    """
    import labeling

    terminal: Terminal = context.obj
    workspace = _workspace(terminal, create=True)
    # A service manager sends SIGTERM, and the server must not outlive this process.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with labeling.serve(
        workspace, port=port, backends=backend, progress=terminal.progress
    ) as server:
        account = workspace.root / "labelstudio" / "account.json"
        terminal.summary(
            {"url": server.url, "user": server.user, "account": str(account)},
            title="Label Studio",
            notes=[
                f"Log in as {server.user}; the password is in {account}",
                "Next: bodyshop label init, then bodyshop label push. Ctrl+C stops the server.",
            ],
        )
        try:
            server.wait()
        except KeyboardInterrupt:
            terminal.progress.log("stopping Label Studio; all annotations are saved")


def init(
    context: typer.Context,
    project: ProjectOption = ProjectName.DAMAGE,
    config: Annotated[
        Path | None, typer.Option(help="Your own labelling configuration (XML).")
    ] = None,
    annotators: Annotated[
        int | None, typer.Option(min=1, help="Annotators per picture; by default 1.")
    ] = None,
) -> None:
    """Create the project on the server, or update its classes.

    Keeps all annotations.
    """
    import labeling

    terminal: Terminal = context.obj
    summary = labeling.init(
        _workspace(terminal, create=True),
        project.value,
        config=config,
        annotators=annotators,
        progress=terminal.progress,
    )
    next_step = f"Next: bodyshop label push --project {project.value}"
    terminal.summary(summary.as_dict(), title="Project", notes=[next_step])


def push(
    context: typer.Context,
    project: ProjectOption = ProjectName.DAMAGE,
    label: Annotated[str | None, typer.Option(help="Only this damage label.")] = None,
    brand: Annotated[str | None, typer.Option(help="Only this brand.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    framing: Annotated[str | None, typer.Option(help="full, part or interior.")] = None,
    origin: Annotated[
        str | None, typer.Option(help="Only from this host, or import of this name.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="train, validation or test.")] = None,
    split_set: SplitSetOption = None,
    reason: Annotated[
        list[str] | None, typer.Option(help="For reviews: rejected for this reason.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Kept and rejected pictures.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most N pictures.")] = None,
    images: Annotated[
        Images, typer.Option(help="How the browser of an annotator gets the pictures.")
    ] = Images.AUTO,
    url_prefix: Annotated[
        str | None, typer.Option(help="URL that serves the workspace (with --images url).")
    ] = None,
    predict: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Propose masks of a segmenter, or Grad-CAM regions.",
        ),
    ] = None,
    uncertain: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|newest",
            help="Sort pictures by the uncertainty of this classifier; omit annotated ones.",
        ),
    ] = None,
    suspects: Annotated[
        bool,
        typer.Option(
            "--suspects",
            help="Only pictures whose damage label a cross-validated classifier disbelieves.",
        ),
    ] = False,
) -> None:
    """Send pictures to the annotators.

    A picture that was sent before is not sent again.
    """
    import labeling
    from bodyshop.proposals import proposals_of, uncertainty_of

    terminal: Terminal = context.obj
    workspace = _workspace(terminal)
    proposals = name = uncertainty = None
    if predict is not None:
        proposals, name = proposals_of(predict, workspace, progress=terminal.progress)
    if uncertain is not None:
        import train

        classifier = train.resolve_run(None if uncertain == "newest" else uncertain, workspace)
        uncertainty = uncertainty_of(classifier, progress=terminal.progress)
    reasons = None
    if suspects:
        from bodyshop.suspects import Suspects

        if uncertain is not None:
            raise UsageError("--suspects and --uncertain both decide about the order: give one")
        doubts = Suspects(workspace, progress=terminal.progress)
        uncertainty, reasons = doubts, doubts.reasons
    selection = labeling.Selection(
        label=label,
        brand=brand,
        model=model,
        framing=framing,
        origin=origin,
        split=split,
        split_set=split_set,
        reasons=tuple(reason or ()),
        everything=everything,
        limit=limit,
    )
    with workspace.record_run("label push", {"project": project.value, **vars(selection)}) as run:
        summary = labeling.push(
            workspace,
            project.value,
            selection=selection,
            predict=proposals,
            model_version=name,
            uncertainty=uncertainty,
            reasons=reasons,
            images=images.value,
            url_prefix=url_prefix,
            progress=terminal.progress,
        )
        run.counts.update(summary.as_dict())
    notes = [f"Label at {summary.url}"]
    if summary.not_offered:
        notes.append(
            f"! The project has no class {', '.join(summary.not_offered)}: its labelers don't see "
            "these imported masks. Add them: bodyshop label init --config"
        )
    terminal.summary(summary.as_dict(), title="Pushed", notes=notes)
    if summary.missing:
        raise MissingPartError(
            f"{len(summary.missing)} of {summary.selected} pictures were not pushed, because their "
            f"files are missing in {workspace.blobs.label}: {', '.join(summary.missing[:3])}"
            f"{' and others' if len(summary.missing) > 3 else ''}",
            hint="collect or import them again, then push again",
        )


def pull(
    context: typer.Context,
    project: ProjectOption = ProjectName.DAMAGE,
    full: Annotated[bool, typer.Option("--full", help="Read all tasks again.")] = False,
    coco: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also write the valid masks to this folder as COCO."),
    ] = None,
) -> None:
    """Bring masks, labels and decisions into the workspace.

    Reads only what changed.
    """
    import labeling

    terminal: Terminal = context.obj
    workspace = _workspace(terminal)
    arguments = {"project": project.value, "full": full, "coco": coco}
    with workspace.record_run("label pull", arguments) as run:
        summary = labeling.pull(
            workspace, project.value, full=full, coco=coco, progress=terminal.progress
        )
        run.counts.update(summary.as_dict())
    data: dict[str, Any] = summary.as_dict()
    notes = [f"! {line}" for line in (*summary.config_changes, *summary.problems)]
    notes += [f"- {line}" for line in first_lines(summary.replaced)]
    if summary.pictures:
        notes.append("Next: bodyshop curate, which takes what people said into verdicts and splits")
    told = {"problems", "agreement", "replaced", "config_changes"}
    shown = [(key, data[key]) for key in data if key not in told and data[key] is not None]
    terminal.summary(data, title="Pulled", rows=shown, notes=notes)
    if summary.agreement and not terminal.as_json:
        _show_agreement(terminal, summary.agreement)


def _show_agreement(terminal: Terminal, agreement: dict[str, Any]) -> None:
    iou, kappa = agreement["iou"], agreement["kappa"]
    rows = [(name, iou.get(name), kappa.get(name)) for name in dict.fromkeys([*kappa, *iou])]
    worst = [f"{each['sha256'][:12]} (IoU {each['iou']:.2f})" for each in agreement["worst"][:5]]
    terminal.summary(
        {},
        title=f"Agreement of annotators on {agreement['pictures']} pictures",
        columns=("", "IoU of masks", "Cohen's kappa"),
        rows=rows,
        notes=[f"Least agreement: {', '.join(worst)}"] if worst else [],
    )


def show_status(
    context: typer.Context,
    project: Annotated[ProjectName | None, typer.Option("--project", help="One project.")] = None,
) -> None:
    """Show the progress of the projects and of each annotator."""
    import labeling

    terminal: Terminal = context.obj
    report = labeling.status(_workspace(terminal), project.value if project else None)
    columns = ("project", "tasks", "done", "left", "skipped", "drafts", "not pulled", "hours left")
    keys = ("name", "tasks", "done", "left", "skipped", "drafts", "changed", "hours_left")
    rows = [[each[key] for key in keys] for each in report.projects]
    if not rows:
        terminal.summary(report.as_dict(), notes=["No project yet: bodyshop label init"], rows=[])
        return
    terminal.summary(report.as_dict(), title="Labelling", columns=columns, rows=rows)
    people = [
        [each["name"], *(one[key] for key in ("annotator", "done", "seconds_each", "per_hour"))]
        for each in report.projects
        for one in each["annotators"]
    ]
    if people and not terminal.as_json:
        headings = ("project", "annotator", "done", "seconds each", "per hour")
        terminal.summary({}, title="Annotators", columns=headings, rows=people)


def _workspace(terminal: Terminal, *, create: bool = False) -> Workspace:
    from bodyshop_core.workspace import Workspace

    return Workspace.open(terminal.workspace, create=create)
