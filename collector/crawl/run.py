"""One run of the collector: events from the threads come in, transactions go out."""

from __future__ import annotations

import queue
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from bodyshop_core.progress import Progress, Tick
from bodyshop_core.workspace import Workspace
from collector.brands import Brands
from collector.browser.running import Launcher
from collector.candidate import Candidate, Find, Task
from collector.crawl.brought import BroughtPictures
from collector.crawl.context import INCOMING, CrawlContext
from collector.crawl.discovery import DiscoveryPool
from collector.crawl.downloads import Fetcher
from collector.crawl.events import TaskResult
from collector.crawl.interrupt import SoftInterrupt
from collector.crawl.joining import LISTS, Shift, bring_in, recover_ended
from collector.crawl.quota import ModelQuota
from collector.crawl.reopening import Reopening
from collector.crawl.retrying import requeue
from collector.errors import explained
from collector.ledger.journal import Journal
from collector.ledger.membership import end_everyone
from collector.ledger.record import DownloadRecord, promised_by
from collector.ledger.shared_hosts import SharedHosts
from collector.ledger.store import SUCCESSES, CrawlLedger
from collector.net.host_states import HostStates
from collector.net.outcome import StoredPicture
from collector.sources.source import Source
from collector.weburl import is_web_address, url_key

BATCH = 400
BATCH_SECONDS = 0.25
PAUSE_SECONDS = 0.25


