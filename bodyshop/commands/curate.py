"""`bodyshop curate`, `why`, `overlap` and `detect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bodyshop.commands.options import (
    BackboneOption,
    EngineOption,
    ObjectsOption,
    WeightsOption,
    WorkersOption,
    object_names,
)
from bodyshop.terminal import Terminal
from bodyshop_core.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("curate")(curate_pictures)
    app.command("why")(explain_verdict)
    app.command("overlap")(find_overlap)
    app.command("detect")(detect_cars)
    app.command("similar")(find_similar_pictures)
    app.command("map")(draw_map)


PolicyOption = Annotated[
    Path | None, typer.Option(help="curate.yaml with thresholds; every key has a default.")
]


def curate_pictures(
    context: typer.Context,
    gate: BackboneOption = "efficientnet-lite0",
    weights: WeightsOption = None,
    policy: PolicyOption = None,
    target: Annotated[
        str | None, typer.Option(help="damage, brand or model: the label to split and audit by.")
    ] = None,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    new_split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Create a new split set of this name.")
    ] = None,
    per_class: Annotated[
        int | None,
        typer.Option(
            min=1, help="Keep the best so many of each label: limits.per_class of the policy."
        ),
    ] = None,
    keep_given_splits: Annotated[
        bool,
        typer.Option("--keep-given-splits", help="Split as the imported folders were named."),
    ] = False,
    spinners_train_only: Annotated[
        bool,
        typer.Option("--spinners-train-only", help="Use 360-degree views for training only."),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Decode again what was unreadable before."),
    ] = False,
) -> None:
    """Decide which pictures stay: measure, gate, deduplicate, split.

    Then audit the splits for shortcuts. A rejected picture has its reasons; nothing is deleted.
    """
    import curate
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    rules = curate.load_policy(policy)
    if per_class is not None:
        limits = rules.limits.model_copy(update={"per_class": per_class})
        rules = rules.model_copy(update={"limits": limits})
    arguments = {"gate": gate, "weights": weights, "policy": policy, "target": target}
    with workspace.record_run("curate", arguments) as run:
        summary = curate.curate(
            workspace,
            gate=gate,
            weights=weights,
            policy=rules,
            target=target,
            engine=engine,
            workers=workers,
            new_split=new_split,
            keep_given_splits=keep_given_splits,
            spinners_train_only=spinners_train_only,
            retry_failed=retry_failed,
            progress=terminal.progress,
        )
        run.counts.update(summary.as_dict())
    data = summary.as_dict()
    terminal.summary(data, title="Curated", rows=_rows(data), notes=[f"Report: {summary.report}"])


def explain_verdict(
    context: typer.Context,
    picture: Annotated[
        str,
        typer.Argument(metavar="SHA|FILE|URL", help="A picture; six digits of its sha256 suffice."),
    ],
) -> None:
    """Show why a picture was kept or rejected.

    With every value that was measured.
    """
    import curate
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    explanation = curate.explain(workspace, picture)
    terminal.summary(explanation.as_dict(), title=explanation.title)


def find_overlap(
    context: typer.Context,
    other: Annotated[Path, typer.Argument(metavar="DIR", help="A folder or another workspace.")],
    policy: PolicyOption = None,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
) -> None:
    """List the pictures that another folder or workspace has too.

    The same, or re-saved, resized, relit, mirrored or slightly cropped. Changes no verdict.
    """
    import curate
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    overlap = curate.find_overlap(
        workspace,
        other,
        radius=curate.load_policy(policy).duplicates.radius,
        engine=engine,
        workers=workers,
        progress=terminal.progress,
    )
    terminal.summary(overlap.as_dict(), title=f"Also in {other}")


def find_similar_pictures(
    context: typer.Context,
    picture: Annotated[
        str | None,
        typer.Argument(metavar="SHA|FILE|URL", help="A picture of the workspace, or any file."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many pictures.")] = 20,
    outliers: Annotated[
        bool, typer.Option("--outliers", help="In place of a picture: those far from all others.")
    ] = False,
) -> None:
    """List the pictures that are most like one, or like none.

    By the features that curate stored; also as a page with the pictures.
    """
    import curate
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    if outliers == (picture is not None):
        raise UsageError("give a picture, or --outliers", hint="bodyshop similar PICTURE --top 50")
    if picture is None:
        found = curate.find_outliers(workspace, top=top, page=True, progress=terminal.progress)
    else:
        found = curate.find_similar(
            workspace, picture, top=top, page=True, progress=terminal.progress
        )
    terminal.summary(
        found.as_dict(),
        title=f"Nearest of {found.compared} pictures" if picture else "Far from all others",
        rows=found.rows(),
        columns=found.columns,
        notes=[f"Page: {found.page}"],
    )


def draw_map(
    context: typer.Context,
    clusters: Annotated[
        int | None, typer.Option(min=2, max=200, help="How many clusters; by default 2 to 24.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(metavar="FILE.parquet", help="Also write one row per picture to this file."),
    ] = None,
) -> None:
    """Draw where all pictures lie by their features.

    Coloured by label, source, split and verdict; with clusters, and labels that are likely wrong.
    """
    import pyarrow.parquet as pq

    from bodyshop.picture_map import map_pictures
    from bodyshop_core import atomic
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    summary = map_pictures(workspace, clusters=clusters, progress=terminal.progress)
    notes = summary.notes()
    if table is not None:
        with atomic.replacing(table) as temporary:
            pq.write_table(summary.to_arrow(), temporary)
        notes.append(f"Table: {table}")
    terminal.summary(
        summary.as_dict(),
        title=f"{summary.pictures} pictures",
        rows=summary.rows(),
        columns=summary.columns,
        notes=notes,
    )


def detect_cars(
    context: typer.Context,
    model: Annotated[
        Path, typer.Argument(metavar="FILE.tflite", help="A COCO SSD model with its labels inside.")
    ],
    objects: ObjectsOption = None,
) -> None:
    """Find the largest car, or another object, in every picture with a detector.

    For recipes with data.crop: car, which train on the cropped car (or object).
    """
    import curate
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    with workspace.record_run("detect", {"model": model}) as run:
        summary = curate.detect(
            workspace, model, objects=object_names(objects), progress=terminal.progress
        )
        run.counts.update(summary.as_dict())
    terminal.summary(summary.as_dict(), title="Detected")


def _rows(data: dict[str, Any]) -> list[tuple[str, object]]:
    """Return the most important figures; the report and ``--json`` have all of them."""
    from bodyshop_core.catalog.split_sets import WAY_OUT, leaks_left

    rows: list[tuple[str, object]] = [
        (name, data[name]) for name in ("pictures", "kept", "rejected")
    ]
    rows += [(f"rejected: {reason}", count) for reason, count in data["reasons"].items()]
    rows.append(("duplicate clusters", data["clusters"]))
    splits, audit = data["splits"], data["audit"]
    if "sizes" in splits:
        classes = sorted({label for sizes in splits["sizes"].values() for label in sizes})
        for name, sizes in splits["sizes"].items():
            labels = ", ".join(f"{sizes.get(label, 0)} {label}" for label in classes)
            rows.append((f"split {splits['split_set']}: {name}", labels))
        rows.append(("duplicates across splits", len(splits["leakage_check"]["leaks"])))
        if scenes := splits["leakage_check"]["scenes"]:
            rows.append(("pairs of one scene in two splits", len(scenes["same"])))
    elif "skipped" in splits:
        rows.append(("splits", f"none: {splits['skipped']}"))
    if "baseline" in audit:
        rows.append(("baseline without the car itself", _baseline(audit["baseline"])))
        rows += [
            (f"{each['feature']} tells the label with", _interval(each))
            for each in audit["features"]
            if each["leak"] and each["feature"] in ("origin", "framing")
        ]
        if audit["leak"]:
            rows.append(("shortcut found", "train equalises the pictures, unless --no-equalise"))
        after = audit.get("equalised") or {}
        if "baseline" in after:
            rows.append(("baseline after equalising", _baseline(after["baseline"])))
        left = leaks_left(audit, equalised=True)
        if left:
            rows.append(("what equalising leaves is a shortcut", ", ".join(left)))
            rows.append(("way out", WAY_OUT))
    return rows


def _interval(each: dict[str, Any]) -> str:
    return f"{each['balanced_accuracy']:.1%} [{each['low']:.1%}, {each['high']:.1%}] when balanced"


def _baseline(baseline: dict[str, Any]) -> str:
    low, high = baseline["ci95"]
    return f"{baseline['accuracy']:.1%} [{low:.1%}, {high:.1%}] by {baseline['feature']}"
