"""Every picture knows its origin, also in catalogs of older versions."""

from __future__ import annotations

import sqlite3

import pytest
from filling import add_picture, photo

from bodyshop_core.catalog import UNKNOWN, host_of, migrations, picture_origins, register_image
from bodyshop_core.catalog.split_sets import leaks_left
from bodyshop_core.imaging import read_header

ADDRESSES = {
    "https://Cars.Example/a.jpg": "cars.example",
    "http://cars.example:8080/a.jpg": "cars.example",
    "https://cars.example": "cars.example",
    "https://cars.example?id=7": "cars.example",
    "https://user:secret@cars.example/a@b.jpg": "cars.example",
    "https://cars.example/redirect?to=https://other.example/": "cars.example",
    "http://[2001:db8::1]:8080/a.jpg": "2001:db8::1",
    "http://[2001:db8::1]/a.jpg": "2001:db8::1",
    "https://자동차.example/사진.jpg": "자동차.example",
}


@pytest.mark.parametrize(("url", "host"), ADDRESSES.items())
def test_the_host_is_the_origin(url, host):
    assert host_of(url) == host


@pytest.mark.parametrize("url", ["", "data:image/png;base64,AAAA", "http://[", "folder/a.jpg"])
def test_an_address_without_a_host_has_none(url):
    assert host_of(url) == ""


def test_older_catalogs_get_the_same_origins_as_new_pictures():
    catalog = sqlite3.connect(":memory:")
    catalog.execute("CREATE TABLE sightings (final_url TEXT, source TEXT)")
    catalog.executemany(
        "INSERT INTO sightings VALUES (?, ?)",
        [*((url, "pages") for url in ADDRESSES), (None, "import")],
    )
    for statement in migrations._HOST_AS_ORIGIN:  # private: what a migration does to old rows
        catalog.execute(statement)
    found = [origin for (origin,) in catalog.execute("SELECT origin FROM sightings ORDER BY rowid")]
    assert found == [*ADDRESSES.values(), "import"]


def test_the_first_place_where_a_picture_was_found_is_its_origin(workspace):
    for at, origin in (("2026-01-02", "later.example"), ("2026-01-01", "first.example")):
        sha256 = add_picture(workspace, photo(1), origin=origin, fetched_at=at)
    assert picture_origins(workspace.catalog) == {sha256: "first.example"}


def test_a_picture_without_a_sighting_is_of_unknown_origin(workspace):
    blob = workspace.blobs.put_bytes(photo(1), "jpg")
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension="jpg", facts=read_header(photo(1)))
    assert picture_origins(workspace.catalog) == {blob.sha256: UNKNOWN}


def leak(feature, share, *, is_leak=True):
    return {"feature": feature, "balanced_accuracy": share, "leak": is_leak}


def test_what_equalising_leaves_is_named():
    together = leak("all together", 0.9)
    audit = {
        "leak": True,
        "features": [leak("longest side", 0.97), leak("framing", 0.7)],
        "together": together,
        "equalised": {"leak": True, "features": [leak("framing", 0.7)], "together": together},
    }
    assert leaks_left(audit, equalised=True) == {"framing": 0.7}
    assert leaks_left(audit, equalised=False) == {"longest side": 0.97, "framing": 0.7}
    only_together = {
        "leak": True,
        "features": [leak("a", 0.5, is_leak=False)],
        "together": together,
    }
    assert leaks_left({"equalised": only_together}, equalised=True) == {"all together": 0.9}


@pytest.mark.parametrize(
    "audit",
    [None, {}, {"leak": True, "features": [], "equalised": None}, {"equalised": {"leak": False}}],
)
def test_nothing_is_left_where_nothing_was_measured_or_found(audit):
    assert leaks_left(audit, equalised=True) == {}
