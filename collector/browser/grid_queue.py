"""Requests for a session that wait in the queue of a Selenium Grid 4."""

from __future__ import annotations

from typing import Any

import requests

SECONDS = 5.0

_SECRET = "X-REGISTRATION-SECRET"
"""A Grid without ``--registration-secret`` expects it empty; another one refuses."""


def withdraw(grid: str, login: tuple[str, str] | None, argument: str) -> bool:
    """Have the Grid answer the requests of this process that wait in its queue.

    WebDriver has no command for that. The parts of a Grid tell each other in this way that a
    session could not be made.

    Parameters
    ----------
    grid : str
        Address of the Grid.
    login : (str, str), optional
        User and password.
    argument : str
        An argument for the browser that only the requests of this process have.

    Returns
    -------
    bool
        False when the Grid does not allow it.
    """
    place = f"{grid}/se/grid/newsessionqueue"
    try:
        answer = requests.get(f"{place}/queue", auth=login, timeout=SECONDS)
        waiting = answer.json()["value"]
        for each in waiting:
            if argument in _arguments(each):
                told = requests.post(
                    f"{place}/session/{each['requestId']}/failure",
                    json="the client does not want it any more",
                    auth=login, timeout=SECONDS,
                    headers={"Content-Type": "application/json; charset=utf-8", _SECRET: ""},
                )  # fmt: skip
                if told.status_code >= requests.codes.bad_request:
                    return False
    except (requests.RequestException, KeyError, TypeError, AttributeError):
        return False
    return True


def _arguments(request: dict[str, Any]) -> set[str]:
    return {
        str(argument)
        for wanted in request["capabilities"]
        for argument in wanted.get("goog:chromeOptions", {}).get("args", ())
    }
