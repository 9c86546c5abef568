"""Pictures that a source brings with their bytes: from the page itself, a canvas, a sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from bodyshop_core.catalog import Catalog
from collector.candidate import Find, Task
from collector.crawl.context import CrawlContext
from collector.crawl.events import TaskResult
from collector.crawl.quota import ModelQuota
from collector.ledger.candidate_rows import known_candidates
from collector.ledger.leases import Leases
from collector.ledger.record import DownloadRecord
from collector.ledger.tombstones import Tombstones
from collector.net.download import store_bytes
from collector.net.outcome import Refusal, StoredPicture


class BroughtPictures:
    """Gives places of ``limits.per_model`` to finds that can't wait for one.

    Parameters
    ----------
    catalog : Catalog
        What the ledger has already takes no place.
    quota : ModelQuota
        Of the run.
    leases : Leases, optional
        Of one of several collectors: the ledger gives the places, at last when it settles.
    """

    def __init__(self, catalog: Catalog, quota: ModelQuota, leases: Leases | None = None) -> None:
        self._catalog, self._quota, self._leases = catalog, quota, leases
        self._left_out: Counter[str] = Counter()

    def placed(self, task: Task, finds: Sequence[Find]) -> list[Find]:
        """Return the finds that are new and have a place; the others are counted."""
        known = known_candidates(self._catalog, {find.candidate.key for find in finds})
        new: dict[str, Find] = {}
        for find in finds:
            if find.candidate.key not in known:
                new.setdefault(find.candidate.key, find)
        candidates = [find.candidate for find in new.values()]
        if self._leases is None:
            placed = [each for each in candidates if self._quota.take_at_once(each)]
        elif candidates:
            with self._catalog.begin() as connection:
                placed = self._leases.placed(connection, candidates)
        else:
            placed = []
        self._left_out[task.key] += len(new) - len(placed)
        return [new[each.key] for each in placed]

    def settled(self, task: Task, records: Collection[str], states: Collection[str]) -> None:
        """Count what got no place when it was settled, since others were faster."""
        missing = set(records) - set(states)
        if missing and self._leases is not None:
            self._left_out[task.key] += len(missing - known_candidates(self._catalog, missing))

    def stored(
        self, task: Task, finds: Sequence[Find], context: CrawlContext, tombstones: Tombstones
    ) -> dict[str, DownloadRecord]:
        """Check and store the finds that have a place; return candidate key -> outcome."""
        records = {}
        for find in self.placed(task, finds):
            candidate = find.candidate
            outcome = store_bytes(
                find.data or b"", context.journal.folder, context.download_limits,
                url=candidate.url, url_candidate=candidate.url_candidates[0].name,
            )  # fmt: skip
            if isinstance(outcome, StoredPicture) and outcome.sha256 in tombstones.sha256:
                outcome.discard()
                outcome = Refusal("forgotten", "this picture was erased on request")
            if isinstance(outcome, StoredPicture) and outcome.part is not None:
                context.workspace.blobs.adopt(outcome.part, outcome.sha256, outcome.extension)
            records[candidate.key] = DownloadRecord.of(candidate, outcome)
        return records

    def judged(self, result: TaskResult) -> TaskResult:
        """Return the result of a task, ``partial`` if finds of it got no place."""
        left = self._left_out.pop(result.task.key, 0)
        if not left or result.state not in {"done", "partial"}:
            return result
        lack = f"limits.per_model was reached: {left} pictures in the page itself were left out"
        message = "; ".join(filter(None, [result.error, lack]))
        return replace(result, state="partial", error_class="partial", error=message)
