"""The politeness that several collectors share, in a real PostgreSQL: the rules of one gate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import delete, update

from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace
from collector.ledger.membership import LeaseLostError, Membership
from collector.ledger.shared_hosts import SharedHosts, reset_hosts
from collector.net.politeness import BREAKER_BLOCKS, HostGate

pytestmark = pytest.mark.slow


@dataclass
class Collector:
    """One of several: its gate, and its id."""

    gate: HostGate
    id: str


Maker = Callable[..., Collector]


@pytest.fixture
def workspace(shared) -> Workspace:
    return Workspace.open(shared)


@pytest.fixture
def collector(workspace) -> Iterator[Maker]:
    """Return a maker of collectors."""
    with ExitStack() as open_:

        def make(interval: float = 1.0, connections: int = 2, **options: Any) -> Collector:
            member = Membership()
            with workspace.catalog.begin() as connection:
                member.register(connection, machine="here", blobs="there")
            own = open_.enter_context(workspace.catalog.connected())
            states = SharedHosts(workspace.catalog, own, member.id)
            return Collector(HostGate(interval, connections, states=states, **options), member.id)

        yield make


def test_of_many_threads_in_three_collectors_one_gets_each_turn(collector):
    gap, until = 0.25, time.monotonic() + 4
    granted: list[float] = []
    answered: list[float] = []  # seconds that the answers took
    lock = threading.Lock()

    def ask(gate: HostGate) -> None:
        while (asked := time.monotonic()) < until:
            turn = gate.try_start("a", slot=False)
            if turn.granted:
                with lock:
                    granted.append(turn.ready_at)
                    answered.append(time.monotonic() - asked)
            time.sleep(0.003)

    gates = [collector(gap).gate for _ in range(3)]
    threads = [threading.Thread(target=ask, args=(gate,)) for gate in gates * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # By the database's clock; each collector's view of it differs by the time of an answer.
    late = min(max(answered), 0.6 * gap)
    assert min(b - a for a, b in pairwise(sorted(granted))) > gap - late
    assert 8 <= len(granted) <= 4 / gap + 1


def test_what_a_host_says_to_one_holds_for_all(collector):
    one, other = collector().gate, collector().gate
    one.introduce("slow", crawl_delay=5)
    assert other.interval("slow") == 5
    other.finish("busy", status=429, slot=False)
    one.finish("busy", status=503, slot=False)
    assert other.interval("busy") == 4
    one.finish("wait", status=429, retry_after=600, slot=False)
    turn = other.try_start("wait")
    assert not turn.granted and 590 < turn.ready_at - other.now <= 601
    assert 590 < other.ready_at("wait") - other.now <= 601
    for gate in [one, other] * BREAKER_BLOCKS:
        gate.finish("ill", status=429, slot=False)
    assert "in a row" in one.try_start("ill").disabled
    assert one.ready_at("ill") is None


def test_the_strictest_of_several_plans_is_obeyed(collector):
    for options in ({"interval": 2.0, "connections": 1}, {"interval": 0.5, "connections": 4}):
        gate = collector(**options).gate
        gate.introduce("a")
        assert gate.interval("a") == 2.0
    assert gate.try_start("a").granted
    time.sleep(2.1)
    assert not gate.try_start("a").granted  # one connection, although this plan has four


def test_connections_are_counted_over_all_and_those_of_a_dead_collector_are_free(
    collector, workspace
):
    private = {"is_private": lambda _: True}
    one, other = (collector(0.0, 2, **private) for _ in range(2))
    for each in (one, other):
        each.gate.introduce("a")
        assert each.gate.try_start("a").granted
    turn = other.gate.try_start("a")
    assert not turn.granted and 0 < turn.ready_at - other.gate.now < 1  # it asks again
    with workspace.catalog.begin() as connection:
        connection.execute(delete(schema.collectors).where(schema.collectors.c.id == one.id))
    assert other.gate.try_start("a").granted
    assert not other.gate.try_start("a").granted
    other.gate.finish("a", status=200)
    assert other.gate.try_start("a").granted


def test_a_collector_that_was_silent_for_too_long_starts_no_request(collector, workspace):
    sleeper = collector()
    with workspace.catalog.begin() as connection:
        late = update(schema.collectors).where(schema.collectors.c.id == sleeper.id)
        connection.execute(late.values(expires_at=0.0))
    with pytest.raises(LeaseLostError, match="silent for more than"):
        sleeper.gate.try_start("a")
    assert collector().gate.try_start("a").granted  # nothing was written


def test_hosts_of_one_address_are_one_host_and_all_agree_on_it(collector):
    seen_by_one = {"a": "address 192.0.2.1", "b": "address 192.0.2.1", "c": "address 192.0.2.9"}
    seen_by_other = seen_by_one | {"a": "address 192.0.2.7"}  # DNS rotates
    one = collector(group=seen_by_one.__getitem__).gate
    other = collector(group=seen_by_other.__getitem__).gate
    assert one.try_start("a", slot=False).granted
    assert not other.try_start("b", slot=False).granted
    assert not other.try_start("a", slot=False).granted
    assert other.try_start("c", slot=False).granted


def test_a_new_run_forgets_what_held_for_the_last_but_not_when_a_host_was_asked(
    collector, workspace
):
    gate = collector(30.0).gate
    assert gate.try_start("a").granted
    gate.finish("b", status=200, challenge=True, slot=False)
    gate.introduce("c", crawl_delay=60)
    with workspace.catalog.begin() as connection:
        reset_hosts(connection)
    again = collector(30.0).gate
    assert not again.try_start("a").granted
    assert again.disabled("b") == ""
    assert again.interval("c") == 30
