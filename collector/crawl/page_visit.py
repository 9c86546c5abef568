"""Opening a page politely: its host's turn, its rules, its status, and signs of a challenge."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from collector.browser import Browser
from collector.crawl.context import CrawlContext
from collector.crawl.downloads import Fetcher
from collector.errors import (
    ChallengeError,
    HttpStatusError,
    RobotsUnreachableError,
    TransientError,
)
from collector.net.download import RETRY_STATUS
from collector.net.permission import Permission, judge_headers, judge_meta, merged
from collector.net.politeness import wait_for_turn
from collector.net.retry_after import parse_retry_after
from collector.sources.source import OpenedPage, RefusedPageError
from collector.weburl import host_of, is_web_address, url_key

_CHALLENGE_TITLES = re.compile(
    r"just a moment|attention required|are you (?:a )?(?:human|robot)|robot check"
    r"|verify you are human|captcha|unusual traffic|자동입력 방지|비정상적인 (?:접근|트래픽)",
    re.IGNORECASE,
)
_CHALLENGE_FRAMES = (
    'iframe[src*="recaptcha/api2/bframe"]', 'iframe[src*="challenges.cloudflare.com"]',
    'iframe[src*="hcaptcha.com/captcha"]', "#challenge-form", "form#captcha-form",
)  # fmt: skip


def open_page(
    context: CrawlContext, fetcher: Fetcher, browser: Browser, url: str, override: bool
) -> OpenedPage:
    """Open a page in the browser if its host, its headers and its meta tags allow that.

    Parameters
    ----------
    context : CrawlContext
        Of the run.
    fetcher : Fetcher
        Knows the robots.txt of each host, and learns the page's cookies.
    browser : Browser
        Of the calling thread.
    url : str
        The page.
    override : bool
        Open it although the rules forbid it; recorded.

    Raises
    ------
    RefusedPageError
        A rule forbids the use of the page.
    RobotsUnreachableError, HttpStatusError, TransientError, ChallengeError
        The page cannot be used now.
    HostDisabledError, RunStoppedError
        The page was not requested.
    """
    rules = allowed(fetcher, url, override=override)
    host = host_of(url)
    wait_for_turn(context.gate, host, context.stopping)
    started = time.monotonic()
    document = browser.open(url)
    status, headers = (document.status, document.headers) if document else (200, {})
    context.gate.finish(
        host,
        status=status,
        latency=time.monotonic() - started,
        retry_after=parse_retry_after(headers.get("retry-after")),
        slot=False,
    )
    _refuse_challenge(browser, url, headers)
    if status in {429, 503}:
        message = f"{host} asked to wait (HTTP {status})"
        raise TransientError(message, error_class="rate_limited")
    if status >= 400:
        error = HttpStatusError(url, status)
        if status in RETRY_STATUS:
            raise TransientError(error.message, error_class=error.error_class)
        raise error
    final = browser.url
    layers = [rules, judge_headers(headers, override=override)]
    if url_key(final) != url_key(url) and is_web_address(final):
        layers.append(fetcher.robots.judge(final, override=override))
    metas = browser.run(
        "return [...document.querySelectorAll('meta[name]')].map((m) => [m.name, m.content])"
    )
    layers.append(judge_meta(metas, override=override))
    permission = merged(*layers)
    if not permission.allowed:
        raise RefusedPageError(url, permission)
    fetcher.cookies.learn(browser.cookies())
    return OpenedPage(final, status, {"page": permission.layers})


def allowed(fetcher: Fetcher, url: str, *, override: bool = False) -> Permission:
    """Return the permission that the rules of a host give for an address.

    Raises
    ------
    RobotsUnreachableError
        robots.txt could not be read.
    RefusedPageError
        The rules forbid the address.
    """
    rules = fetcher.robots.judge(url, override=override)
    if rules.temporary:
        raise RobotsUnreachableError(
            f"robots.txt of {host_of(url)} could not be read, so {url} was not requested"
        )
    if not rules.allowed:
        raise RefusedPageError(url, rules)
    return rules


def _refuse_challenge(browser: Browser, url: str, headers: Mapping[str, str]) -> None:
    if headers.get("cf-mitigated", "") == "challenge":
        raise ChallengeError(f"{host_of(url)} answered with a challenge")
    title, short, frame = browser.run(
        "const body = T.ofDocument('body');"
        "return [T.ofDocument('title'), (body ? body.innerText : '').length < 1500, "
        "!!T.first(arguments[0])]",
        list(_CHALLENGE_FRAMES),
    )
    if short and (frame or _CHALLENGE_TITLES.search(title)):
        raise ChallengeError(f"{host_of(url)} shows a challenge page ({title!r})")
