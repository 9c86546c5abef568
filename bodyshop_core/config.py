"""YAML files into pydantic models, with errors that name file, line, key and what is allowed."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bodyshop_core.errors import ConfigError


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
        The file is absent, is no YAML, or does not fit the model.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError("there is no such file", file=path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the file can't be read: {error}", file=path) from error
    return parse_yaml(text, model, name=str(path))


def parse_yaml(text: str, model: type[Model], *, name: str = "<text>") -> Model:
    """Validate YAML text; `name` stands for the file in error messages.

    Raises
    ------
    ConfigError
        The text is no YAML, or does not fit the model.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark is not None else None
        raise ConfigError(f"this is not valid YAML: {problem}", file=name, line=line) from error
    if not isinstance(data, dict):
        kind = "empty" if data is None else f"a {type(data).__name__}"
        raise ConfigError(f"the file must hold keys and values, but it is {kind}", file=name)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _explain(error, node, model, name) from error


def line_of(text: str, location: tuple[int | str, ...]) -> int | None:
    """Return the line, from 1, on which the deepest known part of `location` stands in `text`.

    For rules that a model can't hold, such as the arguments of a plug-in named in the file.
    """
    return _line_of(yaml.compose(text, Loader=yaml.SafeLoader), location)


def _explain(
    error: ValidationError, root: yaml.Node | None, model: type[BaseModel], name: str
) -> ConfigError:
    """Turn pydantic's first finding into one sentence with a place, and count the others."""
    findings = error.errors(include_url=False)
    first = findings[0]
    location = first["loc"]
    key = ".".join(str(part) for part in location) or None
    message, allowed, hint = first["msg"].removeprefix("Value error, "), None, None
    if first["type"] == "extra_forbidden":
        message = "this key is not known"
        allowed = _known_keys(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
        hint = f"did you mean '{near[0]}'?" if near else None
    elif first["type"] == "missing":
        message = "this key is missing"
    elif first["type"] in {"literal_error", "enum"}:
        allowed = [str(first.get("ctx", {}).get("expected", ""))]
        message = f"{first['input']!r} is not allowed here"
    else:
        message = f"{message}, but {first['input']!r} was given"
    if len(findings) > 1:
        rest = len(findings) - 1
        message += f" [and {rest} more problem{'s' if rest > 1 else ''} in this file]"
    line = _line_of(root, location)
    return ConfigError(message, file=name, line=line, key=key, allowed=allowed, hint=hint)


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
