"""Pictures, tables and archives for the tests of imports."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from sqlalchemy import select

from bodyshop_core.catalog import effective_labels, schema
from collector import import_folder


def encoded(colour="red", kind="PNG"):
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(stream, kind)
    return stream.getvalue()


def picture(path, colour="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(colour))
    return path


def labels(workspace, field="damage"):
    """File name -> its label, from the sightings that still stand."""
    effective = effective_labels(workspace.catalog, field)
    table = schema.sightings
    with workspace.catalog.read() as connection:
        rows = connection.execute(
            select(table.c.file, table.c.sha256).where(table.c.superseded_at.is_(None))
        ).all()
    return {
        file: (effective[sha256].value or effective[sha256].conflict)
        if sha256 in effective
        else None
        for file, sha256 in rows
    }


def archived(path):
    files = {
        "cars/train/damaged/a.png": encoded("red"),
        "cars/test/whole/b.png": encoded("blue"),
        "cars/__MACOSX/._a.png": b"x",
        "cars/readme.txt": b"hello",
        "../../evil.png": encoded("green"),
    }
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
            archive.writestr("zeros.png", bytes(20_000_000), zipfile.ZIP_DEFLATED)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
            link = tarfile.TarInfo("passwd.png")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)


def write_table(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], delimiter="\t" if path.suffix == ".tsv" else ";")
            writer.writeheader()
            writer.writerows(rows)


def labelled(workspace, tmp_path, files, rows):
    """File -> its label by a table of file,damage rows, and the notes."""
    for index, name in enumerate(files):
        picture(tmp_path / "set" / name, (index, 0, 0))
    write_table(tmp_path / "t.csv", [{"file": name, "damage": said} for name, said in rows])
    notes = import_folder(tmp_path / "set", workspace, labels=tmp_path / "t.csv").notes()
    return {name: said for name, said in labels(workspace).items() if said}, notes


def tarred(path, files):
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
