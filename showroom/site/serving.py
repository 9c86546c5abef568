"""Start the showroom's web; what it needs beyond bodyshop itself is the extra ``demo``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.errors import MissingPartError
from showroom.truth import load_truth

if TYPE_CHECKING:
    from showroom.site.site import Site

EXTRA = ("flask", "waitress")
"""Packages of the extra ``demo``."""


def serve(
    root: Path | str,
    port: int = 0,
    *,
    latency: float = 0.0,
    crawl_delay: float | None = None,
) -> Site:
    """Serve the showroom in `root` on 127.0.0.1 until closed.

    Parameters
    ----------
    root
        Folder of a showroom that `showroom.build_showroom` made.
    port
        Port of the brand site; the other hosts take the five that follow. 0: any free ports.
        Addresses are part of what a crawl remembers: one that is to be resumed needs a fixed port.
    latency
        Seconds that every host waits before it answers.
    crawl_delay
        Seconds that every robots.txt asks for between requests; None: it does not say.

    Returns
    -------
    Site
        A context manager; also ``close()`` ends it.

    Raises
    ------
    MissingPartError
        The extra ``demo`` is not installed.
    BodyshopError
        `root` holds no showroom, or a port is taken.
    """
    require_extra()
    from showroom.site.site import Site

    root = Path(root)
    return Site(root, load_truth(root), port=port, latency=latency, crawl_delay=crawl_delay)


def require_extra() -> None:
    """Check that the packages of the extra ``demo`` are installed.

    Raises
    ------
    MissingPartError
        One of them is not; the hint is the command that installs them.
    """
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        raise MissingPartError(
            f"the showroom needs {' and '.join(missing)}, which bodyshop alone does not install",
            hint="pip install 'bodyshop[demo]'",
        )
