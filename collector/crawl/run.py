"""One run of the collector: events from the threads come in, transactions go out."""

from __future__ import annotations

import queue
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.progress import Progress, Tick
from bodyshop_core.workspace import Workspace
from collector.brands import Brands
from collector.candidate import Candidate, Find, Task, url_key
from collector.crawl.discovery import DiscoveryPool, TaskResult
from collector.crawl.downloads import Fetcher, entry_of
from collector.crawl.interrupt import SoftInterrupt
from collector.ledger.journal import Journal
from collector.ledger.store import CrawlLedger, DownloadRecord, covering, forgotten
from collector.net.address import AddressGuard, is_web_address
from collector.net.api_keys import keys_of
from collector.net.download import DownloadLimits, Failure, Refusal, StoredPicture, store_bytes
from collector.net.http import user_agent
from collector.net.politeness import HostGate
from collector.sources.source import Source

INCOMING = "incoming"
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
        Told about each picture settled, and about what a person should read.
    """

    def __init__(
        self, brands: Brands, workspace: Workspace, sources: dict[str, Source], progress: Progress
    ) -> None:
        self._brands, self._workspace, self._sources = brands, workspace, sources
        self._progress = progress
        self._ledger = CrawlLedger(workspace)
        self._journal = Journal(workspace.root / INCOMING)
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._tasks: list[Task] = []
        self._ready: list[Candidate] = []
        self._in_flight: dict[str, list[Candidate]] = {}
        self._placed: set[str] = set()  # candidates that count towards limits.per_model
        self._reserve: dict[tuple[str, str], deque[Candidate]] = {}
        self._settled: list[DownloadRecord] = []
        self._crashed: BaseException | None = None
        self._fetcher: Fetcher
        self._tick: Tick
        self._stopping = False
        self.new = 0
        self.yields: Counter[str] = Counter()
        self.barren: list[str] = []

    def prepare(
        self, tasks: list[Task], *, retry_failed: bool | str | None, refresh: bool,
        scope: set[tuple[str, str]],
    ) -> None:  # fmt: skip
        """Bring in what a killed run left, and work out what is left to do."""
        ledger = self._ledger
        entries = self._journal.recover(self._workspace.blobs)
        ledger.ingest(entries)
        self._journal.discard()
        if retry_failed:
            _requeue(ledger, retry_failed)
        self._tombstones = ledger.tombstones()
        self._have = ledger.have()
        self._taken = Counter(ledger.taken())
        self._tasks = self._without_erased(ledger.open_tasks(tasks, refresh=refresh))
        self._last_found = {task.key: ledger.last_found(task) for task in self._tasks}
        self._ready = [each for each in ledger.queued() if (each.brand, each.model) in scope]

    def _without_erased(self, tasks: list[Task]) -> list[Task]:
        """Turn away the pages that were erased on request; they are not even opened."""
        kept = []
        for task in tasks:
            if is_web_address(task.url) and (kind := covering(self._tombstones, task.url)):
                why = f"erased on request by {kind}"
                self._ledger.close_task(task, "refused", error_class="forgotten", error=why)
                self._progress.log(f"{task.source} {task.url}: {why}")
            else:
                kept.append(task)
        return kept

    def run(self, interrupt: SoftInterrupt, *, headed: bool, browsers: int, workers: int) -> None:
        """Work until nothing is left, or until the user stops it."""
        if not self._tasks and not self._ready:
            return
        brands = self._brands
        guard = AddressGuard(brands.allow_hosts)
        gate = gate_for(brands, guard, self._progress.log)
        agent = user_agent(brands.contact)
        crash = self._note_crash
        with (
            self._workspace.catalog.held(),
            self._progress.task("collect") as self._tick,
            Fetcher(
                limits=brands.limits, agent=agent, guard=guard, gate=gate, journal=self._journal,
                blobs=self._workspace.blobs, report=self._report, crash=crash,
                tombstones=self._tombstones, workers=workers,
                keys=keys_of(brands),
                attempts=brands.limits.attempts, backoff_s=brands.limits.retry_seconds,
            ) as self._fetcher,
            DiscoveryPool(
                self._tasks, self._sources, brands=brands, workspace=self._workspace,
                fetcher=self._fetcher, guard=guard, gate=gate, agent=agent,
                on_finds=lambda task, finds: self._events.put(lambda: self._enter(task, finds)),
                on_closed=lambda closed: self._events.put(lambda: self._close(closed)),
                crash=crash, log=self._progress.log, last_found=self._last_found,
                headed=headed, browsers=browsers,
            ) as discovery,
        ):  # fmt: skip
            for candidate in self._ready:
                self._admit(candidate)
            while not (discovery.finished and not self._in_flight and self._events.empty()):
                self._pump()
                self._flush()
                if self._crashed is not None or interrupt.requested:
                    break
            self._stopping = interrupt.requested or self._crashed is not None
            if self._stopping:
                self._progress.log(
                    "stopping: finishing what is in flight; Ctrl-C again stops at once"
                )
                self._fetcher.frontier.stop()
        # Both are stopped and joined: what they still reported is in the queue.
        while not self._events.empty():
            self._events.get()()
        self._flush()
        if self._crashed is not None:
            raise _explained(self._crashed) from self._crashed
        if not self._stopping:
            self._close_reserve()

    def _pump(self) -> None:
        """Handle events for a moment, so that one transaction settles many pictures."""
        try:
            self._events.get(timeout=BATCH_SECONDS)()
        except queue.Empty:
            return
        # Waking up for every single picture would take the interpreter from the threads that
        # download: what else happens in the meantime is handled in one go.
        time.sleep(PAUSE_SECONDS)
        for _ in range(BATCH):
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                return
            event()

    def _report(self, settled: DownloadRecord) -> None:
        self._events.put(lambda: self._land(settled))

    def _note_crash(self, error: BaseException) -> None:
        def note() -> None:
            self._crashed = self._crashed or error

        self._events.put(note)

    def _enter(self, task: Task, finds: list[Find]) -> None:
        with_bytes = [find for find in finds if find.data is not None]
        new = self._ledger.enter(task, [find.candidate for find in finds if find.data is None])
        for candidate in new:
            self._admit(candidate)
        if with_bytes:
            self._store(task, with_bytes)

    def _store(self, task: Task, finds: list[Find]) -> None:
        """Settle finds that came with their bytes, in the transaction that enters them."""
        limits = self._brands.limits
        bounds = DownloadLimits(limits.max_bytes, limits.min_side, limits.request_seconds)
        settled: list[DownloadRecord] = []
        for find in finds:
            candidate = find.candidate
            got = store_bytes(find.data or b"", self._journal.folder, bounds, url=candidate.url)
            if isinstance(got, StoredPicture) and got.sha256 in self._tombstones["sha256"]:
                got.part.unlink()
                got = Refusal("forgotten", "this picture was erased on request")
            if isinstance(got, StoredPicture):
                entry = entry_of(candidate, got, candidate.url_candidates[0].name, {})
                self._workspace.blobs.adopt(got.part, got.sha256, got.extension)
                settled.append(DownloadRecord(candidate, "done", attempts=1, entry=entry))
            elif isinstance(got, Refusal):
                settled.append(DownloadRecord(candidate, "refused", got.reason, got.detail))
            elif isinstance(got, Failure):
                settled.append(DownloadRecord(candidate, "failed", got.error_class, got.detail))
        with self._workspace.catalog.begin() as connection:
            new = {
                each.key
                for each in self._ledger.enter_in(connection, task, [e.candidate for e in settled])
            }
            fresh = [each for each in settled if each.candidate.key in new]
            states = list(self._ledger.settle_in(connection, fresh).values()) if fresh else []
        self.new += states.count("done")
        self._tick(len(states), task.model)

    def _admit(self, candidate: Candidate) -> None:
        """Queue a download unless it is known, forgotten, under way, or more than was asked for."""
        if kind := forgotten(self._tombstones, candidate):
            self._settled.append(
                DownloadRecord(candidate, "refused", "forgotten", f"erased on request by {kind}")
            )
            return
        key = url_key(candidate.url)
        if key in self._have:
            self._settled.append(
                DownloadRecord(candidate, "done", entry=self._repeated(key, candidate))
            )
            return
        if key in self._in_flight:
            self._in_flight[key].append(candidate)
            return
        car = (candidate.brand, candidate.model)
        if self._taken[car] >= self._brands.limits.per_model:
            self._reserve.setdefault(car, deque()).append(candidate)
            return
        self._taken[car] += 1
        self._placed.add(candidate.key)
        self._in_flight[key] = [candidate]
        self._fetcher.queue(candidate)

    def _land(self, settled: DownloadRecord) -> None:
        """Take an outcome in, and settle those who waited for the same address."""
        self._settled.append(settled)
        candidate = settled.candidate
        key = url_key(candidate.url)
        _, *followers = self._in_flight.pop(key, [candidate])
        if settled.entry is not None:
            self._have[key] = settled.entry | {"facts": None}
        for follower in followers:
            if settled.entry is not None:
                entry = self._repeated(key, follower)
                self._settled.append(DownloadRecord(follower, "done", entry=entry))
            elif (
                follower.source == candidate.source
                and follower.url_candidates == candidate.url_candidates
            ):
                self._settled.append(
                    DownloadRecord(follower, settled.state, settled.error_class, settled.error)
                )
            else:
                self._admit(follower)

    def _flush(self) -> None:
        """Write what is settled in one transaction, then forget the journal's lines about it."""
        settled, self._settled = self._settled, []
        if not settled:
            return
        states = self._ledger.settle(settled)
        self._journal.settled(sum(1 for each in settled if each.entry and each.entry["facts"]))
        for each in settled:
            state = states[each.candidate.key]
            self.new += state == "done"
            if state != "done" and each.error_class != "over_limit":
                self._release(each)
            self._tick(1, each.candidate.model)

    def _release(self, settled: DownloadRecord) -> None:
        """Give a place that brought no new picture to one in reserve."""
        candidate = settled.candidate
        car = (candidate.brand, candidate.model)
        if candidate.key not in self._placed:
            return
        self._placed.discard(candidate.key)
        self._taken[car] -= 1
        reserve = self._reserve.get(car)
        if reserve and not self._stopping:
            self._admit(reserve.popleft())

    def _close(self, closed: TaskResult) -> None:
        task = closed.task
        recipe = getattr(self._sources[task.source], "recipe", None)
        version = f"{recipe.name} {recipe.version}" if recipe is not None else ""
        found = closed.found if closed.state == "done" else None
        self._ledger.close_task(
            task, closed.state, found=found, error_class=closed.error_class, error=closed.error,
            recipe_version=version,
        )  # fmt: skip
        if closed.state != "queued":
            self.yields[task.source] += closed.found
        if closed.error_class == "shrunk" or (
            closed.error_class == "zero_results" and task.query is None
        ):
            self.barren.append(f"{task.query or task.url}: {closed.error}")
        if closed.state in {"failed", "refused"}:
            self._progress.log(f"{task.source} {task.query or task.url}: {closed.error}")

    def _close_reserve(self) -> None:
        limit = self._brands.limits.per_model
        rest = [each for waiting in self._reserve.values() for each in waiting]
        self._ledger.settle(
            DownloadRecord(each, "refused", "over_limit", f"limits.per_model is {limit}")
            for each in rest
        )

    def _repeated(self, key: str, candidate: Candidate) -> dict[str, Any]:
        return self._have[key] | {"key": candidate.key, "facts": None}


def gate_for(
    brands: Brands, guard: AddressGuard, log: Callable[[str], None] = lambda _text: None
) -> HostGate:
    """Return the politeness that a brands.yaml asks for."""
    limits = brands.limits
    return HostGate(
        limits.per_host_interval,
        limits.per_host_connections,
        is_private=lambda host: guard.exempt_url(f"http://{host}/"),
        log=log,
    )


def _requeue(ledger: CrawlLedger, retry_failed: bool | str) -> None:
    if retry_failed is True or retry_failed == "all":
        ledger.requeue_failed()
        return
    known = ledger.failed_classes()
    if retry_failed not in known:
        raise UsageError(
            f"no download failed with {retry_failed!r}",
            hint=f"failed are: {', '.join(f'{k} ({n})' for k, n in known.items()) or 'none'}",
        )
    ledger.requeue_failed(str(retry_failed))


def _explained(error: BaseException) -> BaseException:
    if isinstance(error, OSError) and error.errno == 28:
        return BodyshopError(
            f"the disk is full: {error.filename or 'a picture'} could not be written",
            hint="make room and run the command again: it goes on where it stopped",
        )
    return error
