"""brands.yaml: which cars to collect, from where, with which label, and with which limits."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from bodyshop_core.config import StrictModel, load_yaml, parse_yaml
from bodyshop_core.errors import ConfigError
from collector.weburl import is_web_address

Robots = Literal["obey", "override"]

LIST_SUFFIXES = (".txt", ".urls", ".lst")  # one address per line, in place of a brands.yaml


def load_brands(path: Path | str) -> Brands:
    """Read and validate a brands.yaml.

    Parameters
    ----------
    path : Path or str
        The file. Paths inside it (recipes, lists of urls) are taken relative to it.

    Returns
    -------
    Brands
        With every name in Unicode NFC.

    Raises
    ------
    ConfigError
        The file is missing or not valid; the message names file, line, key and allowed values.
    """
    path = Path(path)
    return load_yaml(path, Brands).located(path.absolute().parent)


def parse_brands(text: str, *, name: str = "<text>", folder: Path | None = None) -> Brands:
    """Validate the text of a brands.yaml; relative paths in it start at `folder`."""
    brands = parse_yaml(text, Brands, name=name)
    return brands.located(folder) if folder is not None else brands


def brands_of_list(
    file: Path | str, *, contact: str | None, brand: str, model: str, label: str | None = None
) -> Brands:
    """Return what a brands.yaml with nothing but one list of addresses would say.

    Parameters
    ----------
    file : Path or str
        A text file with one address of a picture per line.
    contact : str
        An e-mail or web address where a site's owner can reach you.
    brand, model : str
        Of all pictures.
    label : str, optional
        Damage label of all pictures.

    Raises
    ------
    ConfigError
        The file is missing, or one of the others is absent or not valid.
    """
    path = Path(file).absolute()
    if not path.is_file():
        raise ConfigError("there is no such file", file=path)
    lists = [{"file": str(path), "label": label}]
    models = [{"name": model, "lists": lists}]
    try:
        return Brands.model_validate(
            {"contact": contact or "", "brands": [{"name": brand, "models": models}]}
        )
    except ValidationError as error:
        first = error.errors()[0]
        key = "--" + str(next((at for at in reversed(first["loc"]) if isinstance(at, str)), ""))
        key = {"--name": "--brand and --model"}.get(key, key)
        raise ConfigError(f"{key}: {first['msg'].removeprefix('Value error, ')}") from error


def _text(value: Any) -> Any:
    """Accept ``5`` or ``3.0`` as a name: YAML reads the model names 500 and 3008 as numbers."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _nfc(value: str) -> str:
    value = unicodedata.normalize("NFC", value).strip()
    if not value:
        raise ValueError("must not be empty")
    return value


def _http_url(value: str) -> str:
    if not is_web_address(value):
        raise ValueError("must be a complete http:// or https:// address")
    parts = urlsplit(value)
    if parts.username or parts.password:
        raise ValueError("an address must not contain a user name or password")
    return value


Name = Annotated[str, BeforeValidator(_text), AfterValidator(_nfc)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]


def _shorthand(key: str) -> BeforeValidator:
    """Accept ``- https://…`` for ``- {url: https://…}``."""
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str | int | float) else value
    )


class CrawlLimits(StrictModel):
    """Limits of number, speed and size.

    Parameters
    ----------
    per_model : int
        Most pictures per model.
    per_host_interval : float
        Seconds between the starts of two requests to one host; 0 only for `Brands.allow_hosts`.
    per_host_connections : int
        Most simultaneous requests to one host.
    count_by_address : bool
        Hosts with one IP address count as one host.
    min_side : int
        Least shorter side of a picture, in pixels.
    max_bytes : int
        Largest picture file, in bytes.
    request_seconds : float
        Deadline of one complete download.
    load_seconds : float
        Deadline of loading a page; what has arrived by then is used.
    behaviour_seconds : float
        Time for everything on a loaded page: the consent banner, scrolling, clicking results,
        turning a viewer.
    page_items : int
        Most pictures of one page or query.
    attempts : int
        Most attempts after failures that may be temporary (a timeout, a 5xx, a cut connection).
    retry_seconds : float
        Delay before the second attempt; doubled for each further one, with random variation.
    """

    per_model: int = Field(500, ge=1)
    per_host_interval: float = Field(1.0, ge=0, le=3600)
    per_host_connections: int = Field(2, ge=1, le=16)
    count_by_address: bool = False
    min_side: int = Field(200, ge=1)
    max_bytes: int = Field(20_000_000, ge=1_000)
    request_seconds: float = Field(60.0, gt=0)
    load_seconds: float = Field(60.0, gt=0, le=3600)
    behaviour_seconds: float = Field(90.0, gt=0, le=3600)
    page_items: int = Field(1000, ge=1)
    attempts: int = Field(3, ge=1, le=20)
    retry_seconds: float = Field(2.0, gt=0)


