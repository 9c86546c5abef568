"""Rows per second that a catalog takes and gives, in a SQLite file and in PostgreSQL.

    python -m benchmarks.catalogs [--pictures 10000]

Needs PostgreSQL (Debian: apt-get install postgresql); a server is started on this machine, without
fsync. The rows are those of `benchmarks.scale`. CPU-seconds are those of this process alone; what
the server takes comes on top.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))


def main() -> None:
    from postgres import PostgresServer, programs

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    options = parser.parse_args()
    binaries = programs()
    if binaries is None:
        sys.exit("PostgreSQL is not installed: apt-get install postgresql")
    server = PostgresServer(binaries)
    try:
        server.start()
        with tempfile.TemporaryDirectory() as folder:
            for name in ("SQLite", "PostgreSQL"):
                root = Path(folder) / name
                root.mkdir()
                if name == "PostgreSQL":
                    (root / "workspace.toml").write_text(f'catalog = "{server.url("rows")}"\n')
                measure(name, root, options.pictures)
    finally:
        server.close()


def measure(name: str, root: Path, pictures: int) -> None:
    """Fill a catalog, read it whole, and print what both took."""
    from benchmarks.scale_rows import fill
    from bodyshop_core.catalog.copying import count_rows
    from bodyshop_core.workspace import Workspace

    workspace = Workspace.open(root)
    took = timed(lambda: fill(workspace, pictures))
    rows = count_rows(workspace.catalog)
    told(name, "written", rows, *took, f"{size_of(workspace, root) / pictures:,.0f} bytes/picture")
    told(name, "read", rows, *timed(lambda: read(workspace)), "")


def read(workspace: Any) -> None:
    """Read every column of every row."""
    from bodyshop_core.catalog.schema import metadata

    with workspace.catalog.read() as connection:
        for table in metadata.sorted_tables:
            for part in connection.execute(select(table)).partitions(1000):
                len(part)


def size_of(workspace: Any, root: Path) -> int:
    """Return the bytes of a catalog with its indexes."""
    if workspace.catalog.on_server:
        with workspace.catalog.read() as connection:
            query = text("SELECT pg_database_size(current_database())")
            return int(connection.execute(query).scalar_one())
    return sum(path.stat().st_size for path in root.glob("bodyshop.sqlite*"))


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return seconds, and CPU-seconds of this process."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu


def told(name: str, what: str, rows: int, seconds: float, cpu: float, more: str) -> None:
    print(
        f"{name:<10} {rows:>8} rows {what:<7} {rows / seconds:>8,.0f} rows/s "
        f"{1e6 * cpu / rows:>6,.0f} CPU-µs/row  {more}",
        flush=True,
    )


if __name__ == "__main__":
    main()
