"""Training: from curated splits to a classifier in a folder that can be carried away."""

from typing import TYPE_CHECKING

from bodyshop.lazy import lazy_exports

if TYPE_CHECKING:
    from train.classifier import Classifier, Prediction, load_run
    from train.crossval import CrossValidation, cross_validate
    from train.assessment import EvaluateSummary, evaluate, resolve_run
    from train.features import forget
    from train.recipe import Recipe, load_recipe, recipe_names
    from train.trainer import TrainSummary, train

__all__ = [
    "Classifier",
    "CrossValidation",
    "EvaluateSummary",
    "Prediction",
    "Recipe",
    "TrainSummary",
    "cross_validate",
    "evaluate",
    "forget",
    "load_recipe",
    "load_run",
    "recipe_names",
    "resolve_run",
    "train",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Classifier": "classifier",
        "CrossValidation": "crossval",
        "EvaluateSummary": "assessment",
        "Prediction": "classifier",
        "Recipe": "recipe",
        "TrainSummary": "trainer",
        "cross_validate": "crossval",
        "evaluate": "assessment",
        "forget": "features",
        "load_recipe": "recipe",
        "load_run": "classifier",
        "recipe_names": "recipe",
        "resolve_run": "assessment",
        "train": "trainer",
    },
)