class SourceConfig(StrictModel):
    """Settings of a source; ``robots: override`` is recorded with every picture of it."""

    enabled: bool = True
    robots: Robots = "obey"


class OptInSourceConfig(SourceConfig):
    """A source that is disabled by default."""

    enabled: bool = False


class SearchSourceConfig(StrictModel):
    """The image searches: names of recipes, none by default."""

    engines: tuple[Name, ...] = ()
    robots: Robots = "obey"


class ApiSourceConfig(OptInSourceConfig):
    """A licensed source with an API; `endpoint` replaces its public address (mirror, test)."""

    endpoint: HttpUrl | None = None
    licences: tuple[Name, ...] = ()
    per_query: int = Field(60, ge=1)


class SourcesConfig(StrictModel):
    """The settings of every kind of source."""

    pages: SourceConfig = SourceConfig()
    spinners: SourceConfig = SourceConfig()
    urls: SourceConfig = SourceConfig()
    search: SearchSourceConfig = SearchSourceConfig()
    angles: OptInSourceConfig = OptInSourceConfig()
    openverse: ApiSourceConfig = ApiSourceConfig()
    commons: ApiSourceConfig = ApiSourceConfig()


class Page(StrictModel):
    """A page whose pictures show the model."""

    url: HttpUrl
    label: Name | None = None


class Spinner(Page):
    """A page with a 360° viewer; `kind` says how its frames are read, by default ``auto``."""

    kind: Literal["auto", "config", "drag", "canvas"] = "auto"
    frames: int | None = Field(None, ge=2, le=720)


class Query(StrictModel):
    """A search for the model; its label has a lower rank than a person's or a folder name."""

    text: Name
    label: Name | None = None


class UrlList(StrictModel):
    """Addresses of pictures: in a text file, one per line, or in brands.yaml itself."""

    file: Path | None = None
    urls: tuple[HttpUrl, ...] = ()
    label: Name | None = None

    @model_validator(mode="after")
    def _something_given(self) -> Self:
        if self.file is None and not self.urls:
            raise ValueError("a list of urls needs `file` or `urls`")
        return self


class KeyFrom(StrictModel):
    """The environment variable with an API key, and how the key is sent."""

    variable: Name
    header: Name | None = None
    parameter: Name | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.header is None) == (self.parameter is None):
            raise ValueError("a key needs either `header` or `parameter`: how it is sent")
        return self


class Views(StrictModel):
    """The names of the views of a complete turn, numbered from `first` to `last` inclusive."""

    name: Name = "{}"
    first: int = Field(0, ge=0)
    last: int = Field(ge=1)
    step: int = Field(1, ge=1)
    digits: int = Field(0, ge=0, le=6)

    def names(self) -> list[str]:
        """Return them in the order of the turn."""
        numbers = range(self.first, self.last + 1, self.step)
        return [self.name.replace("{}", str(number).zfill(self.digits)) for number in numbers]

    @model_validator(mode="after")
    def _a_turn(self) -> Self:
        if "{}" not in self.name:
            raise ValueError("`name` needs {} in the place of the number")
        if not 3 <= len(self.names()) <= 720:
            raise ValueError("a turn needs 3 to 720 views")
        return self


