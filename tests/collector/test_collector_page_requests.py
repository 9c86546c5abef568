"""Whatever a page uses to make requests, none of them reaches a forbidden address."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from closed_ports import Closed, add_everything

from collector.browser import Browser
from collector.net.address import AddressGuard, is_global

pytestmark = pytest.mark.usefixtures("chromium")


@pytest.fixture
def closed() -> Iterator[Closed]:
    running = Closed()
    yield running
    running.close()


@pytest.mark.slow
def test_no_feature_of_a_page_reaches_a_forbidden_port(server, closed):
    url = add_everything(server, closed)
    guard = AddressGuard([server.host])
    started = time.monotonic()
    with Browser(guard, "bodyshop-test", load_seconds=15, behaviour_seconds=10) as browser:
        browser.open(url)
        browser.await_("T.sleep(4000)")
        features = browser.run("return window.tried")
        refused = {port for _, port, _ in browser.refused}
    assert time.monotonic() - started < 60
    assert len(features) >= 14
    assert (closed.connections, closed.packets) == (0, 0)
    assert refused == {closed.ports[0]}


@pytest.mark.parametrize(
    "address",
    ["fec0::1", "feff::1", "64:ff9b:1::7f00:1", "64:ff9b:1:ffff::1", "::ffff:0:7f00:1",
     "::ffff:0:808:808"],
)  # fmt: skip
def test_addresses_of_translation_and_old_site_local_networks_are_refused(address):
    assert not is_global(address)
