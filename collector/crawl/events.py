"""What the threads of a crawl report to the thread that drives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from collector.candidate import Find, Task
from collector.ledger.record import DownloadRecord


@dataclass(frozen=True)
class TaskResult:
    """How a task ended.

    Parameters
    ----------
    state : str
        ``done``, ``partial``, ``failed``, ``refused``, or ``queued`` when it was stopped.
    found : int
        Pictures found.
    error_class, error : str
        Why it failed, was refused or is partial.
    announced : int, optional
        Pictures that the page says it has.
    evidence : str
        Where the page was saved as it was, or empty.
    """

    task: Task
    state: Literal["done", "partial", "failed", "refused", "queued"]
    found: int = 0
    error_class: str = ""
    error: str = ""
    evidence: str = ""
    announced: int | None = None

    @property
    def message(self) -> str:
        """The error, with the place of its evidence."""
        return f"{self.error}; the page was saved: {self.evidence}" if self.evidence else self.error


class CrawlEvents(Protocol):
    """Takes events; called from any thread."""

    def found(self, task: Task, finds: list[Find]) -> None:
        """Take what a task has found so far."""

    def closed(self, result: TaskResult) -> None:
        """Note that a task has ended."""

    def settled(self, record: DownloadRecord) -> None:
        """Note what became of a candidate."""

    def crashed(self, error: BaseException) -> None:
        """Take an error of this machine (no browser, a full disk): the run has to end."""