class Angles(StrictModel):
    """An API with pictures of the model from all sides.

    Parameters
    ----------
    url : str
        With ``{view}``, or ``{views}`` for all of them, separated by commas, in one request.
    answer : str, optional
        Path of a picture's address in the JSON response; without it the response is the picture.
    """

    url: HttpUrl
    views: Views
    answer: Name | None = None
    key: KeyFrom | None = None
    label: Name | None = None

    @model_validator(mode="after")
    def _places(self) -> Self:
        if ("{view}" in self.url) == ("{views}" in self.url):
            raise ValueError("`url` needs {view}, or {views} for all in one request")
        if "{views}" in self.url and "{view}" not in (self.answer or ""):
            raise ValueError("with {views} in `url`, `answer` needs {view}")
        return self


class Model(StrictModel):
    """A car model: (brand, name) is its key everywhere."""

    name: Name
    label: Name | None = None
    pages: tuple[Annotated[Page, _shorthand("url")], ...] = ()
    spinners: tuple[Annotated[Spinner, _shorthand("url")], ...] = ()
    queries: tuple[Annotated[Query, _shorthand("text")], ...] = ()
    angles: tuple[Angles, ...] = ()
    lists: tuple[UrlList, ...] = ()


class Brand(StrictModel):
    """A brand and its models; `label` is the damage label of entries without one."""

    name: Name
    label: Name | None = None
    models: tuple[Annotated[Model, _shorthand("name")], ...] = Field(min_length=1)

    @field_validator("models")
    @classmethod
    def _named_once(cls, models: tuple[Model, ...]) -> tuple[Model, ...]:
        _refuse_repeats([model.name for model in models], "model")
        return models


class Brands(StrictModel):
    """The whole file."""

    version: Literal[1] = 1
    contact: Annotated[str, AfterValidator(_nfc)]
    allow_hosts: tuple[Name, ...] = ()
    limits: CrawlLimits = CrawlLimits()
    sources: SourcesConfig = SourcesConfig()
    recipes: tuple[Path, ...] = ()
    brands: tuple[Brand, ...] = Field(min_length=1)

    def active_angles(self) -> list[Angles]:
        """Return the entries of every model under ``angles``, if that source is enabled."""
        if not self.sources.angles.enabled:
            return []
        return [each for brand in self.brands for model in brand.models for each in model.angles]

    @field_validator("contact")
    @classmethod
    def _reachable(cls, contact: str) -> str:
        if "@" not in contact and not contact.startswith(("http://", "https://")):
            raise ValueError("must be an e-mail or web address where a site's owner can reach you")
        if not contact.isascii() or not contact.isprintable():
            raise ValueError("must be plain ASCII, because it is sent in an HTTP header")
        return contact

    @field_validator("brands")
    @classmethod
    def _named_once(cls, brands: tuple[Brand, ...]) -> tuple[Brand, ...]:
        _refuse_repeats([brand.name for brand in brands], "brand")
        return brands

    @model_validator(mode="after")
    def _keys_are_encrypted(self) -> Self:
        for entry in (e for brand in self.brands for model in brand.models for e in model.angles):
            parts = urlsplit(entry.url)
            own = {parts.hostname, parts.netloc} & set(self.allow_hosts)
            if entry.key is not None and parts.scheme != "https" and not own:
                raise ValueError("an address with a key must be https://")
        return self

    def located(self, folder: Path) -> Brands:
        """Return the same with relative paths made absolute, relative to `folder`."""

        def moved(item: UrlList) -> UrlList:
            return item.model_copy(update={"file": folder / item.file}) if item.file else item

        def placed(model: Model) -> Model:
            return model.model_copy(update={"lists": tuple(map(moved, model.lists))})

        brands = tuple(
            brand.model_copy(update={"models": tuple(map(placed, brand.models))})
            for brand in self.brands
        )
        recipes = tuple(folder / path for path in self.recipes)
        return self.model_copy(update={"brands": brands, "recipes": recipes})


def _refuse_repeats(names: list[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"duplicate {what} {name!r}")
        seen.add(name)
