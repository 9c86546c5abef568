"""The data card of a Croissant export: what is in the set, from where, and what is wrong with it.

The same facts are a page to read, ``datacard.html``, and fields of ``croissant.json``.
Source: https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html (version 1.0)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bodyshop.export.croissant import DESCRIPTION
from bodyshop.export.destination import Destination
from bodyshop.export.licences import licence_code
from bodyshop.export.selection import Chosen, PictureOptions, count
from bodyshop.export.sharing import Shared
from bodyshop_core import atomic
from bodyshop_core.catalog.split_sets import leaks_left
from bodyshop_core.snapshots import State
from bodyshop_core.version import __version__

CARD = "datacard.html"

MOST_ROWS = 30


@dataclass(frozen=True)
class Facts:
    """What the card says.

    Parameters
    ----------
    counts : mapping
        Split -> class -> pictures.
    origins, sources, licences, permissions : mapping
        Value -> pictures, the most frequent first. A licence is a Creative Commons code, or as
        stated; ``none found`` without one.
    faults : tuple of str
        What is known to be wrong, one sentence each.
    figures : mapping
        Name -> value.
    """

    counts: Mapping[str, Mapping[str, int]]
    origins: Mapping[str, int]
    sources: Mapping[str, int]
    licences: Mapping[str, int]
    permissions: Mapping[str, int]
    faults: tuple[str, ...]
    figures: Mapping[str, Any]


def write_datacard(
    pictures: Sequence[Chosen],
    destination: Destination,
    shared: Shared,
    options: PictureOptions,
    state: State,
    audit: Mapping[str, Any] | None,
) -> None:
    """Write ``datacard.html`` and the fields of responsible AI into ``croissant.json``.

    Parameters
    ----------
    pictures : sequence of Chosen
        That were written.
    destination : Destination
        Holds ``croissant.json``.
    shared : Shared
        Licences and hidden regions.
    options : PictureOptions
        Whether metadata were kept.
    state : State
        That was exported.
    audit : mapping or None
        Of the split set; None where it is not known.
    """
    from jinja2 import Environment, PackageLoader

    facts = describe(pictures, shared, audit)
    template = Environment(
        loader=PackageLoader("bodyshop.export"), autoescape=True, trim_blocks=True
    ).get_template("datacard.html.j2")
    destination.plan([CARD])
    policies = sorted(state.about["policies"])
    page = template.render(
        facts=facts, snapshot=state.id, policies=policies, version=__version__,
        licences=shared.licences, most=MOST_ROWS,
    )  # fmt: skip
    atomic.write_text(destination.folder / CARD, page)
    file = destination.folder / DESCRIPTION
    document = json.loads(file.read_text(encoding="utf-8"))
    document |= responsible(facts, shared, keep_metadata=options.keep_metadata)
    document["version"] = f"1.0.0+{state.id[:12]}"
    atomic.write_text(file, json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def describe(pictures: Sequence[Chosen], shared: Shared, audit: Mapping[str, Any] | None) -> Facts:
    """Collect the facts; pure."""
    rows = [picture.row for picture in pictures]
    licences = [
        licence_code(row["licence"]) or row["licence"] if row["licence"] else "none found"
        for row in rows
    ]
    figures: dict[str, Any] = {"pictures": len(rows), "groups": len({r["group"] for r in rows})}
    baseline = (audit or {}).get("baseline") or {}
    if baseline.get("accuracy") is not None:
        figures["accuracy of nuisance features alone"] = round(float(baseline["accuracy"]), 3)
    for name, value in _medians(rows).items():
        figures[f"median longest side, {name}"] = value
    return Facts(
        count(pictures), _counted(row["origin"] for row in rows),
        _counted(row["source"] for row in rows), _counted(licences),
        _counted(text for row in rows for text in _said(row["permission"])),
        tuple(_faults(rows, licences, shared, audit)), figures,
    )  # fmt: skip


def responsible(facts: Facts, shared: Shared, *, keep_metadata: bool) -> dict[str, Any]:
    """Return fields of Croissant's vocabulary for responsible AI."""
    crawled = any(source != "import" for source in facts.sources)
    hidden = (
        f"{' and '.join(shared.hide)} were made unreadable where people drew them, a detector "
        "found them or OpenCV's Haar cascades proposed them; these miss many."
        if shared.hide
        else "Nothing was hidden: number plates and faces may be readable."
    )
    return {
        "rai:dataCollection": "Collected with bodyshop; the columns source, origin, licence and "
        "permission of the table tell how and where.",
        "rai:dataCollectionType": ["Web Scraping"] if crawled else ["Secondary Data Analysis"],
        "rai:dataPreprocessingProtocol": [
            "Pictures that are no cars, blurred, badly exposed, too small or duplicates were "
            "rejected; pictures of one group are in one split.",
            "EXIF and other metadata were kept."
            if keep_metadata
            else "EXIF and other metadata were removed.",
        ],
        "rai:dataLimitations": list(facts.faults),
        "rai:dataBiases": [f"{number} pictures are of {name}"
                           for name, number in list(facts.origins.items())[:5]],
        "rai:personalSensitiveInformation": [hidden],
    }  # fmt: skip


def _faults(
    rows: Sequence[Mapping[str, Any]],
    licences: Sequence[str],
    shared: Shared,
    audit: Mapping[str, Any] | None,
) -> Iterable[str]:
    if audit is None:
        yield "Whether the class can be told without the car was not measured for this export."
    for equalised, where in ((False, "as they are"), (True, "after equalising")):
        left = leaks_left(audit, equalised=equalised)
        if left:
            told = ", ".join(f"{name} ({value:.2f})" for name, value in left.items())
            yield f"The class can be told without the car, {where}, by: {told}."
    of_origin: dict[str, set[str]] = {}
    for row in rows:
        of_origin.setdefault(row["origin"], set()).add(row["label"])
    single = sum(len(labels) == 1 for labels in of_origin.values())
    if single and len({row["label"] for row in rows}) > 1:
        yield (f"{single} of {len(of_origin)} origins have pictures of one class only: "
               "what tells the origin tells the class.")  # fmt: skip
    missing = sum(each == "none found" for each in licences)
    if missing:
        yield f"No licence was found for {missing} of {len(rows)} pictures."
    if not shared.hide:
        yield "Number plates and faces were not hidden."
    else:
        yield "Hiding plates and faces is no guarantee: many are missed."


def _said(permission: str | None) -> list[str]:
    """Return ``key: value`` of each thing that robots.txt and headers said."""
    try:
        content = json.loads(permission) if permission else None
    except ValueError:
        content = None
    if not isinstance(content, dict) or not content:
        return ["nothing recorded"]
    return [f"{key}: {value}"[:100] for key, value in sorted(content.items())]


def _medians(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    from statistics import median

    sides: dict[str, list[int]] = {}
    for row in rows:
        if row["width"] and row["height"]:
            sides.setdefault(row["label"], []).append(max(row["width"], row["height"]))
    return {label: round(median(each)) for label, each in sorted(sides.items())}


def _counted(values: Iterable[Any]) -> dict[str, int]:
    return dict(Counter(str(value) for value in values).most_common())
