"""A browser at the desk, and what its tests do there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.support.ui import WebDriverWait

from collector.browser.driver import find_browser


@contextmanager
def chromium() -> Iterator[Chrome]:
    """Yield a browser without a window."""
    parts = find_browser()
    options = ChromeOptions()
    options.binary_location = str(parts.browser)
    for flag in ("--headless=new", "--no-sandbox", "--window-size=1280,800"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options)
    try:
        yield driver
    finally:
        driver.quit()


def press(browser, *keys):
    actions = ActionChains(browser)
    for key in keys:
        actions.send_keys(key)
    actions.perform()


def hold(browser, key: str, code: int, times: int) -> None:
    """Press a key and hold it: the system repeats it, with the mark of a repeated one."""
    for number in range(times):
        event = {"type": "keyDown", "key": key, "text": key, "windowsVirtualKeyCode": code}
        browser.execute_cdp_cmd("Input.dispatchKeyEvent", event | {"autoRepeat": number > 0})
    browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", "key": key})


def until(browser, condition: Callable[[], object]) -> None:
    WebDriverWait(browser, 30).until(lambda _: condition())


def said(browser) -> str:
    return browser.find_element("id", "said").text


def opened(browser, address: str) -> None:
    browser.get(address)
    until(browser, lambda: browser.execute_script("return document.body.dataset.ready"))
