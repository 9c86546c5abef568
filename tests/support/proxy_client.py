"""Talking to `TokenProxy` as a browser does, or as nobody should."""

from __future__ import annotations

import base64
import socket
from contextlib import contextmanager

from collector.net.address import AddressGuard


def admitted(proxy, *allowed):
    refused = []
    admission = proxy.admit(AddressGuard(allowed), lambda *what: refused.append(what))
    admission.opened = True
    return admission, refused


def login(admission, *, user=None, token=None):
    text = f"{user or admission.user}:{token or admission.token}".encode()
    return f"Proxy-Authorization: Basic {base64.b64encode(text).decode()}\r\n"


@contextmanager
def connected(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        yield client


def everything(client):
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data


def ask(proxy, request):
    """Send a request and return all that comes back."""
    with connected(proxy) as client:
        client.sendall(request.encode("latin-1"))
        return everything(client)


def get(url, fields="", method="GET"):
    return f"{method} {url} HTTP/1.1\r\nHost: x\r\n{fields}\r\n"
