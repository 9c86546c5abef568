"""Pictures that a source brings with their bytes: from the page itself, a canvas, a sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from bodyshop_core.catalog import Catalog
from collector.candidate import Find, Task
from collector.crawl.context import CrawlContext
from collector.crawl.events import TaskResult
from collector.crawl.quota import ModelQuota
from collector.ledger.candidate_rows import known_candidates
from collector.ledger.leases import Leases
from collector.ledger.places import with_places
from collector.ledger.record import DownloadRecord
from collector.ledger.tombstones import Tombstones
from collector.net.download import store_bytes


class BroughtPictures:
    """Gives places of ``limits.per_model`` to finds that can't wait for one.

    Parameters
    ----------
    catalog : Catalog
        What it has already takes no place.
    quota : ModelQuota
        Of the run.
    leases : Leases, optional
        Of one of several collectors: the ledger gives the places, at last when it settles.
    """

    def __init__(self, catalog: Catalog, quota: ModelQuota, leases: Leases | None = None) -> None:
        self._catalog, self._quota, self._leases = catalog, quota, leases
        self._left_out: Counter[str] = Counter()

    def settled(self, task: Task, records: Collection[str], states: Collection[str]) -> None:
        """Count what got no place when it was settled, since others were faster."""
        missing = set(records) - set(states)
        if missing and self._leases is not None:
            self._left_out[task.key] += len(missing - known_candidates(self._catalog, missing))

    def stored(
        self, task: Task, finds: Sequence[Find], context: CrawlContext, tombstones: Tombstones
    ) -> dict[str, DownloadRecord]:
        """Check the finds that are new, and store those that need no place or get one.

        Returns candidate key -> outcome; the others are counted.
        """
        known = known_candidates(self._catalog, {find.candidate.key for find in finds})
        checked: dict[str, DownloadRecord] = {}
        for find in finds:
            if find.candidate.key not in known and find.candidate.key not in checked:
                checked[find.candidate.key] = _checked(find, context, tombstones)
        placed = {each.candidate.key: each for each in self._placed(list(checked.values()))}
        for key, record in checked.items():
            picture = record.picture
            if picture is None or picture.part is None:
                continue
            if key in placed:
                context.workspace.blobs.adopt(picture.part, picture.sha256, picture.extension)
            else:
                picture.discard()
        self._left_out[task.key] += len(checked) - len(placed)
        return placed

    def _placed(self, records: list[DownloadRecord]) -> list[DownloadRecord]:
        if not records:
            return []
        leases = self._leases
        if leases is None:
            with self._catalog.read() as connection:
                return with_places(connection, records, partial(filter, self._quota.take_at_once))
        with self._catalog.begin() as connection:
            return with_places(connection, records, partial(leases.placed, connection))

    def judged(self, result: TaskResult) -> TaskResult:
        """Return the result of a task, ``partial`` if finds of it got no place."""
        left = self._left_out.pop(result.task.key, 0)
        if not left or result.state not in {"done", "partial"}:
            return result
        lack = f"limits.per_model was reached: {left} pictures in the page itself were left out"
        message = "; ".join(filter(None, [result.error, lack]))
        return replace(result, state="partial", error_class="partial", error=message)


def _checked(find: Find, context: CrawlContext, tombstones: Tombstones) -> DownloadRecord:
    candidate = find.candidate
    outcome = store_bytes(
        find.data or b"", context.journal.folder, context.download_limits,
        url=candidate.url, url_candidate=candidate.url_candidates[0].name,
    )  # fmt: skip
    record = DownloadRecord.of(candidate, outcome)
    if record.picture and (kind := tombstones.covers_picture(candidate, record.picture)):
        record.picture.discard()
        return record.erased(kind)
    return record
