"""Progress, summaries and errors, for people and for programs."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from bodyshop_core.progress import SILENT, Progress, Tick

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_INTERVAL_S = 10.0
"""Interval of progress lines without a terminal."""

PACKAGES = (
    "bodyshop", "bodyshop_core", "collector", "curate", "labeling", "augment", "train", "showroom"
)  # fmt: skip

PLAIN_WIDTH = 120
"""Width of a table that goes to a file or a pipe."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass
class Terminal:
    """Output of a command: progress and log lines to stderr, the summary to stdout.

    Parameters
    ----------
    workspace : Path
        The workspace folder chosen by ``--workspace``.
    as_json : bool
        Print the summary as one JSON object.
    verbose, quiet : bool
        More or fewer log lines.
    """

    workspace: Path = Path("workspace")
    as_json: bool = False
    verbose: bool = False
    quiet: bool = False
    _stderr: Console | None = field(default=None, repr=False)

    @property
    def stderr(self) -> Console:
        """The console for everything but the summary."""
        if self._stderr is None:
            from rich.console import Console

            self._stderr = Console(stderr=True, highlight=False)
        return self._stderr

    @property
    def progress(self) -> Progress:
        """Bars on a terminal, plain lines elsewhere, nothing with ``--quiet``."""
        if self.quiet:
            return SILENT
        return _Bars(self.stderr) if self.stderr.is_terminal else _Lines()

    def start_logging(self) -> None:
        """Send the libraries' log records to stderr, warnings only unless ``--verbose``."""
        level = logging.DEBUG if self.verbose else logging.WARNING
        logging.basicConfig(
            stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
        )
        for package in PACKAGES:
            logging.getLogger(package).setLevel(logging.ERROR if self.quiet else level)

    def summary(
        self,
        data: Any,
        *,
        title: str = "",
        rows: Sequence[Sequence[object]] | None = None,
        columns: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        """Print the outcome of a command.

        Parameters
        ----------
        data : JSON-able
            What ``--json`` prints; its keys are stable.
        title : str
            Heading of the table.
        rows : sequence of rows, optional
            Cells of the table; by default the items of `data` that say something.
        columns : sequence of str
            Column headings.
        notes : sequence of str
            Lines after the table: where the report is, what to do next.
        """
        if self.as_json:
            print(json_text(data), flush=True)  # noqa: T201
            return
        if self.quiet:
            return
        from rich.console import Console
        from rich.table import Table

        width = None if sys.stdout.isatty() else PLAIN_WIDTH
        console = Console(highlight=False, width=width)
        if rows is None and isinstance(data, Mapping):
            rows = [row for row in flat(data) if not _is_empty(row[1])]
        if rows:
            if title:  # not the table's: that wraps at the table's width
                console.print(title, style="italic", markup=False, soft_wrap=True)
            table = Table(show_header=bool(columns))
            width = max(len(row) for row in rows)
            for index in range(width):
                heading = columns[index] if index < len(columns) else ""
                number = all(_is_number(row[index]) for row in rows if index < len(row))
                table.add_column(heading, justify="right" if number else "left", overflow="fold")
            for row in rows:
                table.add_row(*(_cell(value) for value in row))
            console.print(table)
        for note in notes:
            console.print(note, markup=False, soft_wrap=True)

    def error(self, message: str) -> None:
        """Print an error message."""
        self.stderr.print(f"error: {message}", style="red", markup=False, soft_wrap=True)


class _Bars:
    """A progress bar per task, also for tasks within another task."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open: Any = None

    @contextmanager
    def task(self, name: str, total: int | None = None) -> Iterator[Tick]:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            SpinnerColumn,
            Task,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        class Count(MofNCompleteColumn):
            def render(self, task: Task) -> Text:
                return super().render(task) if task.total or task.completed else Text()

        outermost = self._open is None
        if outermost:
            self._open = RichProgress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                Count(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                console=self._console,
            )
            self._open.start()
        bar = self._open.add_task(name, total=total, note="")

        def tick(n: int = 1, note: str = "") -> None:
            self._open.update(bar, advance=n, note=note[-60:])

        try:
            yield tick
            if total is None:
                done = self._open.tasks[self._open.task_ids.index(bar)].completed
                self._open.update(bar, total=done)
        finally:
            if outermost:
                self._open.stop()
                self._open = None

    def log(self, message: str) -> None:
        console = self._open.console if self._open is not None else self._console
        console.print(message, markup=False)


class _Lines:
    """Plain lines: at the start, at intervals, and at the end with the rate."""

    @contextmanager
    def task(self, name: str, total: int | None = None) -> Iterator[Tick]:
        of = f" of {total}" if total is not None else ""
        done, begun = 0, monotonic()
        said = begun

        def tick(n: int = 1, note: str = "") -> None:
            nonlocal done, said
            done += n
            if monotonic() - said >= PLAIN_INTERVAL_S:
                said = monotonic()
                self.log(f"{name}: {done}{of}{f'  {note}' if note else ''}")

        if total != 0:
            self.log(f"{name}{f': {total} to do' if total is not None else ''}")
        yield tick
        seconds = monotonic() - begun
        if done:
            rate = f", {done / seconds:.1f}/s" if seconds > 0 else ""
            self.log(f"{name}: {done}{of} in {seconds:.1f} s{rate}")

    def log(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)  # noqa: T201


def first_lines(lines: Sequence[str], most: int = 20) -> list[str]:
    """Return the first lines, and how many there are beyond them."""
    more = len(lines) - most
    return [*lines[:most], *([f"and {more} more (see --json)"] if more > 0 else [])]


def json_text(data: Any) -> str:
    """Return data as one line of JSON that any output can take.

    A byte of a file name that is no UTF-8 is escaped as Python decodes it (``os.fsencode`` of the
    parsed name gives the byte back).
    """
    text = json.dumps(data, ensure_ascii=False, default=str)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield (name, value) of each entry of nested mappings: the rows of a summary."""
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}: ")
        else:
            yield f"{prefix}{key}", value


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | list | tuple) and not value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    from rich.markup import escape

    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:.0f}"
    if isinstance(value, list | tuple):
        return escape(", ".join(map(str, value)))
    text = "" if value is None else str(value)
    return escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))
