"""``--retry-failed``: what has failed is queued again."""

from __future__ import annotations

from bodyshop_core.errors import UsageError
from collector.ledger.store import CrawlLedger

PARTIAL = "partial"
"""Of ``--retry-failed``: open the pages again of which something is missing."""


def requeue(ledger: CrawlLedger, retry_failed: bool | str) -> None:
    """Queue failed downloads again: all, or of one class; or the pages that are `PARTIAL`."""
    if retry_failed in (True, "all", PARTIAL):
        ledger.reopen_partial()
        if retry_failed != PARTIAL:
            ledger.requeue_failed()
        return
    known = ledger.failed_classes()
    if retry_failed not in known:
        classes = ", ".join(f"{name} ({count})" for name, count in known.items())
        raise UsageError(
            f"no download has failed with the class {retry_failed!r}",
            hint=f"the classes of the failed downloads are: {classes or 'none'}",
        )
    ledger.requeue_failed(str(retry_failed))
