"""What a role without all rights, or a missing schema, is told on a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from bodyshop_core.catalog import Catalog, CatalogError, permissions, register_image, schema
from bodyshop_core.catalog.changes import settled_counts, watch
from bodyshop_core.storage.blobs import Blob

pytestmark = pytest.mark.slow


@pytest.fixture
def limited(server, request):
    """Return an empty database as its owner sees it, and as a role without rights does."""
    name = f"r{abs(hash(request.node.name))}"
    owned = make_url(server.url(name))
    engine = create_engine(owned, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN"))
        yield owned, owned.set(username=name), connection


def test_a_role_that_may_not_make_tables_is_told_the_grant_that_helps(limited, tmp_path):
    _, url, owner = limited
    with pytest.raises(CatalogError, match="permission denied for schema public") as caught:
        Catalog(tmp_path / "unused", url)
    assert url.username in caught.value.message
    assert "LINE" not in caught.value.message
    owner.execute(text(caught.value.hint.partition("owner: ")[2]))
    Catalog(tmp_path / "unused", url)


def test_a_schema_that_is_absent_is_told_with_the_statements_that_make_it(limited, tmp_path):
    _, url, owner = limited
    url = url.update_query_dict({"options": "-csearch_path=cars"})
    with pytest.raises(CatalogError, match="no schema has been selected") as caught:
        Catalog(tmp_path / "unused", url)
    owner.execute(text(caught.value.hint.partition("owner: ")[2]))
    Catalog(tmp_path / "unused", url)


@pytest.mark.parametrize("there", [False, True])
def test_the_schema_of_a_roles_own_search_path_is_named(limited, tmp_path, there):
    _, url, owner = limited
    owner.execute(text(f'ALTER ROLE {url.username} SET search_path = "My, ""Cars", public'))
    owner.execute(text("REVOKE ALL ON SCHEMA public FROM public"))
    if there:
        owner.execute(text('CREATE SCHEMA "My, ""Cars"'))
    else:
        owner.execute(text("DROP SCHEMA public"))
    with pytest.raises(CatalogError, match="no schema has been selected") as caught:
        Catalog(tmp_path / "unused", url)
    assert 'ON SCHEMA "My, ""Cars" TO' in caught.value.hint
    owner.execute(text(caught.value.hint.partition("owner: ")[2]))
    Catalog(tmp_path / "unused", url)


def test_a_role_with_a_schema_of_its_own_name_is_told_that_one(limited, tmp_path):
    _, url, owner = limited
    owner.execute(text(f"CREATE SCHEMA {url.username}"))
    owner.execute(text(f"GRANT USAGE ON SCHEMA {url.username} TO {url.username}"))
    with pytest.raises(CatalogError, match="permission denied for schema") as caught:
        Catalog(tmp_path / "unused", url)
    owner.execute(text(caught.value.hint.partition("owner: ")[2]))
    Catalog(tmp_path / "unused", url)


def test_what_is_missing_is_told_from_the_state_not_from_the_words_of_the_server(
    limited, tmp_path, monkeypatch
):
    _, url, owner = limited
    monkeypatch.setattr(
        permissions, "_cause", lambda error: "keine Berechtigung für Schema public."
    )
    with pytest.raises(CatalogError, match="keine Berechtigung") as caught:
        Catalog(tmp_path / "unused", url)
    owner.execute(text(caught.value.hint.partition("owner: ")[2]))
    Catalog(tmp_path / "unused", url)


def test_a_role_that_may_write_only_counts_nothing_and_is_counted(limited, tmp_path):
    owned, url, owner = limited
    made = Catalog(tmp_path / "unused", owned)
    assert watch(made, [schema.images])
    owner.execute(text(f"GRANT SELECT ON bodyshop_catalog TO {url.username}"))
    other = Catalog(tmp_path / "unused", url)
    with pytest.raises(CatalogError, match="permission denied for table") as caught:
        fill_one(other)
    owner.execute(text(caught.value.hint.partition("by that one: ")[2]))
    before = settled_counts(made, [schema.images])["images"]
    fill_one(other)
    assert settled_counts(made, [schema.images])["images"] == before + 1
    assert not watch(other, [schema.images])
    assert not watch(other, [schema.images, schema.labels])


def test_a_role_that_reads_tables_and_counts_is_not_counted_on_to_wait_for_writers(
    limited, tmp_path
):
    owned, url, owner = limited
    made = Catalog(tmp_path / "unused", owned)
    assert watch(made, [schema.images])
    for what in ("bodyshop_catalog", "images", "changes_images"):
        owner.execute(text(f"GRANT SELECT ON {what} TO {url.username}"))
    owner.execute(text(f"GRANT SELECT, INSERT, UPDATE ON finished TO {url.username}"))
    other = Catalog(tmp_path / "unused", url)
    assert not watch(other, [schema.images])
    owner.execute(text(f"GRANT UPDATE ON images TO {url.username}"))
    assert watch(other, [schema.images])


def fill_one(catalog):
    with catalog.begin() as connection:
        blob = Blob("0" * 64, Path("unused"), 1, True)
        register_image(connection, blob, extension="jpg", facts={})
