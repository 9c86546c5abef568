"""A photo from outside: what the models say about it, and which pictures are like it."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import load_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bodyshop.prediction import Predictor

SIDE = 1024
"""Longest side of a downloaded photo on the page, in pixels."""


def answer_about(
    file: Path, predictor: Predictor, similar: Callable[[Path], list[dict[str, Any]]]
) -> dict[str, Any]:
    """Ask a model about a photo; with its heat map, its nearest neighbours and the model's card."""
    (prediction,) = predictor.predict([file])
    try:
        neighbours = similar(file)
    except BodyshopError:  # nothing is curated yet: the answer is still one
        neighbours = []
    heat = prediction.heat
    return {
        "prediction": prediction.as_dict(),
        "heat": None if heat is None else np.asarray(heat, float).round(2).tolist(),
        "neighbours": neighbours,
        "card": card_of(predictor),
    }


def answer_about_address(
    address: str, ask: Callable[[Path], dict[str, Any]], *, allow_hosts: Iterable[str] = ()
) -> dict[str, Any]:
    """Download a photo through the guarded downloader, ask about it, and send it along.

    Raises
    ------
    UsageError
        That is no web address.
    MissingPartError
        The extra ``collect`` is not installed.
    """
    from bodyshop.prediction import Downloads

    if urlsplit(address).scheme not in ("http", "https"):
        raise UsageError("that is no web address", hint="paste one that begins with https://")
    with Downloads(allow_hosts) as downloads:
        found = downloads.fetch(address)
        if found.file is None:
            return {"prediction": {"error": found.error}, "heat": None, "neighbours": []}
        answer = ask(found.file)
        if not answer["prediction"]["error"]:
            answer["picture"] = base64.b64encode(_shown(found.file)).decode()
        return answer


def card_of(predictor: Predictor) -> str | None:
    """Return the card of the model that answers, Markdown; None where a run has none."""
    from bodyshop.prediction.run_answers import RunAnswers
    from bodyshop.prediction.shipped import ShippedAnswers
    from train.report.model_card import CARD_FILE

    model = predictor.model
    if isinstance(model, ShippedAnswers):
        return model.model.card
    if not isinstance(model, RunAnswers):
        return None
    file = Path(model.classifier.folder) / CARD_FILE
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _shown(file: Path) -> bytes:
    image = Image.fromarray(load_rgb(file, at_least=SIDE))
    image.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()
