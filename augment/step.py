"""One step of a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """One transform, or a group of transforms.

    Parameters
    ----------
    name : str
        Its name in Albumentations.
    arguments : Mapping
        Keyword arguments, JSON-able.
    children : tuple of Step
        The transforms of a group such as ``OneOf``.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    children: tuple[Step, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the step in the form of a policy file."""
        inner: dict[str, Any] = dict(self.arguments)
        if self.children:
            inner["transforms"] = [child.as_dict() for child in self.children]
        return {self.name: inner}
