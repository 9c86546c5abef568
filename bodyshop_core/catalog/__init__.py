"""The catalog: every picture, its provenance, and everything that the stages found out."""

from bodyshop_core.catalog import schema
from bodyshop_core.catalog.dialect import CatalogError
from bodyshop_core.catalog.images import (
    FACTS,
    all_images,
    extensions_of,
    is_forgotten,
    pictures_among,
    register_image,
)
from bodyshop_core.catalog.labels import (
    EffectiveLabel,
    Field,
    Origin,
    add_labels,
    each_effective_label,
    effective_labels,
    nfc,
)
from bodyshop_core.catalog.origins import UNKNOWN, host_of, picture_origins
from bodyshop_core.catalog.reasons import AnyReason, ProbeReason, Reason, in_order, read_reason
from bodyshop_core.catalog.store import Catalog, now
from bodyshop_core.catalog.streaming import stream, within
from bodyshop_core.storage.blobs import Blob, BlobRef, BlobStore

__all__ = [
    "FACTS",
    "UNKNOWN",
    "AnyReason",
    "Blob",
    "BlobRef",
    "BlobStore",
    "Catalog",
    "CatalogError",
    "EffectiveLabel",
    "Field",
    "Origin",
    "ProbeReason",
    "Reason",
    "add_labels",
    "all_images",
    "each_effective_label",
    "effective_labels",
    "extensions_of",
    "host_of",
    "in_order",
    "is_forgotten",
    "nfc",
    "now",
    "picture_origins",
    "pictures_among",
    "read_reason",
    "register_image",
    "schema",
    "stream",
    "within",
]
