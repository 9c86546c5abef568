"""What follows from the outcome of a request: another try, another address, or a final outcome."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bodyshop_core.errors import UnreadableImageError
from collector.brands import CrawlLimits
from collector.candidate import REWRITTEN
from collector.crawl.frontier import DownloadJob
from collector.ledger.tombstones import Tombstones
from collector.net.cookies import Cookies
from collector.net.download import MAX_REDIRECTS
from collector.net.outcome import Failure, Outcome, Redirect, Refusal, StoredPicture
from collector.net.politeness import MAX_RETRY_AFTER_S
from collector.net.retry_after import parse_retry_after
from collector.net.same_picture import same_picture
from collector.sources.url_candidates import FULL_SIZE, same_shape
from collector.weburl import is_web_address

LARGE_ENOUGH = 0.95
"""Part of the area that the page itself showed; a smaller picture is not the original."""

MAX_BACKOFF_S = 120.0

_FINAL = {"robots", "opt_out", "reserved", "content_signal", "forgotten"}
"""Refusals that also apply to the smaller versions of the same picture."""


@dataclass(frozen=True)
class Requeue:
    """The job goes back into the queue: `url` of the job is the address to ask next.

    Parameters
    ----------
    delay : float
        Seconds before that.
    """

    delay: float = 0.0


Step = Requeue | StoredPicture | Refusal | Failure


class AddressPolicy:
    """Tries the candidate addresses of a picture in their order, and keeps the largest picture.

    Parameters
    ----------
    limits : CrawlLimits
        ``attempts`` and ``retry_seconds``.
    tombstones : Tombstones
        A redirect to an erased address ends the job.
    cookies : Cookies
        For hosts that answer 401 or 403 without them.
    """

    def __init__(self, limits: CrawlLimits, tombstones: Tombstones, cookies: Cookies) -> None:
        self._limits, self._tombstones, self._cookies = limits, tombstones, cookies
        self._jitter = random.Random()

    def next_step(self, job: DownloadJob, outcome: Outcome) -> Step:
        """Note the outcome in `job`, and return the final outcome or `Requeue`."""
        if isinstance(outcome, Redirect):
            return self._after_redirect(job, outcome)
        if isinstance(outcome, StoredPicture):
            return self._after_picture(job, outcome)
        if isinstance(outcome, Refusal):
            job.permission.update(outcome.permission)
            if outcome.error_class in _FINAL:
                job.drop_best()
                return outcome
            return self._next_address(job, outcome)
        return self._after_failure(job, outcome)

    def _after_redirect(self, job: DownloadJob, redirect: Redirect) -> Step:
        if job.hops >= MAX_REDIRECTS:
            detail = f"more than {MAX_REDIRECTS} redirects"
            return self._next_address(job, Failure("redirect_loop", detail))
        if not is_web_address(redirect.url):
            detail = f"redirect to {redirect.url[:80]}"
            return self._next_address(job, Refusal("not_http", detail))
        if kind := self._tombstones.covers(redirect.url):
            job.drop_best()
            return Refusal("forgotten", f"redirect to what was erased on request by {kind}")
        job.url, job.hops = redirect.url, job.hops + 1
        return Requeue()

    def _after_failure(self, job: DownloadJob, failure: Failure) -> Step:
        if failure.status in {401, 403} and not job.with_cookies and self._cookies.header(job.url):
            job.with_cookies = True
            return Requeue()
        job.attempts += 1
        # 429 and 503 are about the host, not about the picture; the gate limits their number.
        allowed = self._limits.attempts * (2 if failure.status in {429, 503} else 1)
        if not failure.retry or job.attempts >= allowed:
            return self._next_address(job, failure)
        wait = min(self._limits.retry_seconds * 2 ** (job.attempts - 1), MAX_BACKOFF_S)
        wait *= self._jitter.uniform(0.5, 1.5)
        asked = parse_retry_after(failure.retry_after)
        if asked is not None:
            wait = max(wait, min(asked, MAX_RETRY_AFTER_S))
        return Requeue(wait)

    def _after_picture(self, job: DownloadJob, picture: StoredPicture) -> Step:
        """Keep the larger picture, and go on while another address may have a larger one."""
        unproven = job.candidate.url_candidates[job.position].unproven
        if unproven and not self._is_same(job, picture):
            picture.discard()
            return self._next_address(job, Refusal("other_picture", "it shows something else"))
        larger = job.best is None or picture.area > job.best.area
        best = job.keep_larger(picture)
        rest = job.candidate.url_candidates[job.position + 1 :]
        if unproven:  # of several ways to write an original the first that works is used
            return best if larger else self._next_address(job, None)
        if self._may_be_larger(job, best) or any(each.unproven for each in rest):
            return self._next_address(job, None)
        return best

    @staticmethod
    def _is_same(job: DownloadJob, picture: StoredPicture) -> bool:
        """Return whether a picture from an unproven address shows what a proven one shows."""
        if job.best is not None and job.best.part is not None and picture.part is not None:
            try:
                return same_picture(job.best.part, picture.part)
            except UnreadableImageError:
                return False
        name = job.candidate.url_candidates[job.position].name
        shown, size = job.candidate.shown, (picture.facts["width"], picture.facts["height"])
        return name == REWRITTEN and shown is not None and same_shape(size, shown)

    @staticmethod
    def _may_be_larger(job: DownloadJob, best: StoredPicture) -> bool:
        """Return whether a further proven address is worth a request.

        It is while the best picture is smaller than what the page showed. If it has the same size
        and the page names a full-size address, it is too: of two links to a full size the first may
        be the picture of the page itself.
        """
        if job.candidate.shown is None:
            return False
        shown = job.candidate.shown[0] * job.candidate.shown[1]
        if best.area < LARGE_ENOUGH * shown:
            return True
        rest = {each.name for each in job.candidate.url_candidates[job.position + 1 :]}
        return best.area * LARGE_ENOUGH <= shown and not rest.isdisjoint(FULL_SIZE)

    def _next_address(self, job: DownloadJob, outcome: Refusal | Failure | None) -> Step:
        candidates = job.candidate.url_candidates
        if outcome is not None:
            name = candidates[job.position].name
            job.notes.append(f"{name}: {outcome.error_class} {outcome.detail}")
        best = job.best
        go_on = best is None or self._may_be_larger(job, best)
        for place in range(job.position + 1, len(candidates)):
            if not (go_on or candidates[place].unproven):
                continue
            job.position = place
            job.url = candidates[place].url
            job.hops = job.attempts = 0
            job.first_problem = job.first_problem or outcome
            return Requeue()
        return best or self._problem_of(job, outcome)

    @staticmethod
    def _problem_of(job: DownloadJob, last: Refusal | Failure | None) -> Refusal | Failure:
        """Choose what to report of several addresses: a failure, because it may be retried."""
        problems = [each for each in (job.first_problem, last) if each is not None]
        failures = [each for each in problems if isinstance(each, Failure)]
        return (failures or problems)[0]
