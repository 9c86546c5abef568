"""Reference pages made from the code: commands, configuration keys, tables, errors.

A page asks for a part with a line of its own, `<!-- reference: NAME -->`; what stands there in the
built page can't differ from the program.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

if TYPE_CHECKING:
    from sphinx.application import Sphinx


REPOSITORY = Path(__file__).parents[2]
PLACEHOLDER = re.compile(r"^<!-- reference: (?P<name>[\w: .]+) -->$", re.MULTILINE)
OUTSIDE = re.compile(
    r"\[(?P<text>[^\]]+)\]\((?:\.\./)+(?P<file>(?!\.\.)[\w./-]+)(?P<anchor>#[\w-]+)?\)"
)
"""A link to a file of the repository; those within the site name a folder of docs/ or none."""

PAGES_OF = {"CONTRIBUTING.md": "/contributing.md", "CHANGELOG.md": "/changelog.md"}
APPENDED = {"benchmarks": "\n\n```{toctree}\n:glob:\n:hidden:\n\nbenchmarks/*\n```\n"}
"""Page -> what it gets on the site and would look odd in the repository."""

PACKAGES = ("bodyshop", "bodyshop_core", "collector", "curate", "labeling", "augment", "train")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the replacement of placeholders with Sphinx."""
    app.connect("source-read", fill_placeholders)
    return {"parallel_read_safe": True}


