"""What a source is, and what it gets to work with.

A new source is one small module with a class like `Source`, and one line in `collector.sources`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bodyshop_core.errors import BodyshopError
from collector.brands import Brand, CrawlLimits, Model
from collector.candidate import Find, Task
from collector.net.download import RETRY_STATUS
from collector.net.robots import Permission, SmallResponse

if TYPE_CHECKING:
    from collector.browser import Browser


class Source(Protocol):
    """Finds pictures; downloads none."""

    needs_browser: bool

    def tasks(self, brand: Brand, model: Model) -> Iterable[Task]:
        """List the units of work for one model; each is resumed, retried and reported by itself."""

    def discover(self, task: Task, tools: Tools) -> Iterator[list[Find]]:
        """Yield finds, a batch at a time, as they come.

        Raises
        ------
        RefusedPageError
            The page must not be used.
        ChallengeError
            The page asks for a proof of humanity; its host is left alone.
        BodyshopError
            Anything else that ended the work.
        """


class RefusedPageError(BodyshopError):
    """robots.txt or the page itself says no; `permission` has every layer's word."""

    def __init__(self, message: str, permission: Permission) -> None:
        super().__init__(message, hint="an override is per source: robots: override in brands.yaml")
        self.permission = permission


class ChallengeError(BodyshopError):
    """A captcha or "checking your browser" page: the host is left alone, nothing is evaded."""


class TransientError(BodyshopError):
    """It may go better in a while: a busy host, a broken connection. The task is tried again."""

    def __init__(self, message: str, *, error_class: str) -> None:
        super().__init__(message)
        self.error_class = error_class


class HostDisabledError(BodyshopError):
    """The host refused too often and is left alone for the rest of this run."""


@dataclass
class OpenedPage:
    """A page the browser has open, with what it may be used for."""

    url: str
    status: int
    permission: dict[str, Any] = field(default_factory=dict)


def _no_pictures(url: str, page_url: str, override: bool) -> bytes:
    raise BodyshopError(f"{url} was not downloaded: this caller lends no downloads")


@dataclass
class Tools:
    """What a source may use for one task.

    Parameters
    ----------
    limits : CrawlLimits
        Of the brands.yaml.
    open_page : callable
        ``(url, override) -> OpenedPage``: waits for the host, asks robots.txt, opens the page in
        the browser, judges status, headers, meta tags and challenge signs.
    fetch : callable
        ``(url, params, obey_robots) -> SmallResponse``: a small polite request with no browser,
        through the same guard. A documented API is an invitation of its own: it is asked without
        robots.txt, which speaks to crawlers of pages; the pictures it names are judged like all
        others.
    log : callable
        Says something that a person should read.
    stopping : callable
        Tells whether the user asked to stop.
    picture : callable
        ``(url, page_url, override) -> bytes``: one guarded download, for sources that take a
        picture apart (a sprite sheet).
    """

    limits: CrawlLimits
    open_page: Callable[[str, bool], OpenedPage]
    fetch: Callable[[str, Mapping[str, Any] | None, bool], SmallResponse]
    log: Callable[[str], None]
    stopping: Callable[[], bool]
    current_browser: Callable[[], Browser]
    picture: Callable[[str, str, bool], bytes] = _no_pictures

    @property
    def browser(self) -> Browser:
        """The browser of this thread."""
        return self.current_browser()

    def fetch_json(self, url: str, params: Mapping[str, Any], *, obey_robots: bool = False) -> Any:
        """Fetch and parse an API's JSON.

        Raises
        ------
        TransientError
            No answer, or a status that may pass: the task is tried again.
        BodyshopError
            Another error status, or no JSON.
        """
        answer = self.fetch(url, params, obey_robots)
        if answer.forbidden:
            raise BodyshopError(f"{url} was not asked: {answer.text}")
        if answer.status is None:
            message = f"{url} gave no answer: {answer.text[:300]}"
            raise TransientError(message, error_class="connection")
        if answer.status != 200:
            message = f"{url} gave HTTP {answer.status}"
            if answer.status in RETRY_STATUS:
                raise TransientError(message, error_class=f"http_{answer.status}")
            raise BodyshopError(f"{message}: {answer.text[:300]}")
        try:
            return json.loads(answer.text)
        except (ValueError, RecursionError) as error:
            raise BodyshopError(f"{url} sent no JSON: {answer.text[:100]!r}") from error
