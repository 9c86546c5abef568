"""Nothing in the catalog names an erased picture, not even the verdicts of its copies."""

from __future__ import annotations

import io

import photos
from PIL import Image
from sqlalchemy import select

from bodyshop.forget import forget
from bodyshop_core.catalog import register_image, schema
from curate.duplicates.pairs import DuplicatePair
from curate.policy import Policy
from curate.verdicts.decide import decide
from curate.verdicts.screen import Facts


def put(workspace, picture, quality):
    data = photos.jpeg(picture, quality)
    blob = workspace.blobs.put_bytes(data, "jpg")
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension="jpg", facts={"format": "JPEG"})
    return blob.sha256


def test_the_copies_of_an_erased_picture_do_not_name_it(workspace):
    picture = photos.photo("coffee")
    best, copy = put(workspace, picture, 95), put(workspace, picture, 60)
    stranger, of_it = (put(workspace, photos.photo("rocket"), quality) for quality in (95, 60))
    facts = [Facts(name, measured={"width": 9}) for name in (best, copy, stranger, of_it)]
    pairs = [DuplicatePair(*sorted(pair), "near", 2) for pair in ((best, copy), (stranger, of_it))]
    verdicts = decide(facts, {one.sha256: {} for one in facts}, pairs, Policy())
    rows = [
        {
            "sha256": each.sha256,
            "verdict": "keep" if each.keep else "reject",
            "reasons": [reason.value for reason in each.reasons],
            "details": each.details,
            "cluster": each.cluster,
            "representative": each.representative,
            "group": each.group,
            "policy": "p",
            "decided_at": "2026",
        }
        for each in verdicts
    ]
    workspace.catalog.upsert(schema.verdicts, rows)
    kept = {row["sha256"]: row["representative"] for row in rows if row["verdict"] == "keep"}
    erased = next(name for name in (best, copy) if name in kept)
    others = next(row for row in rows if row["sha256"] in {stranger, of_it} - kept.keys())
    forget(workspace, erased)
    with workspace.catalog.read() as connection:
        left = {
            row["sha256"]: dict(row)
            for row in connection.execute(select(schema.verdicts)).mappings()
        }
    assert len(left) == 3
    assert not any(erased[:12] in str(row) for row in left.values())
    neighbour = left[({best, copy} - {erased}).pop()]
    assert neighbour["representative"] is None
    assert neighbour["details"]["near_duplicate"]["kind"] == "near"
    assert left[others["sha256"]]["details"] == others["details"]  # untouched


def test_a_picture_of_another_cluster_does_not_name_the_erased_one(workspace):
    """A person took equal pixels apart, and their labels differ: each names the other."""
    picture = photos.photo("coffee")
    wrong, right, kept = (put(workspace, picture, quality) for quality in (95, 90, 85))
    row = {"policy": "p", "decided_at": "2026", "cluster": None, "representative": None}
    conflict = {"values": ["dented", "whole"]}
    rows = [
        {
            **row,
            "sha256": one,
            "verdict": "reject",
            "reasons": ["label_conflict"],
            "details": {"label_conflict": {**conflict, "other": other}},
        }
        for one, other in ((wrong, right), (right, wrong))
    ]
    overridden = {"overridden": ["near_duplicate"]}
    of_it = {"verdict": "keep", "reasons": [], "representative": wrong}
    rows.append({**row, **of_it, "sha256": kept, "details": overridden})
    workspace.catalog.upsert(schema.verdicts, rows)
    forget(workspace, wrong)
    with workspace.catalog.read() as connection:
        left = {each.sha256: each for each in connection.execute(select(schema.verdicts))}
    assert left.keys() == {right, kept}
    assert left[right].details == {"label_conflict": conflict}
    assert (left[kept].representative, left[kept].details) == (None, overridden)


def test_a_picture_without_a_verdict_is_erased_too(workspace):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    blob = workspace.blobs.put_bytes(buffer.getvalue(), "png")
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension="png", facts={"format": "PNG"})
    assert forget(workspace, blob.sha256).pictures == 1
