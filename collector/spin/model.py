"""3D models whose camera a script can set: frames at exact angles."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass

from collector.browser import Browser

FRAMES = 36
READY_MS = 20_000


@dataclass(frozen=True)
class ModelTurn:
    """Frames of a 3D model.

    Parameters
    ----------
    selector : str
        Of its element.
    frames : list of bytes
        PNG files, one every ``360 / FRAMES`` degrees, as far as the time allowed.
    whole : bool
        All of them are there.
    """

    selector: str
    frames: list[bytes]
    whole: bool


def turn_model(browser: Browser, *, frames: int = FRAMES) -> ModelTurn | None:
    """Turn the ``<model-viewer>`` of the open page by its camera; None if there is none.

    Parameters
    ----------
    browser : Browser
        With the page open.
    frames : int
        Views of a whole turn. The car turns counter-clockwise, seen from above.
    """
    found = browser.await_("T.spinModel(given[0])", min(READY_MS, 1000 * browser.left))
    if found is None:
        return None
    taken: list[bytes] = []
    if found["ready"]:
        until = time.monotonic() + browser.left - 2
        for number in range(frames):
            if time.monotonic() > until:
                break
            url = browser.await_("T.spinModelAt(given[0])", number * 360 / frames)
            taken.append(base64.b64decode(url.partition(",")[2]))
    return ModelTurn(found["selector"], taken, len(taken) == frames)
