"""The code blocks of the documentation."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"(?P<skip><!-- not run: (?P<why>[^>]+) -->\s*)?^```(?P<kind>\w+)\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block; `why_not` says why it is not run."""

    page: Path
    line: int
    kind: str
    text: str
    why_not: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def pages() -> list[Path]:
    return [
        *sorted(REPOSITORY.glob("*.md")),
        *sorted(path for path in (REPOSITORY / "docs").rglob("*.md")),
    ]


def blocks(*kinds: str) -> Iterator[Block]:
    for page in pages():
        content = page.read_text(encoding="utf-8")
        for found in FENCE.finditer(content):
            if found["kind"] in kinds:
                line = content.count("\n", 0, found.start("text"))
                yield Block(page, line, found["kind"], found["text"], found["why"])


def shell_lines(block: Block) -> list[str]:
    """The lines of a shell block without prompts, continuation lines joined."""
    joined = re.sub(r"\s*&&\s*|\s&(?=\s|$)", "\n", block.text.replace("\\\n", " "))
    lines = (re.sub(r"^(\$|!|\.venv/bin/)\s*", "", line.strip()) for line in joined.splitlines())
    return [line.removeprefix(".venv/bin/") for line in lines]


def commands(block: Block) -> list[list[str]]:
    """The `bodyshop …` lines of a shell block as words."""
    lines = (line for line in shell_lines(block) if line.startswith("bodyshop "))
    return [shlex.split(line, comments=True)[1:] for line in lines]
