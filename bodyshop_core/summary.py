"""Base of all dataclasses that become a JSON object, such as the outcome of a command."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar


class Summary:
    """Base of dataclasses that become a JSON object.

    A subclass lists the properties that the object has besides the fields in `derived`, and the
    fields that it lacks in `hidden`.
    """

    derived: ClassVar[tuple[str, ...]] = ()
    hidden: ClassVar[tuple[str, ...]] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-able values; ``seconds`` rounded to hundredths."""
        values: dict[str, Any] = {
            name: value
            for name, value in asdict(self).items()  # type: ignore[call-overload]
            if name not in self.hidden
        }
        values |= {name: getattr(self, name) for name in self.derived}
        values = _json_able(values)
        if isinstance(values.get("seconds"), float):
            values["seconds"] = round(values["seconds"], 2)
        return values


def _json_able(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {key: _json_able(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json_able(each) for each in value]
    return value
