"""The discovery threads: one browser each, one task at a time, finds handed on as they come."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError, MissingPartError
from bodyshop_core.workspace import Workspace
from collector.brands import Brands
from collector.browser import (
    Browser,
    BrowserGoneError,
    ForbiddenPageError,
    PageLoadError,
    ScriptError,
)
from collector.candidate import Find, Task, addressed
from collector.crawl.downloads import Fetcher
from collector.net.address import AddressGuard, host_of
from collector.net.download import RETRY_STATUS
from collector.net.politeness import HostGate, parse_retry_after
from collector.net.robots import SmallResponse, judge_headers, judge_meta, merged
from collector.sources.source import (
    ChallengeError,
    HostDisabledError,
    OpenedPage,
    RefusedPageError,
    Source,
    Tools,
    TransientError,
)

SHRUNK = 0.2
"""A task that brings less than this part of what it brought last time has a changed page."""

MAX_TRIES = 3
MAX_BACKOFF_S = 60.0
_CHALLENGE_TITLES = re.compile(
    r"just a moment|attention required|are you (?:a )?(?:human|robot)|robot check"
    r"|verify you are human|captcha|unusual traffic|자동입력 방지|비정상적인 (?:접근|트래픽)",
    re.IGNORECASE,
)
_CHALLENGE_FRAMES = (
    'iframe[src*="recaptcha/api2/bframe"]', 'iframe[src*="challenges.cloudflare.com"]',
    'iframe[src*="hcaptcha.com/captcha"]', "#challenge-form", "form#captcha-form",
)  # fmt: skip


@dataclass(frozen=True)
class TaskResult:
    """How a task ended: ``done``, ``failed``, ``refused``, or ``queued`` when it was stopped."""

    task: Task
    state: str
    found: int = 0
    error_class: str = ""
    error: str = ""


class _EmptyPageError(BodyshopError):
    """A page brought nothing: it is looked at twice before that is believed."""


@dataclass(frozen=True)
class _QueuedTask:
    """A task in the queue: which try it is, and when it may begin."""

    task: Task
    tries: int = 1
    not_before: float = 0.0


class DiscoveryPool:
    """Works through tasks with a few threads.

    Parameters
    ----------
    on_finds : callable
        Called from the threads with (task, finds).
    on_closed : callable
        Called from the threads with each `TaskResult`.
    crash : callable
        Called with an error that ends the run (no browser).
    last_found : Mapping
        Task key -> finds of its last success.
    browsers : int
        Browsers at the same time.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        sources: Mapping[str, Source],
        *,
        brands: Brands,
        workspace: Workspace,
        fetcher: Fetcher,
        guard: AddressGuard,
        gate: HostGate,
        agent: str,
        on_finds: Callable[[Task, list[Find]], None],
        on_closed: Callable[[TaskResult], None],
        crash: Callable[[BaseException], None],
        log: Callable[[str], None],
        last_found: Mapping[str, int],
        headed: bool = False,
        browsers: int = 2,
    ) -> None:
        self._sources, self._brands, self._workspace = sources, brands, workspace
        self._fetcher, self._guard, self._gate, self._agent = fetcher, guard, gate, agent
        self._on_finds, self._on_closed, self._crash, self._log = on_finds, on_closed, crash, log
        self._last_found, self._headed = last_found, headed
        self._waiting = {
            kind: [
                _QueuedTask(task) for task in tasks if sources[task.source].needs_browser is kind
            ]
            for kind in (True, False)
        }
        self._open = len(tasks)
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._browsers: list[Browser] = []
        count = min(browsers, len(self._waiting[True]))
        self._threads = [
            threading.Thread(target=self._run, args=(True,), name=f"browser-{n}", daemon=True)
            for n in range(count)
        ]
        if self._waiting[False]:
            self._threads.append(
                threading.Thread(target=self._run, args=(False,), name="lists", daemon=True)
            )

    def __enter__(self) -> DiscoveryPool:
        for thread in self._threads:
            thread.start()
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
                self._stopping.set()
                for browser in self._browsers:
                    browser.kill()

    @property
    def finished(self) -> bool:
        """Whether every task is closed."""
        with self._changed:
            return self._open == 0

    def stop(self, *, grace: float = 2.0) -> None:
        """End the threads; a task in the middle of its page stays queued."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        end = time.monotonic() + grace
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        for browser in self._browsers:
            browser.end()
        for thread in self._threads:
            thread.join()

    def _run(self, with_browser: bool) -> None:
        browser = Browser(
            self._guard, self._agent, headed=self._headed,
            load_seconds=self._brands.limits.load_seconds,
            behaviour_seconds=self._brands.limits.behaviour_seconds,
        )  # fmt: skip
        self._browsers.append(browser)
        try:
            with browser:
                while (item := self._take(with_browser)) is not None:
                    self._attempt(item.task, item.tries, browser)
        except BaseException as error:  # noqa: BLE001 - handed to the driving thread, which raises it
            self._crash(error)

    def _take(self, with_browser: bool) -> _QueuedTask | None:
        """Return the first task whose host may be asked now; wait for one; None at the end."""
        with self._changed:
            while not self._stopping.is_set():
                waiting = self._waiting[with_browser]
                if not waiting and self._open == 0:
                    return None
                soonest, now = 3600.0, time.monotonic()
                for place, item in enumerate(waiting):
                    ready = max(self._ready_at(item.task), item.not_before)
                    if ready <= now:
                        return waiting.pop(place)
                    soonest = min(soonest, ready - now)
                self._changed.wait(soonest)
        return None

    def _ready_at(self, task: Task) -> float:
        if not task.url.startswith(("http://", "https://")):
            return 0.0
        return self._gate.ready_at(host_of(task.url)) or 0.0

    def _attempt(self, task: Task, tries: int, browser: Browser) -> None:
        try:
            closed = self._work(task, browser)
            if closed.error_class == "zero_results" and tries == 1:
                raise _EmptyPageError(closed.error)
        except MissingPartError:
            raise
        except RefusedPageError as error:
            closed = TaskResult(task, "refused", 0, error.permission.reason, error.message)
        except ChallengeError as error:
            self._gate.finish(host_of(task.url), status=None, challenge=True, held=False)
            closed = TaskResult(task, "failed", 0, "challenge", error.message)
        except HostDisabledError as error:
            closed = TaskResult(task, "failed", 0, "host_disabled", error.message)
        except ForbiddenPageError as error:
            closed = TaskResult(task, "refused", 0, "forbidden_address", error.message)
        except _PASSING as error:
            if self._stopping.is_set():
                closed = TaskResult(task, "queued")
            elif tries < MAX_TRIES:
                self._log(f"{task.source} {task.url}: {error.message}; trying again")
                self._again(task, tries)
                return
            else:
                closed = TaskResult(task, "failed", 0, _class_of(error), error.message)
        except BodyshopError as error:
            closed = TaskResult(task, "failed", 0, _class_of(error), error.message)
        except (OSError, MemoryError):  # this machine's trouble, not the page's
            raise
        except Exception as error:  # noqa: BLE001 - what comes from outside may be anything
            closed = TaskResult(task, "failed", 0, "source", f"{type(error).__name__}: {error}")
        self._on_closed(closed)
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def _again(self, task: Task, tries: int) -> None:
        wait = min(self._brands.limits.retry_seconds * 2 ** (tries - 1), MAX_BACKOFF_S)
        at = time.monotonic() + wait * random.uniform(0.5, 1.5)
        with self._changed:
            queue = self._waiting[self._sources[task.source].needs_browser]
            queue.append(_QueuedTask(task, tries + 1, at))
            self._changed.notify()

    def _work(self, task: Task, browser: Browser) -> TaskResult:
        source, found = self._sources[task.source], 0
        tools = Tools(
            limits=self._brands.limits,
            open_page=lambda url, override: self._open_page(browser, url, override),
            fetch=self._fetch,
            picture=self._picture,
            log=self._log,
            stopping=self._stopping.is_set,
            current_browser=lambda: browser,
        )
        for batch in source.discover(task, tools):
            finds = addressed(batch)
            if len(finds) < len(batch):
                broken = len(batch) - len(finds)
                self._log(f"{task.source} {task.query or task.url}: {broken} broken addresses")
            if finds:
                found += len(finds)
                self._on_finds(task, finds)
            if self._stopping.is_set():
                return TaskResult(task, "queued", found)
        before = self._last_found.get(task.key, 0)
        if found == 0 or found < SHRUNK * before:
            kind = "zero_results" if found == 0 else "shrunk"
            message = "no picture was found" if found == 0 else f"{found} found, {before} last time"
            place = self._save_evidence(task, browser) if source.needs_browser else ""
            return TaskResult(task, "failed", found, kind, f"{message}{place}")
        return TaskResult(task, "done", found)

    def _save_evidence(self, task: Task, browser: Browser) -> str:
        """Keep the page as it was, so that the recipe can be mended; return where, as a phrase."""
        folder = self._workspace.reports / "collect"
        atomic.write_text(folder / f"{task.key}.html", browser.source())
        with suppress(BrowserGoneError):  # the HTML is saved; a screenshot is a bonus
            atomic.write_bytes(folder / f"{task.key}.png", browser.screenshot())
        return f"; the page as it was: {folder / task.key}.html and .png"

    def _open_page(self, browser: Browser, url: str, override: bool) -> OpenedPage:
        rules = self._fetcher.robots.judge(url, override=override)
        if not rules.allowed:
            if rules.temporary:
                raise BodyshopError(f"robots.txt of {host_of(url)} can't be read: stayed away")
            raise RefusedPageError(f"{url} may not be used: {rules.reason}", rules)
        host = host_of(url)
        self._wait(host)
        started = time.monotonic()
        document = browser.open(url)
        status, headers = (document.status, document.headers) if document else (200, {})
        self._gate.finish(
            host,
            status=status,
            latency=time.monotonic() - started,
            retry_after=parse_retry_after(headers.get("retry-after")),
            held=False,
        )
        self._refuse_challenge(browser, url, headers)
        if status in {429, 503}:
            message = f"{host} asked to wait (HTTP {status})"
            raise TransientError(message, error_class="rate_limited")
        if status in RETRY_STATUS:
            raise TransientError(f"{url} gave HTTP {status}", error_class=f"http_{status}")
        if status >= 400:
            raise BodyshopError(f"{url} gave HTTP {status}")
        final = browser.url
        layers = [rules, judge_headers(headers, override=override)]
        if host_of(final) != host:
            layers.append(self._fetcher.robots.judge(final, override=override))
        metas = browser.run(
            "return [...document.querySelectorAll('meta[name]')].map((m) => [m.name, m.content])"
        )
        layers.append(judge_meta(metas, override=override))
        permission = merged(*layers)
        if not permission.allowed:
            raise RefusedPageError(f"{url} may not be used: {permission.reason}", permission)
        self._fetcher.cookies.learn(browser.cookies())
        return OpenedPage(final, status, {"page": permission.layers})

    def _refuse_challenge(self, browser: Browser, url: str, headers: Mapping[str, str]) -> None:
        if headers.get("cf-mitigated", "") == "challenge":
            raise ChallengeError(f"{host_of(url)} answered with a challenge")
        title, short, frame = browser.run(
            "return [document.title, (document.body ? document.body.innerText : '').length < 1500, "
            "!!T.first(arguments[0])]",
            list(_CHALLENGE_FRAMES),
        )
        if short and (frame or _CHALLENGE_TITLES.search(title)):
            raise ChallengeError(f"{host_of(url)} shows a challenge page ({title!r})")

    def _fetch(
        self, url: str, params: Mapping[str, Any] | None, obey_robots: bool
    ) -> SmallResponse:
        if obey_robots:
            rules = self._fetcher.robots.judge(url)
            if not rules.allowed:
                raise RefusedPageError(f"{url} may not be used: {rules.reason}", rules)
        return self._fetcher.small(url, params)

    def _picture(self, url: str, page_url: str, override: bool) -> bytes:
        rules = self._fetcher.robots.judge(url, override=override)
        if not rules.allowed:
            raise RefusedPageError(f"{url} may not be used: {rules.reason}", rules)
        self._wait(host_of(url))
        return self._fetcher.picture(url, page_url, override=override)

    def _wait(self, host: str) -> None:
        while True:
            ready = self._gate.ready_at(host)
            if ready is None:
                raise HostDisabledError(f"{host} is left alone: {self._gate.broken(host)}")
            wait = ready - time.monotonic()
            if wait <= 0:
                break
            if self._stopping.wait(min(wait, 1.0)):
                raise BrowserGoneError("stopped")
        self._gate.sending(host)


_CLASSES = {
    "PageLoadError": "page_load",
    "BrowserGoneError": "browser",
    "ScriptError": "script",
}

_PASSING = (BrowserGoneError, ScriptError, PageLoadError, TransientError, _EmptyPageError)
"""What may be different when the page is opened again."""


def _class_of(error: BodyshopError) -> str:
    """Name an error for the ledger: ``http_404``, ``page_load``, ``robots_unreachable``..."""
    if isinstance(error, TransientError):
        return error.error_class
    if match := re.search(r"gave HTTP (\d{3})", error.message):
        return f"http_{match[1]}"
    if "robots.txt of" in error.message:
        return "robots_unreachable"
    return _CLASSES.get(type(error).__name__, "page")
