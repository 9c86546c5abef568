from .evaluation.crossval import (
    CrossValidation as CrossValidation,
)
from .evaluation.crossval import (
    cross_validate as cross_validate,
)
from .evaluation.grad_cam import (
    HeatMap as HeatMap,
)
from .evaluation.grad_cam import (
    grad_cam as grad_cam,
)
from .evaluation.grad_cam import (
    grad_cams as grad_cams,
)
from .fit.features import (
    purge_feature_cache as purge_feature_cache,
)
from .models.classifier import (
    Classifier as Classifier,
)
from .models.classifier import (
    Prediction as Prediction,
)
from .models.open_run import (
    load_run as load_run,
)
from .models.segmenter import (
    Segmenter as Segmenter,
)
from .models.segmenter import (
    SegmentPrediction as SegmentPrediction,
)
from .models.segmenter import (
    load_segmenter as load_segmenter,
)
from .recipes.recipe import (
    Costs as Costs,
)
from .recipes.recipe import (
    Recipe as Recipe,
)
from .recipes.recipe import (
    epochs_overrides as epochs_overrides,
)
from .recipes.recipe import (
    load_recipe as load_recipe,
)
from .recipes.recipe import (
    recipe_names as recipe_names,
)
from .recipes.segment_recipe import (
    is_segment_recipe as is_segment_recipe,
)
from .recipes.segment_recipe import (
    load_segment_recipe as load_segment_recipe,
)
from .recipes.window_recipe import (
    is_window_recipe as is_window_recipe,
)
from .recipes.window_recipe import (
    load_window_recipe as load_window_recipe,
)
from .runs.compare import (
    CompareSummary as CompareSummary,
)
from .runs.compare import (
    compare as compare,
)
from .runs.damage_run import (
    train_damage as train_damage,
)
from .runs.evaluate import (
    EvaluateSummary as EvaluateSummary,
)
from .runs.evaluate import (
    evaluate as evaluate,
)
from .runs.evaluate_abroad import (
    AbroadSummary as AbroadSummary,
)
from .runs.evaluate_abroad import (
    evaluate_abroad as evaluate_abroad,
)
from .runs.evaluate_folds import (
    FoldsSummary as FoldsSummary,
)
from .runs.evaluate_folds import (
    evaluate_folds as evaluate_folds,
)
from .runs.explain import (
    ExplainSummary as ExplainSummary,
)
from .runs.explain import (
    explain as explain,
)
from .runs.export import (
    ModelExportSummary as ModelExportSummary,
)
from .runs.export import (
    export as export,
)
from .runs.export import (
    known_pictures as known_pictures,
)
from .runs.find_rate import (
    RateSummary as RateSummary,
)
from .runs.find_rate import (
    find_rate as find_rate,
)
from .runs.lookup import (
    resolve_run as resolve_run,
)
from .runs.options import (
    TrainOptions as TrainOptions,
)
from .runs.segment_run import (
    segment as segment,
)
from .runs.summary import (
    TrainSummary as TrainSummary,
)
from .runs.sweep import (
    SweepSpec as SweepSpec,
)
from .runs.sweep import (
    SweepSummary as SweepSummary,
)
from .runs.sweep import (
    load_sweep as load_sweep,
)
from .runs.sweep import (
    sweep as sweep,
)
from .runs.sweep import (
    sweep_names as sweep_names,
)
from .runs.train_run import (
    train as train,
)
