"""The workspace and the main function of each stage, for ``import bodyshop``."""

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
