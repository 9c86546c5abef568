"""Find Chromium and its driver, and start them with a new profile and no requests of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.errors import MissingPartError
from bodyshop_core.extras import need_extra
from bodyshop_core.processes import is_linux_root, own_session
from collector.browser.driver_errors import first_line

if TYPE_CHECKING:
    from selenium.webdriver import Chrome, ChromeOptions

BROWSER_VARIABLE = "BODYSHOP_BROWSER"
DRIVER_VARIABLE = "BODYSHOP_DRIVER"

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_BROWSER_PATHS = (
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/opt/google/chrome/chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
)
_DRIVER_PATHS = (
    "/usr/bin/chromedriver",
    "/usr/lib/chromium/chromedriver",
    "/usr/lib/chromium-browser/chromedriver",
)

_FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--disable-client-side-phishing-detection",
    "--disable-dev-shm-usage",
    "--disable-popup-blocking",
    "--metrics-recording-only",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
    "--safebrowsing-disable-auto-update",
    "--hide-scrollbars",
    "--disable-features=Translate,OptimizationHints,MediaRouter,AutofillServerCommunication,"
    "CertificateTransparencyComponentUpdater,InterestFeedContentSuggestions,DialMediaRouteProvider",
    # A window that nobody sees must not be slowed down like a hidden one.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    # WebGL viewers work without a graphics card.
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)

GUARD_FLAGS = (
    # Without this Chromium connects to loopback without the proxy, and so without the guard.
    "--proxy-bypass-list=<-loopback>",
    # WebRTC sends UDP past the proxy unless both names of this policy forbid it: the first is that
    # of older versions.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
)
"""Arguments that keep all traffic on the way through the proxy."""

_PREFERENCES = {
    "webrtc.ip_handling_policy": "disable_non_proxied_udp",
    "webrtc.multiple_routes_enabled": False,
    "webrtc.nonproxied_udp_enabled": False,
}


@dataclass(frozen=True)
class BrowserParts:
    """The paths and versions of browser and driver.

    Parameters
    ----------
    driver : Path or None
        None: Selenium Manager has to download one.
    """

    browser: Path
    driver: Path | None
    browser_version: str = ""
    driver_version: str = ""

    @property
    def fits(self) -> bool:
        """Whether browser and driver have the same major version, as required."""
        ours, theirs = (v.partition(".")[0] for v in (self.browser_version, self.driver_version))
        return not (ours and theirs) or ours == theirs


def find_browser(*, versions: bool = False) -> BrowserParts:
    """Find the browser and its driver: environment, then PATH, then the usual places.

    Parameters
    ----------
    versions : bool
        Also ask both for their versions (0.1 s each).

    Raises
    ------
    MissingPartError
        Selenium or the browser is not installed; the hint names the command that installs it.
    """
    need_extra("collect", "a browser")
    browser = _named(BROWSER_VARIABLE) or _first(_BROWSERS, _BROWSER_PATHS)
    if browser is None:
        raise MissingPartError("no Chrome or Chromium was found", hint=_how_to_install())
    driver = _named(DRIVER_VARIABLE) or _first(("chromedriver",), _DRIVER_PATHS)
    if not versions:
        return BrowserParts(browser, driver)
    driver_version = _version(driver) if driver else ""
    return BrowserParts(browser, driver, _version(browser), driver_version)


def chrome_options(*arguments: str, headed: bool) -> ChromeOptions:
    """Return the options of every browser, here or on another machine.

    Parameters
    ----------
    *arguments : str
        More arguments of Chromium.
    headed : bool
        Show the window.
    """
    from selenium.webdriver import ChromeOptions

    options = ChromeOptions()
    options.page_load_strategy = "eager"
    options.unhandled_prompt_behavior = "dismiss"
    for flag in (*_FLAGS, *GUARD_FLAGS, *arguments):
        options.add_argument(flag)
    options.add_argument("--window-size=1366,900")
    if not headed:
        options.add_argument("--headless=new")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    options.add_experimental_option(
        "perfLoggingPrefs", {"enableNetwork": True, "enablePage": False}
    )
    options.add_experimental_option("prefs", _PREFERENCES)
    return options


def start_driver(
    parts: BrowserParts,
    profile: Path,
    *,
    proxy: str,
    headed: bool,
    load_seconds: float,
    script_seconds: float,
) -> Chrome:
    """Start a driver and its browser in a process group of their own.

    Parameters
    ----------
    parts : BrowserParts
        From `find_browser`.
    profile : Path
        An empty folder for the browser's profile.
    proxy : str
        Address of the `GuardProxy`.
    headed : bool
        Show the window.
    load_seconds, script_seconds : float
        Time limits of a page load and of a script, enforced by the driver.

    Raises
    ------
    MissingPartError
        Browser or driver do not start, or have different versions.
    """
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver import Chrome, ChromeService

    options = chrome_options(f"--user-data-dir={profile}", f"--proxy-server={proxy}", headed=headed)
    options.binary_location = str(parts.browser)
    if is_linux_root():
        options.add_argument("--no-sandbox")  # Chromium refuses to run as root with its sandbox
    # Its own session: Ctrl-C in the terminal is handled by this program, not by the browser.
    service = ChromeService(
        executable_path=str(parts.driver) if parts.driver else None,
        popen_kw=own_session(),
    )
    try:
        driver = Chrome(options=options, service=service)
    except (WebDriverException, OSError) as error:
        raise MissingPartError(
            f"the browser did not start ({parts.browser}, driver {parts.driver or 'none'}): "
            f"{first_line(error)}",
            hint=f"browser and driver must have the same version; see: bodyshop doctor\n"
            f"     {_how_to_install()}",
        ) from error
    driver.set_page_load_timeout(load_seconds)
    driver.set_script_timeout(script_seconds)
    return driver


def _named(variable: str) -> Path | None:
    value = os.environ.get(variable)
    if not value:
        return None
    if not Path(value).is_file():
        raise MissingPartError(
            f"{variable} is set to {value}, which does not exist", hint=f"unset {variable}"
        )
    return Path(value)


def _first(names: tuple[str, ...], paths: tuple[str, ...]) -> Path | None:
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    return next((Path(path) for path in paths if Path(path).is_file()), None)


def _version(program: Path) -> str:
    """Return ``156.0.8078.79`` of "Chromium 156.0.8078.79 built on Debian", or nothing."""
    try:
        answer = subprocess.run(
            [str(program), "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = answer.stdout.split()
    return next((word for word in words if word[:1].isdigit()), "")


def _how_to_install() -> str:
    if sys.platform == "darwin":
        return "install one: brew install --cask google-chrome chromedriver"
    if sys.platform == "win32":
        return "install one: winget install Google.Chrome"
    if shutil.which("apt-get"):
        return "install one: sudo apt-get install -y chromium chromium-driver"
    if shutil.which("dnf"):
        return "install one: sudo dnf install -y chromium chromedriver"
    return f"install Chromium and chromedriver, or set {BROWSER_VARIABLE} and {DRIVER_VARIABLE}"
