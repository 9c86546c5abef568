"""The addresses at which image CDNs serve the original of a scaled picture.

The rules are data (`full_size.yaml`): a new service needs no code.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources
from typing import Annotated, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

from pydantic import BeforeValidator, Field, model_validator

from bodyshop_core.config import StrictModel, parse_yaml
from collector.brands import Name
from collector.weburl import is_web_address

MAX_WRAPPINGS = 3
"""An original may be scaled by one service and delivered by another."""

_SIGNED = re.compile(r"sig|token|expires|hmac|policy|hash", re.IGNORECASE)
_PART = re.compile(r"\{(\w+)(!u)?\}")


class RewriteRule(StrictModel):
    """How one service writes the address of a scaled picture; the keys are those of the file.

    Parameters
    ----------
    pattern : str
        Regular expression that is searched in the address without its fragment.
    to : tuple of str
        New addresses with ``{name}`` for the parts that `pattern` names; ``{name!u}`` without
        percent-encoding.
    absolute : str, optional
        If this part is an http(s) address, it is the new address itself.
    drop : tuple of str
        Instead of `to`: query parameters to remove.
    unless : str, optional
        Regular expression of addresses that must stay as they are (signed ones).
    examples : dict
        Old address -> first new address.
    """

    name: Name
    pattern: str
    to: Annotated[
        tuple[str, ...],
        BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    ] = ()
    absolute: str | None = None
    drop: tuple[str, ...] = ()
    unless: str | None = None
    examples: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for pattern in (self.pattern, self.unless):
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise ValueError(
                    f"{pattern!r} is not a valid regular expression: {error}"
                ) from error
        if bool(self.to) == bool(self.drop):
            raise ValueError("a rule needs either `to` or `drop`")
        return self

    def apply(self, url: str) -> tuple[str, ...]:
        """Return the new addresses, best first; none if the rule does not change `url`."""
        match = re.search(self.pattern, url)
        if match is None or (self.unless and re.search(self.unless, url)):
            return ()
        if self.drop:
            found: list[str] = [_without(url, frozenset(self.drop))]
        elif self.absolute and re.match("https?:/", match[self.absolute]):
            # a server in between may have merged the two slashes
            found = [re.sub("^(https?):/+", r"\1://", match[self.absolute])]
        else:
            found = [urljoin(url, _filled(template, match)) for template in self.to]
        return tuple(each for each in found if each != url and is_web_address(each))


class RewriteRules(StrictModel):
    """The whole file; its version is part of the provenance of every rewritten picture."""

    version: Name
    rules: tuple[RewriteRule, ...]


def original_addresses(url: str) -> tuple[str, ...]:
    """Return the addresses at which the unscaled picture may be, best first.

    Parameters
    ----------
    url : str
        Address of a picture.

    Returns
    -------
    tuple of str
        Empty if no rule knows the address, or if it is signed, so that any change would make it
        invalid.
    """
    found: list[str] = []
    at = urlsplit(url)._replace(fragment="").geturl()
    for _ in range(MAX_WRAPPINGS):
        try:
            results = _first_result(at)
        except ValueError:  # an address inside the address that cannot be parsed
            break
        if not results:
            break
        found = [*results, *(each for each in found if each not in results)]
        at = results[0]
    return tuple(each for each in found if each != url)


@lru_cache(maxsize=1)
def rewrite_rules() -> RewriteRules:
    """Return the rules that are part of bodyshop."""
    file = resources.files("collector.sources").joinpath("full_size.yaml")
    return parse_yaml(file.read_text("utf-8"), RewriteRules, name="sources/full_size.yaml")


def _first_result(url: str) -> tuple[str, ...]:
    wrapped = None
    for rule in rewrite_rules().rules:
        results = rule.apply(url)
        if results:
            wrapped = results
            break
    if wrapped is None:
        return ()
    same_host = urlsplit(wrapped[0]).netloc == urlsplit(url).netloc
    return () if same_host and _is_signed(url) else wrapped


def _is_signed(url: str) -> bool:
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return any(_SIGNED.search(name) for name, _ in pairs)


def _without(url: str, names: frozenset[str]) -> str:
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [pair for pair in pairs if pair[0].lower() not in names]
    if len(kept) == len(pairs):
        return url
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(kept), ""))


def _filled(template: str, match: re.Match[str]) -> str:
    def part(place: re.Match[str]) -> str:
        text = match[place[1]] or ""
        return quote(unquote(text), safe="/:?&=%~@!$'()*+,;[]#-._") if place[2] else text

    return _PART.sub(part, template)
