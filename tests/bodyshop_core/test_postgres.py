"""The catalog on a real PostgreSQL: the same answers as on SQLite."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from filling import add_picture, photo, pretend_scores
from sqlalchemy import create_engine, make_url, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

import collector
import curate
from bodyshop.export import manifest_rows
from bodyshop.forget import forget
from bodyshop.status import status
from bodyshop_core.catalog import (
    Catalog,
    CatalogError,
    add_labels,
    register_image,
    schema,
    stream,
)
from bodyshop_core.catalog.changes import change_counts, read_note, settled_counts, watch
from bodyshop_core.catalog.copying import copy_rows, count_rows
from bodyshop_core.catalog.derived_names import names_of_masks_and_variants, rename
from bodyshop_core.catalog.identity import identity, take_over
from bodyshop_core.errors import UsageError
from bodyshop_core.snapshots import record_state
from bodyshop_core.workspace import Workspace
from curate import unchanged

pytestmark = pytest.mark.slow


@pytest.fixture
def both(server, tmp_path, request):
    """Return a workspace on SQLite and one on PostgreSQL."""
    name = f"t{abs(hash(request.node.name))}"
    other = tmp_path / "postgres"
    other.mkdir()
    (other / "workspace.toml").write_text(f'catalog = "{server.url(name)}"\n')
    return Workspace.open(tmp_path / "sqlite"), Workspace.open(other)


def test_import_curate_status_and_manifest_are_the_same_on_both(both, tmp_path):
    folder = tmp_path / "photos"
    for seed in range(12):
        file = folder / ("damaged", "whole", "비파손")[seed % 3] / f"{seed}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(photo(seed))
    (folder / "whole" / "again.jpg").write_bytes(photo(1, quality=60))
    (folder / "whole" / "cut.jpg").write_bytes(photo(2)[:900])
    seen = []
    for workspace in both:
        imported = collector.import_folder(folder, workspace).as_dict()
        assert imported.pop("seconds") > 0
        pretend_scores(workspace)
        summary = curate.curate(workspace, workers=1).as_dict()
        with workspace.catalog.read() as connection:  # so that the next one has nothing to do
            counts = change_counts(connection, (*unchanged.INPUTS, *unchanged.OUTPUTS))
            assert (read_note(connection, unchanged.STAGE) or {})["counts"] == counts
        again = curate.curate(workspace, workers=1).as_dict()
        manifest = list(manifest_rows(workspace))
        with workspace.catalog.read() as connection:
            query = select(schema.splits).order_by(schema.splits.c.sha256)
            divided = [tuple(row) for row in connection.execute(query)]
        for each in (summary, again):
            each.pop("report")
        shown = status(workspace).as_dict()
        seen.append((imported, summary, again, manifest, divided, shown.keys()))
    assert len(seen[0][4]) >= 12
    for sqlite, other in zip(*seen, strict=True):
        assert sqlite == other
    assert not (both[1].root / "bodyshop.sqlite").exists()


def test_values_at_the_edges_are_the_same_on_both(both):
    read = []
    for workspace in both:
        shas = []
        for number, artist in enumerate(("b", "a", "B", "Ä", "é", "a\0b", "ä", "가" * 300, None)):
            blob = workspace.blobs.put_bytes(bytes([number]), "jpg")
            facts = {"artist": artist, "mode": "a mode longer than its column"}
            with workspace.catalog.begin() as connection:
                register_image(connection, blob, extension="jpg", facts=facts)
            shas.append(blob.sha256)
        row = {column.name: None for column in schema.variants.columns}
        row.update(sha256=shas[0], policy="p", copy=1, split_set="s", label="l", group="g")
        row.update(current=True, inputs="i", made_at="t", seed=2**63 - 1, bytes=2**40)
        row.update(applied={"text": "nul \0 and 한글"}, file="a\0b")
        workspace.catalog.upsert(schema.variants, [row])
        add_labels(workspace.catalog, [(shas[0], "damage", "x" * 5000, "import", "n" * 500)])
        images, variants, labels = schema.images, schema.variants, schema.labels
        with workspace.catalog.read() as connection:
            read.append(
                [
                    connection.execute(
                        select(images.c.artist, images.c.mode)
                        .where(images.c.artist.is_not(None))
                        .order_by(images.c.artist)
                    ).all(),
                    connection.execute(
                        select(images.c.sha256).where(images.c.artist > "a").order_by("sha256")
                    ).all(),
                    connection.execute(select(variants.c.seed, variants.c.bytes)).all(),
                    connection.execute(select(variants.c.applied, variants.c.file)).all(),
                    connection.execute(select(labels.c.value, labels.c.annotator)).all(),
                ]
            )
    assert read[0] == read[1]
    assert [row.artist for row in read[0][0]][:3] == ["B", "a", "a b"]
    assert read[0][2] == [(2**63 - 1, 2**40)]


def test_a_split_set_with_a_percent_sign_in_its_name_is_read_on_both(both):
    name, table = "50% test", schema.splits
    made = {"target": "damage", "seed": 1, "ratios": {}, "options": {}, "created_at": "t"}
    for workspace in both:
        sha256 = add_picture(workspace, photo(1))
        row = {"name": name, "revision": 1, "leakage_check": {}, **made}
        workspace.catalog.upsert(schema.split_sets, [row])
        row = {"split_set": name, "sha256": sha256, "split": "test", "label": "l", "group": "g"}
        workspace.catalog.upsert(table, [row])
        query = select(table.c.sha256).where(table.c.split_set == name)
        with workspace.catalog.read() as connection:
            assert list(stream(connection, query)) == [[(sha256,)]]
        (rows,) = record_state(workspace).chunks.values()
        assert rows[0].splits == [[name, "test", "l", "g"]]


def test_erased_pictures_stay_away_and_unknown_ones_are_an_error(both):
    workspace = both[1]
    gone, kept = (add_picture(workspace, photo(seed)) for seed in range(2))
    rows = [{"sha256": sha256, "version": "1", "error": None} for sha256 in (gone, kept)]
    with pytest.raises(IntegrityError):
        workspace.catalog.upsert(schema.measurements, [*rows, rows[0] | {"sha256": "0" * 64}])
    forget(workspace, gone)
    assert workspace.catalog.upsert(schema.measurements, rows) == 1
    with workspace.catalog.read() as connection:
        assert connection.scalars(select(schema.measurements.c.sha256)).all() == [kept]


def test_one_writer_at_a_time_and_a_reader_sees_one_state(both, monkeypatch):
    catalog = both[1].catalog
    runs, order = schema.runs, []
    row = {"command": "x", "arguments": {}, "versions": {}, "state": "done", "started_at": "t"}

    def write(name, pause):
        with catalog.begin() as connection:
            order.append(f"{name} in")
            time.sleep(pause)
            catalog.upsert(runs, [row | {"id": name}], connection=connection)
            order.append(f"{name} out")

    with catalog.read() as reader:
        assert reader.execute(select(runs.c.id)).all() == []
        threads = [threading.Thread(target=write, args=(name, 0.5)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert reader.execute(select(runs.c.id)).all() == []
    assert [word.split()[1] for word in order] == ["in", "out", "in", "out"]
    with catalog.read() as reader:
        assert sorted(reader.scalars(select(runs.c.id))) == ["a", "b"]
    monkeypatch.setattr("bodyshop_core.catalog.dialect.LOCK_WAIT_S", 0.2)
    in_use = pytest.raises(CatalogError, match="in use by another bodyshop command")
    with catalog.begin(), in_use:
        write("c", 0)


def test_a_second_collect_is_refused_on_any_machine_until_the_first_is_killed(both):
    root = both[1].root
    script = (
        "import sys, time; from bodyshop_core.workspace import Workspace\n"
        "with Workspace.open(sys.argv[1]).catalog.claimed('collect', taken='no'):\n"
        "    print('claimed', flush=True); time.sleep(100)"
    )
    elsewhere = subprocess.Popen(
        [sys.executable, "-c", script, str(root)], stdout=subprocess.PIPE, text=True
    )
    with elsewhere:
        assert elsewhere.stdout.readline() == "claimed\n"
        model = {"name": "Fjell", "lists": [{"urls": ["http://127.0.0.1:9/1.jpg"]}]}
        brands = collector.Brands.model_validate(
            {"contact": "test@example.org", "brands": [{"name": "Norden", "models": [model]}]}
        )
        with pytest.raises(UsageError, match="another 'bodyshop collect' is running"):
            collector.collect(brands, both[1])
        elsewhere.kill()
    deadline = time.monotonic() + 30
    while True:
        try:
            with both[1].catalog.claimed("collect", taken="still"):
                break
        except UsageError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_server_that_dies_costs_nothing_committed_and_is_told_in_a_sentence(server, both):
    workspace = both[1]
    sha256 = add_picture(workspace, photo(1))
    row = {"sha256": sha256, "version": "1"}
    gone = pytest.raises(CatalogError, match="can't be reached, or ended the connection")
    with gone as caught, workspace.catalog.begin() as connection:
        workspace.catalog.upsert(schema.measurements, [row], connection=connection)
        server.stop("immediate")
        connection.execute(select(schema.images.c.sha256))
    assert "PGPASSWORD" in caught.value.hint
    with pytest.raises(CatalogError, match="can't be reached"):
        Workspace.open(workspace.root)
    server.start()
    with workspace.catalog.read() as connection:
        assert connection.scalars(select(schema.images.c.sha256)).all() == [sha256]
        assert connection.execute(select(schema.measurements)).all() == []


def test_folders_on_one_catalog_are_one_workspace_and_a_copy_of_it_is_another(both, tmp_path):
    _, there = both
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "workspace.toml").write_text((there.root / "workspace.toml").read_text())
    own = identity(there.catalog)
    assert identity(Workspace.open(beside).catalog) == own == identity(there.catalog)
    assert count_rows(there.catalog) == 0, "it is none of the rows that a copy takes over"
    copy_rows(there.catalog, both[0].catalog)
    assert identity(both[0].catalog) != own
    take_over(both[0].catalog, own)
    assert identity(both[0].catalog) == own


def test_the_names_of_masks_and_variants_change_on_both(both):
    for workspace in both:
        sha256 = add_picture(workspace, photo(1))
        with workspace.catalog.begin() as connection:
            connection.execute(
                schema.annotations.insert(),
                {
                    "key": "a", "sha256": sha256, "project": "damage", "annotator": "ana",
                    "kind": "mask", "file": "m", "state": "current", "updated_at": "2026",
                },
            )  # fmt: skip
            connection.execute(
                schema.variants.insert(),
                [
                    {
                        "sha256": sha256, "policy": "p", "copy": copy, "split_set": "main",
                        "label": "x", "group": "g", "current": True, "file": file, "masks": masks,
                        "inputs": "i", "made_at": "2026",
                    }
                    for copy, file, masks in ((1, "v", {"dent": "w"}), (2, None, None))
                ],
            )  # fmt: skip
            rename(connection, {"m": "M", "w": "W", "other": "X"})
            assert names_of_masks_and_variants(connection) == {"M", "v", "W"}


@pytest.mark.parametrize("version", [5, 6])
def test_a_catalog_of_an_older_version_gets_todays_columns_tables_and_indexes(
    server, tmp_path, version
):
    fresh = Catalog(tmp_path / "unused", make_url(server.url(f"fresh{version}")))
    older = make_url(server.url(f"older{version}"))
    Catalog(tmp_path / "unused", older)
    engine = create_engine(older, poolclass=NullPool)
    with engine.begin() as connection:  # as that version made it
        connection.execute(text("DROP TABLE hiding_proposals, hiding_decisions"))
        if version == 5:
            connection.execute(text("DROP TABLE collectors, hosts"))
            connection.execute(text("ALTER TABLE pages DROP COLUMN lease"))
            columns = "DROP COLUMN lease, DROP COLUMN address"
            connection.execute(text(f"ALTER TABLE candidates {columns}"))
            connection.execute(text("DROP INDEX candidates_queued, candidates_done"))
        connection.execute(text(f"UPDATE bodyshop_catalog SET version = {version}"))
        page = "'k', 'pages', 'http://a.example/', 'queued', 0"
        columns = "key, source, url, state, found"
        connection.execute(text(f"INSERT INTO pages ({columns}) VALUES ({page})"))
    migrated = Catalog(tmp_path / "unused", older)
    with migrated.read() as connection:
        assert connection.execute(select(schema.pages.c.key, schema.pages.c.lease)).one() == (
            "k", None,
        )  # fmt: skip
    assert shape_of(migrated) == shape_of(fresh)


def shape_of(catalog):
    columns = text(
        "SELECT table_name, column_name, data_type, is_nullable, collation_name"
        " FROM information_schema.columns WHERE table_schema = current_schema()"
    )
    indexes = text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()")
    with catalog.read() as connection:
        found = {tuple(row) for query in (columns, indexes) for row in connection.execute(query)}
    assert any(row[0] == "candidates_address" for row in found)
    return found


def test_a_database_of_something_else_and_a_newer_catalog_are_left_alone(server, tmp_path):
    foreign = server.url("foreign")
    engine = create_engine(foreign)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE invoices (n integer)"))
    with pytest.raises(CatalogError, match="catalog of version 0"):
        Catalog(tmp_path / "unused", make_url(foreign))
    newer = server.url("newer")
    Catalog(tmp_path / "unused", make_url(newer))
    other = create_engine(newer)
    with other.begin() as connection:
        connection.execute(text("UPDATE bodyshop_catalog SET version = 999"))
    with pytest.raises(CatalogError, match="catalog of version 999"):
        Catalog(tmp_path / "unused", make_url(newer))
    for each in (engine, other):
        each.dispose()


def test_rows_that_are_not_committed_yet_are_waited_for_before_a_run_begins(both):
    catalog = both[1].catalog
    sha256 = add_picture(both[1], photo(1))
    assert watch(catalog, [schema.labels])
    row = {"sha256": sha256, "field": "damage", "value": "x", "origin": "o", "annotator": "a"}
    seen = []

    def begin():
        counts = settled_counts(catalog, [schema.labels])
        with catalog.read() as connection:
            seen.extend([counts, connection.scalars(select(schema.labels.c.value)).all()])

    engine = create_engine(catalog._dialect.engine.url, poolclass=NullPool)
    with engine.connect() as by_hand:  # not by a command of ours, which would wait for the writer
        by_hand.execute(schema.labels.insert(), row | {"at": "t"})
        running = threading.Thread(target=begin)
        running.start()
        running.join(timeout=1)
        assert running.is_alive()
        by_hand.commit()
        running.join(timeout=30)
    with catalog.read() as connection:
        assert seen == [change_counts(connection, [schema.labels]), ["x"]]


def test_rows_are_counted_once_by_statement_also_where_an_earlier_version_counted_by_row(both):
    catalog = both[1].catalog
    sha256 = add_picture(both[1], photo(1))
    tables = [schema.labels]
    assert watch(catalog, tables)
    with catalog.begin() as connection:  # as an earlier version left it
        for what in ("insert", "update", "delete"):
            connection.execute(text(f"DROP TRIGGER changes_labels_{what} ON labels"))
        connection.execute(
            text(
                "CREATE TRIGGER changes_labels AFTER INSERT OR UPDATE OR DELETE ON labels"
                " FOR EACH ROW EXECUTE FUNCTION count_change()"
            )
        )
    assert watch(catalog, tables)
    row = "(sha256, field, value, origin, annotator, at)"
    many = f"SELECT '{sha256}', 'f' || n, 'x', 'o', 'a', 't' FROM generate_series(1, 500) n"
    grown = []
    for statement in (
        f"INSERT INTO labels {row} {many}",
        f"INSERT INTO labels {row} {many} ON CONFLICT DO NOTHING",
        "UPDATE labels SET value = 'y'",
        "UPDATE labels SET value = 'z' WHERE false",
        "DELETE FROM labels WHERE field = 'f7'",
        "DELETE FROM labels WHERE field = 'f7'",
        "TRUNCATE labels",
    ):
        before = settled_counts(catalog, tables)["labels"]
        with catalog.begin() as connection:
            connection.execute(text(statement))
        grown.append(settled_counts(catalog, tables)["labels"] - before)
    assert grown == [500, 0, 500, 0, 1, 0, 1]
