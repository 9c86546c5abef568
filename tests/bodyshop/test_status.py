from __future__ import annotations

from bodyshop.status import status
from bodyshop_core.catalog import now, register_image, schema


def add(workspace, number, model, verdict, reasons=()):
    blob = workspace.blobs.put_bytes(f"{model}{number}".encode(), "jpg")
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension="jpg", facts={})
        workspace.catalog.upsert(
            schema.sightings,
            [
                {
                    "key": f"{model}{number}",
                    "sha256": blob.sha256,
                    "source": "pages",
                    "brand": "한빛",
                    "model": model,
                    "fetched_at": now(),
                    "tool_version": "0",
                }
            ],
            connection=connection,
        )
        workspace.catalog.upsert(
            schema.verdicts,
            [
                {
                    "sha256": blob.sha256,
                    "verdict": verdict,
                    "reasons": list(reasons),
                    "policy": "p",
                    "decided_at": now(),
                }
            ],
            connection=connection,
        )


def test_counts_per_model_and_reason_and_warns_of_imbalance(workspace):
    for number in range(10):
        add(workspace, number, "바람", "keep")
    add(workspace, 0, "구름", "reject", ["blurry", "too_small"])
    report = status(workspace)
    assert report.stages["curate"]["kept"] == 10 and report.stages["curate"]["rejected"] == 1
    assert report.reasons == {"too_small": 1, "blurry": 1}
    rows = {row["model"]: (row["pictures"], row["kept"]) for row in report.models}
    assert rows == {"바람": (10, 10), "구름": (1, 0)}
    assert any("구름" in warning for warning in report.warnings)
    assert any("not curated yet" in warning for warning in report.warnings)


def test_empty_workspace_counts_zero(workspace):
    report = status(workspace)
    assert report.stages["collect"]["pictures"] == 0 and report.models == []
