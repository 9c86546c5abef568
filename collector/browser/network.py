"""The requests of the browser itself: the network log, behind one adapter.

Selenium offers two ways: the performance log of chromedriver (DevTools events, stable for a decade)
and WebDriver BiDi (its Python names still change between releases). Only this module knows which
one is used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


@dataclass(frozen=True)
class NetworkResponse:
    """One response that the browser received.

    Parameters
    ----------
    kind : str
        DevTools' resource type in lower case: ``document``, ``image``, ``xhr``, ``fetch``, ...
    headers : dict
        Names in lower case; only kept for documents.
    """

    url: str
    kind: str
    status: int
    mime: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_image(self) -> bool:
        """Whether this was a raster picture."""
        return self.mime.startswith("image/") and "svg" not in self.mime


class NetworkLog:
    """Reads and empties the log of one driver."""

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver

    def drain(self) -> list[NetworkResponse]:
        """Return the responses since the last call, in order."""
        found = []
        for entry in self._driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.responseReceived":
                found.append(_seen(message["params"]))
        return [seen for seen in found if seen.url.startswith(("http://", "https://"))]


def _seen(event: dict[str, Any]) -> NetworkResponse:
    response = event["response"]
    kind = str(event.get("type", "")).lower()
    headers = response.get("headers", {}) if kind == "document" else {}
    return NetworkResponse(
        response["url"],
        kind,
        int(response.get("status", 0)),
        str(response.get("mimeType", "")),
        # DevTools puts a line break between the values of a header that came twice.
        {str(name).lower(): str(value).replace("\n", ", ") for name, value in headers.items()},
    )
