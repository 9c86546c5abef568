"""Where a Selenium Grid is, and where its nodes find the proxy on this machine."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from bodyshop_core.errors import MissingPartError, UsageError
from collector.browser.token_proxy import TokenProxy

_ELSEWHERE = {errno.EADDRNOTAVAIL, socket.EAI_NONAME, socket.EAI_AGAIN}
"""What says that an address is not of this machine, or a name only of the nodes' network."""


@dataclass(frozen=True)
class GridAddress:
    """Address of a Grid.

    Parameters
    ----------
    url : str
        Without a slash at the end.
    host : str
        Of it.
    port : int
        Of it.
    netloc : str
        Both, as in the address.
    """

    url: str
    host: str
    port: int
    netloc: str

    @classmethod
    def parse(cls, text: str) -> GridAddress:
        """Read what the user wrote; ``/wd/hub``, of older versions, may be at the end.

        Raises
        ------
        UsageError
            It is no address of http or https, or has a password in it.
        """
        example = "for example: --browser-url http://grid:4444"
        # First of all, in whatever is before the sign: the other messages repeat the text.
        if "@" in text:
            raise UsageError(
                "the address of the Grid must not contain a password: others see command lines",
                hint="put it into BODYSHOP_GRID_USER and BODYSHOP_GRID_PASSWORD",
            )
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"{text!r} is no address of a Grid: {error}", hint=example) from error
        if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
            raise UsageError(f"{text!r} is no address of a Grid", hint=example)
        path = parts.path.rstrip("/").removesuffix("/wd/hub")
        standard = 443 if parts.scheme == "https" else 80
        return cls(f"{parts.scheme}://{parts.netloc}{path}", host, port or standard, parts.netloc)

    def socket_of(self, offered: str) -> str:
        """Return the address of a session's web socket on this Grid.

        A Grid behind another server offers the address that it has itself; only the path is used.
        """
        scheme, _, rest = self.url.partition("://")
        place = offered[offered.index("/session/") :]
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}{place}"


@dataclass(frozen=True)
class ProxyPlace:
    """Where the nodes of a Grid reach the proxy.

    Parameters
    ----------
    host : str
        Name or address.
    port : int
        0: any that is free.
    """

    host: str
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> ProxyPlace:
        """Read ``HOST[:PORT]``; an IPv6 address stands in brackets.

        Raises
        ------
        UsageError
            It is something else.
        """
        if "@" in text:  # not repeated: it may be a password
            raise UsageError(
                "--proxy-address is HOST[:PORT], without a user or a password",
                hint="the proxy makes a token of its own for each browser",
            )
        try:
            parts = urlsplit(f"//{text}")
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"--proxy-address {text}: {error}") from error
        if not host or parts.netloc != text or " " in text or "," in text:
            raise UsageError(
                f"--proxy-address {text} is not HOST[:PORT]",
                hint="the address of this machine, as the nodes reach it: 10.0.0.5:8500",
            )
        return cls(host, port or 0)

    def text(self, port: int) -> str:
        """Return host and port as the browser is told them."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"

    def listen(self) -> TokenProxy:
        """Return a proxy that listens here already; leaving its context ends it.

        An address that this machine does not have itself (of a container's host, of a router) is
        forwarded to it: the proxy listens on all addresses, and the port has to be named.

        Raises
        ------
        MissingPartError
            The port is taken, or missing.
        """
        try:
            return TokenProxy(self.host, self.port).__enter__()
        except OSError as error:
            elsewhere = error.errno in _ELSEWHERE
            if elsewhere and self.port:
                return self._on_all()
            hint = "name a free port, or leave it out: --proxy-address HOST"
            if elsewhere:
                hint = (
                    "if it is forwarded to this machine, name the port: --proxy-address "
                    f"{self.text(8500)}"
                )
            raise MissingPartError(
                f"the guarding proxy cannot listen on {self.text(self.port)}: {error.strerror}",
                hint=hint,
            ) from error

    def _on_all(self) -> TokenProxy:
        try:
            return TokenProxy("", self.port).__enter__()
        except OSError as error:
            raise MissingPartError(
                f"the guarding proxy cannot listen on port {self.port}: {error.strerror}",
                hint="name another one that is forwarded to this machine",
            ) from error
