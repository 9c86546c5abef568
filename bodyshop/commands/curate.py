"""`bodyshop curate` and `bodyshop gate …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bodyshop.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("curate")(curate_pictures)
    gate = typer.Typer(
        help="The gate that tells cars from everything else.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    gate.command("discover")(discover)
    gate.command("fit")(fit)
    gate.command("evaluate")(evaluate)
    app.add_typer(gate, name="gate")


GateOption = Annotated[
    str, typer.Option("--gate", help="Backbone: efficientnet-lite0, vgg16, resnet50, …")
]
WeightsOption = Annotated[
    Path | None, typer.Option(help="Weights file, when Keras' cache does not hold it.")
]


def curate_pictures(
    context: typer.Context,
    gate: GateOption = "efficientnet-lite0",
    weights: WeightsOption = None,
    policy: Annotated[
        Path | None, typer.Option(help="curate.yaml: thresholds; every one has a default.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="damage, brand or model: what is split and audited.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="local, dask, or a Dask scheduler's address.")
    ] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.")] = None,
    new_split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Start a fresh split set of this name.")
    ] = None,
    keep_given_splits: Annotated[
        bool,
        typer.Option("--keep-given-splits", help="Split as the imported folders were named."),
    ] = False,
    spinners_train_only: Annotated[
        bool,
        typer.Option("--spinners-train-only", help="Keep 360-degree views out of the tests."),
    ] = False,
    detector: Annotated[
        Path | None,
        typer.Option(metavar="FILE.tflite", help="COCO SSD model: also find where the car is."),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="SHA|FILE", help="Say why this picture was kept or rejected."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Only list what a folder or another workspace has too."),
    ] = None,
) -> None:
    """Measure, gate, deduplicate, split and audit; reject with reasons, delete nothing."""
    import curate
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    rules = curate.load_policy(policy)
    if explain is not None:
        explanation = curate.explain(workspace, explain)
        terminal.summary(explanation.as_dict(), title=explanation.title)
        return
    if against is not None:
        curate.measure_images(workspace, engine=engine, workers=workers, progress=terminal.progress)
        overlap = curate.find_overlap(
            workspace,
            against,
            radius=rules.duplicates.radius,
            engine=engine,
            workers=workers,
            progress=terminal.progress,
        )
        terminal.summary(overlap.as_dict(), title=f"Also in {against}")
        return
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
            progress=terminal.progress,
        )
        if detector is not None:
            curate.detect(workspace, detector, progress=terminal.progress)
        run.counts.update(summary.as_dict())
    told = summary.as_dict()
    terminal.summary(
        told, title="Curated", rows=_curated(told), notes=[f"Report: {summary.report}"]
    )


def _curated(told: dict[str, Any]) -> list[tuple[str, object]]:
    """Choose what a person wants to know at once; the report and ``--json`` have all of it."""
    rows: list[tuple[str, object]] = [(name, told[name]) for name in ("pictures", "kept")]
    rows.append(("rejected", told["rejected"]))
    rows += [(f"rejected: {reason}", count) for reason, count in told["reasons"].items()]
    rows.append(("duplicate clusters", told["clusters"]))
    splits, audit = told["splits"], told["audit"]
    if "sizes" in splits:
        for name, sizes in splits["sizes"].items():
            labels = ", ".join(f"{count} {label}" for label, count in sizes.items())
            rows.append((f"split {splits['split_set']}: {name}", labels))
        rows.append(("leaks between the splits", len(splits["leakage_check"]["leaks"])))
    elif "skipped" in splits:
        rows.append(("splits", f"none: {splits['skipped']}"))
    if "baseline" in audit:
        rows.append(("baseline, without seeing the car", _baseline(audit["baseline"])))
        if audit["leak"]:
            rows.append(("that is a leak", "train equalises the pictures, unless --no-equalise"))
        after = audit.get("equalised") or {}
        if "baseline" in after:
            rows.append(("the same, once equalised", _baseline(after["baseline"])))
    return rows


def _baseline(baseline: dict[str, Any]) -> str:
    low, high = baseline["ci95"]
    return f"{baseline['accuracy']:.1%} [{low:.1%}, {high:.1%}] by {baseline['feature']}"


def discover(
    context: typer.Context,
    cars: Annotated[Path, typer.Argument(help="A folder of car pictures.")],
    count: Annotated[int, typer.Option(min=1, help="How many categories to take.")] = 50,
    gate: GateOption = "efficientnet-lite0",
    weights: WeightsOption = None,
) -> None:
    """Find the ImageNet categories that mean "car", as the two-gate study did."""
    import curate

    terminal: Terminal = context.obj
    found = curate.discover_categories(
        cars, count=count, gate=gate, weights=weights, progress=terminal.progress
    )
    terminal.summary(
        found.as_dict(),
        title="Car categories",
        rows=found.rows(),
        columns=found.columns,
        notes=found.notes(),
    )


def fit(
    context: typer.Context,
    accept: Annotated[
        list[Path] | None, typer.Option(help="Folder of pictures to let in; repeatable.")
    ] = None,
    reject: Annotated[
        list[Path] | None, typer.Option(help="Folder of pictures to keep out; repeatable.")
    ] = None,
    from_review: Annotated[
        bool, typer.Option("--from-review", help="Learn from the people's decisions.")
    ] = False,
    framing: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="Columns file, framing (full or part): teaches close-ups."
        ),
    ] = None,
    gate: GateOption = "efficientnet-lite0",
    weights: WeightsOption = None,
) -> None:
    """Fit a gate to your own examples; the workspace uses it from then on."""
    import curate
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace)
    fitted = curate.fit_gate(
        workspace,
        accept=accept or [],
        reject=reject or [],
        from_review=from_review,
        framing=framing,
        gate=gate,
        weights=weights,
        progress=terminal.progress,
    )
    terminal.summary(
        fitted.as_dict(),
        title="Fitted gate",
        rows=fitted.rows(),
        columns=fitted.columns,
        notes=fitted.notes(),
    )


def evaluate(
    context: typer.Context,
    accept: Annotated[list[Path], typer.Option(help="Folder of cars, one group; repeatable.")],
    reject: Annotated[list[Path], typer.Option(help="Folder of non-cars; repeatable.")],
    gate: GateOption = "efficientnet-lite0",
    weights: WeightsOption = None,
    policy: Annotated[
        Path | None, typer.Option(help="curate.yaml: its gate part decides rule and threshold.")
    ] = None,
) -> None:
    """Print recall and false accepts per group with intervals, the ROC curve, the threshold."""
    import curate
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace)
    result = curate.evaluate_gate(
        workspace,
        accept=accept,
        reject=reject,
        gate=gate,
        weights=weights,
        policy=policy,
        progress=terminal.progress,
    )
    terminal.summary(
        result.as_dict(),
        title="Gate",
        rows=result.rows(),
        columns=result.columns,
        notes=result.notes(),
    )
