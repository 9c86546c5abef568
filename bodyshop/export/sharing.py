"""What leaves the house: only what its licence allows, with plates and faces hidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bodyshop.export.destination import Destination
from bodyshop.export.finding import find_hidden
from bodyshop.export.hiding import PROPOSED, HiddenIn, digest, hidden_mask, record_line
from bodyshop.export.licences import (
    ATTRIBUTION,
    Credit,
    attribution,
    count_reasons,
    permitted,
)
from bodyshop.export.selection import Chosen, PictureOptions
from bodyshop_core import atomic
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.progress import Progress

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

REGIONS = "hidden.jsonl"


@dataclass(frozen=True)
class Shared:
    """The pictures of an export that may leave, and what is done to them.

    Parameters
    ----------
    pictures : list of Chosen
        With the regions to hide.
    licences, hide : tuple of str
        As asked for.
    credits : mapping
        sha256 -> whom to name; empty when no licence was asked for.
    refused : dict
        Reason -> pictures.
    hidden : mapping
        sha256 -> regions.
    """

    pictures: list[Chosen]
    licences: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    credits: Mapping[str, Credit] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    hidden: Mapping[str, HiddenIn] = field(default_factory=dict)

    @property
    def record(self) -> dict[str, Any]:
        """What decides about the pixels: with another one, pictures are written again."""
        return {"hidden": digest(self.hidden)} if self.hide else {}

    def count_unconfirmed(self, written: Sequence[Chosen]) -> dict[str, int]:
        """Return kind -> hidden regions that only a cascade proposed."""
        found = Counter(
            region.kind for picture in written for region in picture.hidden if region.by == PROPOSED
        )
        return {kind: found[kind] for kind in self.hide if found[kind]}

    def count_hidden(self, written: Sequence[Chosen]) -> dict[str, int]:
        """Return kind -> regions in the pictures that were written."""
        found = Counter(region.kind for picture in written for region in picture.hidden)
        return {kind: found[kind] for kind in self.hide}


def prepare(
    workspace: Workspace,
    pictures: list[Chosen],
    licences: Collection[str],
    hide: Collection[str],
    progress: Progress,
) -> Shared:
    """Leave out what no licence allows, and find what is to be hidden in the rest.

    Raises
    ------
    NothingFoundError
        No picture is left.
    TransientError
        The file of a picture can't be read.
    """
    credits: Mapping[str, Credit] = {}
    refused: dict[str, int] = {}
    if licences:
        allowed = permitted(workspace, [picture.sha256 for picture in pictures], licences)
        credits, refused = allowed.credits, count_reasons(allowed.refused.values())
        pictures = [picture for picture in pictures if picture.sha256 in credits]
        if not pictures:
            reasons = ", ".join(f"{number} {why}" for why, number in list(refused.items())[:5])
            raise NothingFoundError(
                f"no picture may be passed on under {', '.join(licences)}: {reasons}",
                hint="bodyshop export sightings FILE.jsonl shows what was stated where; state it "
                "of your own pictures: bodyshop import DIR --licence 'CC BY 4.0' --author NAME",
            )
    hidden: dict[str, HiddenIn] = {}
    if hide:
        files = {picture.sha256: picture.read for picture in pictures}
        hidden = find_hidden(workspace, files, hide, progress=progress)
        pictures = [
            replace(picture, hidden=hidden[picture.sha256].regions)
            if picture.sha256 in hidden
            else picture
            for picture in pictures
        ]
    return Shared(pictures, tuple(licences), tuple(hide), credits, refused, hidden)


def write_beside(
    destination: Destination, written: Sequence[Chosen], shared: Shared, options: PictureOptions
) -> None:
    """Write attributions and hidden regions of the pictures that were written."""
    names = sorted(picture.sha256 for picture in written)
    if shared.licences:
        destination.plan([ATTRIBUTION])
        credits = {sha256: shared.credits[sha256] for sha256 in names}
        text = attribution(credits, changed=_changes(shared, options))
        atomic.write_text(destination.folder / ATTRIBUTION, text)
    if not shared.hide:
        return
    found = {sha256: shared.hidden[sha256] for sha256 in names if sha256 in shared.hidden}
    masks = {f"hidden/{sha256}.png": each for sha256, each in found.items()}
    destination.plan([REGIONS, *masks])
    lines = [record_line(sha256, each) for sha256, each in found.items()]
    atomic.write_text(destination.folder / REGIONS, "".join(f"{line}\n" for line in lines))
    for file, each in masks.items():
        atomic.write_bytes(destination.folder / file, hidden_mask(each), durable=False)


def _changes(shared: Shared, options: PictureOptions) -> str:
    """Return what was done to the pictures, one sentence."""
    done = []
    if not options.keep_metadata:
        done.append("metadata such as EXIF were removed")
    if options.upright:
        done.append("pictures were turned upright")
    if shared.hide:
        done.append(f"{' and '.join(shared.hide)} were made unreadable")
    text = " and ".join([", ".join(done[:-1]), done[-1]] if len(done) > 1 else done)
    return f"{text[0].upper()}{text[1:]}." if text else "The pictures are as they were found."
