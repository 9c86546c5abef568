"""The small showroom, served, and a real browser to see it with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_showroom import draw_showroom

from showroom import Site, serve


@pytest.fixture(scope="session")
def drawn_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a drawn showroom."""
    root = tmp_path_factory.mktemp("drawn") / "showroom"
    draw_showroom(root)
    return root


@pytest.fixture(scope="session")
def running_site(drawn_root: Path) -> Iterator[Site]:
    with serve(drawn_root) as site:
        yield site


@pytest.fixture
def site(running_site: Site) -> Site:
    """The drawn showroom, served; its log is empty."""
    running_site.log.clear()
    return running_site


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium that lives for the session."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--window-size=1280,900",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Any, site: Site) -> Any:
    """The session's browser, without cookies and messages."""
    chromium.get(site.base_url + "/robots.txt")
    chromium.delete_all_cookies()
    chromium.get_log("browser")
    return chromium
