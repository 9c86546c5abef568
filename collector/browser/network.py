"""The requests of the browser itself: the network log, behind one adapter.

Selenium offers two ways: the performance log of chromedriver (DevTools events, stable for a decade)
and WebDriver BiDi (its Python names still change between releases). Only this module knows which
one is used.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from collector.browser.devtools import devtools, performance_log

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

_WITHOUT_END = frozenset({"eventsource", "websocket", "media", "ping", "cspviolationreport"})
"""Kinds of requests that may stay open for as long as the page."""


@dataclass(frozen=True)
class NetworkResponse:
    """One response that the browser received.

    Parameters
    ----------
    kind : str
        DevTools' resource type in lower case: ``document``, ``image``, ``xhr``, ``fetch``, ...
    headers : dict
        Names in lower case.
    asked : tuple of str
        The addresses that redirected here, in their order.
    request : str
        DevTools' id of the request.
    loader : str
        DevTools' id of the document that asked for it.
    complete : bool
        The body has arrived.
    """

    url: str
    kind: str
    status: int
    mime: str
    headers: dict[str, str] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    request: str = ""
    loader: str = ""
    complete: bool = False

    @property
    def is_image(self) -> bool:
        """Whether this was a raster picture."""
        return self.mime.startswith("image/") and "svg" not in self.mime

    @property
    def urls(self) -> tuple[str, ...]:
        """Every address of this response: the one that answered, and those that led there."""
        return (self.url, *self.asked)


@dataclass
class _Request:
    """A request that is under way, or has ended."""

    kind: str
    loader: str
    since: float
    asked: list[str] = field(default_factory=list)


class NetworkLog:
    """The requests of the document that one driver has open; those of earlier ones are dropped.

    Images that were still loading when a page was left arrive during the next page. They belong to
    the document whose loader asked for them.
    """

    def __init__(self, driver: WebDriver) -> None:
        self._driver = driver
        self._requests: dict[str, _Request] = {}
        self._responses: dict[str, NetworkResponse] = {}
        self._dead: set[str] = set()
        self._main = ""

    def leave(self) -> None:
        """Forget the open document: what it still asked for is not part of the next one."""
        self._read()
        self._dead |= {each.loader for each in self._requests.values()} - {""}
        self._requests.clear()
        self._responses.clear()
        self._main = ""

    def responses(self) -> list[NetworkResponse]:
        """Return the responses to the requests of the open document and its frames, in order."""
        self._read()
        main = self._main_loader()
        if main and main != self._main:
            self._begin(main)
        return list(self._responses.values())

    def document(self) -> NetworkResponse | None:
        """Return the response of the open document itself."""
        seen = self.responses()
        own = [each for each in seen if each.kind == "document" and each.loader == self._main]
        documents = own or [each for each in seen if each.kind == "document"]
        return documents[-1] if documents else None

    def waiting(self) -> dict[str, float]:
        """Return address -> age in seconds of each request without an end; images do not count.

        Images are found by their elements, whether they have arrived or not.
        """
        self.responses()
        now = time.monotonic()
        return {
            each.asked[-1]: now - each.since
            for each in self._requests.values()
            if each.kind not in _WITHOUT_END | {"image", "done", "font"}
        }

    def arriving(self) -> int:
        """Return how many images the open document has asked for that are still under way."""
        self.responses()
        return sum(each.kind == "image" for each in self._requests.values())

    def _begin(self, main: str) -> None:
        """Drop what earlier documents asked for: a script may have replaced the page."""
        first = next(
            (place for place, each in enumerate(self._requests.values()) if each.loader == main), 0
        )
        self._dead |= {each.loader for each in list(self._requests.values())[:first]} - {main, ""}
        self._main = main
        for request, each in list(self._requests.items()):
            if each.loader in self._dead:
                del self._requests[request]
                self._responses.pop(request, None)

    def _main_loader(self) -> str:
        tree = devtools(self._driver, "Page.getFrameTree")
        return str(tree["frameTree"]["frame"].get("loaderId", ""))

    def _read(self) -> None:
        for entry in performance_log(self._driver):
            message = json.loads(entry["message"])["message"]
            self._note(message["method"], message["params"])

    def _note(self, method: str, event: dict[str, Any]) -> None:
        request = str(event.get("requestId", ""))
        if method == "Network.requestWillBeSent":
            loader, url = str(event.get("loaderId", "")), str(event["request"]["url"])
            if loader in self._dead or not url.startswith(("http://", "https://")):
                return
            known = self._requests.get(request)
            if known is None or "redirectResponse" not in event:
                kind = str(event.get("type", "")).lower()
                known = self._requests[request] = _Request(kind, loader, time.monotonic())
            known.asked.append(url)
        elif method == "Network.responseReceived":
            known = self._requests.get(request)
            if known is None:
                return
            self._responses[request] = _seen(event, known)
        elif method in {"Network.loadingFinished", "Network.loadingFailed"}:
            known = self._requests.get(request)
            if known is not None:
                known.kind = "done"
            response = self._responses.get(request)
            if response is not None and method == "Network.loadingFinished":
                self._responses[request] = replace(response, complete=True)


def _seen(event: dict[str, Any], known: _Request) -> NetworkResponse:
    response = event["response"]
    url = str(response["url"])
    return NetworkResponse(
        url,
        str(event.get("type", "")).lower(),
        int(response.get("status", 0)),
        str(response.get("mimeType", "")),
        # DevTools puts a line break between the values of a header that came twice.
        {
            str(name).lower(): str(value).replace("\n", ", ")
            for name, value in response.get("headers", {}).items()
        },
        asked=tuple(each for each in known.asked if each != url),
        request=str(event.get("requestId", "")),
        loader=known.loader,
    )
