"""The download workers: take a job when its host is ready, ask once, decide what follows."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bodyshop_core.catalog import BlobStore, now
from bodyshop_core.errors import BodyshopError
from collector.brands import CrawlLimits
from collector.candidate import Candidate
from collector.crawl.frontier import DownloadJob, Frontier
from collector.ledger.journal import Journal
from collector.ledger.store import DownloadRecord, covering
from collector.net.address import AddressGuard, host_of, is_web_address, parts_of
from collector.net.api_keys import NO_KEYS, Keys
from collector.net.cookies import Cookies
from collector.net.download import (
    MAX_REDIRECTS,
    DownloadLimits,
    Failure,
    Outcome,
    Redirect,
    Refusal,
    StoredPicture,
    Timed,
    download,
    fetch_small,
)
from collector.net.http import DeadlineThread, GuardedSession, guarded_session
from collector.net.politeness import MAX_RETRY_AFTER_S, HostGate, parse_retry_after
from collector.net.robots import Robots, SmallResponse
from collector.sources.url_candidates import FULL_SIZE, REWRITTEN, is_preview_host, same_shape

LARGE_ENOUGH = 0.95
"""Of the area the page itself showed; less means that this url_candidate was no original."""

MAX_BACKOFF_S = 120.0
BUSY_SECONDS = 0.2
"""When to look again for the rules of a host that another thread is reading."""

_FINAL = {"robots", "opt_out", "reserved", "content_signal", "forgotten"}
"""A no that also covers the smaller versions of the same picture."""


class Fetcher:
    """The worker threads of a run; use as a context manager.

    Parameters
    ----------
    report : callable
        Called from worker threads with each `DownloadRecord` candidate.
    crash : callable
        Called with an error of this machine (a full disk): the run has to end.
    tombstones : Mapping
        What was erased on request, from `CrawlLedger.tombstones`.
    """

    def __init__(
        self,
        *,
        limits: CrawlLimits,
        agent: str,
        guard: AddressGuard,
        gate: HostGate,
        journal: Journal,
        blobs: BlobStore,
        report: Callable[[DownloadRecord], None],
        crash: Callable[[BaseException], None],
        tombstones: Mapping[str, set[str]] | None = None,
        workers: int = 16,
        attempts: int = 3,
        backoff_s: float = 2.0,
        keys: Keys = NO_KEYS,
    ) -> None:
        self._limits, self._agent, self._guard, self._gate = limits, agent, guard, gate
        self._journal, self._blobs = journal, blobs
        self._report, self._crash = report, crash
        self._tombstones, self._keys = tombstones or {}, keys
        self._attempts, self._backoff_s = attempts, backoff_s
        self._bounds = DownloadLimits(limits.max_bytes, limits.min_side, limits.request_seconds)
        self._local = threading.local()
        self._jitter = random.Random()
        self.cookies = Cookies()
        self.watch = DeadlineThread()
        self.robots = Robots(self._polite_fetch, on_known=self._introduced, reserved=self._reserved)
        self.frontier = Frontier(gate, on_broken=self._abandon)
        self._threads = [
            threading.Thread(target=self._work, name=f"download-{n}", daemon=True)
            for n in range(workers)
        ]

    def __enter__(self) -> Fetcher:
        self.watch.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        self.frontier.stop()
        if kind is KeyboardInterrupt:  # at once: what is in flight stays behind as .part
            return
        for thread in self._threads:
            thread.join()
        self.watch.__exit__()

    def queue(self, candidate: Candidate) -> None:
        """Put a candidate into the queue of its host."""
        self.frontier.put(DownloadJob(candidate, candidate.url))

    def small(self, url: str, params: Any = None) -> SmallResponse:
        """Make one small polite request in the calling thread; follows no redirect."""
        return self._polite_fetch(url, params)

    def picture(self, url: str, page_url: str, *, override: bool = False) -> bytes:
        """Download one picture in the calling thread, through the same guards; follows no redirect.

        Raises
        ------
        BodyshopError
            It did not come.
        """
        timed = download(
            self.session, self.watch, url, self._journal.folder, self._bounds, page_url=page_url,
            override=override,
        )  # fmt: skip
        self._gate.finish(host_of(url), status=timed.status, latency=timed.latency, held=False)
        if not isinstance(timed.outcome, StoredPicture):
            raise BodyshopError(f"{url} was not downloaded: {timed.outcome}")
        data = timed.outcome.part.read_bytes()
        timed.outcome.part.unlink()
        return data

    @property
    def session(self) -> GuardedSession:
        """The calling thread's session."""
        session = getattr(self._local, "session", None)
        if session is None:
            session = guarded_session(self._guard, self._agent, keys=self._keys)
            self._local.session = session
        return session

    def _work(self) -> None:
        try:
            while (job := self.frontier.take()) is not None:
                self._step(job)
        except BaseException as error:  # noqa: BLE001 - handed to the driving thread, which raises it
            self.frontier.stop()
            self._crash(error)

    def _step(self, job: DownloadJob) -> None:
        """Make one request; the host's slot is held until its outcome is stored."""
        host, timed, retry_after, challenge = job.host, None, None, False
        try:
            timed = self._ask(job)
            if timed is not None:
                if isinstance(timed.outcome, Failure):
                    retry_after = parse_retry_after(timed.outcome.retry_after)
                    challenge = timed.outcome.challenge
                self._decide(job, timed.outcome)
        finally:
            self._gate.finish(
                host,
                status=timed.status if timed else None,
                latency=timed.latency if timed else None,
                retry_after=retry_after,
                challenge=challenge,
            )
            self.frontier.done(host)

    def _ask(self, job: DownloadJob) -> Timed | None:
        """Make the job's one request; None when the slot went into learning the host's rules.

        Then the job is back in the queue, which knows when its host may be asked again.
        """
        candidate = job.candidate
        name = (parts_of(job.url).hostname or "").lower()
        hosts = {each.lower() for each in candidate.thumbnail_hosts}
        known = any(each in {name, job.host} or name.endswith("." + each) for each in hosts)
        if known or is_preview_host(name):
            return Timed(Refusal("thumbnail_host", f"{job.host} only serves previews"), None, None)
        if not self.robots.known(job.url):
            self._learn_rules(job)
            return None
        permission = self.robots.judge(job.url, override=candidate.override)
        job.permission.update(permission.layers)
        if not permission.allowed:
            outcome: Outcome = Refusal(permission.reason, "robots.txt and the like")
            if permission.temporary:
                outcome = Failure(permission.reason, f"robots.txt of {job.host} can't be read")
            return Timed(outcome, None, None)
        self._gate.sending(job.host)
        return download(
            self.session, self.watch, job.url, self._journal.folder, self._bounds,
            page_url=candidate.page_url, override=candidate.override,
            cookies=self.cookies.header(job.url) if job.with_cookies else "",
        )  # fmt: skip

    def _learn_rules(self, job: DownloadJob) -> None:
        """Make one of the requests that a new host's rules take; wait for nothing."""
        address, delay = self.robots.next_address(job.url), 0.0
        if host_of(address) == job.host:
            asked = self.robots.advance(job.url, self._fetch_now)
        else:  # its robots.txt is elsewhere, and there another gap counts
            ready = self._gate.ready_at(host_of(address))
            delay = 0.0 if ready is None else ready - time.monotonic()
            asked = delay <= 0 and self.robots.advance(job.url, self._polite_fetch)
        self.frontier.put(job, delay=0.0 if asked else max(delay, BUSY_SECONDS))

    def _decide(self, job: DownloadJob, outcome: Outcome) -> None:
        if isinstance(outcome, Redirect):
            if job.hops >= MAX_REDIRECTS:
                self._next_url(
                    job, Failure("redirect_loop", f"more than {MAX_REDIRECTS} redirects")
                )
                return
            if not is_web_address(outcome.url):
                self._next_url(job, Refusal("not_http", f"redirect to {outcome.url[:80]}"))
                return
            if kind := covering(self._tombstones, outcome.url):
                self._settle(job, Refusal("forgotten", f"leads to what was erased by {kind}"))
                return
            job.url, job.hops = outcome.url, job.hops + 1
            self.frontier.put(job)
        elif isinstance(outcome, StoredPicture):
            self._weigh(job, outcome)
        elif isinstance(outcome, Refusal):
            job.permission.update(outcome.permission)
            if outcome.reason in _FINAL:
                self._drop_best(job)
                self._settle(job, outcome)
            else:
                self._next_url(job, outcome)
        else:
            self._retry_or_next(job, outcome)

    def _retry_or_next(self, job: DownloadJob, failed: Failure) -> None:
        if failed.status in {401, 403} and not job.with_cookies and self.cookies.header(job.url):
            job.with_cookies = True
            self.frontier.put(job)
            return
        job.attempts += 1
        # A host that asks for patience says nothing about the picture: the breaker bounds those.
        allowed = self._attempts * (2 if failed.status in {429, 503} else 1)
        if failed.retry and job.attempts < allowed:
            wait = min(self._backoff_s * 2 ** (job.attempts - 1), MAX_BACKOFF_S)
            wait *= self._jitter.uniform(0.5, 1.5)
            asked = parse_retry_after(failed.retry_after)
            if asked is not None:
                wait = max(wait, min(asked, MAX_RETRY_AFTER_S))
            self.frontier.put(job, delay=wait)
        else:
            self._next_url(job, failed)

    def _weigh(self, job: DownloadJob, got: StoredPicture) -> None:
        """Keep the larger of what there is, and go on while the page showed a larger one."""
        candidate, url_candidate = job.candidate, job.candidate.url_candidates[job.url_candidate]
        size = (got.facts["width"], got.facts["height"])
        shown = candidate.shown
        if url_candidate.name == REWRITTEN and shown is not None and not same_shape(size, shown):
            got.part.unlink()
            self._next_url(
                job, Refusal("other_picture", "the rewritten address shows another shape")
            )
            return
        if job.best is None or got.area > job.best.area:
            self._drop_best(job)
            job.best, job.best_name = got, url_candidate.name
        else:
            got.part.unlink()
        if shown is not None and self._may_be_larger(job, job.best, shown[0] * shown[1]):
            self._next_url(job, None)
        else:
            self._settle(job, job.best)

    @staticmethod
    def _may_be_larger(job: DownloadJob, best: StoredPicture, shown: int) -> bool:
        """Say whether a further address is worth a request.

        Of two links to a full size the first may be the picture of the page itself.
        """
        if best.area < LARGE_ENOUGH * shown:
            return True
        rest = {
            url_candidate.name
            for url_candidate in job.candidate.url_candidates[job.url_candidate + 1 :]
        }
        return best.area * LARGE_ENOUGH <= shown and not rest.isdisjoint(FULL_SIZE)

    def _next_url(self, job: DownloadJob, outcome: Refusal | Failure | None) -> None:
        if outcome is not None:
            reason = outcome.reason if isinstance(outcome, Refusal) else outcome.error_class
            job.notes.append(
                f"{job.candidate.url_candidates[job.url_candidate].name}: {reason} {outcome.detail}"
            )
        if job.url_candidate + 1 < len(job.candidate.url_candidates):
            job.url_candidate += 1
            job.url = job.candidate.url_candidates[job.url_candidate].url
            job.hops = 0
            job.attempts = 0
            job.worst = job.worst or outcome
            self.frontier.put(job)
        elif job.best is not None:
            self._settle(job, job.best)
        else:
            self._settle(job, self._reason(job, outcome))

    @staticmethod
    def _reason(job: DownloadJob, last: Refusal | Failure | None) -> Refusal | Failure:
        """Choose what to report of several addresses: a failure may be retried, so it counts most."""
        reasons = [each for each in (job.worst, last) if each is not None]
        failures = [each for each in reasons if isinstance(each, Failure)]
        rewritten = job.candidate.url_candidates[0].name == REWRITTEN and len(reasons) > 1
        return reasons[-1] if rewritten else (failures or reasons)[0]

    def _settle(self, job: DownloadJob, outcome: StoredPicture | Refusal | Failure) -> None:
        candidate, notes = job.candidate, "; ".join(job.notes)
        permission = dict(job.permission)
        if isinstance(outcome, StoredPicture) and outcome.sha256 in self._tombstones.get(
            "sha256", ()
        ):
            self._drop_best(job)
            outcome = Refusal("forgotten", "this picture was erased on request")
        if isinstance(outcome, StoredPicture):
            entry = entry_of(candidate, outcome, job.best_name, permission)
            self._journal.promise(entry)
            self._blobs.adopt(outcome.part, outcome.sha256, outcome.extension)
            self._report(DownloadRecord(candidate, "done", attempts=job.attempts + 1, entry=entry))
            return
        state = "refused" if isinstance(outcome, Refusal) else "failed"
        reason = outcome.reason if isinstance(outcome, Refusal) else outcome.error_class
        self._report(
            DownloadRecord(
                candidate, state, reason, notes or outcome.detail, job.attempts,
                permission=permission,
            )
        )  # fmt: skip

    def _drop_best(self, job: DownloadJob) -> None:
        if job.best is not None:
            job.best.part.unlink(missing_ok=True)
            job.best = None

    def _abandon(self, job: DownloadJob, reason: str) -> None:
        if job.best is not None:
            self._settle(job, job.best)
        else:
            self._settle(job, Failure("host_disabled", f"{job.host}: {reason}"))

    def _introduced(self, host: str, crawl_delay: float | None) -> None:
        self._gate.introduce(host, crawl_delay=crawl_delay)
        self.frontier.done(host)

    @contextmanager
    def _reserved(self, host: str) -> Iterator[None]:
        with self._gate.reserved(host):
            yield
        self.frontier.done(host)

    def _polite_fetch(self, url: str, params: Any = None) -> SmallResponse:
        """Wait until the host may be asked, then do as `_fetch_now`."""
        host = host_of(url)
        while True:
            ready = self._gate.ready_at(host)
            if ready is None:
                return SmallResponse(None, f"{host} is left alone: {self._gate.broken(host)}")
            wait = ready - time.monotonic()
            if wait <= 0:
                break
            time.sleep(min(wait, 1.0))
        return self._fetch_now(url, params)

    def _fetch_now(self, url: str, params: Any = None) -> SmallResponse:
        """Ask, and tell the gate how it went."""
        host = host_of(url)
        self._gate.sending(host)
        started = time.monotonic()
        answer = fetch_small(self.session, self.watch, url, params=params)
        self._gate.finish(
            host,
            status=answer.status,
            latency=time.monotonic() - started,
            retry_after=parse_retry_after(answer.headers.get("retry-after")),
            held=False,
        )
        return answer


def entry_of(
    candidate: Candidate, got: StoredPicture, url_candidate: str, permission: dict[str, Any]
) -> dict[str, Any]:
    """Return what the journal and the ledger keep of a finished download."""
    return {
        "key": candidate.key, "part": got.part.name, "sha256": got.sha256, "size": got.size,
        "extension": got.extension, "facts": got.facts, "url": got.url, "status": got.status,
        "etag": got.etag, "last_modified": got.last_modified, "content_type": got.content_type,
        "permission": permission | got.permission, "url_candidate": url_candidate, "at": now(),
    }  # fmt: skip