def fill_placeholders(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the generated parts into a page that Sphinx has read, and mend what leads out of it."""
    text = PLACEHOLDER.sub(lambda found: part(found["name"]), source[0])
    source[0] = OUTSIDE.sub(_link_outside, text) + APPENDED.get(page, "")


def _link_outside(found: re.Match[str]) -> str:
    if found["file"] in PAGES_OF:
        return f"[{found['text']}]({PAGES_OF[found['file']]}{found['anchor'] or ''})"
    if (REPOSITORY / found["file"]).exists() and not (REPOSITORY / "docs" / found["file"]).exists():
        return f"{found['text']} (`{found['file']}`)"
    return found[0]


def part(name: str) -> str:
    """One generated part as Markdown.

    Parameters
    ----------
    name : str
        ``commands``, ``tables``, ``errors``, or ``model MODULE:CLASS`` for the keys of a file.

    Returns
    -------
    str
        Markdown, from heading level 2.

    Raises
    ------
    KeyError
        There is no such part.
    """
    kind, _, argument = name.partition(" ")
    return PARTS[kind](argument)


def commands(_: str) -> str:
    from bodyshop.cli import app

    return "\n\n".join(_commands(typer.main.get_command(app), "bodyshop"))


def _commands(command: Any, name: str) -> Iterator[str]:
    words = name.split()
    title = f"{'#' * max(2, len(words))} {name}\n\n{_prose(command.help)}"
    children = [child for child in getattr(command, "commands", {}).values() if not child.hidden]
    if children:
        if len(words) > 1:
            yield title
        for child in children:
            yield from _commands(child, f"{name} {child.name}")
        return
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"{title}\n\n```text\n{name} {usage}\n```"
    records = [parameter.get_help_record(context) for parameter in command.params]
    rows = [(f"`{record[0]}`", _prose(record[1])) for record in records if record]
    if rows:
        yield _table(("argument or option", "meaning"), rows)


def model(argument: str) -> str:
    module, _, name = argument.partition(":")
    root = getattr(importlib.import_module(module), name)
    found: dict[type[BaseModel], str] = {}
    _collect_models(root, "", found)
    return "\n\n".join(_model_table(each, path) for each, path in found.items())


def _collect_models(cls: type[BaseModel], path: str, found: dict[type[BaseModel], str]) -> None:
    if cls in found:
        return
    found[cls] = path
    for key, field in cls.model_fields.items():
        for inner in _models_in(field.annotation):
            _collect_models(inner, f"{path}.{field.alias or key}".lstrip("."), found)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _model_table(cls: type[BaseModel], path: str) -> str:
    described = _described(cls)
    rows = [
        (
            f"`{field.alias or key}`",
            _kind(field.annotation),
            "required" if field.is_required() else _default(field.default),
            described.get(key, ""),
        )
        for key, field in cls.model_fields.items()
    ]
    summary = _prose((inspect.getdoc(cls) or "").split("\n\n")[0])
    title = f"### `{path}`, {cls.__name__}" if path else f"### {cls.__name__}"
    return f"{title}\n\n{summary}\n\n" + _table(("key", "value", "default", "meaning"), rows)


def _kind(annotation: Any) -> str:
    """Say what a key may hold: ``text or none``, ``list of whole number``, ``a | b``."""
    inner = [each for each in get_args(annotation) if each is not Ellipsis]
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin is Annotated:
        return _kind(inner[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_kind(each) for each in inner))
    if origin in (tuple, list, set, frozenset):
        return "list of " + " or ".join(dict.fromkeys(_kind(each) for each in inner))
    if origin in (dict, Mapping):
        return f"mapping of {_kind(inner[0])} to {_kind(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"a mapping with the keys of {annotation.__name__}"
    return WORDS.get(annotation, getattr(annotation, "__name__", "text"))


def _default(value: Any) -> str:
    if value is PydanticUndefined or value is None or value in ((), {}, ""):
        return ""
    return "its keys' defaults" if isinstance(value, BaseModel) else f"`{value}`"


def _described(cls: type) -> dict[str, str]:
    """Parameter -> description, from the NumPy-style docstrings of a class and its bases."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        section = re.search(r"Parameters\n-+\n(.*?)(?:\n\n\w+\n-+\n|\Z)", text, re.DOTALL)
        if section is None:
            continue
        for entry in re.split(r"\n(?=\S)", section[1]):
            head, _, body = entry.partition("\n")
            names, _, _kind = head.partition(" : ")
            found |= {name.strip(): _prose(inspect.cleandoc(body)) for name in names.split(",")}
    return found


def tables(_: str) -> str:
    from bodyshop_core.catalog import schema

    comments = {
        (table, column): comment
        for table, column, comment in _column_comments(inspect.getsource(schema))
    }
    parts = []
    for table in schema.metadata.tables.values():
        rows = [
            (
                f"`{column.name}`" + (" (key)" if column.primary_key else ""),
                str(column.type).lower(),
                _prose(comments.get((table.name, column.name), "")),
            )
            for column in table.columns
        ]
        parts.append(f"## {table.name}\n\n" + _table(("column", "type", "meaning"), rows))
    return "\n\n".join(parts)


def _column_comments(source: str) -> Iterator[tuple[str, str, str]]:
    table = ""
    for line in source.splitlines():
        if found := re.match(r'\s+"(\w+)",$', line):
            table = found[1]
        elif found := re.match(r'\s+Column\("(\w+)".*?\),\s+# (.+)$', line):
            yield table, found[1], found[2]


def errors(_: str) -> str:
    from bodyshop_core.errors import BodyshopError

    for package in PACKAGES:
        for found in pkgutil.walk_packages(
            [*importlib.import_module(package).__path__], f"{package}."
        ):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    rows = [
        (
            f"`{cls.__name__}`",
            str(cls.exit_code),
            _prose((inspect.getdoc(cls) or "").split("\n\n")[0]),
        )
        for cls in sorted(_tree(BodyshopError), key=lambda cls: (cls.exit_code, cls.__name__))
    ]
    return _table(("error", "exit code", "meaning"), rows)


def _tree(cls: type[Any]) -> Iterator[type[Any]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _tree(child)


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _prose(text: str | None) -> str:
    """Docstring markup as Markdown: ``code`` becomes `code`."""
    plain = re.sub(r"\\\[(?=\w)", "[", (text or "").replace("``", "`"))
    return plain.replace("<", "&lt;") if "`" not in plain else plain


WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    type(None): "none",
    Any: "anything",
}
PARTS: dict[str, Callable[[str], str]] = {
    "commands": commands,
    "model": model,
    "tables": tables,
    "errors": errors,
}