class Crawl:
    """One run of `collector.collect`; the only writer of the catalog.

    Parameters
    ----------
    brands : Brands
        What to collect.
    workspace : Workspace
        Where to.
    sources : dict
        From `collector.sources.registry.sources_for`.
    progress : Progress
        Told about each settled picture, and about messages for people.
    shift : Shift, optional
        This is one of several collectors.
    """

    def __init__(
        self, brands: Brands, workspace: Workspace, sources: dict[str, Source],
        progress: Progress, shift: Shift | None = None,
    ) -> None:  # fmt: skip
        self._brands, self._workspace, self._sources = brands, workspace, sources
        self._progress, self._shift = progress, shift
        self._journal = Journal(shift.folder if shift else workspace.root / INCOMING)
        self._ledger = CrawlLedger(workspace, self._journal)
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._in_flight: dict[str, list[Candidate]] = {}
        self._records: list[DownloadRecord] = []
        self._tried: set[tuple[str, str]] = set()  # first address of a candidate, and each of it
        self._crashed: BaseException | None = None
        self._stopping = False
        self._context: CrawlContext
        self._fetcher: Fetcher
        self._discovery: DiscoveryPool
        self._tick: Tick
        self.new = 0
        self.found_by_source: Counter[str] = Counter()
        self.empty_pages: list[str] = []

    def prepare(
        self, tasks: list[Task], *, retry_failed: bool | str | None, refresh: bool,
        scope: set[tuple[str, str]],
    ) -> None:  # fmt: skip
        """Bring in what a killed run left, and find out what is left to do."""
        if self._shift is not None:
            self._join(self._shift, tasks, retry_failed, refresh, scope)
            return
        ledger = self._ledger
        self._tombstones = ledger.tombstones()
        recover_ended(self._workspace, alone=True)
        if self._workspace.catalog.on_server:
            with self._workspace.catalog.begin() as connection:
                end_everyone(connection)
        bring_in(self._workspace, self._journal, alone=True)
        if retry_failed:
            requeue(ledger, retry_failed)
        self._have = ledger.have()
        self._quota = ModelQuota(self._brands.limits.per_model, ledger.taken())
        self._tasks = self._without_erased(ledger.open_tasks(tasks, refresh=refresh))
        self._last_found = {task.key: ledger.last_found(task) for task in self._tasks}
        browsable = [each for each in tasks if self._sources[each.source].needs_browser]
        self._reopening = Reopening(self._without_erased(browsable), ledger.pages_of_queued())
        self._ready = [each for each in ledger.queued() if (each.brand, each.model) in scope]

    def _join(
        self, shift: Shift, tasks: list[Task], retry_failed: bool | str | None, refresh: bool,
        scope: set[tuple[str, str]],
    ) -> None:  # fmt: skip
        """Become one of several collectors; what to do comes in batches while the crawl runs."""

        def needs_browser(task: Task) -> bool:
            return self._sources[task.source].needs_browser

        shift.on_failure = self.crashed
        self._tombstones = self._ledger.tombstones()
        leases = shift.begin(
            tasks, scope=scope, per_model=self._brands.limits.per_model,
            needs_browser=needs_browser, refresh=refresh,
            again="--retry-failed" if retry_failed else "--refresh" if refresh else "",
        )  # fmt: skip
        if retry_failed:
            requeue(self._ledger, retry_failed)
        self._ledger = CrawlLedger(self._workspace, self._journal, leases=leases)
        self._have = leases.have
        self._quota = ModelQuota(sys.maxsize, {})  # the ledger gives the places
        self._tasks, self._last_found, self._ready = [], {}, []
        shift.pending = self._without_erased(shift.pending)
        self._reopening = Reopening(filter(needs_browser, shift.pending), {})

    def _without_erased(self, tasks: list[Task]) -> list[Task]:
        """Refuse the pages that were erased on request; they are not even opened."""
        kept = []
        for task in tasks:
            kind = self._tombstones.covers(task.url) if is_web_address(task.url) else ""
            if kind:
                why = f"erased on request by {kind}"
                self._ledger.close_task(
                    task, "refused", error_class="forgotten", error=why,
                    keep_success=self._shift is not None,
                )  # fmt: skip
                self._progress.log(f"{task.source} {task.url}: {why}")
            else:
                kept.append(task)
        return kept

    def run(self, interrupt: SoftInterrupt, *, launcher: Launcher, workers: int) -> None:
        """Work until nothing is left, or until the user stops it."""
        if self._shift is None and not self._tasks and not self._ready:
            return
        with self._hosts() as states:
            self._context = CrawlContext.open(
                self._brands, self._workspace, self._journal,
                tombstones=self._tombstones, log=self._progress.log, states=states,
            )  # fmt: skip
            leases = self._shift.leases if self._shift else None
            self._brought = BroughtPictures(self._workspace.catalog, self._quota, leases)
            self._drive(interrupt, launcher=launcher, workers=workers)
        # All threads are joined: what they reported last is in the queue.
        while not self._events.empty():
            self._events.get()()
        self._flush()
        if self._crashed is not None:
            raise explained(self._crashed) from self._crashed
        if not self._stopping:
            self._refuse_waiting()

    @contextmanager
    def _hosts(self) -> Iterator[HostStates | None]:
        """Give the hosts' states that several collectors share."""
        if self._shift is None:
            yield None
            return
        catalog = self._workspace.catalog
        with catalog.connected() as connection:
            yield SharedHosts(catalog, connection, self._shift.member.id)

    def _drive(self, interrupt: SoftInterrupt, *, launcher: Launcher, workers: int) -> None:
        with (
            closing(self._journal),
            self._workspace.catalog.held(),
            self._progress.task("collect") as self._tick,
            Fetcher(self._context, self, workers=workers) as self._fetcher,
            DiscoveryPool(
                self._context, self._tasks, self._sources, self._fetcher, self,
                last_found=self._last_found, launcher=launcher,
            ) as self._discovery,
        ):  # fmt: skip
            for candidate in self._ready:
                self._admit(candidate)
            while self._is_at_work():
                self._handle_events()
                self._flush()
                self._restock()
                if self._crashed is not None or interrupt.requested:
                    break
            self._stopping = interrupt.requested or self._crashed is not None
            if self._stopping:
                self._progress.log(
                    "stopping: downloads in progress are finished; Ctrl-C again stops at once"
                )
                self._fetcher.stop()

    def _is_at_work(self) -> bool:
        if not (self._discovery.finished and not self._in_flight and self._events.empty()):
            return True
        return self._shift is not None and not self._shift.finished

    def _restock(self) -> None:
        """Take the next work, if this is one of several collectors."""
        if self._shift is None:
            return
        work = self._shift.restock(self._discovery.room(most_lists=LISTS))
        if work is None:
            return
        for task in work.tasks:
            self._last_found[task.key] = self._ledger.last_found(task)
            self._discovery.add(task)
        self._reopening.expect(work.pages)
        for candidate in work.candidates:
            self._admit(candidate)
        self._records += [self._over_limit(each) for each in work.over_limit]

    # The events, called from any thread; see `CrawlEvents`.

    def found(self, task: Task, finds: list[Find]) -> None:
        """Take what a task has found so far."""
        self._events.put(lambda: self._enter(task, finds))

    def closed(self, result: TaskResult) -> None:
        """Note that a task has ended."""
        self._events.put(lambda: self._close(result))

    def settled(self, record: DownloadRecord) -> None:
        """Note what became of a candidate."""
        self._events.put(lambda: self._settle(record))

    def crashed(self, error: BaseException) -> None:
        """Take an error that ends the run."""

        def note() -> None:
            self._crashed = self._crashed or error

        self._events.put(note)

    def _handle_events(self) -> None:
        """Handle the events of a short time, so that one transaction settles many pictures."""
        try:
            self._events.get(timeout=BATCH_SECONDS)()
        except queue.Empty:
            return
        # To wake up for every picture would take the interpreter from the threads that download:
        # the events that arrive meanwhile are handled together.
        time.sleep(PAUSE_SECONDS)
        for _ in range(BATCH):
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                return
            event()

    def _enter(self, task: Task, finds: list[Find]) -> None:
        with_bytes = [find for find in finds if find.data is not None]
        found = [find.candidate for find in finds if find.data is None]
        held = self._fetcher.held
        urgent = {each.key for each in found if self._shift and held.holds(each.url_candidates)}
        new = self._ledger.enter(task, found, urgent=urgent)
        for candidate in [*new, *self._reopening.found(task, finds)]:
            self._admit(candidate)
        admitted = {each.key for queued in self._in_flight.values() for each in queued}
        for key in {each.key for each in found if not self._quota.waits(each.key)} - admitted:
            held.let_go(key)
        if with_bytes:
            self._store(task, with_bytes)

    def _store(self, task: Task, finds: list[Find]) -> None:
        """Settle finds that came with their bytes."""
        self._flush()  # a picture that was downloaded a moment ago needs no second place
        records = self._brought.stored(task, finds, self._context, self._tombstones)
        states = self._ledger.settle(records.values(), found_by=task)
        self._brought.settled(task, records, states)
        for key, record in records.items():
            if states.get(key) != "done":
                self._give_on(record.candidate)
        self.new += list(states.values()).count("done")
        self._tick(len(states), task.model)

    def _give_on(self, candidate: Candidate) -> None:
        """Give the place of what brought no new picture to a candidate that waits."""
        waiting = self._quota.release(candidate)
        if waiting is not None and not self._stopping:
            self._admit(waiting)

    def _admit(self, candidate: Candidate) -> None:
        """Queue a download unless it is known, erased, in progress, or above the limit."""
        if kind := self._tombstones.covers_candidate(candidate):
            why = f"erased on request by {kind}"
            self._records.append(
                DownloadRecord(candidate, "refused", error_class="forgotten", error=why)
            )
            return
        key = url_key(candidate.url)
        if key in self._have and not self._may_be_larger(candidate, self._have[key]):
            self._records.append(DownloadRecord.again(candidate, self._have[key]))
        elif key in self._in_flight:
            self._in_flight[key].append(candidate)
        elif self._quota.take(candidate):
            self._in_flight[key] = [candidate]
            self._fetcher.queue(candidate)

    def _settle(self, record: DownloadRecord) -> None:
        """Take an outcome in, and settle those who waited for the same address."""
        candidate = record.candidate
        key = url_key(candidate.url)
        _, *followers = self._in_flight.pop(key, [candidate])
        if not self._stopping and self._reopening.puts_off(record):
            for task in self._reopening.due():
                self._progress.log(f"{task.url} is opened again: its host answers to browsers only")
                self._last_found[task.key] = self._ledger.last_found(task)
                self._discovery.add(task)
            for follower in followers:
                self._admit(follower)
            return
        self._records.append(record)
        self._tried.update((key, url_key(each.url)) for each in candidate.url_candidates)
        for known in record.proven_addresses():
            self._have[url_key(known)] = record.known_picture()
        for follower in followers:
            same = (follower.source, follower.url_candidates) == (
                candidate.source, candidate.url_candidates,
            )  # fmt: skip
            shown = record.shows(follower) and not self._may_be_larger(follower, record.picture)
            if shown or (record.picture is None and same):
                self._records.append(record.for_candidate(follower))
            else:
                self._admit(follower)

    def _may_be_larger(self, candidate: Candidate, known: StoredPicture | None) -> bool:
        """Return whether only the candidate's first address is known, and another may be larger."""
        if known is None or url_key(known.asked or known.url) != url_key(candidate.url):
            return False
        first = url_key(candidate.url)
        return any(
            each.unproven and (first, url_key(each.url)) not in self._tried
            for each in candidate.url_candidates
        )

    def _flush(self) -> None:
        """Write what is settled in one transaction, then forget the journal's lines about it."""
        records, self._records = self._records, []
        if not records:
            return
        states = self._ledger.settle(records)
        self._journal.settled(promised_by(records))
        records = [each for each in records if each.candidate.key in states]  # the others are lost
        for each in records:
            if each.picture is not None and states[each.candidate.key] in {"refused", "queued"}:
                for address in (each.candidate.url, each.picture.asked):
                    self._have.pop(url_key(address), None)
        for each in records:
            state = states[each.candidate.key]
            self._fetcher.held.let_go(each.candidate.key)
            if state == "queued":  # the picture that it shared is gone
                if not self._stopping and self._shift is None:  # else it is leased again
                    self._admit(each.candidate)
                continue
            self.new += state == "done"
            if state != "done" and each.error_class != "over_limit":
                self._give_on(each.candidate)
            self._tick(1, each.candidate.model)

    def _close(self, result: TaskResult) -> None:
        result = self._brought.judged(result)
        task = result.task
        recipe = getattr(self._sources[task.source], "recipe", None)
        version = f"{recipe.name} {recipe.version}" if recipe is not None else ""
        succeeded = result.state in SUCCESSES
        self._ledger.close_task(
            task, result.state, found=result.found if succeeded else None,
            error_class=result.error_class, error=result.message, recipe_version=version,
            announced=result.announced,
            keep_success=self._reopening.opened(task) and result.state in {"failed", "queued"},
        )  # fmt: skip
        if result.state != "queued":  # else the next run downloads them, or opens the page again
            self._records += self._reopening.left(task)
            self.found_by_source[task.source] += result.found
        if result.error_class == "shrunk" or (
            result.error_class == "zero_results" and task.query is None
        ):
            self.empty_pages.append(f"{task.query or task.url}: {result.message}")
        if result.state in {"failed", "refused", "partial"}:
            self._progress.log(f"{task.source} {task.query or task.url}: {result.message}")

    def _refuse_waiting(self) -> None:
        self._ledger.settle(map(self._over_limit, self._quota.waiting()))

    def _over_limit(self, candidate: Candidate) -> DownloadRecord:
        why = f"limits.per_model is {self._brands.limits.per_model}"
        return DownloadRecord(candidate, "refused", error_class="over_limit", error=why)
