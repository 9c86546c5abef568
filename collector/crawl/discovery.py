"""The discovery threads: one browser each, one task at a time; finds are reported at once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bodyshop_core import atomic
from bodyshop_core.catalog import CatalogError
from bodyshop_core.errors import BodyshopError, MissingPartError
from collector.browser import Browser, BrowserGoneError
from collector.browser.network import NetworkResponse
from collector.browser.running import Launcher
from collector.candidate import Find, Task, addressed
from collector.crawl.context import CrawlContext
from collector.crawl.downloads import Fetcher
from collector.crawl.events import CrawlEvents, TaskResult
from collector.crawl.held_pictures import HeldPicture
from collector.crawl.page_visit import allowed, open_page
from collector.errors import ChallengeError, CollectorError, RunStoppedError
from collector.net.declared import declared_bytes, is_part
from collector.net.small_response import SmallResponse
from collector.sources.source import Source, Tools
from collector.weburl import host_of, is_web_address, url_key

SHRUNK = 0.2
"""A task that finds less than this part of what it found last time: the page has changed."""

MAX_TRIES = 3
MAX_BACKOFF_S = 60.0


class _EmptyPageError(CollectorError):
    """A page without a result: it is opened again before that is reported."""

    error_class = "zero_results"
    transient = True


@dataclass(frozen=True)
class _QueuedTask:
    """A task in the queue: which try it is, and when it may begin."""

    task: Task
    tries: int = 1
    not_before: float = 0.0


class DiscoveryPool:
    """Works through tasks with a few threads; use as a context manager.

    Parameters
    ----------
    context : CrawlContext
        Of the run.
    tasks : sequence of Task
        In the order in which they are tried.
    sources : Mapping
        Source name -> `Source`.
    fetcher : Fetcher
        For robots.txt, small requests and single pictures.
    events : CrawlEvents
        Told about finds, ends of tasks, and an error that ends the run (no browser).
    last_found : Mapping
        Task key -> number of finds of its last success.
    launcher : Launcher
        Starts the browsers, and says how many there are at the same time.
    """

    def __init__(
        self,
        context: CrawlContext,
        tasks: Sequence[Task],
        sources: Mapping[str, Source],
        fetcher: Fetcher,
        events: CrawlEvents,
        *,
        last_found: Mapping[str, int],
        launcher: Launcher,
    ) -> None:
        self._context, self._sources = context, sources
        self._fetcher, self._events = fetcher, events
        self._last_found, self._launcher = last_found, launcher
        self._queues: dict[bool, list[_QueuedTask]] = {True: [], False: []}
        for task in tasks:
            self._queues[sources[task.source].needs_browser].append(_QueuedTask(task))
        self._open = {kind: len(queue) for kind, queue in self._queues.items()}
        self._most = {True: launcher.places, False: 1}
        self._changed = threading.Condition()
        self._browsers: list[Browser] = []
        self._threads: list[threading.Thread] = []
        self._takers: dict[bool, set[threading.Thread]] = {True: set(), False: set()}

    def __enter__(self) -> DiscoveryPool:
        with self._changed:
            for kind in self._queues:
                self._start_threads(kind)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not KeyboardInterrupt:
                self.stop()
        except KeyboardInterrupt:
            kind = KeyboardInterrupt
            raise
        finally:
            if kind is KeyboardInterrupt:  # the user does not want to wait for anything
                self._context.stopping.set()
                for browser in self._browsers:
                    browser.kill()

    @property
    def finished(self) -> bool:
        """Whether every task is closed."""
        with self._changed:
            return not any(self._open.values())

    def room(self, *, most_lists: int) -> dict[bool, int]:
        """Return how many more tasks keep all threads busy: with a browser (True), and without.

        One more than there are browsers, so that none of them waits for the ledger.
        """
        with self._changed:
            most = {True: self._most[True] + 1, False: most_lists}
            return {kind: most[kind] - self._open[kind] for kind in most}

    def add(self, task: Task) -> None:
        """Take one more task, while the others are worked on."""
        kind = self._sources[task.source].needs_browser
        with self._changed:
            self._queues[kind].append(_QueuedTask(task))
            self._open[kind] += 1
            self._changed.notify_all()
            self._start_threads(kind)

    def _start_threads(self, kind: bool) -> None:
        """Have a thread per open task, up to the limit."""
        # A thread that is alive may be closing its browser, and takes nothing any more.
        takers = self._takers[kind]
        while len(takers) < min(self._most[kind], self._open[kind]):
            name = f"browser-{len(self._threads)}" if kind else "lists"
            thread = threading.Thread(target=self._run, args=(kind,), name=name, daemon=True)
            self._threads.append(thread)
            takers.add(thread)
            thread.start()

    def stop(self, *, grace: float = 2.0) -> None:
        """End the threads; a task whose page is not finished stays queued."""
        self._context.stopping.set()
        with self._changed:
            self._changed.notify_all()
        end = time.monotonic() + grace
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._launcher.withdraw()
        for browser in self._browsers:
            browser.end()
        for thread in self._threads:
            thread.join()

    def _run(self, with_browser: bool) -> None:
        limits = self._context.brands.limits
        browser = Browser(
            self._context.guard, self._context.agent, launcher=self._launcher,
            load_seconds=limits.load_seconds, behaviour_seconds=limits.behaviour_seconds,
        )  # fmt: skip
        self._browsers.append(browser)
        try:
            with browser:
                while (item := self._take(with_browser)) is not None:
                    self._attempt(item, browser)
        except BaseException as error:  # noqa: BLE001 - handed to the driving thread, which raises it
            self._events.crashed(error)
            with self._changed:
                self._takers[with_browser].discard(threading.current_thread())

    def _take(self, with_browser: bool) -> _QueuedTask | None:
        """Wait for the first task whose host may be asked; None at the end."""
        with self._changed:
            while not self._context.stopping.is_set():
                waiting = self._queues[with_browser]
                if not waiting and not any(self._open.values()):
                    break
                soonest, now = 3600.0, time.monotonic()
                for place, item in enumerate(waiting):
                    ready = max(self._ready_at(item.task), item.not_before)
                    if ready <= now:
                        return waiting.pop(place)
                    soonest = min(soonest, ready - now)
                self._changed.wait(soonest)
            self._takers[with_browser].discard(threading.current_thread())
        return None

    def _ready_at(self, task: Task) -> float:
        if not is_web_address(task.url):
            return 0.0
        return self._context.gate.ready_at(host_of(task.url)) or 0.0

    def _attempt(self, item: _QueuedTask, browser: Browser) -> None:
        """Work on a task, and report how it ended or queue it again."""
        result = self._result_of(item, browser)
        if result is None:
            return
        self._events.closed(result)
        with self._changed:
            self._open[self._sources[item.task.source].needs_browser] -= 1
            self._changed.notify_all()

    def _result_of(self, item: _QueuedTask, browser: Browser) -> TaskResult | None:
        """Return how a task ended; None when it is queued again."""
        task = item.task
        try:
            result = self._work(task, browser)
            if result.error_class == _EmptyPageError.error_class and item.tries == 1:
                raise _EmptyPageError(result.message)
        except (MissingPartError, CatalogError):  # of this machine, or of the shared hosts
            raise
        except RunStoppedError:
            return TaskResult(task, "queued")
        except CollectorError as error:
            return self._after_error(item, error)
        except BodyshopError as error:
            return TaskResult(task, "failed", 0, CollectorError.error_class, error.message)
        except (OSError, MemoryError):  # an error of this machine, not of the page
            raise
        except Exception as error:  # noqa: BLE001 - what comes from outside may be anything
            return TaskResult(task, "failed", 0, "source", f"{type(error).__name__}: {error}")
        return result

    def _after_error(self, item: _QueuedTask, error: CollectorError) -> TaskResult | None:
        task = item.task
        if isinstance(error, ChallengeError):
            host = host_of(task.url)
            self._context.gate.finish(host, status=None, challenge=True, slot=False)
        if error.transient and self._context.stopping.is_set():
            return TaskResult(task, "queued")
        if error.transient and item.tries < MAX_TRIES:
            self._context.log(f"{task.source} {task.url}: {error.message}; it is tried again")
            self._queue_again(item)
            return None
        return TaskResult(
            task,
            "refused" if error.refusal else "failed",
            error_class=error.error_class,
            error=error.message,
        )

    def _queue_again(self, item: _QueuedTask) -> None:
        limits = self._context.brands.limits
        wait = min(limits.retry_seconds * 2 ** (item.tries - 1), MAX_BACKOFF_S)
        at = time.monotonic() + wait * random.uniform(0.5, 1.5)
        with self._changed:
            queue = self._queues[self._sources[item.task.source].needs_browser]
            queue.append(_QueuedTask(item.task, item.tries + 1, at))
            self._changed.notify()

    def _work(self, task: Task, browser: Browser) -> TaskResult:
        source, found = self._sources[task.source], 0
        log = self._context.log
        tools = self._tools(browser)
        for batch in source.discover(task, tools):
            finds = addressed(batch)
            if len(finds) < len(batch):
                invalid = len(batch) - len(finds)
                log(f"{task.source} {task.query or task.url}: {invalid} invalid addresses")
            if finds:
                found += len(finds)
                self._events.found(task, finds)
            if self._context.stopping.is_set():
                return TaskResult(task, "queued", found)
        before = self._last_found.get(task.key, 0)
        known = tools.completeness
        lacks = "; ".join(known.lacks)
        if found and found >= SHRUNK * before:
            if not lacks:
                return TaskResult(task, "done", found, announced=known.announced)
            return TaskResult(task, "partial", found, "partial", lacks, announced=known.announced)
        kind = "shrunk" if found else _EmptyPageError.error_class
        message = f"{found} found, {before} last time" if found else "no picture was found"
        message += f" ({lacks})" if lacks else ""
        evidence = self._save_evidence(task, browser) if source.needs_browser else ""
        return TaskResult(task, "failed", found, kind, message, evidence)

    def _tools(self, browser: Browser) -> Tools:
        context, fetcher = self._context, self._fetcher
        return Tools(
            limits=context.brands.limits,
            open_page=lambda url, override: open_page(context, fetcher, browser, url, override),
            fetch=self._fetch,
            picture=self._picture,
            hold=lambda seen, finds: self._hold(browser, seen, finds),
            log=context.log,
            stopping=context.stopping.is_set,
            current_browser=lambda: browser,
        )

    def _fetch(
        self, url: str, params: Mapping[str, Any] | None, obey_robots: bool
    ) -> SmallResponse:
        if obey_robots:
            allowed(self._fetcher, url)
        return self._fetcher.small(url, params)

    def _picture(self, url: str, page_url: str, override: bool) -> bytes:
        allowed(self._fetcher, url, override=override)
        return self._fetcher.picture(url, page_url, override=override)

    def _hold(
        self, browser: Browser, responses: Iterable[NetworkResponse], finds: Iterable[Find]
    ) -> None:
        """Keep the bytes that the browser has received whole, of addresses that the finds name."""
        limits = self._context.brands.limits
        limit, until = limits.max_bytes, time.monotonic() + limits.behaviour_seconds / 4
        named: dict[str, set[str]] = {}
        for find in finds:
            for each in find.candidate.url_candidates:
                named.setdefault(url_key(each.url), set()).add(find.candidate.key)
        for seen in responses:
            if time.monotonic() > until or self._context.stopping.is_set():
                return  # the others are requested
            wanted_by = set().union(*(named.get(url_key(url), set()) for url in seen.urls))
            if not wanted_by or not seen.complete or seen.kind == "document":
                continue
            if declared_bytes(seen.headers) > limit or is_part(seen.status, seen.headers):
                continue
            data = browser.body(seen)
            if data:
                held = HeldPicture(seen.url, seen.status, seen.headers, data, seen.asked)
                if not self._fetcher.held.hold(held, wanted_by):
                    return

    def _save_evidence(self, task: Task, browser: Browser) -> str:
        """Save the page as it is, so that the recipe can be corrected; return where."""
        folder = self._context.workspace.reports / "collect"
        atomic.write_text(folder / f"{task.key}.html", browser.source())
        with suppress(BrowserGoneError):  # the HTML is saved; the screenshot is optional
            atomic.write_bytes(folder / f"{task.key}.png", browser.screenshot())
        return f"{folder / task.key}.html and .png"
