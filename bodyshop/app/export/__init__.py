"""The curated set for other tools: a table, class folders, COCO, YOLO, a Hub folder, Croissant."""

from bodyshop.lazy import lazy_exports

__all__ = ["COLUMNS", "FORMATS", "ExportSummary", "export", "manifest_rows"]

__getattr__ = lazy_exports(
    __name__,
    {
        "COLUMNS": "rows",
        "FORMATS": "exporting",
        "ExportSummary": "exporting",
        "export": "exporting",
        "manifest_rows": "rows",
    },
)
