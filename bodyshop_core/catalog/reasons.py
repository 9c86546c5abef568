"""Reasons for rejecting a picture."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """All reasons for rejecting a picture, in the order in which they are shown."""

    UNREADABLE = "unreadable"
    WORKER_DIED = "worker_died"
    DAMAGED_DATA = "damaged_data"
    TOO_SMALL = "too_small"
    NOT_A_CAR = "not_a_car"
    BLURRY = "blurry"
    BAD_EXPOSURE = "bad_exposure"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    LABEL_CONFLICT = "label_conflict"
    SPLIT_BRIDGE = "split_bridge"
    OVER_QUOTA = "over_quota"
    SUPERSEDED = "superseded"
    HUMAN_REJECT = "human_reject"
