"""Other names for masks and variants in the catalog, however many there are."""

from __future__ import annotations

import pytest

from bodyshop_core.catalog import Catalog, schema
from bodyshop_core.catalog.derived_names import names_of_masks_and_variants, rename


def with_files(catalog: Catalog, kind: str, number: int) -> list[str]:
    """Write a row for each of some masks or variants; return their names."""
    shas = [f"{each:064x}" for each in range(number)]
    names = [f"{kind}s/{sha256}.png" for sha256 in shas]
    image = {"extension": "jpg", "bytes": 1, "added_at": "2026"}
    mask = {
        "project": "damage", "annotator": "ana", "kind": "mask", "state": "current",
        "updated_at": "2026",
    }  # fmt: skip
    variant = {
        "policy": "p", "copy": 1, "split_set": "main", "label": "x", "group": "g",
        "current": True, "inputs": "i", "made_at": "2026",
    }  # fmt: skip
    rows = [
        {"key": sha256, "sha256": sha256, "file": name} | mask
        if kind == "mask"
        else {"sha256": sha256, "file": name, "masks": {"dent": f"{name}.dent"}} | variant
        for sha256, name in zip(shas, names, strict=True)
    ]
    with catalog.begin() as connection:
        connection.execute(schema.images.insert(), [{"sha256": each} | image for each in shas])
        table = schema.annotations if kind == "mask" else schema.variants
        connection.execute(table.insert(), rows)
    return names if kind == "mask" else names + [f"{name}.dent" for name in names]


@pytest.mark.parametrize("kind", ["mask", "variant"])
def test_the_work_of_renaming_grows_with_the_number_of_masks_and_not_with_its_square(
    tmp_path, kind
):
    work = []
    for number in (300, 1200):
        catalog = Catalog(tmp_path / f"{number}.sqlite")
        names = {name: f"{name}.new" for name in with_files(catalog, kind, number)}
        steps = [0]

        def count(steps: list[int] = steps) -> None:
            steps[0] += 1

        with catalog.begin() as connection:
            connection.connection.driver_connection.set_progress_handler(count, 100)
            rename(connection, names)
            connection.connection.driver_connection.set_progress_handler(None, 0)
            assert names_of_masks_and_variants(connection) == set(names.values())
        work.append(steps[0])
    assert 0 < work[1] < 6 * work[0]
