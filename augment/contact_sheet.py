"""Contact sheet of a policy: originals next to variants, with the outlines of masks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from augment.loading import LoadedSource, load_source
from augment.plan import SourcePicture, make_plan
from augment.policy import AugmentPolicy, load_policy
from augment.rendering import render_variant
from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.workspace import Workspace

CELL = 240
GAP = 6
BACKGROUND = (246, 247, 249)
LOST = (196, 60, 52)
OUTLINES = ((255, 61, 127), (0, 200, 255), (255, 196, 0), (120, 220, 80), (190, 120, 255))
"""One colour per damage class, in alphabetical order; visible on any paint."""


def preview(
    workspace: Workspace,
    policy: str | Path | AugmentPolicy,
    *,
    n: int = 6,
    copies: int = 4,
    split_set: str | None = None,
    out: Path | None = None,
) -> Path:
    """Draw a contact sheet: one row per picture, the original first; the catalog is not changed.

    The variants are exactly those that `augment` would write. A variant that the policy's mask rule
    drops is crossed out, and so is the original when a transform can't process it.

    Parameters
    ----------
    workspace : Workspace
        With a split set.
    policy : str, Path or AugmentPolicy
        A preset's name, a YAML file, or a loaded policy.
    n : int
        Training pictures, from all classes, those with masks first.
    copies : int
        Variants per picture.
    split_set : str, optional
        Default the newest.
    out : Path, optional
        Default ``reports/augment-<policy>.jpg``.

    Returns
    -------
    Path
        The sheet, a JPEG.

    Raises
    ------
    ConfigError, UsageError, NothingFoundError, LeakError
        Like `augment.augment`.
    BodyshopError
        None of the chosen pictures can be decoded.
    """
    if n < 1 or copies < 1:
        raise UsageError(f"a preview needs at least 1 picture and 1 variant, not {n} and {copies}")
    policy = load_policy(policy)
    plan = make_plan(workspace, copies=copies, split_set=split_set)
    rows = []
    for source in _choose(plan.sources):
        row = _row(policy, source, copies)
        if row is not None:
            rows.append(row)
        if len(rows) == n:
            break
    if not rows:
        raise BodyshopError("none of the training pictures can be decoded for the preview")
    path = out or workspace.reports / f"augment-{policy.name}.jpg"
    buffer = io.BytesIO()
    _sheet(rows).save(buffer, "JPEG", quality=90)
    atomic.write_bytes(path, buffer.getvalue())
    return path


def _choose(sources: Sequence[SourcePicture]) -> list[SourcePicture]:
    """Order pictures so that classes alternate and those with masks come first."""
    by_label: dict[str, list[SourcePicture]] = {}
    for source in sorted(sources, key=lambda each: (not each.masks, each.sha256)):
        by_label.setdefault(source.label, []).append(source)
    queues = [by_label[label] for label in sorted(by_label)]
    longest = max(len(queue) for queue in queues)
    return [queue[place] for place in range(longest) for queue in queues if place < len(queue)]


def _row(policy: AugmentPolicy, source: SourcePicture, copies: int) -> list[Image.Image] | None:
    try:
        loaded = load_source(source.file, source.masks, longest_side=policy.picture.longest_side)
    except BodyshopError:  # augment reports the reason; the preview shows other pictures
        return None
    cells = [_cell(loaded)]
    for copy in range(1, copies + 1):
        try:
            variant = render_variant(
                loaded, policy, sha256=source.sha256, copy=copy, boxes=source.boxes
            )
        except Exception:  # noqa: BLE001 - transforms raise any error; augment reports the reason
            cells.append(_cell(loaded, crossed=True))
            continue
        made = variant.transformed
        dropped = variant.is_lost and policy.masks.when_lost != "keep"
        cells.append(_cell(LoadedSource(made.image, loaded.labels, made.masks), crossed=dropped))
    return cells


def _cell(loaded: LoadedSource, *, crossed: bool = False) -> Image.Image:
    picture = Image.fromarray(loaded.rgb)
    picture.thumbnail((CELL, CELL), Image.Resampling.BICUBIC)
    order = sorted(loaded.labels)
    for label, mask in zip(loaded.labels, loaded.masks, strict=True):
        colour = OUTLINES[order.index(label) % len(OUTLINES)]
        picture.paste(colour, (0, 0), _outline(mask, picture.size))
    cell = Image.new("RGB", (CELL, CELL), BACKGROUND)
    cell.paste(picture, ((CELL - picture.width) // 2, (CELL - picture.height) // 2))
    if crossed:
        pen = ImageDraw.Draw(cell)
        pen.line((0, 0, CELL, CELL), LOST, 4)
        pen.line((0, CELL, CELL, 0), LOST, 4)
    return cell


def _outline(mask: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    """Return the two pixels around a mask, at the thumbnail's size."""
    import cv2
    import numpy as np

    small = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    grown = cv2.dilate(small, np.ones((5, 5), np.uint8))
    return Image.fromarray(cv2.subtract(grown, small))


def _sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    step = CELL + GAP
    columns = max(len(row) for row in rows)
    # A wider gap after the first column sets the originals apart.
    width, height = columns * step + 3 * GAP, len(rows) * step + GAP
    sheet = Image.new("RGB", (width, height), BACKGROUND)
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            sheet.paste(cell, (GAP + x * step + (2 * GAP if x else 0), GAP + y * step))
    return sheet
