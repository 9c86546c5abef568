"""The workspace and the main function of each stage: what ``import bodyshop`` offers."""

from augment import augment
from bodyshop_core.workspace import Workspace
from collector import collect, import_folder
from curate import curate
from train import evaluate, segment, train

__all__ = [
    "Workspace",
    "augment",
    "collect",
    "curate",
    "evaluate",
    "import_folder",
    "segment",
    "train",
]
