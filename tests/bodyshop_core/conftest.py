"""A server of PostgreSQL for each file of tests that asks for one."""

from __future__ import annotations

import postgres
import pytest


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    if (binaries := postgres.programs()) is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    running = postgres.PostgresServer(binaries)
    try:
        running.start()
        yield running
    finally:
        running.close()
