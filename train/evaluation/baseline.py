"""What a model has to exceed: the majority class, nuisance features, a linear probe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any


def baselines(
    labels: Sequence[str],
    *,
    audit: Mapping[str, Any] | None = None,
    linear_probe: Mapping[str, Any] | None = None,
    shipped: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the accuracies that a model is compared with, as JSON-able values.

    Parameters
    ----------
    labels : Sequence of str
        True classes of the tested pictures, at least one.
    audit : Mapping, optional
        As `train.data.samples.audit_baseline`: what size, sharpness, source and other nuisance
        features achieve without the picture's content.
    linear_probe : Mapping, optional
        ``accuracy`` and ``ci95`` of a logistic regression on the pretrained features.
    shipped : Mapping, optional
        ``accuracy`` and ``ci95`` of the damage model that comes with the package.

    Returns
    -------
    dict
        ``majority`` (``label``, ``accuracy``: the most frequent class for every picture), and
        ``audit``, ``linear_probe`` and ``shipped`` where given.
    """
    counts = Counter(labels)
    most = min(counts, key=lambda name: (-counts[name], name))
    found: dict[str, Any] = {
        "majority": {"label": most, "accuracy": counts[most] / len(labels)},
    }
    if audit:
        found["audit"] = dict(audit)
    for name, figures in (("linear_probe", linear_probe), ("shipped", shipped)):
        if figures:
            found[name] = {key: figures[key] for key in ("accuracy", "ci95")}
    return found
