"""Parts of bodyshop that are installed on request: ``pip install 'bodyshop[train]'``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from bodyshop_core.errors import MissingPartError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "collect": ("selenium",),
    "desk": ("flask", "waitress"),
    "label": ("httpx", "label_studio_sdk"),
    "train": ("albumentations", "keras", "tensorflow"),
}
"""Extra -> the modules that come with it and that only its stage imports."""


def need_extra(extra: str, what: str) -> None:
    """Check that an extra is installed, before its modules are imported.

    Parameters
    ----------
    extra : str
        One of `EXTRAS`.
    what : str
        What needs it, for the message, such as ``training``.

    Raises
    ------
    MissingPartError
        One of its modules is not installed.
    """
    if missing := missing_modules(extra):
        raise MissingPartError(
            f"{what} needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed",
            hint=f"pip install 'bodyshop[{extra}]'",
        )


def missing_modules(extra: str) -> list[str]:
    """Return the modules of an extra that are not installed."""
    return [name for name in EXTRAS[extra] if find_spec(name) is None]
