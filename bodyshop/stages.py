"""The workspace and the main function of each stage, for ``import bodyshop``."""

from augment import augment
from bodyshop.picture_map import map_pictures
from bodyshop_core.workspace import Workspace
from collector import collect, import_folder
from curate import curate, find_outliers, find_similar
from train import evaluate, segment, train

__all__ = [
    "Workspace",
    "augment",
    "collect",
    "curate",
    "evaluate",
    "find_outliers",
    "find_similar",
    "import_folder",
    "map_pictures",
    "segment",
    "train",
]
