"""Pictures that a source brings with their bytes: from the page itself, a canvas, a sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from bodyshop_core.catalog import Catalog
from bodyshop_core.storage.blobs import BlobStore
from collector.candidate import Find, Task
from collector.crawl.context import CrawlContext
from collector.crawl.events import TaskResult
from collector.crawl.quota import ModelQuota
from collector.ledger.candidate_rows import known_candidates
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
    """

    def __init__(self, catalog: Catalog, quota: ModelQuota) -> None:
        self._catalog, self._quota = catalog, quota
        self._left_out: Counter[str] = Counter()

    def placed(self, task: Task, finds: Sequence[Find]) -> list[Find]:
        """Return the finds that are new and have a place; the others are counted."""
        known = known_candidates(self._catalog, {find.candidate.key for find in finds})
        placed: dict[str, Find] = {}
        for find in finds:
            key = find.candidate.key
            if key in known or key in placed:
                continue
            if self._quota.take_at_once(find.candidate):
                placed[key] = find
            else:
                self._left_out[task.key] += 1
        return list(placed.values())

    def stored(
        self, task: Task, finds: Sequence[Find],
        context: CrawlContext, tombstones: Tombstones, blobs: BlobStore,
    ) -> dict[str, DownloadRecord]:  # fmt: skip
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
                blobs.adopt(outcome.part, outcome.sha256, outcome.extension)
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
