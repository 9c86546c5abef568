"""The catalog: every picture, where it came from, and everything that was found out about it."""

from bodyshop.catalog import schema
from bodyshop.catalog.blobs import Blob, BlobStore
from bodyshop.catalog.bulk import Prepared
from bodyshop.catalog.images import FACTS, all_images, is_forgotten, register_image
from bodyshop.catalog.labels import (
    EffectiveLabel,
    Field,
    Origin,
    add_labels,
    effective_labels,
    nfc,
)
from bodyshop.catalog.reasons import Reason
from bodyshop.catalog.store import Catalog, CatalogError, now

__all__ = [
    "FACTS",
    "Blob",
    "BlobStore",
    "Catalog",
    "CatalogError",
    "EffectiveLabel",
    "Field",
    "Origin",
    "Prepared",
    "Reason",
    "add_labels",
    "all_images",
    "effective_labels",
    "is_forgotten",
    "nfc",
    "now",
    "register_image",
    "schema",
]
