"""Pictures as facts, and their verdicts under a policy."""

from __future__ import annotations

from typing import Any

from bodyshop_core.catalog import EffectiveLabel, Origin
from curate.duplicates import DuplicatePair
from curate.policy import Policy
from curate.verdicts.decide import Verdict, decide
from curate.verdicts.screen import Facts, ScreeningLimits, screen

LIMITS = ScreeningLimits(min_p_car=0.5, min_sharpness=0.4)
GOOD = {
    "width": 800,
    "height": 600,
    "sharpness": 0.8,
    "brightness": 0.5,
    "dark_fraction": 0.1,
    "bright_fraction": 0.1,
    "contrast": 0.2,
    "damage": 0.0,
    "error": None,
}


def picture(
    name: str, *, label: str | EffectiveLabel | None = None, p_car: float = 0.9, **facts: Any
) -> Facts:
    measured = {**GOOD, **{key: facts.pop(key) for key in list(facts) if key in GOOD}}
    if isinstance(label, str):
        label = EffectiveLabel(label, Origin.IMPORT)
    return Facts(name, measured=measured, p_car=p_car, label=label, **facts)


def judged(
    pictures: list[Facts], *pairs: DuplicatePair, policy: Policy | None = None, **options: Any
) -> dict[str, Verdict]:
    policy = policy or Policy()
    findings = {one.sha256: screen(one, policy, LIMITS) for one in pictures}
    verdicts = decide(pictures, findings, pairs, policy, **options)
    assert [verdict.sha256 for verdict in verdicts] == [one.sha256 for one in pictures]
    return {verdict.sha256: verdict for verdict in verdicts}


def near(first: str, second: str, distance: int = 2) -> DuplicatePair:
    return DuplicatePair(first, second, "near", distance)
