"""Probes beside the gate: any number, each a reason of its own."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import photos
import pytest
from filling import add_picture, photo
from PIL import Image

import curate
from bodyshop_core.catalog import Reason, in_order, schema
from bodyshop_core.errors import ConfigError, MissingPartError, UsageError
from bodyshop_core.workspace import Workspace
from curate.gate.feature_store import FeatureBatch, FeatureStore
from curate.gate.named_probes import named_probe_path
from curate.gate.probe import Probe
from curate.policy import Policy, parse_policy

PROBES = Policy.model_validate({"probes": {"watermark": {}, "drawing": {"threshold": 0.9}}})


@pytest.fixture
def probed(curated: Workspace) -> tuple[Workspace, list[str]]:
    """A workspace with two probes: the first number is the mark, the second the drawing."""
    gate = curate.open_gate(curated)
    with curated.catalog.read() as connection:
        query = schema.verdicts.select().where(schema.verdicts.c.verdict == "keep")
        kept = sorted(row["sha256"] for row in connection.execute(query).mappings())
    features = np.full((len(kept), 3), 0.5, dtype=np.float16)
    features[0] = [9, 0, 0.5]  # watermarked
    features[1] = [9, 9, 0.5]  # both
    store = FeatureStore(curated.features / gate.fingerprint)
    store.add(FeatureBatch(tuple(kept), features, None, {}))
    for name, place in (("watermark", 0), ("drawing", 1)):
        weights = np.zeros(3, np.float32)
        weights[place] = -30
        path = named_probe_path(curated.root, gate.fingerprint, name)
        Probe(weights, 20.0, 0.5, gate.fingerprint).save(path)
    return curated, kept


def reasons(workspace: Workspace) -> dict[str, list[str]]:
    with workspace.catalog.read() as connection:
        return {
            row["sha256"]: row["reasons"]
            for row in connection.execute(schema.verdicts.select()).mappings()
        }


def test_each_probe_is_a_reason_of_its_own(probed: tuple[Workspace, list[str]]) -> None:
    workspace, kept = probed
    before = reasons(workspace)
    summary = curate.judge(workspace, policy=PROBES)
    after = reasons(workspace)
    assert after[kept[0]] == ["probe_watermark"]
    assert after[kept[1]] == ["probe_drawing", "probe_watermark"]
    assert {sha256 for sha256 in after if after[sha256] != before[sha256]} == set(kept[:2])
    assert summary.reasons["probe_watermark"] == 2 and summary.reasons["probe_drawing"] == 1
    why = curate.explain(workspace, kept[0]).facts["reasons"]["probe_watermark"]
    assert "below 0.5 (probes.watermark.threshold)" in why


def test_without_the_policy_nothing_asks_a_probe_and_it_can_be_undone(
    probed: tuple[Workspace, list[str]],
) -> None:
    workspace, _ = probed
    before = reasons(workspace)
    curate.judge(workspace, policy=PROBES)
    curate.judge(workspace)
    assert reasons(workspace) == before


def test_the_report_has_a_gallery_per_probe(probed: tuple[Workspace, list[str]]) -> None:
    workspace, _ = probed
    curate.curate(workspace, policy=PROBES, workers=1)
    folder = workspace.reports / "curate"
    assert "rejected examples of the probe watermark" in (
        folder / "probe_watermark-1.html"
    ).read_text(encoding="utf-8")
    assert 'href="probe_drawing-1.html"' in (folder / "index.html").read_text(encoding="utf-8")


def test_a_probe_that_was_never_fitted_ends_curate_before_any_work(curated: Workspace) -> None:
    policy = Policy.model_validate({"probes": {"people": {}}})
    with pytest.raises(MissingPartError, match="no probe 'people'") as caught:
        curate.curate(curated, policy=policy)
    assert "bodyshop gate fit --name people" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["Water Mark", "../x", "", "a" * 31, "7up"])
def test_a_name_that_can_be_no_reason_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        named_probe_path(tmp_path, "net", name)
    with pytest.raises(ConfigError):
        parse_policy(f"probes: {{'{name}': {{}}}}")


def test_reasons_of_probes_stand_behind_the_gate() -> None:
    texts = ["human_reject", "probe_watermark", "blurry", "probe_people", "not_a_car"]
    ordered = [reason.value for reason in in_order(texts)]
    assert ordered == ["not_a_car", "probe_people", "probe_watermark", "blurry", "human_reject"]
    assert isinstance(in_order(texts)[0], Reason)


@pytest.mark.slow
def test_a_watermark_is_learned_from_forty_examples(workspace: Workspace, tmp_path: Path) -> None:
    """The real network: drawn pictures, half of them with text across; others are judged."""
    folders = {name: tmp_path / name for name in ("clean", "marked")}
    for name, folder in folders.items():
        folder.mkdir()
        for seed in range(20):
            picture = Image.open(io.BytesIO(photo(100 + seed, size=(480, 360))))
            shown = picture if name == "clean" else photos.with_text(picture)
            (folder / f"{seed}.jpg").write_bytes(photos.jpeg(shown))
    summary = curate.fit_gate(
        workspace, name="watermark", accept=[folders["clean"]], reject=[folders["marked"]]
    )
    assert summary.probe.endswith(".watermark.npz")
    marked, clean = set(), set()
    for seed in range(300, 310):
        picture = Image.open(io.BytesIO(photo(seed, size=(480, 360))))
        clean.add(add_picture(workspace, photos.jpeg(picture)))
        picture = Image.open(io.BytesIO(photo(seed + 50, size=(480, 360))))
        marked.add(add_picture(workspace, photos.jpeg(photos.with_text(picture))))
    rules = {"gate": {"rule": "none"}, "probes": {"watermark": {}}}
    curate.curate(workspace, policy=Policy.model_validate(rules), workers=1)
    said = {sha256 for sha256, why in reasons(workspace).items() if "probe_watermark" in why}
    assert len(said & marked) >= 9 and len(said & clean) <= 1
