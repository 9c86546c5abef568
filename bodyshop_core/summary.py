"""What the outcome of every command has in common: it becomes one JSON object."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar


class Summary:
    """Base of the frozen dataclasses that commands return.

    A subclass names computed properties that belong into the JSON object in `derived`, and fields
    that stay out of it in `hidden`.
    """

    derived: ClassVar[tuple[str, ...]] = ()
    hidden: ClassVar[tuple[str, ...]] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-able values; ``seconds`` rounded to hundredths."""
        values: dict[str, Any] = {
            name: value
            for name, value in asdict(self).items()  # type: ignore[call-overload]
            if name not in self.hidden
        }
        values |= {name: getattr(self, name) for name in self.derived}
        if isinstance(values.get("seconds"), float):
            values["seconds"] = round(values["seconds"], 2)
        return values
