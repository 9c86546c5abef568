"""Rendered pictures of which each is judged for one reason, by `curate` itself."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageEnhance, ImageFilter

import curate
from benchmarks.curate_cars import car, jpeg, png
from bodyshop_core.catalog import Reason, add_labels, now, register_image, schema
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import read_header, sniff
from bodyshop_core.workspace import Workspace
from curate.measure.stage import VERSION
from curate.policy import Policy
from curate.verdicts.wording import sentence
from showroom.decoys import draw_decoy


def judged_examples(workspace: Workspace) -> list[tuple[str, Image.Image | None, str]]:
    """Return (reason, picture, the report's sentence) for each reason, and a kept picture."""
    kept = {}
    for number in range(12):
        label = ("damaged", "whole")[number % 2]
        page = f"https://cars.example/{number}"
        image = car(number, damaged=number % 2 == 0)
        kept[add(workspace, jpeg(image), label, pages=[page])] = (image, page)
    first, second = (image for image, _ in list(kept.values())[:2])
    whole = jpeg(car(20))
    dark = ImageEnhance.Brightness(car(21)).enhance(0.05)
    soft = car(22).filter(ImageFilter.GaussianBlur(9))
    balloons = Image.fromarray(draw_decoy("balloons", 640, 426, 3))
    torn = car(23)
    conflict = car(24)
    unwanted = car(25)
    killer = car(26)
    shown: dict[str, tuple[str, Image.Image | None]] = {
        "unreadable": (add(workspace, whole[: len(whole) // 3]), None),
        "worker_died": (add(workspace, jpeg(killer)), None),
        "too_small": (add(workspace, jpeg(torn.resize((110, 74)))), torn.resize((110, 74))),
        "not_a_car": (add(workspace, jpeg(balloons)), balloons),
        "blurry": (add(workspace, jpeg(soft)), soft),
        "bad_exposure": (add(workspace, jpeg(dark)), dark),
        "exact_duplicate": (add(workspace, png(Image.open(io.BytesIO(jpeg(first))))), first),
        "near_duplicate": (
            add(workspace, jpeg(second.resize((480, 320)), 50), "whole"),
            second.resize((480, 320)),
        ),
        "label_conflict": (add(workspace, jpeg(conflict), "damaged"), conflict),
        "human_reject": (add(workspace, jpeg(unwanted), "whole"), unwanted),
    }
    add(workspace, jpeg(conflict), "whole")
    # No picture kills a worker of this version, so what the engine then records is put in.
    row = {column.name: None for column in schema.measurements.columns}
    died = {**row, "sha256": shown["worker_died"][0], "version": VERSION, "error": "worker_died"}
    workspace.catalog.upsert(schema.measurements, [died])
    decision = {
        "sha256": shown["human_reject"][0],
        "decision": "reject",
        "framing": None,
        "note": "",
        "by": "docs",
        "at": now(),
    }
    workspace.catalog.upsert(schema.decisions, [decision])
    curate.curate(workspace, target="damage")
    bridge = car(27)
    shown["split_bridge"] = (
        add(workspace, jpeg(bridge), "whole", pages=torn_pages(workspace)),
        bridge,
    )
    curate.curate(workspace, target="damage")
    with workspace.catalog.read() as connection:
        verdicts = {row.sha256: row for row in connection.execute(schema.verdicts.select())}
    with tempfile.TemporaryDirectory() as folder:
        others = judged_others(Workspace.open(Path(folder)))
    examples: list[tuple[str, Image.Image | None, str]] = []
    for reason in Reason:
        if reason.value in others:
            examples.append(others[reason.value])
            continue
        sha256, picture = shown[reason.value]
        found = verdicts[sha256]
        if found.reasons[:1] != [reason.value]:
            raise SystemExit(f"the example of {reason.value} came out as {found.reasons}")
        examples.append(
            (reason.value, picture, sentence(reason.value, found.details[reason.value]))
        )
    good = next(image for sha, (image, _) in kept.items() if verdicts[sha].verdict == "keep")
    return [*examples, ("kept", good, "nothing speaks against it")]


def judged_others(workspace: Workspace) -> dict[str, tuple[str, Image.Image | None, str]]:
    """Return the examples, by reason, that would change what is said about the other ones."""
    whole = jpeg(car(28))
    zeroed = whole[: len(whole) // 2] + bytes(len(whole) // 2 - 2) + whole[-2:]
    edited, page = car(29), "https://cars.example/many"
    pictures = {
        "damaged_data": (add(workspace, zeroed), Image.open(io.BytesIO(zeroed))),
        "superseded": (add(workspace, jpeg(edited)), edited),
    }
    on_page = {add(workspace, jpeg(image), pages=[page]): image for image in (car(30), car(31))}
    change = schema.sightings.update().where(schema.sightings.c.sha256 == pictures["superseded"][0])
    with workspace.catalog.begin() as connection:
        connection.execute(change.values(superseded_at=now()))
    curate.curate(workspace, policy=Policy.model_validate({"limits": {"per_page": 1}}))
    with workspace.catalog.read() as connection:
        verdicts = {row.sha256: row for row in connection.execute(schema.verdicts.select())}
    (left_out,) = (sha256 for sha256 in on_page if verdicts[sha256].verdict == "reject")
    pictures["over_quota"] = (left_out, on_page[left_out])
    found: dict[str, tuple[str, Image.Image | None, str]] = {}
    for name, (sha256, picture) in pictures.items():
        if verdicts[sha256].reasons[:1] != [name]:
            raise SystemExit(f"the example of {name} came out as {verdicts[sha256].reasons}")
        found[name] = (name, picture, sentence(name, verdicts[sha256].details[name]))
    return found


def torn_pages(workspace: Workspace) -> list[str]:
    """Return the pages of a picture in train and of one in test: a newcomer on both ties them."""
    splits, sightings = schema.splits, schema.sightings
    with workspace.catalog.read() as connection:
        rows = connection.execute(
            splits.select()
            .with_only_columns(splits.c.split, sightings.c.page_url)
            .join(sightings, sightings.c.sha256 == splits.c.sha256)
        ).all()
    pages = {row.split: row.page_url for row in rows if row.page_url}
    return [pages["train"], pages["test"]]


def add(
    workspace: Workspace, data: bytes, label: str | None = None, *, pages: Sequence[str] = ("",)
) -> str:
    """Register a picture as an import would, seen on one or more pages."""
    blob = workspace.blobs.put_bytes(data, sniff(data) or "jpg")
    try:
        facts = read_header(data)
    except UnreadableImageError:
        facts = {}
    empty = {column.name: None for column in schema.sightings.columns}
    rows = [
        {
            **empty,
            "key": hashlib.sha256(f"{blob.sha256} {page}".encode()).hexdigest(),
            "sha256": blob.sha256,
            "source": "import",
            "page_url": page or None,
            "fetched_at": now(),
            "tool_version": "docs",
        }
        for page in pages
    ]
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension=sniff(data) or "jpg", facts=facts)
        workspace.catalog.upsert(schema.sightings, rows, connection=connection)
        if label:
            add_labels(
                workspace.catalog,
                [(blob.sha256, "damage", label, "import", "")],
                connection=connection,
            )
    return blob.sha256
