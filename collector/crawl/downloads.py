"""The download workers: take a job when its host is ready, and make one request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

from collector.candidate import Candidate
from collector.crawl.address_policy import AddressPolicy, Requeue
from collector.crawl.context import CrawlContext
from collector.crawl.events import CrawlEvents
from collector.crawl.frontier import DownloadJob, Frontier
from collector.crawl.held_pictures import HeldPictures
from collector.crawl.shared_answers import SharedAnswers, key_of
from collector.errors import CollectorError, HostDisabledError, RunStoppedError, TurnLostError
from collector.ledger.record import DownloadRecord
from collector.net.cookies import Cookies
from collector.net.deadline import DeadlineThread
from collector.net.download import download
from collector.net.http import GuardedSession, guarded_session
from collector.net.outcome import Failure, Outcome, Refusal, StoredPicture
from collector.net.politeness import wait_for_turn
from collector.net.retry_after import parse_retry_after
from collector.net.robots import Robots
from collector.net.small_response import SmallResponse, fetch_small
from collector.sources.url_candidates import is_preview_host
from collector.weburl import host_of, parts_of

T = TypeVar("T")

BUSY_SECONDS = 0.2
"""When to try again while another thread reads the rules of a host."""


class Fetcher:
    """The download threads of a run; use as a context manager.

    Parameters
    ----------
    context : CrawlContext
        Of the run.
    events : CrawlEvents
        Told about each settled candidate, and about an error of this machine.
    workers : int
        Threads.
    """

    def __init__(self, context: CrawlContext, events: CrawlEvents, *, workers: int = 16) -> None:
        self._context, self._events, self._gate = context, events, context.gate
        self._local = threading.local()
        self.cookies = Cookies()
        self.held = HeldPictures()
        self._answers = SharedAnswers(context.journal.folder)
        self._policy = AddressPolicy(context.brands.limits, context.tombstones, self.cookies)
        self._deadlines = DeadlineThread()
        self.robots = Robots(self._polite_fetch, on_known=self._introduced, reserved=self._reserved)
        self.frontier = Frontier(self._gate, on_disabled=self._give_up)
        self._threads = [
            threading.Thread(target=self._work, name=f"download-{n}", daemon=True)
            for n in range(workers)
        ]

    def __enter__(self) -> Fetcher:
        self._deadlines.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        self.stop()
        if kind is KeyboardInterrupt:  # at once: unfinished downloads stay behind as .part files
            return
        for thread in self._threads:
            thread.join()
        self._deadlines.__exit__()
        self._answers.clear()

    def queue(self, candidate: Candidate) -> None:
        """Put a candidate into the queue of its host."""
        self._answers.name(candidate)
        self.frontier.put(DownloadJob(candidate, candidate.url))

    def stop(self) -> None:
        """Start no further download; those in progress are finished, waits end at once."""
        self._context.stopping.set()
        self.frontier.stop()

    def small(self, url: str, params: Mapping[str, Any] | None = None) -> SmallResponse:
        """Make one small polite request in the calling thread; follows no redirect.

        Raises
        ------
        RunStoppedError
            The run was stopped while this waited for its turn.
        """
        return self._polite_fetch(url, params)

    def picture(self, url: str, page_url: str, *, override: bool = False) -> bytes:
        """Download one picture in the calling thread, through the same guards; follows no redirect.

        Raises
        ------
        CollectorError
            It could not be downloaded.
        """

        def ask() -> Outcome:
            return self._download(url, page_url=page_url, override=override)

        outcome = self._in_turn(url, ask)
        self._gate.finish(host_of(url), status=outcome.status, latency=outcome.latency, slot=False)
        if not isinstance(outcome, StoredPicture) or outcome.part is None:
            reason = outcome.error_class if isinstance(outcome, Refusal | Failure) else "redirect"
            raise CollectorError(f"{url} was not downloaded: {outcome}", error_class=reason)
        data = outcome.part.read_bytes()
        outcome.discard()
        return data

    @property
    def _session(self) -> GuardedSession:
        """The calling thread's session."""
        session = getattr(self._local, "session", None)
        if session is None:
            context = self._context
            session = guarded_session(
                context.guard, context.agent, keys=context.keys, departures=context.gate
            )
            self._local.session = session
        return session

    def _work(self) -> None:
        try:
            while (job := self.frontier.take()) is not None:
                self._step(job)
        except RunStoppedError:  # the job stays queued in the ledger
            return
        except BaseException as error:  # noqa: BLE001 - handed to the driving thread, which raises it
            self.frontier.stop()
            self._events.crashed(error)

    def _step(self, job: DownloadJob) -> None:
        """Make one request; the host's connection is occupied until the outcome is stored."""
        host, outcome = job.host, None
        try:
            outcome = self._ask(job)
            if outcome is not None:
                self._follow(job, outcome)
        except TurnLostError:  # nothing was sent: the queue knows when, or that it never may be
            self.frontier.put(job)
        finally:
            failure = outcome if isinstance(outcome, Failure) else None
            self._gate.finish(
                host,
                status=outcome.status if outcome else None,
                latency=outcome.latency if outcome else None,
                retry_after=parse_retry_after(failure.retry_after) if failure else None,
                challenge=failure is not None and failure.challenge,
            )
            self.frontier.done(host)

    def _ask(self, job: DownloadJob) -> Outcome | None:
        """Make the job's one request; None when it was used to read the host's rules.

        Then the job is back in the queue, which knows when its host may be asked again. None, too,
        while another job asks for the same address: then it goes on when that one has its answer.
        """
        candidate = job.candidate
        name = (parts_of(job.url).hostname or "").lower()
        hosts = {each.lower() for each in candidate.thumbnail_hosts}
        known = any(each in {name, job.host} or name.endswith("." + each) for each in hosts)
        if known or is_preview_host(name):
            return Refusal("thumbnail_host", f"{job.host} serves previews only")
        if not self.robots.known(job.url):
            self._learn_rules(job)
            return None
        permission = self.robots.judge(job.url, override=candidate.override)
        job.permission.update(permission.layers)
        if permission.temporary:
            return Failure(permission.reason, f"robots.txt of {job.host} could not be read")
        if not permission.allowed:
            return Refusal(permission.reason, f"the rules of {job.host}")
        context = self._context
        held = self.held.take(
            job.url, context.journal.folder, context.download_limits, candidate=candidate.key,
            url_candidate=candidate.url_candidates[job.position].name, override=candidate.override,
        )  # fmt: skip
        if held is not None:
            return held
        if not self._answers.begin(job):
            return None
        answered = self._answers.recall(job)
        if answered is not None:
            return answered
        return self._download(
            job.url,
            url_candidate=candidate.url_candidates[job.position].name,
            page_url=candidate.page_url,
            override=candidate.override,
            cookies=self.cookies.header(job.url) if job.with_cookies else "",
        )

    def _download(self, url: str, **options: Any) -> Outcome:
        context = self._context
        folder, limits = context.journal.folder, context.download_limits
        return download(self._session, self._deadlines, url, folder, limits, **options)

    def _learn_rules(self, job: DownloadJob) -> None:
        """Make one of the requests that the rules of a new host need, without any wait."""
        address, delay = self.robots.next_address(job.url), 0.0
        if host_of(address) == job.host:
            asked = self.robots.advance(job.url, self._fetch_now)
        else:  # its robots.txt is on another host, which has a gap of its own
            ready = self._gate.ready_at(host_of(address))
            delay = 0.0 if ready is None else ready - self._gate.now
            asked = delay <= 0 and self.robots.advance(job.url, self._polite_fetch)
        self.frontier.put(job, delay=0.0 if asked else max(delay, BUSY_SECONDS))

    def _follow(self, job: DownloadJob, outcome: Outcome) -> None:
        if isinstance(outcome, StoredPicture):
            outcome = replace(outcome, asked=job.candidate.url_candidates[job.position].url)
        asked, answered = replace(job), not isinstance(outcome, Failure)
        if answered:
            self._answers.remember(asked, outcome)  # before the policy removes a picture
        step = self._policy.next_step(job, outcome)
        if not answered and (job.url != asked.url or not isinstance(step, Requeue)):
            answered = True
            self._answers.remember(asked, outcome)
        if answered:
            self._go_on(self._answers.end(job, key_of(asked)))
        if isinstance(step, Requeue):
            self.frontier.put(job, delay=step.delay)
        else:
            self._settle(job, step)

    def _go_on(self, waited: list[DownloadJob]) -> None:
        """Give what waited for an address its answer, or queue it, if there is none to share."""
        for job in waited:
            known = self._answers.recall(job)
            if known is None:
                self.frontier.put(job)
            else:
                self._follow(job, known)

    def _settle(self, job: DownloadJob, outcome: StoredPicture | Refusal | Failure) -> None:
        self._answers.unname(job.candidate)
        erased = self._context.tombstones.sha256
        if isinstance(outcome, StoredPicture) and outcome.sha256 in erased:
            job.drop_best()
            outcome = Refusal("forgotten", "this picture was erased on request")
        stored = isinstance(outcome, StoredPicture)
        record = DownloadRecord.of(
            job.candidate,
            outcome,
            attempts=job.attempts + stored,
            error="; ".join(job.notes),
            permission=job.permission,
        )
        if isinstance(outcome, StoredPicture) and outcome.part is not None:
            self._context.journal.promise(record.journal_line())
            blobs = self._context.workspace.blobs
            blobs.adopt(outcome.part, outcome.sha256, outcome.extension)
        self._events.settled(record)

    def _give_up(self, job: DownloadJob, reason: str) -> None:
        """Settle a job of a host that has been disabled."""
        disabled = Failure(HostDisabledError.error_class, f"{job.host}: {reason}")
        waited = self._answers.end(job, key_of(job))
        self._settle(job, job.best or disabled)
        for each in waited:
            self.frontier.put(each)

    def _introduced(self, host: str, crawl_delay: float | None) -> None:
        self._gate.introduce(host, crawl_delay=crawl_delay)
        self.frontier.done(host)

    @contextmanager
    def _reserved(self, host: str) -> Iterator[None]:
        try:
            with self._gate.reserved(host):
                yield
        finally:
            self.frontier.done(host)

    def _polite_fetch(self, url: str, params: Mapping[str, Any] | None = None) -> SmallResponse:
        """Wait for the host's turn, then make the request."""
        try:
            return self._in_turn(url, lambda: self._fetch_now(url, params))
        except HostDisabledError as error:
            return SmallResponse(None, error.message)

    def _in_turn(self, url: str, ask: Callable[[], T]) -> T:
        """Wait for the host's turn and make the request, again if the host rests meanwhile."""
        while True:
            wait_for_turn(self._gate, host_of(url), self._context.stopping)
            with suppress(TurnLostError):
                return ask()

    def _fetch_now(self, url: str, params: Mapping[str, Any] | None = None) -> SmallResponse:
        """Make a request whose turn has come, and tell the gate how it ended."""
        host = host_of(url)
        started = time.monotonic()
        response = fetch_small(self._session, self._deadlines, url, params=params)
        self._gate.finish(
            host,
            status=response.status,
            latency=time.monotonic() - started,
            retry_after=parse_retry_after(response.headers.get("retry-after")),
            slot=False,
        )
        return response
