"""What a run does: recipe, data, weights and settings, and the key by which it is known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from bodyshop_core.catalog.split_sets import WAY_OUT, leaks_left
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import Equalise
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from train.data.mask_samples import MaskedSamples, masked_samples
from train.data.samples import Samples, equalise_spec, load_samples, longest_sides
from train.models.initial_weights import identify_weights
from train.models.run_folder import read_json
from train.recipes.recipe import Recipe
from train.recipes.segment_recipe import SegmentRecipe
from train.runs.options import TrainOptions

PLAN_FORMAT = 2
PLAN_FILE = "plan.json"

AnyRecipe = TypeVar("AnyRecipe", Recipe, SegmentRecipe)
AnySamples = TypeVar("AnySamples", Samples, MaskedSamples)


@dataclass(frozen=True)
class RunPlan(Generic[AnyRecipe, AnySamples]):
    """Everything that decides what a run comes to.

    Parameters
    ----------
    recipe : Recipe or SegmentRecipe
        What is trained.
    samples : Samples or MaskedSamples
        On what, in which views.
    weights : str or None
        The backbone's weights instead of the recipe's: a file, or ``"none"``.
    initial_weights : str or None
        What identifies the content of the weights that training starts from.
    seed : int
        Of everything random.
    equalise : Equalise or None
        Size and JPEG quality that all pictures are converted to.
    gate : Mapping or None
        Stored with the run.
    augmenter : str or None
        Name of the augmentation in every epoch.
    audit : Mapping
        What the shortcut audit found; for the report.
    run : str or None
        Name of the interrupted run to resume.
    """

    recipe: AnyRecipe
    samples: AnySamples
    weights: str | None
    initial_weights: str | None
    seed: int
    equalise: Equalise | None = None
    gate: Mapping[str, Any] | None = None
    augmenter: str | None = None
    audit: Mapping[str, Any] = field(default_factory=dict)
    run: str | None = None

    @property
    def kind(self) -> str:
        """``classifier`` or ``segmenter``."""
        return "classifier" if isinstance(self.recipe, Recipe) else "segmenter"

    @property
    def key(self) -> str:
        """What identifies this plan; see `plan_key`."""
        return plan_key(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return what ``plan.json`` holds."""
        samples, recipe = self.samples, self.recipe
        weighed = isinstance(recipe, Recipe) and bool(recipe.data.balance)
        digest = (
            samples.digest(strata=weighed) if isinstance(samples, Samples) else samples.digest()
        )
        return {
            "format": PLAN_FORMAT,
            "kind": self.kind,
            "recipe": self.recipe.model_dump(mode="json"),
            "target": self.samples.target,
            "split_set": self.samples.split_set,
            "data": digest,
            "equalise": self.equalise.as_dict() if self.equalise else None,
            "weights": self.weights,
            "initial_weights": self.initial_weights,
            "gate": dict(self.gate) if self.gate else None,
            "seed": self.seed,
            "augmenter": self.augmenter,
        }


ClassifierPlan = RunPlan[Recipe, Samples]
SegmenterPlan = RunPlan[SegmentRecipe, MaskedSamples]


def plan_key(plan: Mapping[str, Any]) -> str:
    """Return the SHA-256 of everything that decides what a run or a sweep's trial comes to.

    Two plans have the same key if and only if they have the same recipe content, the same pictures,
    labels, splits and augmented copies, the same initial weights by content, and the same settings
    and seed. Where a weights file or an earlier run's folder is stored does not matter.

    Parameters
    ----------
    plan : Mapping
        As `RunPlan.as_dict` returns it, or read back from ``plan.json``.
    """
    content = {name: value for name, value in plan.items() if name != "weights"}
    recipe = content.get("recipe")
    if isinstance(recipe, Mapping):
        start = recipe.get("start")
        content["recipe"] = {**recipe, "weights": None, "start": start and {**start, "run": None}}
        # as runs from before there was a choice
        for name, plain in (("classes_by", "damage"), ("jit_compile", False)):
            if recipe.get(name) == plain:
                del content["recipe"][name]
        data = recipe.get("data")
        if isinstance(data, Mapping):  # runs from before recipes could balance weigh nothing, too
            kept = {name: value for name, value in data.items() if name != "balance" or value}
            content["recipe"]["data"] = kept
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def plan_classifier(
    workspace: Workspace,
    recipe: Recipe,
    options: TrainOptions | None = None,
    *,
    progress: Progress = SILENT,
) -> ClassifierPlan:
    """Decide what training a classifier does: read the split set, and identify the weights.

    Raises
    ------
    NothingFoundError
        No such split set, or it is empty.
    UsageError
        The split set is about another target, or the weights file or start run is missing.
    BodyshopError
        No model can be learned from the data.
    """
    options = options or TrainOptions()
    samples = load_samples(
        workspace,
        target=options.target,
        split_set=options.split_set,
        variants=recipe.data.variants,
        crop=recipe.data.crop,
    ).looking_for(recipe.positive)
    mode = {None: recipe.data.equalise, True: "always", False: "never"}[options.equalise]
    spec = equalise_spec(samples, mode, longest_sides(workspace, samples))
    audit = dict(samples.audit or {})
    if audit.get("leak"):
        stays = spec is not None and (audit.get("equalised") or {}).get("leak")
        progress.log(
            "the audit predicts the classes from picture size, quality and source alone: "
            + (
                f"all pictures are scaled to at most {spec.longest_side} pixels and JPEG "
                f"quality {spec.jpeg_quality}"
                if spec
                else "and this run does not equalise"
            )
            + (", after which it still predicts them" if stays else "")
        )
    left = leaks_left(audit, equalised=spec is not None)
    if left:
        progress.log(f"what still tells the classes: {', '.join(left)}; the way out: {WAY_OUT}")
    return RunPlan(
        recipe,
        samples.with_views(recipe.data.tta_views, recipe.data.degradation_views),
        str(options.weights) if options.weights is not None else None,
        identify_weights(recipe, options.weights),
        options.seed,
        equalise=spec,
        gate=options.gate,
        augmenter=options.augmenter_name,
        audit=audit,
    )


