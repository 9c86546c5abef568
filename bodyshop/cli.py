"""The `bodyshop` command: parse, call one function, print.

Nothing heavy is imported here or at the top of a command's module, so that help is instant.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bodyshop.commands import (
    augment,
    cache,
    collect,
    curate,
    demo,
    desk,
    evaluate,
    export,
    gate,
    inspect,
    label,
    predict,
    train,
    versions,
    workspace,
)
from bodyshop.terminal import Terminal
from bodyshop_core.errors import BodyshopError, UsageError

app = typer.Typer(
    name="bodyshop",
    help="From a list of car brands to a curated picture set and a trained damage classifier.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="--workspace, --json, --verbose and --quiet may stand before or after the command. "
    "Exit codes: 0 done, 1 failed, 2 invalid arguments, 3 nothing found, 4 invalid configuration, "
    "5 something is not installed, 130 interrupted.",
)
for module in (
    demo, collect, curate, gate, label, desk, augment, train, predict, inspect, evaluate, export,
    versions, cache, workspace,
):  # fmt: skip
    module.register(app)

GLOBAL_FLAGS = {"--json", "--verbose", "-v", "--quiet", "-q"}
GLOBAL_VALUES = {"--workspace", "-w"}


def _print_version(asked: bool) -> None:
    if asked:
        from bodyshop_core.version import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def configure(
    context: typer.Context,
    workspace: Annotated[
        Path,
        typer.Option("--workspace", "-w", envvar="BODYSHOP_WORKSPACE", help="Workspace folder."),
    ] = Path("workspace"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log only errors.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """From a list of car brands to a curated picture set and a trained damage classifier."""
    context.obj = Terminal(workspace, as_json=as_json, verbose=verbose, quiet=quiet)
    context.obj.start_logging()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the name of the program; by default those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(normalise(given), prog_name="bodyshop")
    except BodyshopError as error:
        terminal = Terminal()
        terminal.error(str(error))
        if isinstance(error, UsageError):
            terminal.stderr.print("see: bodyshop --help", markup=False)
        sys.exit(error.exit_code)
    except MemoryError:
        Terminal().error(
            "this machine has too little memory; close other programs, or use fewer --workers, "
            "and run the command again"
        )
        sys.exit(1)


def normalise(arguments: Sequence[str]) -> list[str]:
    """Move the global options to the front; give collect's bare ``--retry-failed`` its value.

    Parameters
    ----------
    arguments : sequence of str
        As typed; everything after ``--`` stays as it is.

    Returns
    -------
    list of str
        The same arguments, global options first.
    """
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in GLOBAL_FLAGS or word.startswith("--workspace="):
            front.append(word)
        elif word in GLOBAL_VALUES:
            front += [word, *([value] if (value := next(words, None)) is not None else [])]
        elif word == "--retry-failed" and _command(rest) == "collect":
            rest.append("--retry-failed=all")
        else:
            rest.append(word)
    return front + rest


def _command(words: Sequence[str]) -> str:
    return next((word for word in words if not word.startswith("-")), "")
