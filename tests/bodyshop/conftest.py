from __future__ import annotations

from pathlib import Path

import pytest
from export_photos import draw_mask, encoded, jpeg, noise, split_set

from bodyshop.demo.run import DemoReport, run_demo
from bodyshop_core.catalog import add_labels, now, register_image, schema
from bodyshop_core.imaging import read_header, sniff
from bodyshop_core.workspace import Workspace


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> tuple[Path, DemoReport]:
    """The whole job, run once on the smallest showroom: real Chromium, real TensorFlow."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, run_demo(folder, size="tiny", recipe="bottleneck")


@pytest.fixture
def curated(workspace: Workspace) -> tuple[Workspace, list[str]]:
    """Six kept pictures in three splits and two classes, one reject; two have masks."""
    shots = [
        (jpeg(0), "파손", "train"),
        (jpeg(1, 6), "파손", "train"),
        (encoded(noise(2), "PNG"), "whole", "train"),
        (jpeg(3), "파손", "validation"),
        (jpeg(4), "whole", "validation"),
        (jpeg(5), "whole", "test"),
        (jpeg(6), "whole", None),
    ]
    names, catalog = [], workspace.catalog
    with catalog.begin() as connection:
        for data, _, _ in shots:
            extension = sniff(data) or ""
            blob = workspace.blobs.put_bytes(data, extension)
            register_image(connection, blob, extension=extension, facts=read_header(data))
            names.append(blob.sha256)
    rows = list(zip(names, shots, strict=True))
    add_labels(catalog, [(n, "damage", s[1], "import", "") for n, s in rows])
    add_labels(catalog, [(names[0], "brand", "한빛", "query", "")])
    add_labels(catalog, [(names[0], "model", "한빛 바람", "query", "")])
    catalog.upsert(
        schema.sightings,
        [
            {
                "key": f"{number}-{name}",
                "sha256": name,
                "source": "pages",
                "url": f"https://example.org/{number}.jpg",
                "licence": "CC BY 4.0" if name == names[0] else None,
                "permission": {"robots": "allowed"},
                "fetched_at": f"2026-01-0{number + 1}T00:00:00+00:00",
                "tool_version": "0",
            }
            for number in range(2)
            for name in names
        ],
    )
    catalog.upsert(
        schema.verdicts,
        [
            {
                "sha256": name,
                "verdict": "keep" if split else "reject",
                "reasons": [] if split else ["blurry", "too_small"],
                "cluster": "c1",
                "representative": names[0],
                "group": name[:8],
                "policy": "p",
                "gate": "g",
                "decided_at": now(),
            }
            for name, (_, _, split) in rows
        ],
    )
    catalog.upsert(
        schema.gate_scores,
        [{"sha256": name, "gate": "g", "p_car": 0.75, "framing": "full"} for name in names],
    )
    split_set(workspace, {n: (s[2], s[1]) for n, s in rows if s[2]})
    for name, box in ((names[0], (4, 4, 20, 12)), (names[1], (2, 3, 9, 30))):
        draw_mask(workspace, name, box)
    return workspace, names
