"""README as an index such as PyPI shows it: no link in it is relative, since nothing is beside it.

hatchling calls this when it builds (``[tool.hatch.metadata.hooks.custom]``). With ``Repository`` in
``[project.urls]`` links and pictures get addresses there; without it links become their text
and pictures their description.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)")


def readme_for_index(text: str, repository: str = "") -> str:
    """Return a README whose relative links have addresses in a repository, or are plain text.

    Parameters
    ----------
    text : str
        Markdown.
    repository : str
        Address at which files are found below ``blob/HEAD`` and, as they are, below ``raw/HEAD``.
    """

    def elsewhere(found: re.Match[str]) -> str:
        mark, words, path = found.groups()
        if repository:
            return (
                f"{mark}[{words}]({repository.rstrip('/')}/{'raw' if mark else 'blob'}/HEAD/{path})"
            )
        return f"*{words}*" if mark else words

    return LINK.sub(elsewhere, text)


class ReadmeHook(MetadataHookInterface):
    """Gives the distributions their README."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the field ``readme``, which ``pyproject.toml`` calls dynamic."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = metadata.get("urls", {}).get("Repository", "")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": readme_for_index(text, repository),
        }
