"""YAML files that come with the package, by name, and anyone's own, by path."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from bodyshop_core.config import StrictModel, load_yaml, parse_yaml, read_yaml
from bodyshop_core.errors import ConfigError, UsageError

Shipped = TypeVar("Shipped", bound=StrictModel)

YAML = (".yaml", ".yml")


def shipped_names(folder: str) -> tuple[str, ...]:
    """Return the names of the files in a folder of this package, in order."""
    entries = (files("train") / folder).iterdir()
    return tuple(sorted(e.name.removesuffix(".yaml") for e in entries if e.name.endswith(".yaml")))


def is_file(name_or_path: str | Path) -> bool:
    """Say whether a file is meant rather than a name."""
    return str(name_or_path).endswith(YAML)


def is_kind(name_or_path: str | Path, folder: str, key: str) -> bool:
    """Say whether a name is one of a folder's, or a YAML file has a kind's own key."""
    if not is_file(name_or_path):
        return str(name_or_path) in shipped_names(folder)
    try:
        data = read_yaml(Path(name_or_path).read_text(encoding="utf-8"), name=str(name_or_path))
    except (OSError, UnicodeDecodeError, ConfigError):
        return False  # whoever loads it says what is wrong with it
    return isinstance(data, dict) and key in data


def load_shipped(
    name_or_path: str | Path | Shipped, kind: type[Shipped], folder: str, *, what: str
) -> Shipped:
    """Read a shipped file by name, or one's own; what is read already is returned as it is.

    Parameters
    ----------
    name_or_path : str, Path or `kind`
        A name out of `shipped_names`, or a path ending in ``.yaml`` or ``.yml``.
    kind : type
        What the file holds.
    folder : str
        Of this package.
    what : str
        What the messages call it.

    Raises
    ------
    UsageError
        Nothing shipped has that name.
    ConfigError
        The file is not valid.
    """
    if isinstance(name_or_path, kind):
        return name_or_path
    assert not isinstance(name_or_path, StrictModel)
    if is_file(name_or_path):
        return load_yaml(Path(name_or_path), kind)
    names = shipped_names(folder)
    if str(name_or_path) not in names:
        raise UsageError(
            f"there is no {what} '{name_or_path}'",
            hint=f"choose one of {', '.join(names)}, or give a .yaml file",
        )
    file = files("train") / folder / f"{name_or_path}.yaml"
    return parse_yaml(file.read_text(encoding="utf-8"), kind, name=f"{folder}/{name_or_path}.yaml")
