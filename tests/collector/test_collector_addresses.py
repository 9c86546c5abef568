"""Which addresses may be contacted, in any spelling, by any DNS answer or redirect."""

from __future__ import annotations

import socket

import pytest

import collector
from collector.errors import ForbiddenAddressError
from collector.net.address import AddressGuard, address_group, is_global
from collector.weburl import host_of


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2001:0:4136:e378:8000:63bf:f5ff:fffe",
        "ff02::1",
    ],
)
def test_no_private_address_is_global(address):
    assert not is_global(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"]
)
def test_public_addresses_are_global(address):
    assert is_global(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0177.0.0.1", "2130706433", "0x7f.1", "[::1]", "localhost", "a.localhost",
             "printer.local", "db.internal", "::ffff:10.0.0.1"],
)  # fmt: skip
def test_every_spelling_of_a_private_address_is_refused(host):
    with pytest.raises(ForbiddenAddressError):
        AddressGuard().resolve(host, 80)


def test_a_name_with_one_private_answer_is_refused(monkeypatch):
    def answers(host, port, **_):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", port)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with pytest.raises(ForbiddenAddressError, match=r"10\.0\.0\.7"):
        AddressGuard().resolve("two-faced.example", 443)


def test_the_address_judged_is_the_one_connected_to(server, monkeypatch):
    """A second DNS answer can't undo the judgement: there is no second question."""
    asked = []
    port = int(server.host.split(":")[1])

    def answers(host, port, **_):
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    connection = AddressGuard(["rebinding.example"]).connect("rebinding.example", port, 2)
    assert connection.getpeername() == ("127.0.0.1", port)
    connection.close()
    assert asked == ["rebinding.example"]


def test_allowed_hosts_are_exempt_by_name_or_by_name_and_port():
    guard = AddressGuard(["127.0.0.1:8001", "showroom.local"])
    assert guard.exempt("127.0.0.1", 8001)
    assert not guard.exempt("127.0.0.1", 8002)
    assert guard.exempt("SHOWROOM.local", 1234)
    assert not guard.exempt("localhost", 8001)


def test_an_overlong_name_does_not_resolve():
    with pytest.raises(socket.gaierror):
        AddressGuard().resolve("a" * 70 + ".example", 80)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://A.example/x", "a.example"),
        ("https://a.example:443/x", "a.example"),
        ("https://a.example:8443/x", "a.example:8443"),
        ("http://[2001:db8::1]:81/", "[2001:db8::1]:81"),
    ],
)
def test_requests_are_counted_per_host_and_unusual_port(url, host):
    assert host_of(url) == host


def test_hosts_that_resolve_to_one_address_are_one_group():
    groups = {address_group(host) for host in ("127.0.0.1", "127.0.0.1:8080", "0x7f.1:81")}
    assert groups == {"address 127.0.0.1"}
    assert address_group("[::1]:8080") == "address ::1"
    assert address_group("nothing.invalid") == "nothing.invalid"


def test_hosts_of_one_address_share_a_gap_where_asked(server, other_server, brands_for, workspace):
    urls = [each for pair in zip(
        server.add_pictures(4), other_server.add_pictures(4, start=10), strict=True
    ) for each in pair]  # fmt: skip
    limits = {"per_host_interval": 0.2, "count_by_address": True}
    assert collector.collect(brands_for(urls, limits=limits), workspace).downloaded == 8
    times = sorted(each.at for each in [*server.asked, *other_server.asked])
    # Two hosts with a gap each would take half of that time.
    assert times[-1] - times[0] > 0.99 * 0.2 * (len(times) - 1)
