"""What a run was asked to do, kept so that it can go on after a kill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import Equalise
from bodyshop_core.progress import Progress
from bodyshop_core.workspace import Workspace
from train.data.samples import Samples, equalise_spec, load_samples, longest_sides
from train.models.run_folder import RECORD_FILE, read_json
from train.recipes.recipe import Recipe

PLAN_FILE = "plan.json"
STATE_FOLDER = "state"
SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class RunPlan:
    """A run's recipe, data and settings."""

    recipe: Recipe
    samples: Samples
    equalise: Equalise | None
    weights: str | None
    gate: Mapping[str, Any] | None
    seed: int
    run: str | None = None
    audit: Mapping[str, Any] = field(default_factory=dict)
    augmenter: str | None = None

    @classmethod
    def make(
        cls,
        workspace: Workspace,
        recipe: Recipe,
        *,
        target: str | None,
        split_set: str | None,
        equalise: bool | None,
        weights: str | Path | None,
        gate: Mapping[str, Any] | None,
        seed: int,
        progress: Progress,
        augmenter: str | None = None,
    ) -> RunPlan:
        """Decide what a run is to do, from the arguments of `train.train`."""
        samples = load_samples(
            workspace,
            target=target,
            split_set=split_set,
            variants=recipe.data.variants,
            crop=recipe.data.crop,
        )
        mode = {None: recipe.data.equalise, True: "always", False: "never"}[equalise]
        spec = equalise_spec(samples, mode, longest_sides(workspace, samples))
        audit = dict(samples.audit or {})
        if audit.get("leak"):
            progress.log(
                "the audit can tell the classes apart without looking at the car: "
                + (
                    f"all pictures are brought to at most {spec.longest_side} pixels and JPEG "
                    f"quality {spec.jpeg_quality}"
                    if spec
                    else "and this run does not equalise"
                )
            )
        return cls(
            recipe,
            samples.with_views(recipe.data.tta_views, recipe.data.degradation_views),
            spec,
            str(weights) if weights is not None else None,
            gate,
            seed,
            audit=audit,
            augmenter=augmenter,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what ``plan.json`` holds."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "target": self.samples.target,
            "split_set": self.samples.split_set,
            "data": self.samples.digest(),
            "equalise": self.equalise.as_dict() if self.equalise else None,
            "weights": self.weights,
            "gate": dict(self.gate) if self.gate else None,
            "seed": self.seed,
            "augmenter": self.augmenter,
        }


def load_plan(workspace: Workspace, resume: str | Path) -> RunPlan:
    """Read the plan of an interrupted run.

    Parameters
    ----------
    workspace : Workspace
        Where its pictures are.
    resume : str or Path
        Its name or folder.

    Raises
    ------
    UsageError
        There is no such run, or it is finished.
    BodyshopError
        The pictures or labels changed since it began.
    """
    folder = Path(resume) if Path(resume).is_dir() else workspace.runs / str(resume)
    if not (folder / PLAN_FILE).exists():
        raise UsageError(
            f"there is no run '{resume}' to resume", hint="bodyshop status lists the runs"
        )
    if not (folder / STATE_FOLDER).exists() and (folder / RECORD_FILE).exists():
        raise UsageError(f"run '{folder.name}' is finished: there is nothing to resume")
    data = read_json(folder / PLAN_FILE)
    recipe = Recipe.model_validate(data["recipe"])
    samples = load_samples(
        workspace,
        target=data["target"],
        split_set=data["split_set"],
        variants=recipe.data.variants,
        crop=recipe.data.crop,
    ).with_views(recipe.data.tta_views, recipe.data.degradation_views)
    if samples.digest() != data["data"]:
        raise BodyshopError(
            f"the pictures or labels of '{data['split_set']}' changed since run '{folder.name}' "
            "began: going on would mix two trainings",
            hint=f"start it anew: bodyshop train {recipe.name}",
        )
    return RunPlan(
        recipe,
        samples,
        Equalise(**data["equalise"]) if data["equalise"] else None,
        data["weights"],
        data["gate"],
        data["seed"],
        run=folder.name,
        audit=dict(samples.audit or {}),
        augmenter=data.get("augmenter"),
    )


def find_same(
    workspace: Workspace, plan: Mapping[str, Any], *, command: str = "train"
) -> tuple[str, bool] | None:
    """Find the newest run with the same plan: (its name, whether it is finished); None: no such."""
    wanted = json.loads(json.dumps(plan, default=str))
    for file in sorted(workspace.runs.glob(f"{command}-*/{PLAN_FILE}"), reverse=True):
        try:
            same = read_json(file) == wanted
        except BodyshopError:  # a damaged plan is the plan of no run
            continue
        if same:
            run = file.parent
            finished = (run / RECORD_FILE).exists() and (run / SUMMARY_FILE).exists()
            if finished or (run / STATE_FOLDER).is_dir():
                return run.name, finished
    return None
