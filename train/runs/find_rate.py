"""The learning rate test of a recipe on a workspace's pictures, with a plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bodyshop_core.errors import BodyshopError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace
from train.evaluation.names import file_stem
from train.fit.learn import explore_rates
from train.recipes.recipe import Recipe, load_recipe
from train.report.pages import write_table
from train.report.plots import plot_rates
from train.runs.options import TrainOptions
from train.runs.plan import plan_classifier


@dataclass(frozen=True)
class RateSummary(Summary):
    """Result of a learning rate test.

    Parameters
    ----------
    recipe, stage : str
        What was tested.
    configured, suggested : float
        The stage's learning rate, and a tenth of the one with the lowest loss.
    steps : int
        Number of steps until the loss diverged.
    report : Path
        The HTML page with the plot.
    """

    recipe: str
    stage: str
    configured: float
    suggested: float
    steps: int
    report: Path


def find_rate(
    workspace: Workspace,
    recipe: str | Path | Recipe = "finetune",
    *,
    options: TrainOptions | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> RateSummary:
    """Test the learning rates of a recipe's first stage that is trained in epochs.

    Parameters
    ----------
    workspace : Workspace
        With curated splits; only training pictures are used.
    recipe : str, Path or Recipe
        A shipped recipe's name or a YAML file.
    options : TrainOptions, optional
        Split set, weights, seed and so on, as for training; no augmenter.
    overrides : Mapping, optional
        Dotted recipe key -> value.
    progress : Progress
        Told of features and steps.

    Raises
    ------
    UsageError
        No stage of the recipe is trained in epochs.
    BodyshopError
        The loss is not finite at the lowest rate already, or no model can be learned from the data.
    """
    chosen = load_recipe(recipe, overrides=overrides)
    plan = plan_classifier(workspace, chosen, options, progress=progress)
    found = explore_rates(
        chosen,
        plan.samples,
        workspace.features,
        equalise=plan.equalise,
        weights=plan.weights,
        seed=plan.seed,
        progress=progress,
    )
    if not found.losses:
        raise BodyshopError(
            f"the loss of recipe '{chosen.name}' is not finite at any learning rate",
            hint="check the weights file",
        )
    folder = workspace.reports / "learning-rate" / file_stem(chosen.name)
    plot_rates(found, folder / "rates.png")
    report = write_table(
        folder / "rates.html",
        title=f"Learning rates of {chosen.name}",
        subtitle=f"stage {found.stage}, {len(found.losses)} steps with growing rates",
        note=f"Suggested: {found.suggested:.1g}, a tenth of the rate with the lowest loss; the "
        f"recipe has {found.configured:.1g}. Try both: the test says little about long trainings.",
        plots=["rates.png"],
    )
    return RateSummary(
        chosen.name, found.stage, found.configured, found.suggested, len(found.losses), report
    )
