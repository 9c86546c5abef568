"""Gives a browser on a Grid the token of its proxy, through DevTools.

Chromium takes no proxy password from its command line. It asks, and DevTools may answer
(``Fetch.authRequired``); from then on Chromium sends the token by itself, for as long as it runs.
Events of this kind reach neither chromedriver's log nor WebDriver's commands, hence the web socket
that a Selenium Grid 4 offers for each session (``se:cdp``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from collector.browser.token_proxy import Admission

if TYPE_CHECKING:
    from websocket import WebSocket

SECONDS = 30.0
"""Time limit of all of it: a node that drops packets answers nothing."""


class SignInError(Exception):
    """The browser did not reach the proxy, or the token is wrong; the text says what."""


def sign_in(
    address: str,
    headers: Mapping[str, str],
    window: str,
    proxy: str,
    admission: Admission,
    url: str,
) -> None:
    """Open `url` in a window, and answer when the browser asks for the proxy's token.

    Parameters
    ----------
    address : str
        Of DevTools: ``ws://...``.
    headers : Mapping
        For the Grid, if it wants a password.
    window : str
        Its WebDriver handle, which is DevTools' target.
    proxy : str
        ``http://host:port`` of the proxy; nobody else is given the token.
    admission : Admission
        Has the token.
    url : str
        Any address; the proxy answers for it.

    Raises
    ------
    SignInError
        The page did not load, with Chromium's code for it, or not in time, or the token is not
        accepted.
    OSError, websocket.WebSocketException
        DevTools cannot be reached, does not answer, or ends the conversation.
    """
    import websocket
    from websocket import WebSocketTimeoutException

    until = time.monotonic() + SECONDS
    connection = websocket.create_connection(
        address, timeout=SECONDS, header=dict(headers), suppress_origin=True
    )
    try:
        tools = _Tools(connection, until)
        target = {"targetId": window, "flatten": True}
        tools.session = str(tools.ask("Target.attachToTarget", target)["sessionId"])
        tools.ask("Fetch.enable", {"handleAuthRequests": True})
        asker = _Asker(proxy, admission)
        tools.answers = {
            "Fetch.requestPaused": ("Fetch.continueRequest", lambda _event: {}),
            "Fetch.authRequired": (
                "Fetch.continueWithAuth",
                asker.credentials,
            ),
        }  # fmt: skip
        try:
            loaded = tools.ask("Page.navigate", {"url": url})
        except WebSocketTimeoutException as error:  # a firewall that drops packets
            raise SignInError(f"no answer in {SECONDS:.0f} s") from error
        tools.ask("Fetch.disable", {})
    finally:
        connection.close()
        connection.shutdown()  # after a close frame of the other side the first does nothing
    if code := loaded.get("errorText"):
        raise SignInError(str(code))


class _Tools:
    """DevTools' commands, and the answers to its events."""

    def __init__(self, connection: WebSocket, until: float) -> None:
        self._connection, self._until = connection, until
        self._number = 0
        self.session = ""
        self.answers: dict[str, tuple[str, Any]] = {}

    def ask(self, method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        number = self._send(method, parameters)
        while True:
            message = self._receive()
            if message.get("id") == number:
                if "error" in message:
                    raise SignInError(f"{method}: {message['error'].get('message', '')}")
                return dict(message["result"])
            answer = self.answers.get(message.get("method", ""))
            if answer is not None:
                command, given = answer
                event = message["params"]
                self._send(command, {"requestId": event["requestId"], **given(event)})

    def _send(self, method: str, parameters: Mapping[str, Any]) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": dict(parameters)}
        if self.session:
            message["sessionId"] = self.session
        self._connection.send(json.dumps(message))
        return self._number

    def _receive(self) -> dict[str, Any]:
        from websocket import (
            WebSocketConnectionClosedException,
            WebSocketProtocolException,
            WebSocketTimeoutException,
        )

        left = self._until - time.monotonic()
        if left <= 0:
            raise WebSocketTimeoutException(f"no answer in {SECONDS:.0f} s")
        self._connection.settimeout(left)
        text = self._connection.recv()
        if not text:  # a close frame
            raise WebSocketConnectionClosedException("the Grid ended the conversation")
        try:
            return dict(json.loads(text))
        except (ValueError, TypeError) as error:
            raise WebSocketProtocolException("an answer is no JSON object") from error


class _Asker:
    """Gives the token to our proxy, once: whoever asks again does not accept it."""

    def __init__(self, proxy: str, admission: Admission) -> None:
        self._proxy, self._admission = proxy, admission
        self._given = False

    def credentials(self, event: Mapping[str, Any]) -> dict[str, Any]:
        asked = event["authChallenge"]
        origin = str(asked.get("origin", "")).rstrip("/")
        if asked.get("source") != "Proxy" or origin != self._proxy:
            raise SignInError(f"{origin} asks for a password, which is not the proxy")
        if self._given:
            raise SignInError("the proxy does not accept the token")
        self._given = True
        return {
            "authChallengeResponse": {
                "response": "ProvideCredentials",
                "username": self._admission.user,
                "password": self._admission.token,
            }
        }
