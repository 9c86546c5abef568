"""Reasons in words, for the report, ``bodyshop why`` and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bodyshop_core.catalog import Reason

MEANING: Mapping[Reason, str] = {
    Reason.UNREADABLE: "The bytes can't be decoded to a picture, or not to its end.",
    Reason.WORKER_DIED: "Decoding the picture killed the process that tried.",
    Reason.TOO_SMALL: "A side or the area is below the limit, or the shape is a strip.",
    Reason.NOT_A_CAR: "The gate does not take it for a car, a part of one, or its inside.",
    Reason.BLURRY: "Sharpness is below the limit, measured at a fixed scale.",
    Reason.BAD_EXPOSURE: "Nearly black, nearly white, or without contrast.",
    Reason.EXACT_DUPLICATE: "The same pixels as another picture, saved again.",
    Reason.NEAR_DUPLICATE: "The same photo as another one: resized, re-encoded, cropped, marked.",
    Reason.LABEL_CONFLICT: "Equally trusted sources, or two copies of it, disagree on its label.",
    Reason.SPLIT_BRIDGE: "It would tie pictures of two splits together, so it is in neither.",
    Reason.HUMAN_REJECT: "A person rejected it.",
}
"""Reason -> what it means."""


def sentence(reason: str, details: Mapping[str, Any]) -> str:
    """Say why, with the numbers.

    Parameters
    ----------
    reason : str
        A value of `Reason`.
    details : Mapping
        What the verdict noted for it.
    """
    if "error" in details:
        return str(details["error"])
    if "other" in details and "kind" in details:
        kind = {"exact": "same pixels as", "near": "near", "flip": "mirror image of"}.get(
            details["kind"], "a crop or a marked copy of"
        )
        distance = details["distance"]
        far = f", {distance:g} of 64 bits apart" if details["kind"] in {"near", "flip"} else ""
        return f"{kind} {details['other'][:12]}{far}"
    if "values" in details:
        return "labelled " + " and ".join(map(str, details["values"]))
    if "splits" in details:
        return "ties together " + " and ".join(details["splits"])
    if "setting" in details:
        value, limit = details["value"], details["limit"]
        if isinstance(limit, list):
            return f"{value} is not among {', '.join(map(str, limit))} ({details['setting']})"
        beyond = "below" if value < limit else "above"
        return f"{_number(value)} is {beyond} {_number(limit)} ({details['setting']})"
    return MEANING[Reason(reason)].rstrip(".").lower()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
