"""Pages that are opened again, because their host gives pictures to browsers only.

The bytes that a browser holds are lost when a run is killed. The pictures that are left are
requested by the next run like all others. If their host refuses that, their page is opened again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collector.candidate import Candidate, Find, Task
from collector.ledger.record import DownloadRecord

REFUSALS = frozenset({"http_401", "http_403", "http_406"})
"""How hosts refuse a client that is no browser."""


class Reopening:
    """Failures of pictures from earlier runs, put off until their page is open again.

    Parameters
    ----------
    tasks : iterable of Task
        What a browser can open.
    page_of : Mapping
        Candidate key -> key of its task, of those that an earlier run left.
    """

    def __init__(self, tasks: Iterable[Task], page_of: Mapping[str, str]) -> None:
        self._tasks = {task.key: task for task in tasks}
        self._page_of = dict(page_of)
        self._put_off: dict[str, dict[str, DownloadRecord]] = {}
        self._opened: set[str] = set()

    def expect(self, page_of: Mapping[str, str]) -> None:
        """Take in further candidates that somebody else left."""
        self._page_of.update(page_of)

    def puts_off(self, record: DownloadRecord) -> bool:
        """Take a failure that its page may mend; each candidate once."""
        if record.error_class not in REFUSALS:
            return False
        page = self._page_of.pop(record.candidate.key, "")
        if page not in self._tasks or (page in self._opened and page not in self._put_off):
            return False
        self._put_off.setdefault(page, {})[record.candidate.key] = record
        return True

    def due(self) -> list[Task]:
        """Return the pages that have to be opened; each once."""
        fresh = self._put_off.keys() - self._opened
        self._opened |= fresh
        return [self._tasks[page] for page in sorted(fresh)]

    def opened(self, task: Task) -> bool:
        """Return whether a page is one of those that had to be opened again."""
        return task.key in self._opened

    def found(self, task: Task, finds: Iterable[Find]) -> list[Candidate]:
        """Return what was put off and is on the page that is open now: to be tried again."""
        waiting = self._put_off.get(task.key, {})
        keys = [find.candidate.key for find in finds if find.data is None]
        return [waiting.pop(key).candidate for key in keys if key in waiting]

    def left(self, task: Task) -> list[DownloadRecord]:
        """Return the failures that the page did not mend."""
        return list(self._put_off.pop(task.key, {}).values())
