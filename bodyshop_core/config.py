"""YAML files into pydantic models, with errors that name file, line, key and what is allowed."""

from __future__ import annotations

import difflib
import reprlib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bodyshop_core.errors import ConfigError

MAX_VALUES = 100_000
"""Values that a file may hold once its aliases are expanded: nine lines can stand for 10^9."""

MAX_DEPTH = 50
"""Levels of lists and mappings within one another."""


class StrictModel(BaseModel):
    """A frozen model that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def load_yaml(path: Path | str, model: type[Model]) -> Model:
    """Read and validate a YAML file.

    Parameters
    ----------
    path : Path or str
        A UTF-8 YAML file.
    model : type of pydantic model
        What it must hold.

    Returns
    -------
    Model
        The validated content.

    Raises
    ------
    ConfigError
        The file is absent, is not valid YAML, is too large, or does not fit the model.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError("no such file", file=path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the file can't be read: {error}", file=path) from error
    return parse_yaml(text, model, name=str(path))


def parse_yaml(text: str, model: type[Model], *, name: str = "<text>") -> Model:
    """Validate YAML text; `name` stands for the file in error messages.

    Raises
    ------
    ConfigError
        The text is not valid YAML, is too large, or does not fit the model.
    """
    node, data = _read(text, name)
    if not isinstance(data, dict):
        kind = "empty" if data is None else f"a {type(data).__name__}"
        raise ConfigError(f"the file must hold keys and values, but it is {kind}", file=name)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _explain(error, node, model, name) from error


def read_yaml(text: str, *, name: str = "<text>") -> Any:
    """Return the plain values of YAML text from outside; `name` stands for the file in errors.

    Raises
    ------
    ConfigError
        The text is not valid YAML; or it has more than `MAX_VALUES` values once its aliases are
        expanded, is nested deeper than `MAX_DEPTH`, or contains itself.
    """
    return _read(text, name)[1]


def line_of(text: str, location: tuple[int | str, ...]) -> int | None:
    """Return the line, from 1, on which the deepest known part of `location` stands in `text`.

    For rules that a model can't express, such as the arguments of a plug-in named in the file.
    """
    return _line_of(yaml.compose(text, Loader=yaml.SafeLoader), location)


def _read(text: str, name: str) -> tuple[yaml.Node | None, Any]:
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, None
        _refuse_bombs(node, name)
        return node, loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark is not None else None
        raise ConfigError(f"this is not valid YAML: {problem}", file=name, line=line) from error
    except RecursionError as error:
        raise ConfigError(f"nested deeper than {MAX_DEPTH} levels", file=name) from error
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        # From PyYAML's constructors: 2026-02-30, a number of 5,000 digits, "!!bool maybe".
        raise ConfigError(f"this is not valid YAML: {_cut(str(error))}", file=name) from error


def _refuse_bombs(root: yaml.Node, name: str) -> None:
    """Count the values that a document stands for, each alias as often as it is used.

    An alias is the same node again, so that each node is visited once, whatever it expands to.
    """
    sizes: dict[int, int] = {}
    above: set[int] = set()

    def size(node: yaml.Node, depth: int) -> int:
        line = node.start_mark.line + 1
        if id(node) in above:
            raise ConfigError("an alias refers to what it is a part of", file=name, line=line)
        if depth > MAX_DEPTH:
            raise ConfigError(f"nested deeper than {MAX_DEPTH} levels", file=name, line=line)
        if id(node) not in sizes:
            above.add(id(node))
            sizes[id(node)] = 1 + sum(size(child, depth + 1) for child in _children(node))
            above.remove(id(node))
        if sizes[id(node)] > MAX_VALUES:
            raise ConfigError(
                f"this expands to more than {MAX_VALUES:,} values",
                file=name,
                line=line,
                hint="use fewer aliases (*name)",
            )
        return sizes[id(node)]

    size(root, 0)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _explain(
    error: ValidationError, root: yaml.Node | None, model: type[BaseModel], name: str
) -> ConfigError:
    """Turn pydantic's first finding into one sentence with a place, and count the others."""
    findings = error.errors(include_url=False)
    first = findings[0]
    location = first["loc"]
    key = _cut(".".join(str(part) for part in location)) or None
    message, allowed, hint = first["msg"].removeprefix("Value error, "), None, None
    if first["type"] == "extra_forbidden":
        message = "unknown key"
        allowed = _known_keys(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
        hint = f"did you mean '{near[0]}'?" if near else None
    elif first["type"] == "missing":
        message = "missing key"
    elif first["type"] in {"literal_error", "enum"}:
        allowed = [str(first.get("ctx", {}).get("expected", ""))]
        message = f"{_short(first['input'])} is not allowed here"
    else:
        message = f"{message}, but {_short(first['input'])} was given"
    if len(findings) > 1:
        rest = len(findings) - 1
        message += f" [and {rest} more problem{'s' if rest > 1 else ''} in this file]"
    line = _line_of(root, location)
    return ConfigError(message, file=name, line=line, key=key, allowed=allowed, hint=hint)


def _short(value: object) -> str:
    """Return a value as one short line, however large it is."""
    brief = reprlib.Repr()
    brief.maxlevel, brief.maxlist, brief.maxdict, brief.maxstring = 2, 4, 4, 80
    return _cut(brief.repr(value))


def _cut(text: str, length: int = 200) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _line_of(root: yaml.Node | None, location: tuple[int | str, ...]) -> int | None:
    """Line of the deepest node on the way to `location`, from 1."""
    node, line = root, None
    for part in location:
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                if key_node.value == str(part):
                    node, line = value_node, key_node.start_mark.line + 1
                    break
            else:
                break
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            line = node.start_mark.line + 1
        # pydantic puts names of union members and validators between keys: skip them
    return line if line is not None else (root.start_mark.line + 1 if root is not None else None)


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Keys of the (nested) model that `location` points into."""
    current: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            continue
        current = _model_in(field.annotation) or current
    return [field.alias or name for name, field in getattr(current, "model_fields", {}).items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Find the first pydantic model inside an annotation such as ``tuple[Brand, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
