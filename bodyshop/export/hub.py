"""A folder that the Hugging Face Hub and ``datasets`` read without conversion."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import yaml

from bodyshop.export.destination import Destination
from bodyshop.export.rows import COLUMNS
from bodyshop.export.selection import Chosen, PictureOptions, count, put_pictures
from bodyshop.export.tables import write_features
from bodyshop_core import atomic
from bodyshop_core.progress import Progress

if TYPE_CHECKING:
    from bodyshop_core.storage.blobs import BlobRef
    from bodyshop_core.workspace import Workspace

METADATA = "metadata.parquet"
"""Typed: `datasets` guesses the types of a CSV per file and refuses splits that differ."""

_MASK_COLUMNS = ("masks_file_names", "mask_classes")

_OMITTED = ("split", "verdict", "mask")
"""Columns of the manifest that say nothing here: masks are named by columns of their own."""


def layout(
    workspace: Workspace,
    pictures: list[Chosen],
    destination: Destination,
    options: PictureOptions,
    progress: Progress,
) -> list[Chosen]:
    """Write ``<split>/<sha256>.<ext>``, ``<split>/masks/``, the metadata and a data set card.

    A mask is a picture beside its picture, 0 and 255, upright; its name stands for its content.

    Source: https://huggingface.co/docs/datasets/image_dataset#imagefolder
    """
    by_split: dict[str, list[Chosen]] = {}
    for picture in pictures:
        by_split.setdefault(picture.row["split"], []).append(picture)
    names = {
        picture.sha256: f"{picture.sha256}.{options.extension(picture)}" for picture in pictures
    }
    files = {f"{picture.row['split']}/{names[picture.sha256]}": picture for picture in pictures}
    masks = _mask_files(workspace, pictures)
    drawings = {
        f"{picture.row['split']}/{name}": path
        for picture in pictures
        for name, (_, path) in masks[picture.sha256].items()
    }
    destination.plan(
        [*files, *drawings, *(f"{split}/{METADATA}" for split in by_split), "README.md"]
    )
    put_pictures(destination, files, options, progress)
    for file, path in drawings.items():
        destination.put_picture(file, path.read)
    labels = sorted({str(picture.row["label"]) for picture in pictures})
    for split, members in by_split.items():
        rows = [
            {
                "file_name": names[each.sha256],
                "masks_file_names": list(masks[each.sha256]),
                "mask_classes": [label for label, _ in masks[each.sha256].values()],
                **each.row,
            }
            for each in members
        ]
        write_features(
            destination.folder / split / METADATA,
            rows,
            (
                "file_name",
                *_MASK_COLUMNS,
                *(column for column in COLUMNS if column not in _OMITTED),
            ),
            classes={"label": labels},
            lists=_MASK_COLUMNS,
        )
    atomic.write_text(
        destination.folder / "README.md", card(pictures, keep_metadata=options.keep_metadata)
    )
    return pictures


def _mask_files(
    workspace: Workspace, pictures: Sequence[Chosen]
) -> dict[str, dict[str, tuple[str, BlobRef]]]:
    """Return sha256 -> name of the mask in the folder of its split -> its class and the mask."""
    from labeling.records.annotations import current_masks

    drawn = current_masks(workspace)
    found: dict[str, dict[str, tuple[str, BlobRef]]] = {}
    for picture in pictures:
        of_picture = found.setdefault(picture.sha256, {})
        for label, file in sorted(drawn.get(picture.sha256, {}).items()):
            path = workspace.derived.ref(file)
            digest = hashlib.sha256(label.encode() + path.read()).hexdigest()[:12]
            of_picture[f"masks/{picture.sha256}.{digest}.png"] = (label, path)
    return found


def card(pictures: Sequence[Chosen], *, keep_metadata: bool) -> str:
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
        "`label` is a number: "
        + ", ".join(f"{n} is {label}" for n, label in enumerate(labels))
        + ".",
        "`masks` are the damage masks of a picture, 0 and 255, `mask_classes` their classes.",
        "",
        "Near-duplicates and pictures of one page (`group`) are in the same split.",
        "",
        "Each picture has its own licence and permission: see the columns `licence` and",
        "`permission`. An empty licence means that none was found, not that there is none.",
        "EXIF data, such as places, were kept." if keep_metadata else "EXIF data were removed.",
        "",
    ]
    return "\n".join(lines)
