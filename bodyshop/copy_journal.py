"""What `bodyshop workspace copy` has begun and verified, in a file that survives a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from bodyshop_core import atomic
from bodyshop_core.errors import UsageError
from bodyshop_core.workspace_settings import SETTINGS_FILE


class Journal:
    """A file of lines that survives a kill: a line that is cut counts as not written.

    Its first line says what is copied where. Each thing has a line ``take`` before anything of it
    is in the target, and a line ``have`` when it is verified; the latter also has the name that a
    mask or a variant got there. A line ``own`` has the id of the copy.
    """

    def __init__(self, path: Path, first: dict[str, Any]) -> None:
        self._path, self._first = path, first

    def exists(self) -> bool:
        """Return whether a copy was begun and is not finished."""
        return self._path.exists()

    def read(self) -> tuple[set[str], set[str]]:
        """Return what an earlier call has verified, and what it has begun.

        Raises
        ------
        UsageError
            That was a copy of another workspace, or into another catalog or bucket.
        """
        first, *entries = self._lines() or [self._first]
        if entries and first != self._first:
            self._refuse(first)
        have = {each["have"] for each in entries if "have" in each}
        return have, have | {each["take"] for each in entries if "take" in each}

    def names(self) -> dict[str, str]:
        """Return entry -> name in the target, of masks and variants that are verified."""
        return {each["have"]: each["as"] for each in self._lines()[1:] if "as" in each}

    def owner(self) -> str | None:
        """Return the id of the copy, once it has one."""
        return next((each["own"] for each in self._lines()[1:] if "own" in each), None)

    def _lines(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def begin(self) -> None:
        """Write the first line, and cut off a line that a kill has left unfinished."""
        whole = self._path.read_bytes() if self._path.exists() else b""
        whole = whole[: whole.rfind(b"\n") + 1]
        first = json.dumps(self._first).encode() + b"\n"
        atomic.write_bytes(self._path, whole if whole.startswith(first) else first)

    def note(
        self, what: Literal["own", "take", "have"], entry: str, *, named: str | None = None
    ) -> None:
        """Add what is begun or verified."""
        line = {what: entry} if named is None else {what: entry, "as": named}
        with self._path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")

    def end(self) -> None:
        """Remove the file: all is there."""
        self._path.unlink(missing_ok=True)

    def _refuse(self, first: dict[str, Any]) -> None:
        folder = self._path.parent
        if first.get("from") != self._first["from"]:
            raise UsageError(
                f"{folder} holds a part of {first.get('from')}",
                hint="copy that one to its end, or name another folder",
            )
        raise UsageError(
            f"{folder} holds a part of a copy into another catalog or bucket",
            hint=f"let its {SETTINGS_FILE} say again what it said when the copy began, or name "
            "another folder",
        )
