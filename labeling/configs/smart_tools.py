"""Clicks and boxes that ask a backend for a region, added to a labelling configuration."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from labeling.configs.label_config import LabelConfig, parse_label_config

CLICK, BOX = "smart_click", "smart_box"
"""Names of the controls; what is drawn with them is a question and never an annotation."""


def with_smart_tools(label_config: LabelConfig) -> LabelConfig:
    """Return a configuration with a smart click and a smart box for every class of its brush.

    They are put behind the last control beside the brush. A configuration that has smart tools, or
    no brush, is returned as it is.
    """
    root = ET.fromstring(label_config.xml)
    brush = next(root.iter("BrushLabels"), None)
    if brush is None or any(node.get("smart") == "true" for node in root.iter()):
        return label_config
    parent = next(node for node in root.iter() if brush in list(node))
    style = "font-size: 14px; line-height: 18px; margin: 4px 0 2px"
    ET.SubElement(
        parent, "Header", value="or let the smart tool find it (Auto-Annotation on)", style=style
    )
    for tag, name, keys in (
        ("KeyPointLabels", CLICK, "shift+alt"), ("RectangleLabels", BOX, "ctrl+alt"),
    ):  # fmt: skip
        tool = ET.SubElement(
            parent, tag, name=name, toName=brush.get("toName", ""), smart="true", smartOnly="true"
        )
        for label in brush.iter("Label"):
            kept = {key: label.get(key, "") for key in ("value", "background") if label.get(key)}
            # Without a key Label Studio takes any that is left, also that of a tool.
            own = label.get("hotkey")
            ET.SubElement(tool, "Label", kept | ({"hotkey": f"{keys}+{own}"} if own else {}))
    return parse_label_config(ET.tostring(root, encoding="unicode"))
