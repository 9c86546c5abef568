"""`bodyshop collect` and `bodyshop import`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bodyshop.terminal import Terminal
from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    from collector import Brands


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("collect")(collect)
    app.command("import")(import_pictures)


def collect(
    context: typer.Context,
    brands: Annotated[
        Path,
        typer.Argument(
            help="brands.yaml: brands, models, pages, queries; or a .txt with an address of a "
            "picture per line."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, fetch nothing.")
    ] = False,
    only: Annotated[
        str | None, typer.Option(metavar="BRAND[/MODEL]", help="Only this brand or model.")
    ] = None,
    retry_failed: Annotated[
        str | None,
        typer.Option(
            "--retry-failed",
            metavar="[=CLASS]",
            help="Retry failed downloads: all, or those of one error class; partial: open "
            "incomplete pages again.",
        ),
    ] = None,
    join: Annotated[
        bool,
        typer.Option(
            "--join",
            help="Be one of several collectors, all with --join, on one PostgreSQL catalog.",
        ),
    ] = False,
    headed: Annotated[bool, typer.Option("--headed", help="Show the browser.")] = False,
    browser_url: Annotated[
        str | None,
        typer.Option(
            "--browser-url",
            metavar="URL",
            help="Use the browsers of this Selenium Grid 4: http://grid:4444.",
        ),
    ] = None,
    proxy_address: Annotated[
        str | None,
        typer.Option(
            "--proxy-address",
            metavar="HOST[:PORT]",
            help="With --browser-url: where the nodes reach this machine, which all their traffic "
            "passes; found by itself where there is one network.",
        ),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Visit finished pages and queries again.")
    ] = False,
    mix: Annotated[
        str | None,
        typer.Option(
            metavar="spinner=120,search=180",
            help="Then select this many pictures per model from each source: reports/mix.csv.",
        ),
    ] = None,
    per_class: Annotated[
        int | None, typer.Option(help="Pictures per model: the sum of the mix.")
    ] = None,
    contact: Annotated[
        str | None, typer.Option(help="With a .txt: your address, for the owners of the sites.")
    ] = None,
    brand: Annotated[str | None, typer.Option(help="With a .txt: brand of all pictures.")] = None,
    model: Annotated[str | None, typer.Option(help="With a .txt: model of all pictures.")] = None,
    label: Annotated[
        str | None, typer.Option(help="With a .txt: damage label of all pictures.")
    ] = None,
) -> None:
    """Collect original pictures from brand pages and image searches.

    Also from 360-degree spinners. Resumes where an earlier call stopped.
    """
    import collector
    from bodyshop_core.workspace import Workspace
    from collector.brands import LIST_SUFFIXES
    from collector.browser.grid_address import GridAddress

    terminal: Terminal = context.obj
    if browser_url:
        GridAddress.parse(browser_url)  # before the run is recorded: it may have a password in it
    said = {"contact": contact, "brand": brand, "model": model, "label": label}
    if brands.suffix.lower() in LIST_SUFFIXES:
        config = _config_of_list(brands, said)
    elif given := [f"--{name}" for name, value in said.items() if value is not None]:
        raise UsageError(
            f"{', '.join(given)}: brands.yaml says it, only a list of addresses needs it",
            hint=f"a list has one address per line and ends in {', '.join(LIST_SUFFIXES)}",
        )
    else:
        config = collector.load_brands(brands)
    if per_class is not None and not mix:
        raise UsageError(
            "--per-class needs --mix, which names the sources",
            hint="add: --mix spinner=120,search=180",
        )
    wanted = collector.parse_mix(mix, per_class=per_class) if mix else None
    if dry_run:
        plan = collector.plan(config, only=only)
        terminal.summary(
            plan.as_dict(), title="Plan", rows=plan.rows(), columns=plan.columns, notes=plan.notes()
        )
        return
    workspace = Workspace.open(terminal.workspace)
    arguments: dict[str, Any] = {"brands": brands, "only": only}
    arguments |= {"retry_failed": retry_failed, "mix": mix} | ({"join": True} if join else {})
    arguments |= {"browser_url": browser_url} if browser_url else {}
    with workspace.record_run("collect", arguments) as run:
        summary = collector.collect(
            config,
            workspace,
            only=only,
            retry_failed=retry_failed,
            headed=headed,
            join=join,
            browser_url=browser_url,
            proxy_address=proxy_address,
            refresh=refresh,
            progress=terminal.progress,
        )
        run.counts.update(summary.as_dict())
    notes: list[str] = []
    result = summary.as_dict()
    if wanted is not None:
        chosen = collector.select_mix(workspace, mix=wanted)
        chosen.write(workspace.reports / "mix.csv")
        result["mix"] = chosen.as_dict()
        notes.append(f"{len(chosen.picks)} pictures selected: {workspace.reports / 'mix.csv'}")
        notes += [
            f"{brand} {model}: {have} of {number} from {source}"
            for brand, model, source, have, number in chosen.rows()
        ]
    terminal.summary(
        result,
        title="Collected",
        rows=summary.rows(),
        columns=summary.columns,
        notes=[
            *summary.warnings(),
            *notes,
            f"Next: bodyshop curate --workspace {terminal.workspace}",
        ],
    )


def _config_of_list(file: Path, said: Mapping[str, str | None]) -> Brands:
    import collector

    missing = [f"--{name}" for name in ("contact", "brand", "model") if not said[name]]
    if missing:
        raise UsageError(
            f"a list of addresses needs {' and '.join(missing)}",
            hint=f"bodyshop collect {file} --contact you@example.org --brand Kia --model Ceed",
        )
    return collector.brands_of_list(
        file,
        contact=said["contact"],
        brand=said["brand"] or "",
        model=said["model"] or "",
        label=said["label"],
    )


def import_pictures(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|ARCHIVE",
            help="A folder, a zip or tar archive, or a data set (save_to_disk, .parquet).",
        ),
    ],
    field: Annotated[
        str, typer.Option(help="Meaning of the class folders: damage, brand or model.")
    ] = "damage",
    label: Annotated[
        str | None, typer.Option(help="Label of all pictures, instead of class folders.")
    ] = None,
    brand: Annotated[str | None, typer.Option(help="Brand of all pictures.")] = None,
    model: Annotated[str | None, typer.Option(help="Model of all pictures.")] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Origin of all pictures; by default the name of the folder."
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Licence of all pictures, such as 'CC BY 4.0', for sharing them."
        ),
    ] = None,
    author: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whom to name when they are shared.")
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Labels by file name: .csv, .tsv, .jsonl, .parquet, or COCO's .json; repeatable.",
        ),
    ] = None,
    label_from: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Labels from file names, by groups: '(?P<damage>[a-z]+)_.*'.",
        ),
    ] = None,
) -> None:
    """Import pictures from folders or archives on disk.

    Folders named train, validation or test are recorded, but curate makes splits of its own.
    """
    import collector
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace)
    arguments = {"folder": folder, "field": field, "label": label, "source": source}
    with workspace.record_run("import", arguments) as run:
        summary = collector.import_folder(
            folder,
            workspace,
            field=field,
            label=label,
            brand=brand,
            model=model,
            source=source,
            licence=licence,
            author=author,
            labels=labels,
            label_from=label_from,
            progress=terminal.progress,
        )
        run.counts.update(summary.as_dict())
    shown = {name: value for name, value in summary.as_dict().items() if name != "advice"}
    rows = [(name, value) for name, value in shown.items() if not isinstance(value, dict)]
    rows += [(f"label {name}", count) for name, count in summary.rows()]
    rows += [(f"given split {name}", count) for name, count in summary.given_splits.items()]
    terminal.summary(summary.as_dict(), title="Imported", rows=rows, notes=[
        *summary.notes(), f"in {workspace.root}; next: bodyshop curate",
    ])  # fmt: skip
