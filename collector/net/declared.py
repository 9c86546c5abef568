"""What the headers of a response say of its length."""

from __future__ import annotations

import re
from collections.abc import Mapping

ANSWERS = frozenset({200, 203, 206})
"""Statuses of a response with a picture; of 206 only if it is the whole one (`is_part`)."""


def declared_bytes(headers: Mapping[str, str]) -> int:
    """Return the length that a response declares; 0 if it declares none that can be true.

    Parameters
    ----------
    headers : Mapping
        Names in lower case.
    """
    declared = headers.get("content-length", "").strip()
    return int(declared) if re.fullmatch(r"\d{1,18}", declared) else 0


def is_part(status: int, headers: Mapping[str, str]) -> bool | None:
    """Return whether a response has only a part of the picture (RFC 9110, 14.4), or none of it.

    Parameters
    ----------
    status : int
        Of HTTP.
    headers : Mapping
        Names in lower case.

    Returns
    -------
    bool or None
        None: a 206 that does not say so. Then the picture's own end decides.
    """
    if status != 206:
        return status not in ANSWERS
    stated = headers.get("content-range", "").strip().lower()
    match = re.fullmatch(r"bytes[\s=:]*(\d{1,18})\s*-\s*(\d{1,18})\s*/\s*(\d{1,18}|\*)", stated)
    if match is None or (match[1] == "0" and match[3] == "*"):
        return None
    return match[1] != "0" or int(match[2]) + 1 != int(match[3])
