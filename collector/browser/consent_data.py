"""Consent managers and the words of their buttons, as data (`consent.yaml`)."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any

from bodyshop_core.config import StrictModel, parse_yaml


class ConsentManager(StrictModel):
    """One consent manager; the keys are those of ``consent.yaml``."""

    name: str
    present: str
    waits: str
    refuse: tuple[str, ...]
    call: str = ""


class ConsentData(StrictModel):
    """The whole ``consent.yaml``."""

    version: str
    managers: tuple[ConsentManager, ...]
    refuse: tuple[str, ...]
    settings: tuple[str, ...]
    save: tuple[str, ...]
    accept: tuple[str, ...]
    topics: str


@lru_cache(maxsize=1)
def consent_data() -> ConsentData:
    """Return the data that are part of bodyshop."""
    file = resources.files("collector.browser").joinpath("consent.yaml")
    return parse_yaml(file.read_text("utf-8"), ConsentData, name="browser/consent.yaml")


@lru_cache(maxsize=1)
def consent_words() -> dict[str, Any]:
    """Return what the in-page script gets as its argument."""
    return consent_data().model_dump(mode="json", exclude={"managers"})


@lru_cache(maxsize=1)
def managers_script() -> str:
    """Return the managers, and what banners are about, as JavaScript.

    Their expressions are part of the script, because a page may forbid ``eval``.
    """
    entries = ",".join(
        f"{{name: {json.dumps(each.name)}, refuse: {json.dumps(each.refuse)}, "
        f"present: () => ({each.present}), waits: () => ({each.waits}), "
        f"call: {f'() => ({each.call})' if each.call else 'null'}}}"
        for each in consent_data().managers
    )
    topics = json.dumps(consent_data().topics)
    return (
        f"window.__bodyshop.managers = [{entries}];"
        f'window.__bodyshop.topics = new RegExp({topics}, "iu");'
    )
