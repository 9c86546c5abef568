"""curate.yaml: every threshold of a verdict, changeable without measuring anything again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bodyshop_core.config import StrictModel, load_yaml, parse_yaml

Fraction = Annotated[float, Field(ge=0, le=1)]

PROBE_NAME = r"[a-z][a-z0-9_]{0,29}"
"""What a probe may be called: it becomes the reason ``probe_NAME``."""

ProbeName = Annotated[str, Field(pattern=f"^{PROBE_NAME}$")]


class GatePolicy(StrictModel):
    """When a picture counts as a car.

    Parameters
    ----------
    rule : str
        ``top5``: one of the five likeliest ImageNet categories means car; ``mass``: the
        probability of all car categories together; ``probe``: a logistic regression on the
        network's features; ``auto``: the probe where there is one for the gate, else top5;
        ``none``: every picture passes, for sets of other things than cars.
    threshold : float, optional
        Smallest ``p_car`` that is accepted; the rule's own threshold when absent.
    probe : Path, optional
        A probe made by ``bodyshop gate fit``; the workspace's or the shipped one when absent.
    categories : tuple of str
        ImageNet category names that mean car, in place of the shipped list (top5 and mass).
    framing : tuple of str
        Framings that are kept.
    precision : str
        ``float32``, or ``int8``: weights and activations of the network in 8 bits, in half the
        time and with slightly other answers (efficientnet-lite0 only).
    """

    rule: Literal["auto", "top5", "mass", "probe", "none"] = "auto"
    threshold: Fraction | None = None
    probe: Path | None = None
    categories: tuple[str, ...] = ()
    framing: tuple[Literal["full", "part", "interior"], ...] = ("full", "part", "interior")
    precision: Literal["float32", "int8"] = "float32"


class ProbePolicy(StrictModel):
    """When a named probe rejects a picture.

    Parameters
    ----------
    threshold : float, optional
        Smallest probability that passes; the probe's own threshold when absent.
    probe : Path, optional
        Its file; the one that ``bodyshop gate fit --name`` put into the workspace when absent.
    """

    threshold: Fraction | None = None
    probe: Path | None = None


class SizePolicy(StrictModel):
    """The smallest picture that is worth keeping.

    Parameters
    ----------
    min_short_side : int
        Pixels, after EXIF rotation.
    min_area : int
        Pixels.
    max_aspect : float
        Longest by shortest side; banners and strips exceed it.
    """

    min_short_side: int = Field(96, ge=1)
    min_area: int = Field(128 * 96, ge=1)
    max_aspect: float = Field(5.0, ge=1)


class QualityPolicy(StrictModel):
    """Sharpness and exposure.

    Parameters
    ----------
    min_sharpness : float, optional
        Below it a picture is ``blurry``; when absent, the limit that was calibrated on photos of
        cars, and none where the gate's rule is ``none``.
    min_brightness, max_brightness : float
        Mean luma, 0 to 1: beyond them a picture is ``bad_exposure``.
    max_dark_fraction, max_bright_fraction : float
        Share of nearly black and of nearly white pixels. Nearly all may be white, since
        press photos have white backgrounds.
    min_contrast : float
        Standard deviation of luma, 0 to 0.5.
    max_damage : float
        Share of a JPEG's or PNG's data behind the first damaged place, 0 to 1: above it a picture
        is ``damaged_data``. 1 keeps all that can be decoded.
    """

    min_sharpness: Fraction | None = None
    min_brightness: Fraction = 0.06
    max_brightness: Fraction = 0.98
    max_dark_fraction: Fraction = 0.95
    max_bright_fraction: Fraction = 0.98
    min_contrast: Fraction = 0.02
    max_damage: Fraction = 0.02


class DuplicatePolicy(StrictModel):
    """What counts as a duplicate.

    Parameters
    ----------
    radius : int
        Largest Hamming distance of two 64-bit perceptual hashes that is compared further, 0 to 8.
        Distances are even, so 7 is 6.
    reject : bool
        Reject all but the representative. When false, duplicates are kept, in one split.
    crops : bool
        Also search for crops, flips, borders and logos through the gate's feature vectors.
    """

    radius: int = Field(6, ge=0, le=8)
    reject: bool = True
    crops: bool = True


class SplitPolicy(StrictModel):
    """How pictures are assigned to train, validation and test.

    Parameters
    ----------
    ratios : dict
        Share of each split; they sum to 1. A split named with 0 is left out.
    seed : int
        Decides everything that is left to chance.
    folds : int
        0, or the number of equal parts for k-fold (splits ``fold1`` to ``foldk``) in place of
        `ratios`.
    by : str
        What is never in two splits: ``group`` (duplicates, spinners, pages) or ``origin`` (whole
        hosts and imports, too), so that validation and test show other sources than train.
    by_page : bool
        Pictures of one page are one group.
    max_page : int
        A page with more pictures than this counts as an index, not as the page of one car.
    min_groups : int
        Fewest groups a class must have.
    """

    ratios: dict[Literal["train", "validation", "test"], Fraction] = Field(
        {"train": 0.7, "validation": 0.15, "test": 0.15}
    )
    seed: int = 7
    folds: int = Field(0, ge=0, le=20)
    by: Literal["group", "origin"] = "group"
    by_page: bool = True
    max_page: int = Field(12, ge=1)
    min_groups: int = Field(3, ge=2)

    @model_validator(mode="after")
    def _sum_to_one(self) -> SplitPolicy:
        total = sum(self.ratios.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the ratios must sum to 1, but they sum to {total:g}")
        if not self.ratios.get("train"):
            raise ValueError("the ratio of train must be above 0")
        if self.folds == 1:
            raise ValueError("folds must be 0 (off) or at least 2")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """Share of each split that is to be filled."""
        if self.folds:
            return {f"fold{index}": 1 / self.folds for index in range(1, self.folds + 1)}
        return {name: share for name, share in self.ratios.items() if share > 0}


class AuditPolicy(StrictModel):
    """When the shortcut audit reports that a label can be predicted without the car.

    Parameters
    ----------
    margin : float
        How far the lower 95 % bound of the cross-validated balanced accuracy may lie above
        chance.
    folds : int
        Folds of the grouped cross-validation.
    max_pictures : int
        A larger set is sampled down to this many, so that the audit takes seconds.
    """

    margin: Fraction = 0.10
    folds: int = Field(5, ge=2, le=20)
    max_pictures: int = Field(6000, ge=50)


class LimitsPolicy(StrictModel):
    """How many pictures are kept at most of one place or class; no limit when absent.

    Parameters
    ----------
    per_page, per_host, per_source : int, optional
        Of one page, one host, one source: ``pages``, ``search:bing``, …, or an import by the name
        that ``--source`` gave it, by default its folder's.
    per_class : int, optional
        Of one value of the target label.
    """

    per_page: int | None = Field(None, ge=1)
    per_host: int | None = Field(None, ge=1)
    per_source: int | None = Field(None, ge=1)
    per_class: int | None = Field(None, ge=1)


class Policy(StrictModel):
    """The whole of curate.yaml; every key may be left out."""

    version: Literal[1] = 1
    gate: GatePolicy = GatePolicy()
    probes: dict[ProbeName, ProbePolicy] = Field({})
    size: SizePolicy = SizePolicy()
    quality: QualityPolicy = QualityPolicy()
    duplicates: DuplicatePolicy = DuplicatePolicy()
    limits: LimitsPolicy = LimitsPolicy()
    splits: SplitPolicy = SplitPolicy()
    audit: AuditPolicy = AuditPolicy()

    @property
    def digest(self) -> str:
        """12 hexadecimal digits that change with any threshold."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_policy(source: Path | str | Policy | None) -> Policy:
    """Return a policy from a YAML file, or the default one.

    Parameters
    ----------
    source : Path, str, Policy or None
        A file; a policy is handed back as it is; None: all defaults.

    Raises
    ------
    ConfigError
        The file is absent or wrong: names file, line, key and what is allowed.
    """
    if source is None:
        return Policy()
    if isinstance(source, Policy):
        return source
    return load_yaml(source, Policy)


def parse_policy(text: str) -> Policy:
    """Return a policy from YAML text.

    Raises
    ------
    ConfigError
        It is wrong: names line, key and what is allowed.
    """
    return parse_yaml(text, Policy, name="curate.yaml")
