"""Whether `collect --browser-url` would work, for `bodyshop doctor`."""

from __future__ import annotations

from dataclasses import dataclass

from bodyshop_core.errors import BodyshopError
from collector.browser import GridLauncher
from collector.net.address import AddressGuard

LOAD_SECONDS = 20.0


@dataclass(frozen=True)
class GridCheck:
    """One thing that a Selenium Grid needs.

    Parameters
    ----------
    part : str
        What was checked.
    ok : bool
        Whether it works.
    found : str
        What was found.
    fix : str
        How to fix it; empty when nothing has to be fixed.
    needed : bool
        False for what could not be tried.
    """

    part: str
    ok: bool
    found: str
    fix: str = ""
    needed: bool = True


def check_grid(url: str, *, proxy_address: str | None = None) -> list[GridCheck]:
    """Ask a Selenium Grid for its free browsers, and start one to see whether it is guarded.

    Parameters
    ----------
    url : str
        Of the Grid: ``http://grid:4444``.
    proxy_address : str, optional
        ``HOST[:PORT]`` at which its nodes reach this machine; see `collect`.

    Returns
    -------
    list of GridCheck
        The Grid itself; and, if it answers, the way from its node through this machine's proxy. A
        Grid without a free browser is not waited for.

    Raises
    ------
    UsageError
        `url` or `proxy_address` is not valid.
    """
    grid, way = "Selenium Grid", "Grid: its browsers reach this machine"
    launcher = GridLauncher(url, proxy_address=proxy_address, places=1)
    try:
        free = launcher.free_browsers()
    except BodyshopError as error:
        return [GridCheck(grid, False, error.message, error.hint or "")]
    found = [GridCheck(grid, True, f"{url}: {free} browsers are free")]
    if not free:
        fix = "try again when a browser is free"
        return [*found, GridCheck(way, False, "not tried: no browser is free", fix, False)]
    try:
        with launcher:
            browser = launcher.launch(
                AddressGuard(), lambda *_: None, load_seconds=LOAD_SECONDS,
                script_seconds=LOAD_SECONDS,
            )  # fmt: skip
            browser.end()
            told = f"through the proxy at {launcher.advertised}, and in no other way"
    except BodyshopError as error:
        return [*found, GridCheck(way, False, error.message, error.hint or "")]
    return [*found, GridCheck(way, True, told)]
