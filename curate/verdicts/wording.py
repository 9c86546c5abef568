"""Reasons in words, for the report, ``bodyshop why`` and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bodyshop_core.catalog import Reason, read_reason

MEANING: Mapping[Reason, str] = {
    Reason.UNREADABLE: "The file can't be decoded, or not completely.",
    Reason.WORKER_DIED: "Decoding the picture killed the worker process.",
    Reason.DAMAGED_DATA: "Data in the middle of the file are damaged; what is shown is a guess.",
    Reason.TOO_SMALL: "A side or the area is below the limit, or the shape is a strip.",
    Reason.NOT_A_CAR: "The gate does not classify it as a car, a part of one, or its inside.",
    Reason.BLURRY: "Sharpness is below the limit, measured at a fixed scale.",
    Reason.BAD_EXPOSURE: "Nearly black, nearly white, or without contrast.",
    Reason.EXACT_DUPLICATE: "The same pixels as another picture, saved again.",
    Reason.NEAR_DUPLICATE: "The same photo resized, re-encoded, cropped or watermarked.",
    Reason.LABEL_CONFLICT: "Equally trusted sources, or two copies, have different labels.",
    Reason.SPLIT_BRIDGE: "Its group is in another split or in two splits, so it is left out.",
    Reason.OVER_QUOTA: "Its page, host, source or class has enough better pictures already.",
    Reason.SUPERSEDED: "A later import of its folder has replaced it: edited, or moved away.",
    Reason.HUMAN_REJECT: "A person rejected it.",
}
"""Reason -> what it means."""


def meaning(reason: str) -> str:
    """Return what a reason means, also that of a named probe."""
    known = read_reason(reason)
    if isinstance(known, Reason):
        return MEANING[known]
    return f"It looks like the rejected examples of the probe {known.probe}."


_KINDS = {"exact": "same pixels as", "near": "near-duplicate of", "flip": "mirror image of"}


def sentence(reason: str, details: Mapping[str, Any]) -> str:
    """Describe a reason with its numbers.

    Parameters
    ----------
    reason : str
        A value of `Reason`.
    details : Mapping
        Its details in the verdict.
    """
    if "error" in details:
        return str(details["error"])
    if "other" in details and "kind" in details:
        kind = {
            "exact": "same pixels as",
            "near": "near-duplicate of",
            "flip": "mirror image of",
            "person": "a person merged it with",
        }.get(details["kind"], "crop or watermarked copy of")
        distance = details["distance"]
        far = (
            f", {distance:g} of 64 hash bits differ" if details["kind"] in {"near", "flip"} else ""
        )
        return f"{kind} {details['other'][:12]}{far}"
    if "values" in details:
        return "labelled " + " and ".join(map(str, details["values"]))
    if "splits" in details:
        return "would connect the splits " + " and ".join(details["splits"])
    if "quota" in details:
        return f"{details['quota']} has {details['limit']} better pictures ({details['setting']})"
    if "setting" in details:
        value, limit = details["value"], details["limit"]
        if isinstance(limit, list):
            return f"{value} is not among {', '.join(map(str, limit))} ({details['setting']})"
        beyond = "below" if value < limit else "above"
        return f"{_number(value)} is {beyond} {_number(limit)} ({details['setting']})"
    return meaning(reason).rstrip(".").lower()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
