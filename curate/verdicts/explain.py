"""Why one picture was kept or rejected, in words and numbers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import RowMapping, select

from bodyshop_core.catalog import Catalog, Field, effective_labels, picture_origins, schema
from bodyshop_core.errors import NothingFoundError, UsageError
from curate.duplicates.signatures import PLAIN_BELOW
from curate.measure.stage import VERSION
from curate.verdicts.wording import sentence

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class VerdictExplanation:
    """What is known about one picture.

    Parameters
    ----------
    title : str
        One line: kept or rejected, and the first reason.
    facts : dict
        Everything else, JSON-able.
    """

    title: str
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as JSON-able values."""
        return dict(self.facts)


def explain(workspace: Workspace, picture: str | Path) -> VerdictExplanation:
    """Explain a verdict.

    Parameters
    ----------
    workspace : Workspace
        A curated workspace.
    picture : str or Path
        A sha256 or the beginning of one (6 digits or more), a file, a URL it was found at, or the
        name of an imported file.

    Raises
    ------
    NothingFoundError
        No picture of the workspace matches.
    UsageError
        Several match, or the picture has no verdict yet.
    """
    sha256 = find_picture(workspace, picture)
    catalog = workspace.catalog
    verdicts, measured, scores = schema.verdicts, schema.measurements, schema.gate_scores
    with catalog.read() as connection:
        verdict = (
            connection.execute(select(verdicts).where(verdicts.c.sha256 == sha256))
            .mappings()
            .first()
        )
        if verdict is None:
            raise UsageError(f"{sha256[:12]} has no verdict yet", hint="run: bodyshop curate")
        measurement = (
            connection.execute(
                select(measured).where(measured.c.sha256 == sha256, measured.c.version == VERSION)
            )
            .mappings()
            .first()
        )
        score = (
            connection.execute(
                select(scores).where(scores.c.sha256 == sha256, scores.c.gate == verdict["gate"])
            )
            .mappings()
            .first()
        )
        placed = connection.execute(
            select(schema.splits.c.split_set, schema.splits.c.split).where(
                schema.splits.c.sha256 == sha256
            )
        ).all()
        members = []
        if verdict["cluster"]:
            members = list(
                connection.execute(
                    select(verdicts.c.sha256, verdicts.c.verdict).where(
                        verdicts.c.cluster == verdict["cluster"], verdicts.c.sha256 != sha256
                    )
                )
            )
    details = verdict["details"] or {}
    why = {reason: sentence(reason, details[reason]) for reason in verdict["reasons"]}
    facts: dict[str, Any] = {
        "sha256": sha256,
        "file": str(workspace.picture(sha256)),
        "verdict": verdict["verdict"],
        "reasons": why,
        "decided by": "a person" if verdict["human"] else "the policy",
    }
    if details.get("overridden"):
        facts["would have been rejected as"] = details["overridden"]
    facts["origin"] = picture_origins(catalog)[sha256]
    facts["labels"] = _labels(catalog, sha256)
    facts["gate"] = _chosen(score, ("p_car", "framing", "top5", "error"))
    facts["measured"] = _chosen(measurement, _MEASURED)
    if measurement is not None and _is_plain(measurement):
        facts["compared"] = "for equal pixels only: too plain to be matched by hashes"
    facts["cluster"] = {row.sha256: row.verdict for row in members}
    facts["represented by"] = verdict["representative"]
    facts["group"] = verdict["group"]
    facts["splits"] = {row.split_set: row.split for row in placed}
    facts["policy"] = verdict["policy"]
    head = "kept" if verdict["verdict"] == "keep" else "rejected"
    first = f": {verdict['reasons'][0].replace('_', ' ')}" if why else ""
    return VerdictExplanation(f"{sha256[:12]} is {head}{first}", facts)


def find_picture(workspace: Workspace, picture: str | Path) -> str:
    """Return the sha256 of a picture (see `explain`)."""
    text = str(picture)
    images, sightings = schema.images, schema.sightings
    path = Path(text)
    if path.is_file():
        text = hashlib.sha256(path.read_bytes()).hexdigest()
    with workspace.catalog.read() as connection:
        if re.fullmatch(r"[0-9a-f]{6,64}", text):
            query = select(images.c.sha256).where(images.c.sha256.startswith(text))
        else:
            columns = (sightings.c.url, sightings.c.final_url, sightings.c.file)
            match = columns[0] == text
            for column in columns[1:]:
                match |= column == text
            match |= sightings.c.file.endswith(f"/{text}", autoescape=True)
            query = select(sightings.c.sha256).where(match).distinct()
            still = query.where(sightings.c.superseded_at.is_(None))
            # of a file that was edited, what it is now
            query = still if connection.execute(still.limit(1)).first() is not None else query
        found = sorted(connection.execute(query.limit(6)).scalars())
    if not found:
        raise NothingFoundError(
            f"there is no picture '{picture}' in {workspace.root}",
            hint="give its sha256, its file, or the URL it was found at",
        )
    if len(found) > 1:
        raise UsageError(
            f"'{picture}' matches several pictures: {', '.join(sha[:12] for sha in found)}",
            hint="give more digits of the sha256",
        )
    return str(found[0])


def _labels(catalog: Catalog, sha256: str) -> dict[str, str]:
    labels = {}
    for field in Field:
        label = effective_labels(catalog, field).get(sha256)
        if label is not None:
            labels[field.value] = f"{label.value or ' / '.join(label.conflict)} ({label.origin})"
    return labels


def _is_plain(measurement: RowMapping) -> bool:
    energy = measurement["ac_energy"]
    return energy is not None and energy < PLAIN_BELOW


def _chosen(row: RowMapping | None, names: tuple[str, ...]) -> dict[str, Any]:
    return {} if row is None else {name: row[name] for name in names if row[name] is not None}


_MEASURED = (
    "width",
    "height",
    "sharpness",
    "brightness",
    "contrast",
    "dark_fraction",
    "bright_fraction",
    "entropy",
    "colourfulness",
    "jpeg_quality",
    "exif_camera",
    "exif_time",
    "error",
)
