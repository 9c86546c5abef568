"""The interface of a source, and the tools that a source works with.

A new source is a small module with a class like `Source`, and a line in `sources.registry`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from collector.brands import Brand, CrawlLimits, Model
from collector.candidate import Find, Task
from collector.errors import CollectorError, ForbiddenAddressError, HttpStatusError, TransientError
from collector.net.download import RETRY_STATUS
from collector.net.permission import Permission
from collector.net.small_response import SmallResponse

if TYPE_CHECKING:
    from collector.browser import Browser
    from collector.browser.network import NetworkResponse


class Source(Protocol):
    """Finds pictures; downloads none."""

    needs_browser: bool

    def tasks(self, brand: Brand, model: Model) -> Iterable[Task]:
        """List the tasks of one model; each is resumed, retried and reported separately."""

    def discover(self, task: Task, tools: Tools) -> Iterator[list[Find]]:
        """Yield finds, a batch at a time, as they come.

        Raises
        ------
        RefusedPageError
            The page must not be used.
        ChallengeError
            The page shows a captcha or the like; its host is disabled for this run.
        CollectorError
            Anything else that ended the work; see its attributes.
        """


class RefusedPageError(CollectorError):
    """robots.txt or the page itself forbids the use; `permission` has the verdict of each layer."""

    refusal = True

    def __init__(self, url: str, permission: Permission) -> None:
        super().__init__(
            f"{url} may not be used: {permission.reason}",
            hint="to override this for a source, write robots: override in brands.yaml",
            error_class=permission.reason,
        )
        self.permission = permission


@dataclass
class OpenedPage:
    """A page the browser has open, with what it may be used for."""

    url: str
    status: int
    permission: dict[str, Any] = field(default_factory=dict)


@dataclass
class Completeness:
    """How much of a page was found, as far as that can be known.

    Parameters
    ----------
    announced : int, optional
        Pictures that the page says it has.
    lacks : list of str
        Why the task is only partial; empty: nothing is known to be missing.
    """

    announced: int | None = None
    lacks: list[str] = field(default_factory=list)


def _no_pictures(url: str, page_url: str, override: bool) -> bytes:
    raise CollectorError(f"{url} was not downloaded: downloads are not available here")


@dataclass
class Tools:
    """What a source may use for one task.

    Parameters
    ----------
    limits : CrawlLimits
        Of the brands.yaml.
    open_page : callable
        ``(url, override) -> OpenedPage``: waits for the host, asks robots.txt, opens the page in
        the browser, checks status, headers, meta tags and signs of a challenge.
    fetch : callable
        ``(url, params, obey_robots) -> SmallResponse``: a small polite request with no browser,
        through the same guard. A documented API may be used without robots.txt, which is meant for
        crawlers of pages; the pictures that it names are checked like all others.
    log : callable
        Takes a message for people.
    stopping : callable
        Returns whether the run is being stopped.
    picture : callable
        ``(url, page_url, override) -> bytes``: one guarded download, for sources that take a
        picture apart (a sprite sheet).
    hold : callable
        Takes responses of the open page, and what was found there: where a find names an address,
        the bytes that the browser received are used, and nothing is requested.
    completeness : Completeness
        A source notes here what it could not reach: the task is then ``partial``, not ``done``.
    """

    limits: CrawlLimits
    open_page: Callable[[str, bool], OpenedPage]
    fetch: Callable[[str, Mapping[str, Any] | None, bool], SmallResponse]
    log: Callable[[str], None]
    stopping: Callable[[], bool]
    current_browser: Callable[[], Browser]
    picture: Callable[[str, str, bool], bytes] = _no_pictures
    hold: Callable[[Iterable[NetworkResponse], Iterable[Find]], None] = lambda _seen, _finds: None
    completeness: Completeness = field(default_factory=lambda: Completeness())

    @property
    def browser(self) -> Browser:
        """The browser of this thread."""
        return self.current_browser()

    def fetch_json(self, url: str, params: Mapping[str, Any], *, obey_robots: bool = False) -> Any:
        """Fetch and parse an API's JSON.

        Raises
        ------
        TransientError
            No response, or a status that may change: the task is tried again.
        HttpStatusError
            Another error status.
        CollectorError
            The address is forbidden, or the response is not JSON.
        """
        answer = self.fetch(url, params, obey_robots)
        if answer.forbidden:
            raise ForbiddenAddressError(f"{url} was not requested: {answer.text}")
        if answer.status is None:
            message = f"{url} did not respond: {answer.text[:300]}"
            raise TransientError(message, error_class="connection")
        if answer.status != 200:
            error = HttpStatusError(url, answer.status, answer.text[:300])
            if answer.status in RETRY_STATUS:
                raise TransientError(error.message, error_class=error.error_class)
            raise error
        try:
            return json.loads(answer.text)
        except (ValueError, RecursionError) as cause:
            raise CollectorError(f"{url} did not send JSON: {answer.text[:100]!r}") from cause
