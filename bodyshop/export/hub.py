"""A folder that the Hugging Face Hub and ``datasets`` read without conversion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import yaml

from bodyshop.export.destination import Destination
from bodyshop.export.rows import COLUMNS
from bodyshop.export.selection import Chosen, PictureOptions, count, put_pictures
from bodyshop.export.tables import write_parquet
from bodyshop_core import atomic
from bodyshop_core.progress import Progress

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

METADATA = "metadata.parquet"
"""Typed: `datasets` guesses the types of a CSV per file and refuses splits that differ."""


def layout(
    workspace: Workspace,
    pictures: list[Chosen],
    destination: Destination,
    options: PictureOptions,
    progress: Progress,
) -> list[Chosen]:
    """Write ``<split>/<sha256>.<ext>``, ``<split>/metadata.parquet`` and a data set card.

    Source: https://huggingface.co/docs/datasets/image_dataset#imagefolder
    """
    by_split: dict[str, list[Chosen]] = {}
    for picture in pictures:
        by_split.setdefault(picture.row["split"], []).append(picture)
    names = {
        picture.sha256: f"{picture.sha256}.{options.extension(picture)}" for picture in pictures
    }
    files = {f"{picture.row['split']}/{names[picture.sha256]}": picture for picture in pictures}
    destination.plan([*files, *(f"{split}/{METADATA}" for split in by_split), "README.md"])
    put_pictures(destination, files, options, progress)
    for split, members in by_split.items():
        write_parquet(
            destination.folder / split / METADATA,
            [{"file_name": names[each.sha256], **each.row} for each in members],
            ("file_name", *(column for column in COLUMNS if column not in ("split", "verdict"))),
        )
    atomic.write_text(destination.folder / "README.md", card(pictures))
    return pictures


def card(pictures: Sequence[Chosen]) -> str:
    """Return the data set card: a YAML header, the sizes and how to read the columns."""
    counts = count(pictures)
    labels = sorted({picture.row["label"] for picture in pictures})
    header = {
        "license": "other",
        "license_name": "see-the-licence-column",
        "task_categories": ["image-classification"],
        "tags": ["cars"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"{split}/**"} for split in counts],
            }
        ],
    }
    lines = [
        "---",
        yaml.safe_dump(header, allow_unicode=True, sort_keys=False).rstrip(),
        "---",
        "",
        "# Car pictures, curated with bodyshop",
        "",
        f"| split | {' | '.join(labels)} |",
        f"|---|{'---|' * len(labels)}",
        *(
            f"| {split} | {' | '.join(str(counts[split].get(label, 0)) for label in labels)} |"
            for split in counts
        ),
        "",
        "Near-duplicates and pictures of one page (`group`) are in the same split.",
        "",
        "Each picture has its own licence and permission: see the columns `licence` and",
        "`permission`. An empty licence means that none was found, not that there is none.",
        "EXIF data were removed, unless the export was made with `--keep-metadata`.",
        "",
    ]
    return "\n".join(lines)
