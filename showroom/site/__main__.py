"""``python -m showroom.site FOLDER``: build a showroom if need be, and serve it."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from bodyshop_core.atomic import write_text
from bodyshop_core.errors import BodyshopError


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m showroom.site", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the showroom is, or shall be built")
    parser.add_argument("--port", type=int, default=8100, help="first of six ports (0: any)")
    parser.add_argument("--size", choices=("demo", "tiny"), default="demo")
    given = parser.parse_args(arguments)

    from showroom import build_showroom, serve
    from showroom.truth import FILE_NAME

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        if not (given.folder / FILE_NAME).exists():
            build_showroom(given.folder, size=given.size)
        with serve(given.folder, port=given.port) as site:
            brands = given.folder / "brands.yaml"
            write_text(brands, site.brands_yaml())
            sys.stdout.write(
                f"brand site    {site.base_url}/\nimage search  {site.search_url}/\n"
                f"hostile       {site.base_url}/hostile/\n"
                f"collect it    bodyshop collect {brands}\nCtrl-C ends it.\n"
            )
            sys.stdout.flush()
            stop.wait()
    except BodyshopError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
