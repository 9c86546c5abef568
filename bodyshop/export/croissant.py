"""Croissant: pictures, a table, and a machine-readable description (JSON-LD)."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bodyshop.export.destination import Destination
from bodyshop.export.rows import COLUMNS
from bodyshop.export.selection import Chosen, PictureOptions, put_pictures
from bodyshop.export.tables import write_parquet
from bodyshop_core import atomic
from bodyshop_core.progress import Progress
from bodyshop_core.version import __version__

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

TABLE, DESCRIPTION = "pictures.parquet", "croissant.json"

_TYPES = {"width": "sc:Integer", "height": "sc:Integer", "sharpness": "sc:Float"} | {
    "p_car": "sc:Float"
}

_MIME = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "avif": "image/avif",
}

_MEANING = {
    "sha256": "SHA-256 of the original bytes.",
    "file": "Original file name or URL.",
    "source": "How the picture was found.",
    "origin": "Host the picture was downloaded from, or the name its import was given.",
    "gold": "yes: a person checked what is said about the picture.",
    "label": "The class.",
    "brand": "Brand of the car.",
    "model": "Model of the car.",
    "width": "Pixels, after EXIF rotation.",
    "height": "Pixels, after EXIF rotation.",
    "phash": "64-bit perceptual hash, hexadecimal.",
    "sharpness": "Sharpness as measured by bodyshop.",
    "p_car": "Probability that the picture shows a car or a part of one, 0 to 1.",
    "framing": "full, part or interior.",
    "verdict": "keep or reject.",
    "reasons": "Why it was rejected, joined by semicolons.",
    "cluster": "Identifier that near-duplicates share.",
    "representative": "SHA-256 of the best picture of the cluster.",
    "group": "Pictures of one group are in one split.",
    "split": "train, validation or test.",
    "mask": "Damage masks, relative to the workspace or its bucket, joined by semicolons.",
    "licence": "As stated where the picture was found.",
    "permission": "Content of robots.txt and opt-out headers, JSON.",
}


def layout(
    workspace: Workspace,
    pictures: list[Chosen],
    destination: Destination,
    options: PictureOptions,
    progress: Progress,
) -> list[Chosen]:
    """Write ``images/<split>/``, ``pictures.parquet`` and ``croissant.json``.

    Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html (version 1.0)
    """
    names = {
        picture.sha256: f"{picture.sha256}.{options.extension(picture)}" for picture in pictures
    }
    files = {f"images/{p.row['split']}/{names[p.sha256]}": p for p in pictures}
    destination.plan([*files, TABLE, DESCRIPTION])
    put_pictures(destination, files, options, progress)
    table = destination.folder / TABLE
    rows = [{"file_name": names[picture.sha256], **picture.row} for picture in pictures]
    write_parquet(table, rows, ("file_name", *COLUMNS))
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    licences = sorted({row["licence"] for row in rows if row["licence"]})
    document = describe(digest, licences, sorted({name.rpartition(".")[2] for name in files}))
    text = json.dumps(document, ensure_ascii=False, indent=2)
    atomic.write_text(destination.folder / DESCRIPTION, text + "\n")
    return pictures


def describe(table_sha256: str, licences: list[str], extensions: list[str]) -> dict[str, Any]:
    """Return the JSON-LD document.

    Parameters
    ----------
    table_sha256 : str
        Digest of the table.
    licences : list of str
        All that were found; each row has its own.
    extensions : list of str
        Of the picture files.
    """
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": "car-pictures",
        "description": "Car pictures, curated with bodyshop: one row per picture, with its class, "
        "split, group, source and licence. All pictures of a group are in the same split.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "datePublished": datetime.now(UTC).strftime("%Y-%m-%d"),
        "version": "1.0.0",
        "creator": {"@type": "sc:Organization", "name": f"bodyshop {__version__}"},
        "citeAs": "Cite the sources in the column file of the table.",
        "license": licences or ["see the column licence; an empty value means that none was found"],
        "url": DESCRIPTION,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": TABLE,
                "name": TABLE,
                "contentUrl": TABLE,
                "encodingFormat": "application/x-parquet",
                "sha256": table_sha256,
            },
            {
                "@type": "cr:FileSet",
                "@id": "images",
                "name": "images",
                "encodingFormat": [_MIME[extension] for extension in extensions],
                "includes": [f"images/*/*.{extension}" for extension in extensions],
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "pictures",
                "name": "pictures",
                "key": {"@id": "pictures/sha256"},
                "field": [*_picture_fields(), *map(_field, COLUMNS)],
            }
        ],
    }


def _field(column: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"pictures/{column}",
        "name": column,
        "description": _MEANING[column],
        "dataType": _TYPES.get(column, "sc:Text"),
        "source": {"fileObject": {"@id": TABLE}, "extract": {"column": column}},
    }


def _picture_fields() -> list[dict[str, Any]]:
    """Return the fields of the picture and of its file name, the key of the table."""
    files = {"fileSet": {"@id": "images"}}
    return [
        {
            "@type": "cr:Field",
            "@id": "pictures/file_name",
            "name": "file_name",
            "description": "Name of the file.",
            "dataType": "sc:Text",
            "source": files | {"extract": {"fileProperty": "filename"}},
            "references": {
                "fileObject": {"@id": TABLE},
                "extract": {"column": "file_name"},
            },
        },
        {
            "@type": "cr:Field",
            "@id": "pictures/picture",
            "name": "picture",
            "description": "The picture.",
            "dataType": "sc:ImageObject",
            "source": files | {"extract": {"fileProperty": "content"}},
        },
    ]


_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
