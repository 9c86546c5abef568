"""Keys of the labelling page: each choice has its own, and none is that of a tool."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from labeling.configs.label_config import load_label_config
from labeling.configs.smart_tools import with_smart_tools

TOOLS = set("behkmruv")
"""Keys of Label Studio 1.23: brush, eraser, pan, key point, auto-detect, rectangle, unselect, move.

Its polygon (P), ellipse (O) and magic wand (W) are not tools of this page.
"""


def keys(xml):
    """(control, value) -> key."""
    return {
        (control.get("name"), leaf.get("value")): leaf.get("hotkey")
        for control in ET.fromstring(xml).iter()
        if control.tag == "Choices" or control.tag.endswith("Labels")
        for leaf in control
    }


@pytest.mark.parametrize("smart", [False, True])
def test_every_choice_has_a_key_that_no_other_choice_and_no_tool_has(smart):
    config = load_label_config("damage")
    found = keys((with_smart_tools(config) if smart else config).xml)
    assert len(found) == (60 if smart else 44)
    # Label Studio gives a choice without a key any that is left: B once set a severity.
    assert [choice for choice, key in found.items() if not key] == []
    assert [key for key, count in Counter(found.values()).items() if count > 1] == []
    assert set(found.values()) & TOOLS == set()
