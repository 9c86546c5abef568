"""Which copies were made from others, told in a workspace and kept in its catalog."""

from __future__ import annotations

import photos
from filling import add_picture
from PIL import Image, ImageEnhance
from sqlalchemy import select

import curate
from bodyshop_core.catalog import schema
from bodyshop_core.imaging import load_rgb
from bodyshop_core.workspace import Workspace
from curate.duplicates import rounding
from curate.duplicates.copy_stage import measure_cluster_copies


def test_in_a_workspace_an_original_behind_a_coarser_brighter_copy_of_a_crowd_is_not_derived(
    workspace: Workspace,
) -> None:
    original = photos.jpeg(photos.photo("chelsea"), 95)
    curve = [round(255 * (level / 255) ** 0.85) for level in range(256)] * 3
    hub = photos.jpeg(Image.fromarray(load_rgb(original)).point(curve), 60)
    source = Image.fromarray(load_rgb(hub))
    changed = [ImageEnhance.Color(source).enhance(1.4), ImageEnhance.Contrast(source).enhance(1.25)]
    changed += [photos.brighter(source, 0.8), photos.with_text(source), source, source.convert("L")]
    crowd = [original, hub]
    crowd += [photos.jpeg(each, 97 - place) for place, each in enumerate(changed)]
    names = [add_picture(workspace, data) for data in crowd]
    curate.measure_images(workspace, workers=1)
    facts = measure_cluster_copies(
        workspace,
        [],
        dict.fromkeys(names, "x"),
        lambda known, _: {
            name: (known[name].derived, -known[name].quality, name) for name in known
        },
    )
    assert not facts[names[0]].derived
    assert facts[names[1]].derived
    with workspace.catalog.read() as connection:
        query = select(schema.pair_checks.c.added).where(
            schema.pair_checks.c.version == rounding.VERSION
        )
        assert set(connection.scalars(query)) & {1.0, -1.0}
