"""Which addresses may be connected to: the guard against requests to private networks.

A page, a redirect or a DNS answer may point at a router, a cloud's metadata service or another
program on this machine. A name is resolved once, every address is checked, and the connection is
made to the checked address itself, so that a second DNS answer has no effect.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from collector.errors import ForbiddenAddressError
from collector.weburl import parts_of, port_of

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address behind NAT64
_REFUSED = (
    ipaddress.ip_network("fec0::/10"),  # RFC 3879: site-local, deprecated but still routed
    ipaddress.ip_network("64:ff9b:1::/48"),  # RFC 8215: IPv4 behind a local translation
    ipaddress.ip_network("::ffff:0:0:0/96"),  # RFC 2765: IPv4-translated
)
_ZONES = ("localhost", ".localhost", ".local", ".internal", ".home.arpa")


class AddressGuard:
    """Checks hosts before a connection is made.

    Parameters
    ----------
    allow_hosts : iterable of str
        Hosts, or host:port pairs, that may be private (the showroom on 127.0.0.1).
    """

    def __init__(self, allow_hosts: Iterable[str] = ()) -> None:
        self._allowed = frozenset(host.lower() for host in allow_hosts)

    def exempt(self, host: str, port: int) -> bool:
        """Return whether this host (or host and port) is listed in ``allow_hosts``."""
        host = host.strip("[]").lower()
        return bool(self._allowed & {host, f"{host}:{port}", f"[{host}]:{port}"})

    def exempt_url(self, url: str) -> bool:
        """Return whether the host of `url` is listed in ``allow_hosts``."""
        parts = urlsplit(url)
        return self.exempt(parts.hostname or "", port_of(url))

    def resolve(self, host: str, port: int) -> list[tuple[int, str]]:
        """Resolve a host and check all of its addresses.

        Parameters
        ----------
        host : str
            Name or literal address, in any form that the system resolves (``0177.0.0.1``).
        port : int
            TCP port.

        Returns
        -------
        list of (address family, address)
            In the resolver's order.

        Raises
        ------
        ForbiddenAddressError
            The name is local, or at least one of its addresses is not global.
        socket.gaierror
            The name does not resolve.
        """
        host = host.strip("[]")
        exempt = self.exempt(host, port)
        name = host.rstrip(".").lower()
        if not exempt and (name == _ZONES[0] or name.endswith(_ZONES[1:])):
            raise ForbiddenAddressError(f"{host} is a name in a private network")
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:  # a label over 63 characters, or empty
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is not a host name") from error
        found = list(dict.fromkeys((int(family), str(place[0])) for family, *_, place in answers))
        for _, address in found:
            if not exempt and not is_global(address):
                raise ForbiddenAddressError(
                    f"{host} is {address}, which is not an address on the public internet",
                    hint="if the host is your own, list it under allow_hosts in brands.yaml",
                )
        return found

    def connect(self, host: str, port: int, timeout: float | None) -> socket.socket:
        """Open a TCP connection to a checked address of `host`, the first that answers.

        Raises
        ------
        ForbiddenAddressError, socket.gaierror
            As `resolve`.
        OSError
            No address answered.
        """
        problem: OSError | None = None
        for family, address in self.resolve(host, port):
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(timeout)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.connect((address, port))
                return connection
            except OSError as error:
                connection.close()
                problem = error
        raise problem or OSError(f"{host} has no address")


def address_group(host: str) -> str:
    """Return the same text for hosts that share an IP address: the lowest address that they have.

    Parameters
    ----------
    host : str
        From `collector.weburl.host_of`; the port does not count. A host that does not resolve is
        returned as it is.
    """
    try:
        name = parts_of(f"http://{host}/").hostname or ""
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return host
    found = {ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in answers}
    return f"address {min(found, key=lambda ip: (ip.version, int(ip)))}"


def is_global(address: str) -> bool:
    """Return whether an IP address belongs to the public internet.

    Private, loopback, link-local, shared (100.64/10, RFC 6598), reserved, multicast and unspecified
    addresses do not, nor do IPv6 addresses that carry such an IPv4 address: mapped (RFC 4291),
    6to4 (RFC 3056), Teredo (RFC 4380) or NAT64 (RFC 6052).
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        carried = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _TRANSLATED:
            carried.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if int(ip) >> 32 == 0:  # ::a.b.c.d, the deprecated IPv4-compatible form
            return False
        inner = [inside for inside in carried if inside is not None]
        if any(ip in network for network in _REFUSED):
            return False
        if inner:
            return all(is_global(str(inside)) for inside in inner)
    return ip.is_global and not ip.is_multicast
