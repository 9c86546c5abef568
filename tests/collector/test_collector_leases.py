"""What one of several collectors gets to do, in a real PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from bodyshop_core.catalog import Catalog, schema
from bodyshop_core.workspace import Workspace
from collector.candidate import Candidate, Task, UrlCandidate
from collector.ledger import leases
from collector.ledger.journal import Journal
from collector.ledger.leases import Leases, complete_addresses
from collector.ledger.membership import Membership
from collector.ledger.shared_hosts import SharedHosts
from collector.ledger.store import CrawlLedger
from collector.net.politeness import HostGate
from collector.weburl import host_of

pytestmark = pytest.mark.slow

TASK = Task("pages", "http://page.example/", "Norden", "Fjell")


def enter(workspace: Workspace, urls: list[str]) -> None:
    ledger = CrawlLedger(workspace, Journal(workspace.root / "incoming"))
    ledger.open_tasks([TASK])
    found = [
        Candidate((UrlCandidate("img", url),), "pages", TASK.url, "Norden", "Fjell") for url in urls
    ]
    assert len(ledger.enter(TASK, found)) == len(urls)


@pytest.mark.parametrize("group", [None, lambda _: "address 192.0.2.1"])
@pytest.mark.parametrize("name", ["a.example", "a.example.", "b\u00fccher.example"])
def test_a_collector_gets_what_a_host_lets_it_download_in_the_next_seconds(shared, name, group):
    workspace, member = Workspace.open(shared), Membership()
    enter(workspace, [f"http://{name}/{n}.jpg" for n in range(100)])
    with workspace.catalog.begin() as connection:
        member.register(connection, machine="here", blobs="there")
    with workspace.catalog.connected() as own:
        states = SharedHosts(workspace.catalog, own, member.id)
        gate = HostGate(0.05, 4, states=states, group=group, is_private=lambda _: True)
        gate.meet(host_of(f"http://{name}/"))
        assert gate.try_start(host_of(f"http://{name}/")).granted
    ours = Leases(member, {("Norden", "Fjell")}, 1000, lambda _: False)
    with workspace.catalog.begin() as connection:
        work = ours.take(connection, room=1000, pending=[], free={})
    assert len(work.candidates) == leases.PER_HOST_SECONDS / 0.05


def test_addresses_of_an_older_version_are_completed_while_others_write(shared, monkeypatch):
    monkeypatch.setattr(leases, "_CHUNK", 10)
    workspace, address, begun = Workspace.open(shared), schema.candidates.c.address, []
    enter(workspace, [f"http://a.example/{n}.jpg" for n in range(25)])
    with workspace.catalog.begin() as connection:
        before = set(connection.scalars(select(address)))
        connection.execute(update(schema.candidates).values(address=None))
    begin = Catalog.begin

    def counted(self, **options):
        with self.read() as connection:
            left = select(func.count()).where(address.is_(None))
            begun.append(connection.execute(left).scalar_one())
        return begin(self, **options)

    monkeypatch.setattr(Catalog, "begin", counted)
    complete_addresses(workspace.catalog)
    assert begun == [25, 15, 5, 0]
    with workspace.catalog.read() as connection:
        assert set(connection.scalars(select(address))) == before
