"""Labelling: damage masks and reviews through Label Studio, and mask files in and out."""

from __future__ import annotations

from bodyshop.lazy import lazy_exports

__all__ = [
    "AnnotationServer",
    "Connection",
    "Kind",
    "Picture",
    "Prediction",
    "Selection",
    "doctor",
    "export_masks",
    "import_masks",
    "init",
    "measure_agreement",
    "pull",
    "push",
    "serve",
    "status",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "AnnotationServer": "server",
        "Connection": "connection",
        "Kind": "scheme",
        "Picture": "tasks",
        "Prediction": "tasks",
        "Selection": "selection",
        "measure_agreement": "agreement",
        "doctor": "checkup",
        "export_masks": "exchange",
        "import_masks": "exchange",
        "init": "project",
        "pull": "pulling",
        "push": "pushing",
        "serve": "server",
        "status": "overview",
    },
)
