"""Recipes: the structure of a search page as versioned data instead of code.

If a page changes, a line of YAML has to change, and no release is needed. Every CSS selector may be
a list of alternates. Of results, all alternates count, because pages mix layouts; of everything
else the first that matches.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from bodyshop_core.config import StrictModel, load_yaml, parse_yaml
from bodyshop_core.errors import ConfigError
from collector.brands import Name

Alternates = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
]
"""CSS selectors in order of preference; one alone may be written without brackets."""


class Scroll(StrictModel):
    """How the result list is scrolled.

    Parameters
    ----------
    step : float
        Part of the window's height per scroll.
    max_rounds : int
        Most scrolls.
    quiet_rounds : int
        Scrolls in a row without a new result after which the list counts as complete.
    settle_ms : int
        Longest wait for a new result after a scroll.
    """

    step: float = Field(0.9, gt=0, le=10)
    max_rounds: int = Field(60, ge=0)
    quiet_rounds: int = Field(3, ge=1)
    settle_ms: int = Field(1500, ge=50, le=30_000)


class Metadata(StrictModel):
    """Full-size addresses in the result list itself, so that no click is needed.

    ``attribute`` of the element (``css`` inside the result; empty: the result itself) contains
    either the address itself (``format: url``), JSON (``format: json``, keys by dotted path), or a
    link with the address in its query parameters (``format: query``).
    """

    css: Alternates = ()
    attribute: str
    format: Literal["url", "json", "query"] = "url"
    image: str = ""
    page: str = ""
    title: str = ""


class Blocked(StrictModel):
    """Signs of a challenge page: its host is disabled for the run; nothing is circumvented."""

    css: Alternates = ()
    text: tuple[str, ...] = ()
    url: tuple[str, ...] = ()

    @field_validator("text", "url")
    @classmethod
    def _compiles(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return _compiled(patterns)


class Canary(StrictModel):
    """A query that must find at least `min_images`, to notice a changed page early."""

    query: Name
    min_images: int = Field(10, ge=1)


class SearchRecipe(StrictModel):
    """An image-search page.

    Parameters
    ----------
    name : str
        Its name in brands.yaml, and ``search:<name>`` in the provenance.
    version : str
        Any text that changes with the recipe; recorded with every picture.
    checked : str
        When it last worked on the live site, or that it was never checked.
    url : str
        Address of the result page with ``{query}`` for the percent-encoded query.
    page_wait : alternates
        An element that is visible when the page is ready, also without a result.
    result : alternates
        One result in the list; what any alternate finds counts, once.
    metadata : tuple of Metadata
        Where the full-size address is in the result; tried in order before any click.
    click : alternates
        What to click inside a result; empty: the result itself.
    full_image : alternates
        The full-size ``<img>`` of the preview, anywhere in the page.
    source_link : alternates
        The link to the picture's page of origin, anywhere in the page.
    close : alternates
        What closes the preview; empty: it does not need to be closed.
    more_button : alternates
        "Show more".
    consent : alternates
        The button of a cookie banner that gives the least consent.
    thumbnail_hosts : tuple of str
        Hosts (and their subdomains) that serve previews only.
    thumbnail_urls : tuple of str
        Regular expressions of preview addresses.
    preview_ms : int
        Longest wait for the full-size picture after a click.
    """

    name: Name
    version: Name
    checked: str = "not checked against the live site"
    url: str
    page_wait: Alternates = ()
    result: Alternates = Field(min_length=1)
    metadata: tuple[Metadata, ...] = ()
    click: Alternates = ()
    full_image: Alternates = ()
    source_link: Alternates = ()
    close: Alternates = ()
    scroll: Scroll = Scroll()
    more_button: Alternates = ()
    consent: Alternates = ()
    blocked: Blocked = Blocked()
    thumbnail_hosts: tuple[str, ...] = ()
    thumbnail_urls: tuple[str, ...] = ()
    preview_ms: int = Field(4000, ge=100, le=60_000)
    page_ms: int = Field(20_000, ge=100, le=120_000)
    canary: Canary

    @field_validator("url")
    @classmethod
    def _has_place(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")) or "{query}" not in url:
            raise ValueError("must be an http(s) address that contains {query}")
        return url

    @field_validator("thumbnail_urls")
    @classmethod
    def _compiles(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return _compiled(patterns)

    @property
    def source(self) -> str:
        """The source's name in the catalog."""
        return f"search:{self.name}"


def load_recipe(name_or_path: str | Path) -> SearchRecipe:
    """Return a shipped recipe by name, or one from a YAML file.

    Raises
    ------
    ConfigError
        There is no such recipe, or the file is not valid.
    """
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"}:
        return load_yaml(path, SearchRecipe)
    shipped = shipped_recipes()
    if str(name_or_path) not in shipped:
        raise ConfigError(
            f"there is no search recipe {str(name_or_path)!r}",
            key="sources.search.engines",
            allowed=[*shipped, "a path to a recipe .yaml"],
        )
    file = resources.files("collector.recipes").joinpath(f"{name_or_path}.yaml")
    return parse_yaml(file.read_text("utf-8"), SearchRecipe, name=f"recipes/{name_or_path}.yaml")


def shipped_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that are part of bodyshop."""
    files = resources.files("collector.recipes").iterdir()
    return tuple(sorted(file.name[:-5] for file in files if file.name.endswith(".yaml")))


def recipes_for(engines: tuple[str, ...], files: tuple[Path, ...]) -> tuple[SearchRecipe, ...]:
    """Resolve the engines of a brands.yaml: names defined by its own recipe files come first."""
    own = {recipe.name: recipe for recipe in map(load_recipe, files)}
    return tuple(own[name] if name in own else load_recipe(name) for name in engines)


def _compiled(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a valid regular expression: {error}") from error
    return patterns
