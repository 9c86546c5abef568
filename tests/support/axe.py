"""Accessibility of a page, as axe-core sees it in a real browser."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import gettempdir

import pytest

VERSION = "4.10.3"
SERIOUS = {"serious", "critical"}


@cache
def _source() -> str:
    folder = Path(gettempdir()) / f"bodyshop-axe-{VERSION}"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm, which brings axe-core, is not installed")
        folder.mkdir(exist_ok=True)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
        done = subprocess.run(
            [npm, "install", *options, "--prefix", str(folder), f"axe-core@{VERSION}"],
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"npm cannot install axe-core: {done.stderr.strip()[-200:]}")
    return script.read_text(encoding="utf-8")


def serious_violations(browser) -> list[str]:
    """What axe-core finds on the page that is open: rule, how bad it is, and where."""
    # Through the driver, so that the page's own policy for scripts does not matter.
    browser.execute_script(_source())
    found = browser.execute_async_script(
        "const done = arguments[0];"
        "axe.run().then((r) => done(r.violations)).catch((e) => done(String(e)));"
    )
    assert isinstance(found, list), found
    return [
        f"{each['id']} ({each['impact']}): {each['nodes'][0]['html'][:160]}"
        for each in found
        if each["impact"] in SERIOUS
    ]
