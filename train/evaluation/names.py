"""Names from outside (classes, folders, split sets) in file names and in texts."""

from __future__ import annotations

import hashlib
import re


def file_stem(name: str, *, limit: int = 48) -> str:
    """Return a part of a file name for a name from outside.

    Letters, digits, hyphens, underscores and inner dots stay. Anything else becomes an underscore;
    a changed or shortened name gets a hash, so that two names never share a file.

    Parameters
    ----------
    name : str
        Any text, such as the name of a folder or of a split set.
    limit : int
        Longest result before the hash, in characters.
    """
    safe = re.sub(r"[^\w.-]+", "_", name).strip("._-")[:limit]
    if safe == name:
        return safe
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")


def result_stem(name: str, split_set: str | None, own: str) -> str:
    """Return the name of a result's folder: no other split set's replaces that of the run's own.

    Parameters
    ----------
    name : str
        Of the kind of result, such as ``abroad``.
    split_set : str or None
        What was asked for; None for the run's own.
    own : str
        The split set that the run was trained on.
    """
    return file_stem(name if split_set in (None, own) else f"{split_set}-{name}")


def shortened(name: str, *, limit: int = 60) -> str:
    """Return a class name on one line, at most `limit` characters, for messages and pages."""
    line = " ".join(name.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
