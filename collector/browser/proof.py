"""Proves that a browser on another machine reaches nothing but through our proxy.

A node has a configuration and policies of its own, and either may send traffic past the proxy. So
before it opens any page, the browser is asked for addresses that it could reach otherwise; only the
proxy knows the text that has to come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import MissingPartError
from collector.browser.driver_errors import first_line
from collector.browser.token_proxy import Admission

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

_FIRST_HOST = "bodyshop-proof.invalid"  # RFC 6761: a name that no resolver knows

_REACHED_OTHERWISE = ("localhost", "169.254.169.254", "10.0.0.1")
"""What Chromium by default, or a usual list of exceptions, does not send through a proxy."""

_BY_TUNNEL = ("localhost", "10.0.0.1")

_ELSEWHERE = frozenset(
    {"--no-proxy-server", "--proxy-auto-detect", "--proxy-pac-url", "--host-rules",
     "--load-extension", "--enable-quic", "--origin-to-force-quic-on"}
)  # fmt: skip
"""Arguments of Chromium with which traffic could pass by the proxy; empty, they do nothing."""

_CANDIDATES = """
const done = arguments[arguments.length - 1], found = [];
const peer = new RTCPeerConnection();
const end = () => { peer.close(); done(found); };
peer.onicecandidate = (event) => event.candidate && event.candidate.candidate
  ? found.push(event.candidate.candidate) : event.candidate || end();
peer.createDataChannel("proof");
peer.createOffer().then((offer) => peer.setLocalDescription(offer))
  .catch((error) => done([`${error}`]));
setTimeout(end, 5000);
"""


class UnguardedBrowserError(MissingPartError):
    """The traffic of a browser on another machine does not all pass the guarding proxy."""


def proof_url(admission: Admission) -> str:
    """Return the first address that a browser is sent to."""
    return f"http://{_FIRST_HOST}/{admission.nonce}"


def check_arguments(driver: WebDriver, arguments: Sequence[str]) -> None:
    """Refuse a browser that runs without the arguments that guard it.

    Parameters
    ----------
    driver : WebDriver
        Of the browser.
    arguments : sequence of str
        ``--name=value``, each of which it has to have, and no other value of the same name.

    Raises
    ------
    UnguardedBrowserError
        One is missing or has another value, or another argument leads past the proxy.
    """
    answer = driver.execute(
        "executeCdpCommand", {"cmd": "Browser.getBrowserCommandLine", "params": {}}
    )
    running = [str(each) for each in answer["value"]["arguments"][1:]]
    values: dict[str, set[str]] = {}
    for each in running:
        name, sign, value = each.partition("=")
        if value or not sign:
            values.setdefault(name, set()).add(value)
    for each in arguments:
        name, _, value = each.partition("=")
        given = values.get(name, set())
        if given != {value}:
            have = ", ".join(sorted(f"{name}={one}" for one in given)) or "nothing of this name"
            raise _refused(f"its Chromium runs with {have} instead of {each}")
    for name in sorted(_ELSEWHERE & values.keys()):
        if name != "--load-extension" or values[name] != {""}:
            raise _refused(f"its Chromium runs with {name}")


def prove(driver: WebDriver, admission: Admission, hosts: Sequence[str]) -> None:
    """Refuse a browser that reaches any of some addresses but through the proxy.

    Parameters
    ----------
    driver : WebDriver
        Of the browser; it has the token, and has opened `proof_url`.
    admission : Admission
        Of the browser; it is opened when all is proved.
    hosts : sequence of str
        More of them, each with its port if it has one: what the node surely reaches by itself.

    Raises
    ------
    UnguardedBrowserError
        An answer did not come from the proxy, or WebRTC would send packets past it.
    """
    if _text(driver, "") != admission.answer:
        raise _refused("it did not ask the proxy for its first page")
    found: Any = driver.execute_async_script(_CANDIDATES)
    if found:
        raise _refused(f"WebRTC would send packets past the proxy ({str(found[0])[:80]!r})")
    for host in (*_REACHED_OTHERWISE, *hosts):
        got = _text(driver, f"http://{host}/{admission.nonce}")
        if got != admission.answer:
            raise _refused(f"it did not ask the proxy for http://{host}/, but got {got[:80]!r}")
    for host in _BY_TUNNEL:
        got = _text(driver, f"https://{host}/{admission.nonce}")
        if host not in admission.tunnels:
            raise _refused(f"it did not ask the proxy for https://{host}/, but got {got[:80]!r}")
    driver.get("about:blank")
    admission.opened = True


def _text(driver: WebDriver, url: str) -> str:
    from selenium.common.exceptions import WebDriverException

    try:
        if url:
            driver.get(url)
        return str(driver.execute_script("return document.documentElement.textContent"))
    except WebDriverException as error:
        return first_line(error)


def _refused(why: str) -> UnguardedBrowserError:
    return UnguardedBrowserError(
        f"the browser of the Grid is not used, because its traffic would not all be guarded: {why}",
        hint="look at the node's arguments for Chromium (its stereotype) and at chrome://policy "
        "there: policies about proxies, WebRTC and extensions must not be set",
    )
