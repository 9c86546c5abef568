"""A client that a desk let in, and what its page would send."""

from __future__ import annotations

import re

TOKEN = "a-token"


def let_in(app):
    client = app.test_client()
    assert client.get(f"/?token={TOKEN}").status_code == 303
    return client


def page_headers(client) -> dict[str, str]:
    (token,) = re.findall(r'name="desk-token" content="([^"]+)"', client.get("/").text)
    return {"X-Desk-Token": token}
