"""Augmentation policies: transforms with probabilities and strengths, read from YAML."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from augment.step import Step
from bodyshop_core.config import StrictModel, line_of, parse_yaml
from bodyshop_core.errors import ConfigError

RENDER_VERSION = 1
"""Part of a policy's digest; increased when the same policy gives different pixels."""

PRESETS = Path(__file__).parent / "policies"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]


class PictureSpec(StrictModel):
    """How a variant is written.

    Parameters
    ----------
    longest_side : int or None
        Pixels; larger pictures are scaled down to it before the transforms, smaller ones are not.
    format : str
        ``jpg`` or ``png``.
    quality : int
        Of JPEG, 1 to 100; chroma subsampling is 4:2:0.
    """

    longest_side: int | None = Field(768, ge=16, le=8192)
    format: Literal["jpg", "png"] = "jpg"
    quality: int = Field(95, ge=1, le=100)


class MaskRule(StrictModel):
    """What happens when a transform removes damage from the picture.

    Parameters
    ----------
    keep_at_least : float
        Share of each class's mask (relative to the picture) and of each box that must be left.
    when_lost : str
        ``redraw``: try again with the next seed, and drop the variant after `redraws` tries;
        ``drop``: no variant; ``keep``: keep the variant, even with an empty mask.
    redraws : int
        Tries after the first.
    """

    keep_at_least: float = Field(0.5, ge=0, le=1)
    when_lost: Literal["redraw", "drop", "keep"] = "redraw"
    redraws: int = Field(8, ge=1, le=100)


class PolicyFile(StrictModel):
    """The contents of a policy file."""

    name: Name
    about: str = ""
    picture: PictureSpec = PictureSpec()
    masks: MaskRule = MaskRule()
    transforms: list[Any] = Field(min_length=1)


@dataclass(frozen=True)
class AugmentPolicy:
    """A checked policy; its digest identifies the variants it makes.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and hyphens.
    about : str
        A description in one line.
    picture : PictureSpec
        File format of the variants.
    masks : MaskRule
        What to do when a transform removes a mask.
    steps : tuple of Step
        The transforms, in order.
    """

    name: str
    about: str
    picture: PictureSpec
    masks: MaskRule
    steps: tuple[Step, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the policy in the form of a policy file."""
        return {
            "name": self.name,
            "about": self.about,
            "picture": self.picture.model_dump(),
            "masks": self.masks.model_dump(),
            "transforms": [step.as_dict() for step in self.steps],
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that changes pixels: not of the name and the description."""
        decisive = self.as_dict()
        del decisive["name"], decisive["about"]
        decisive["render_version"] = RENDER_VERSION
        text = json.dumps(decisive, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def folder_name(self) -> str:
        """Name of the folder of its variants."""
        return f"{self.name}-{self.digest[:12]}"

    def __hash__(self) -> int:
        return hash(self.digest)


def load_policy(name_or_path: str | Path | AugmentPolicy) -> AugmentPolicy:
    """Load a preset or a policy file.

    Parameters
    ----------
    name_or_path : str, Path or AugmentPolicy
        A name of `preset_names`, or a YAML file; an `AugmentPolicy` is returned unchanged.

    Raises
    ------
    ConfigError
        No such preset or file, or a transform, argument or value is not allowed: with file, line
        and similar names.
    """
    if isinstance(name_or_path, AugmentPolicy):
        return name_or_path
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and name_or_path in preset_names():
        path = PRESETS / f"{name_or_path}.yaml"
    elif not path.exists():
        raise ConfigError(
            f"{path} is neither a policy file nor the name of a preset", allowed=preset_names()
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the file can't be read: {error}", file=path) from error
    return parse_policy(text, name=str(path))


def preset_names() -> tuple[str, ...]:
    """Return the names of the policies that come with bodyshop."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def parse_policy(text: str, *, name: str = "<text>") -> AugmentPolicy:
    """Parse and check a policy's text; `name` is the file in error messages.

    Raises
    ------
    ConfigError
        As `load_policy`.
    """
    file = parse_yaml(text, PolicyFile, name=name)
    place = _PolicyText(text, name)
    steps = tuple(
        _step(entry, ("transforms", number), place) for number, entry in enumerate(file.transforms)
    )
    return AugmentPolicy(file.name, file.about, file.picture, file.masks, steps)


@dataclass(frozen=True)
class _PolicyText:
    text: str
    file: str

    def error(
        self,
        message: str,
        location: tuple[int | str, ...],
        *,
        allowed: Any = None,
        near: str | None = None,
    ) -> ConfigError:
        return ConfigError(
            message,
            file=self.file,
            line=line_of(self.text, location),
            key=".".join(str(part) for part in location),
            allowed=allowed,
            hint=f"did you mean {near}?" if near else None,
        )


def _step(entry: Any, location: tuple[int | str, ...], place: _PolicyText) -> Step:
    from augment.adapter import CONTAINERS, StepError, check_step

    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, dict) or len(entry) != 1:
        raise place.error(
            "a step must be one transform with its arguments, such as: HorizontalFlip: {p: 0.5}",
            location,
        )
    ((name, given),) = entry.items()
    inside = (*location, str(name))
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise place.error(f"the arguments of {name} must be keys with values", inside)
    arguments = {str(key): value for key, value in given.items() if key != "transforms"}
    children: tuple[Step, ...] = ()
    if name in CONTAINERS:
        nested = given.get("transforms")
        if not isinstance(nested, list) or not nested:
            raise place.error(f"{name} needs a list of transforms", inside)
        below = (*inside, "transforms")
        children = tuple(_step(child, (*below, n), place) for n, child in enumerate(nested))
    elif "transforms" in given:
        raise place.error(f"{name} takes no transforms", inside, allowed=list(CONTAINERS))
    try:
        check_step(str(name), arguments, children)
    except StepError as error:
        at = inside if error.key is None else (*inside, error.key)
        raise place.error(error.message, at, allowed=error.allowed, near=error.near) from error
    return Step(str(name), arguments, children)
