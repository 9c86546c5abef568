"""Politeness with real servers: Retry-After, refusals, the rate of requests."""

from __future__ import annotations

from itertools import pairwise

from picture_server import first, picture, sends

import collector
from collector.net import politeness as hosts


def test_retry_after_is_waited_for(server, brands_for, workspace):
    data = picture(1)
    server.answers["/p/a.jpg"] = first(
        1, sends(b"", status=429, headers={"Retry-After": "1"}), sends(data)
    )
    collector.collect(brands_for([server.url("/p/a.jpg")]), workspace)
    before, after = [each.at for each in server.asked if each.path == "/p/a.jpg"]
    assert after - before >= 1


def test_a_host_that_keeps_refusing_is_disabled_and_the_next_run_tries_again(
    server, other_server, brands_for, workspace, monkeypatch
):
    monkeypatch.setattr(hosts, "FIRST_PENALTY_S", 0.05)
    urls = [server.add(f"/p/{n}.jpg", b"", status=429, headers={"Retry-After": "0"})
            for n in range(12)]  # fmt: skip
    good = other_server.add_pictures(2, start=50)
    brands = brands_for([*urls, *good])
    summary = collector.collect(brands, workspace)
    assert summary.downloaded == 2
    assert summary.failed_by == {"host_disabled": 12}
    # Those in flight at the fifth refusal are the only ones more.
    assert hosts.BREAKER_BLOCKS <= len(server.paths()) <= hosts.BREAKER_BLOCKS + 2
    for n in range(12):
        server.add(f"/p/{n}.jpg", picture(n))
    again = collector.collect(brands, workspace, retry_failed=True)
    assert again.downloaded == 14


def test_politeness_holds_per_host_and_never_exceeds_the_rate(
    server, other_server, brands_for, workspace
):
    urls = server.add_pictures(6) + other_server.add_pictures(6, start=50)
    collector.collect(brands_for(urls, limits={"per_host_interval": 0.4}), workspace)
    asked = [sorted(each.at for each in host.asked) for host in (server, other_server)]
    for at in asked:
        gaps = [b - a for a, b in pairwise(at)]
        assert min(gaps) > 0.34  # 85 %: by the clock of the server, whose threads may start late
        assert (at[-1] - at[0]) / len(gaps) >= 0.399
    assert max(at[0] for at in asked) < min(at[2] for at in asked)  # in parallel
