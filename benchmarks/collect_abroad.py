"""What is collected from pages that are built with real front-end libraries.

npm installs the libraries, pinned, into a temporary folder (or that of `--libraries`); a loopback
server shows one page per library and kind. Each page is collected into a workspace of its own.

    python -m benchmarks.collect_abroad
    python -m benchmarks.collect_abroad --only swiper,klaro --libraries /tmp/abroad
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import yaml
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from abroad import (
    CASES,
    FOREIGN,
    FURTHER,
    HABITS,
    MENDED,
    REPORTS,
    AbroadSite,
    Case,
    install_libraries,
    library_versions,
)


@dataclass(frozen=True)
class Row:
    """The outcome of one page."""

    page: str
    library: str
    expected: int
    collected: int
    right_page: int
    full_size: int
    state: str
    requests: str
    downloads: str
    seconds: float


def main() -> None:
    """Collect every page and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="names of pages, separated by commas")
    parser.add_argument("--libraries", type=Path, help="where npm installs; default: temporary")
    given = parser.parse_args()
    wanted = set(filter(None, given.only.split(",")))
    with tempfile.TemporaryDirectory(prefix="abroad-") as folder:
        modules = install_libraries(given.libraries or Path(folder) / "npm")
        names = [field.name.replace("_", " ") for field in fields(Row)]
        print("|", " | ".join(names), "|")
        print("|" + "---|" * len(names))
        with AbroadSite(modules) as site:
            for case in (*CASES, *FOREIGN, *MENDED, *FURTHER, *REPORTS, *HABITS):
                if wanted and case.name not in wanted:
                    continue
                row = collect_case(site, case, Path(folder) / case.name)
                print("|", " | ".join(map(str, astuple(row))), "|", flush=True)


def collect_case(site: AbroadSite, case: Case, folder: Path) -> Row:
    """Collect one page, and compare what came with what it has."""
    entry = {"name": case.name, case.kind: [{"url": site.url(case.name), "label": "whole"}]}
    brands = collector.parse_brands(
        yaml.safe_dump({
            "version": 1, "contact": "test@example.org", "allow_hosts": [site.host],
            "limits": {"per_host_interval": 0, "min_side": 100, "load_seconds": 30,
                       "behaviour_seconds": 90},
            "brands": [{"name": "Abroad", "models": [entry]}],
        })
    )  # fmt: skip
    workspace = Workspace.open(folder)
    site.asked.clear()
    site.downloads.clear()
    started = time.monotonic()
    try:
        collector.collect(brands, workspace, browsers=1)
    except NothingFoundError as error:
        print(f"{case.name}: {error}", file=sys.stderr)
    seconds = time.monotonic() - started
    seen, images, pages = schema.sightings, schema.images, schema.pages
    with workspace.catalog.read() as connection:
        query = select(seen, images.c.width, images.c.height).join(
            images, images.c.sha256 == seen.c.sha256
        )
        rows = connection.execute(query).all()
        page = connection.execute(select(pages)).one()
    full = {row.sha256 for row in rows if (row.width, row.height) == case.full}
    each = max(1, len(rows))
    version = library_versions().get(case.library, "")
    # An older version beside a newer one: "npm:photoswipe@4.1.3".
    library = version[4:].replace("@", " ") if version.startswith("npm:") else ""
    return Row(
        case.name,
        library or f"{case.library} {version}".strip(),
        case.expected,
        len({row.sha256 for row in rows}),
        sum(site.host in (row.page_url or "") for row in rows),
        len(full),
        f"{page.state}: {page.error}" if page.error else page.state,
        f"{_of_site(site.asked) / each:.2f}",
        f"{_of_site(site.downloads) / each:.2f}",
        round(seconds, 1),
    )


def _of_site(paths: list[str]) -> int:
    """Count requests without those for libraries and rules."""
    return sum(not path.startswith(("/npm/", "/robots", "/.well")) for path in paths)


if __name__ == "__main__":
    main()
