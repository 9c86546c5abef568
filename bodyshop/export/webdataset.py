"""WebDataset: tar shards whose members of one name are one sample.

Source: https://github.com/webdataset/webdataset#the-webdataset-format. A sample is
``<sha256>.<ext>`` (the picture), ``<sha256>.cls`` (number of its class), ``<sha256>.json`` (its row
of the manifest, and its masks) and one ``<sha256>.mask<n>.png`` per damage class.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop.export.destination import Destination
from bodyshop.export.selection import Chosen, PictureOptions
from bodyshop_core import atomic
from bodyshop_core.progress import Progress

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

INDEX = "index.json"


def layout(
    workspace: Workspace,
    pictures: list[Chosen],
    destination: Destination,
    options: PictureOptions,
    progress: Progress,
) -> list[Chosen]:
    """Write ``<split>-000000.tar``, ... of at most `shard_mb` megabytes, and ``index.json``.

    The index holds the classes by number, the damage classes of the masks, and per split its
    shards and samples. A picture larger than a shard has one of its own.
    """
    from labeling.records.annotations import current_masks

    masks = current_masks(workspace)
    classes = sorted({str(picture.row["label"]) for picture in pictures})
    damage = sorted({label for p in pictures for label in masks.get(p.sha256, {})})
    by_split: dict[str, list[Chosen]] = {}
    for picture in pictures:
        by_split.setdefault(picture.row["split"], []).append(picture)
    limit = options.shard_mb * 1_000_000
    index: dict[str, Any] = {"classes": classes, "mask_classes": damage, "splits": {}}
    with progress.task("export", total=len(pictures)) as tick:
        for split, members in by_split.items():
            shards: list[str] = []
            for shard in _shards(workspace, members, masks, classes, damage, options, limit):
                name = f"{split}-{len(shards):06d}.tar"
                destination.plan([name])
                _write(destination.folder / name, shard)
                destination.written += len(shard)
                shards.append(name)
                tick(len(shard))
            index["splits"][split] = {"shards": shards, "samples": len(members)}
    destination.plan([INDEX])
    text = json.dumps(index, ensure_ascii=False, indent=2)
    atomic.write_text(destination.folder / INDEX, text + "\n")
    return pictures


Sample = list[tuple[str, bytes]]
"""Names and contents of the members of one sample."""


def _shards(
    workspace: Workspace,
    pictures: list[Chosen],
    masks: dict[str, dict[str, str]],
    classes: list[str],
    damage: list[str],
    options: PictureOptions,
    limit: int,
) -> Iterator[list[Sample]]:
    shard: list[Sample] = []
    size = 0
    for picture in pictures:
        drawn = masks.get(picture.sha256, {})
        sample = _sample(workspace, picture, drawn, classes, damage, options)
        # A member takes a header and is padded, 512 bytes each.
        length = sum(len(content) + 1024 for _, content in sample)
        if shard and size + length > limit:
            yield shard
            shard, size = [], 0
        shard.append(sample)
        size += length
    if shard:
        yield shard


def _sample(
    workspace: Workspace,
    picture: Chosen,
    drawn: dict[str, str],
    classes: list[str],
    damage: list[str],
    options: PictureOptions,
) -> Sample:
    content = options.content(picture)
    data = content.read_bytes() if isinstance(content, Path) else content
    label = str(picture.row["label"])
    names = {each: f"mask{damage.index(each)}.png" for each in sorted(drawn)}
    about = {**picture.row, "masks": names}
    sha256 = picture.sha256
    return [
        (f"{sha256}.{options.extension(picture)}", data),
        (f"{sha256}.cls", str(classes.index(label)).encode()),
        (f"{sha256}.json", json.dumps(about, ensure_ascii=False, default=str).encode()),
        *(
            (f"{sha256}.{name}", workspace.derived.ref(drawn[each]).read())
            for each, name in names.items()
        ),
    ]


def _write(path: Path, samples: list[Sample]) -> None:
    """Write a tar file; the same samples give the same bytes."""
    with (
        atomic.replacing(path) as temporary,
        tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for sample in samples:
            for name, content in sample:
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o644
                archive.addfile(member, io.BytesIO(content))
