"""The version of what is installed; the build takes it from git's tags."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("bodyshop")
except PackageNotFoundError:  # imported from a folder, installed nowhere
    __version__ = "0+unknown"


def is_published(version: str) -> bool:
    """Return whether an index can have a version: none between two releases is uploaded."""
    return "+" not in version and ".dev" not in version
