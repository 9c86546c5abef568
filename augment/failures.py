"""Why a variant could not be made: a code and a message, stored as ``"<code>: <message>"``."""

from __future__ import annotations

from enum import StrEnum


class FailureCode(StrEnum):
    """Codes of failures; those of the engine, such as ``worker_died``, come on top."""

    UNREADABLE = "unreadable"
    MASK_UNUSABLE = "mask_unusable"
    MASK_LOST = "mask_lost"
    TRANSFORM = "transform"
    DISK_FULL = "disk_full"

    def with_message(self, message: object) -> str:
        """Return the stored form."""
        return f"{self.value}: {message}"


FINAL = frozenset({FailureCode.MASK_LOST, FailureCode.MASK_UNUSABLE, FailureCode.TRANSFORM})
"""Failures that the same policy, picture and masks would only repeat."""


def code_of(stored: str) -> str:
    """Return the code of a stored failure."""
    return stored.partition(":")[0]
