"""Training: from curated splits to a classifier in a folder that can be carried away."""

from typing import TYPE_CHECKING

from bodyshop.lazy import lazy_exports

if TYPE_CHECKING:
    from train.assessment import EvaluateSummary, evaluate, resolve_run
    from train.classifier import Classifier, Prediction, load_run
    from train.comparison import CompareSummary, compare
    from train.crossval import CrossValidation, cross_validate
    from train.explanation import ExplainSummary, Explanation, explain, grad_cam, grad_cams
    from train.exporting import ExportSummary, export, known_pictures
    from train.features import forget
    from train.fold_report import FoldsSummary, evaluate_folds
    from train.recipe import Recipe, load_recipe, recipe_names
    from train.segment_recipe import is_segment_recipe, load_segment_recipe
    from train.segmenter import Segmenter, SegmentPrediction, load_segmenter
    from train.segmenting import SegmentSummary, segment
    from train.sweeping import SweepSpec, SweepSummary, load_sweep, sweep, sweep_names
    from train.trainer import TrainSummary, train

__all__ = [
    "Classifier",
    "CompareSummary",
    "CrossValidation",
    "EvaluateSummary",
    "ExplainSummary",
    "Explanation",
    "ExportSummary",
    "FoldsSummary",
    "Prediction",
    "Recipe",
    "SegmentPrediction",
    "SegmentSummary",
    "Segmenter",
    "SweepSpec",
    "SweepSummary",
    "TrainSummary",
    "compare",
    "cross_validate",
    "evaluate",
    "evaluate_folds",
    "explain",
    "export",
    "forget",
    "grad_cam",
    "grad_cams",
    "is_segment_recipe",
    "known_pictures",
    "load_recipe",
    "load_run",
    "load_segment_recipe",
    "load_segmenter",
    "load_sweep",
    "recipe_names",
    "resolve_run",
    "segment",
    "sweep",
    "sweep_names",
    "train",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Classifier": "classifier",
        "CompareSummary": "comparison",
        "CrossValidation": "crossval",
        "EvaluateSummary": "assessment",
        "ExplainSummary": "explanation",
        "Explanation": "explanation",
        "ExportSummary": "exporting",
        "FoldsSummary": "fold_report",
        "Prediction": "classifier",
        "Recipe": "recipe",
        "SegmentPrediction": "segmenter",
        "SegmentSummary": "segmenting",
        "Segmenter": "segmenter",
        "SweepSpec": "sweeping",
        "SweepSummary": "sweeping",
        "TrainSummary": "trainer",
        "compare": "comparison",
        "cross_validate": "crossval",
        "evaluate": "assessment",
        "evaluate_folds": "fold_report",
        "explain": "explanation",
        "export": "exporting",
        "forget": "features",
        "grad_cam": "explanation",
        "grad_cams": "explanation",
        "is_segment_recipe": "segment_recipe",
        "known_pictures": "exporting",
        "load_recipe": "recipe",
        "load_run": "classifier",
        "load_segment_recipe": "segment_recipe",
        "load_segmenter": "segmenter",
        "load_sweep": "sweeping",
        "recipe_names": "recipe",
        "resolve_run": "assessment",
        "segment": "segmenting",
        "sweep": "sweeping",
        "sweep_names": "sweeping",
        "train": "trainer",
    },
)