def plan_segmenter(
    workspace: Workspace, recipe: SegmentRecipe, options: TrainOptions | None = None
) -> SegmenterPlan:
    """Decide what training a segmenter does: read the masks, and identify the weights.

    Raises
    ------
    NothingFoundError
        There are no masks in one of the splits.
    UsageError
        The weights file is missing.
    """
    options = options or TrainOptions()
    return RunPlan(
        recipe,
        masked_samples(
            workspace,
            side=recipe.input_size,
            rows=recipe.rows,
            split_set=options.split_set,
            by=recipe.classes_by,
        ),
        str(options.weights) if options.weights is not None else None,
        identify_weights(recipe, options.weights),
        options.seed,
    )


def resume_classifier(
    workspace: Workspace, run: str, stored: Mapping[str, Any], options: TrainOptions
) -> ClassifierPlan:
    """Make the plan of an interrupted classifier run again.

    Parameters
    ----------
    workspace : Workspace
        Where its pictures are.
    run : str
        Its name.
    stored : Mapping
        Its ``plan.json`` (see `read_plan`).
    options : TrainOptions
        With its augmenter, which no file can hold.

    Raises
    ------
    BodyshopError
        The pictures, labels or weights changed since it began.
    UsageError
        It was begun with another augmenter.
    """
    if stored["augmenter"] != options.augmenter_name:
        raise UsageError(
            f"run '{run}' was begun with the augmentation {stored['augmenter']}, not "
            f"{options.augmenter_name}",
            hint="give the same policy again",
        )
    plan = plan_classifier(
        workspace, Recipe.model_validate(stored["recipe"]), _options(stored, options)
    )
    # The audit may have run again since: the pictures are shown as they were.
    settings = stored["equalise"]
    plan = replace(plan, equalise=Equalise(**settings) if settings else None, run=run)
    return _unchanged(plan, stored)


def resume_segmenter(workspace: Workspace, run: str, stored: Mapping[str, Any]) -> SegmenterPlan:
    """Make the plan of an interrupted segmenter run again.

    Raises
    ------
    BodyshopError
        The pictures, masks or weights changed since it began.
    """
    recipe = SegmentRecipe.model_validate(stored["recipe"])
    plan = plan_segmenter(workspace, recipe, _options(stored, TrainOptions()))
    return _unchanged(replace(plan, run=run), stored)


def read_plan(folder: Path, kind: str) -> dict[str, Any]:
    """Read the plan of a run.

    Raises
    ------
    UsageError
        The run is of another kind.
    BodyshopError
        Another version of bodyshop began it.
    """
    stored = read_json(folder / PLAN_FILE)
    written = stored.get("format") if isinstance(stored, dict) else None
    if written != PLAN_FORMAT:
        raise BodyshopError(
            f"{folder / PLAN_FILE} has format {written}, this bodyshop reads format {PLAN_FORMAT}",
            hint="finish the run with the bodyshop that began it, or train again with --anew",
        )
    if dict(stored.get("recipe") or {}).get("family") == "windows":
        raise UsageError(
            f"run '{folder.name}' is a damage model by windows: there is nothing to resume",
            hint="fit it again with: bodyshop train damage",
        )
    if stored["kind"] != kind:
        raise UsageError(f"run '{folder.name}' trains a {stored['kind']}, not a {kind}")
    return dict(stored)


def _options(stored: Mapping[str, Any], options: TrainOptions) -> TrainOptions:
    return replace(
        options,
        target=None if stored["kind"] == "segmenter" else stored["target"],
        split_set=stored["split_set"],
        equalise=stored["equalise"] is not None,
        weights=stored["weights"],
        gate=stored["gate"],
        seed=stored["seed"],
    )


def _unchanged(plan: Any, stored: Mapping[str, Any]) -> Any:
    """Return a plan whose data and weights are those of the stored one.

    Raises
    ------
    BodyshopError
        They are not.
    """
    present = plan.as_dict()
    what = {"classifier": "labels", "segmenter": "masks"}[plan.kind]
    changed = {
        f"the pictures or {what} of '{stored['split_set']}'": present["data"] != stored["data"],
        "the initial weights": present["initial_weights"] != stored["initial_weights"],
    }
    for thing, differs in changed.items():
        if differs:
            raise BodyshopError(
                f"{thing} changed since run '{plan.run}' began: going on would mix two trainings",
                hint=f"start it anew: bodyshop train {plan.recipe.name} --anew",
            )
    return plan
