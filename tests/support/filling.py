"""Filling a workspace with pictures, as an import or a crawl would."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from bodyshop_core.catalog import add_labels, all_images, now, register_image, schema
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import read_header, sniff
from bodyshop_core.workspace import Workspace
from curate.gate.feature_store import FeatureBatch, FeatureStore
from curate.gate.gate import Gate
from curate.gate.stage import open_gate


def add_picture(
    workspace: Workspace, data: bytes, *, labels: dict[str, str] | None = None, **sighting: Any
) -> str:
    """Register one picture with its labels and one sighting; return its sha256."""
    extension = sniff(data) or "jpg"
    blob = workspace.blobs.put_bytes(data, extension)
    try:
        facts = read_header(data)
    except UnreadableImageError:
        facts = {}
    row = {column.name: None for column in schema.sightings.columns}
    row.update(
        key=hashlib.sha256(f"{blob.sha256}{sorted(sighting.items())}".encode()).hexdigest(),
        sha256=blob.sha256,
        source="import",
        fetched_at=now(),
        tool_version="test",
    )
    row.update(sighting)
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension=extension, facts=facts)
        workspace.catalog.upsert(schema.sightings, [row], connection=connection)
        add_labels(
            workspace.catalog,
            [(blob.sha256, field, value, "import", "") for field, value in (labels or {}).items()],
            connection=connection,
        )
    return blob.sha256


def add_folder(
    workspace: Workspace, files: Iterable[Path], *, label: str | None = None
) -> list[str]:
    """Register files with one damage label."""
    return [
        add_picture(
            workspace,
            file.read_bytes(),
            labels={"damage": label} if label else None,
            file=str(file),
            given_split={"training": "train", "validation": "validation"}.get(
                file.parent.parent.name
            ),
        )
        for file in files
    ]


def photo(seed: int, *, size: tuple[int, int] = (320, 240), quality: int = 88) -> bytes:
    """Return a JPEG of blurred random shapes: sharp, well exposed, unlike any other seed's."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(40, 216, (6, 8, 3), dtype=np.uint8))
    image = image.resize((640, 480), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(25):
        x, y = random.integers(0, 600), random.integers(0, 440)
        w, h = random.integers(20, 160, 2)
        colour = tuple(int(v) for v in random.integers(0, 256, 3))
        draw.ellipse((x, y, x + w, y + h), fill=colour)
    return jpeg(image.resize(size, Image.Resampling.LANCZOS), quality)


def jpeg(image: Image.Image, quality: int = 88) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def resaved(data: bytes, quality: int = 60) -> bytes:
    """Return the same photo with stronger compression."""
    return jpeg(Image.open(io.BytesIO(data)), quality)


def pretend_scores(
    workspace: Workspace, scores: dict[str, float] | None = None, *, framing: str = "full"
) -> Gate:
    """Write gate scores as if the network had looked: 0.9, or what `scores` says."""
    gate = open_gate(workspace)
    rows = [
        {
            "sha256": sha256,
            "gate": gate.id,
            "p_car": (scores or {}).get(sha256, 0.9),
            "framing": framing,
            "top5": [["minivan", 0.9]],
            "error": None,
        }
        for sha256 in all_images(workspace.catalog)
    ]
    workspace.catalog.upsert(schema.gate_scores, rows)
    return gate


def pretend_features(workspace: Workspace, gate: Gate, width: int = 16) -> None:
    """Store feature vectors as if the network had looked: another random one per picture."""
    names = sorted(all_images(workspace.catalog))
    vectors = np.random.default_rng(0).random((len(names), width)).astype(np.float16)
    store = FeatureStore(workspace.features / gate.fingerprint)
    store.add(FeatureBatch(tuple(names), vectors, None, {}))
