"""What the catalog knows of a variant set: what is missing, what was made, what belongs to it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, bindparam, func, select, update

from augment.adapter import versions
from augment.planning import Plan, Source
from augment.policy import Policy
from augment.rendering import FINAL_ERRORS
from bodyshop_core import atomic
from bodyshop_core.catalog import now, schema

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

_TABLE = schema.variants
_CHUNK = 500

_PNG_END = b"IEND\xaeB`\x82"
"""The last bytes of every PNG file: type and CRC of its closing chunk."""

_AS_MADE = (
    "boxes",
    "applied",
    "seed",
    "attempt",
    "digest",
    "bytes",
    "width",
    "height",
    "error",
)

_IN_MANIFEST = (
    "sha256",
    "copy",
    "label",
    "group",
    "file",
    "masks",
    "boxes",
    "seed",
    "attempt",
    "applied",
    "digest",
    "width",
    "height",
    "error",
)


@dataclass(frozen=True)
class Ledger:
    """The catalog's side of one variant set.

    Parameters
    ----------
    workspace : Workspace
        Where it is.
    policy : Policy
        Of the set.
    plan : Plan
        What it is to hold.
    """

    workspace: Workspace
    policy: Policy
    plan: Plan

    @property
    def folder(self) -> Path:
        """Where the set's files are."""
        return self.workspace.variants / self.policy.folder_name

    def missing(self) -> list[tuple[Source, tuple[int, ...]]]:
        """Return the copies that are not there as the catalog has them, file and all.

        A variant made with the same policy for another split set is the same file: it is entered
        for this one too.
        """
        there = self._there()
        missing = []
        for source in self.plan.sources:
            numbers = tuple(
                copy
                for copy in range(1, source.copies + 1)
                if (source.sha256, copy, source.inputs) not in there
            )
            if numbers:
                missing.append((source, numbers))
        return missing

    def record(self, rows: Iterable[Mapping[str, Any]], *, copies: int, balance: bool) -> int:
        """Enter what was made and which variants the set now consists of, in one transaction.

        Parameters
        ----------
        rows : iterable of dict
            Of `augment.rendering.render_shard`.
        copies, balance : int, bool
            As asked for.

        Returns
        -------
        int
            Variants made, without those that failed.
        """
        sources = {source.sha256: source for source in self.plan.sources}
        made, catalog = 0, self.workspace.catalog
        with catalog.begin() as connection:
            for chunk in _chunks(
                self._row(sources[row["key"].partition(":")[0]], entry)
                for row in rows
                for entry in entries(row)
            ):
                made += sum(entry["error"] is None for entry in chunk)
                catalog.upsert(_TABLE, chunk, connection=connection)
            connection.execute(update(_TABLE).where(self._of_set()).values(current=False))
            connection.execute(
                update(_TABLE)
                .where(
                    self._of_set(),
                    _TABLE.c.sha256 == bindparam("of"),
                    _TABLE.c.copy <= bindparam("up_to"),
                )
                .values(current=True, label=bindparam("is"), group=bindparam("in"))
                .execution_options(synchronize_session=None),
                [
                    {"of": each.sha256, "up_to": each.copies, "is": each.label, "in": each.group}
                    for each in self.plan.sources
                ],
            )
            catalog.upsert(
                schema.variant_sets,
                [
                    {
                        "policy": self.policy.digest,
                        "split_set": self.plan.split_set,
                        "name": self.policy.folder_name,
                        "content": self.policy.as_dict(),
                        "copies": copies,
                        "balance": balance,
                        "versions": versions(),
                        "updated_at": now(),
                    }
                ],
                connection=connection,
            )
        return made

    def current(self) -> Iterator[Row]:
        """Yield the rows of the set as it was last asked for, failures included."""
        query = (
            select(_TABLE)
            .where(self._of_set(), _TABLE.c.current)
            .order_by(_TABLE.c.sha256, _TABLE.c.copy)
        )
        with self.workspace.catalog.read() as connection:
            yield from connection.execute(query)

    def outcomes(self) -> list[tuple[str, str | None, int]]:
        """Return (label, error or None, variants) of the set as it was last asked for."""
        query = (
            select(_TABLE.c.label, _TABLE.c.error, func.count())
            .where(self._of_set(), _TABLE.c.current)
            .group_by(_TABLE.c.label, _TABLE.c.error)
        )
        with self.workspace.catalog.read() as connection:
            return [(label, error, number) for label, error, number in connection.execute(query)]

    def changed_versions(self) -> dict[str, tuple[str, str]]:
        """Return library -> version when the set was last worked on, and now, where they differ."""
        table = schema.variant_sets
        query = select(table.c.versions).where(
            table.c.policy == self.policy.digest, table.c.split_set == self.plan.split_set
        )
        with self.workspace.catalog.read() as connection:
            before = connection.execute(query).scalar_one_or_none() or {}
        return {
            name: (before[name], version)
            for name, version in versions().items()
            if name in before and before[name] != version
        }

    def write_manifest(self) -> Path:
        """Write the set down beside its files: the policy, and one JSON line per variant."""
        import yaml

        header = f"# made with {', '.join(f'{name} {at}' for name, at in versions().items())}\n"
        content = yaml.safe_dump(self.policy.as_dict(), sort_keys=False, allow_unicode=True)
        atomic.write_text(self.folder / "policy.yaml", header + content)
        split_set = re.sub(r"[^\w.-]", "_", self.plan.split_set)
        path = self.folder / f"manifest-{split_set}.jsonl"
        with (
            atomic.replacing(path) as temporary,
            temporary.open("w", encoding="utf-8", newline="\n") as lines,
        ):
            for row in self.current():
                entry = {name: getattr(row, name) for name in _IN_MANIFEST}
                lines.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return path

    def _there(self) -> set[tuple[str, int, str]]:
        query = select(_TABLE).where(_TABLE.c.policy == self.policy.digest)
        there, elsewhere = set(), {}
        with self.workspace.catalog.read() as connection:
            for row in connection.execute(query):
                if not self._is_done(row):
                    continue
                identity = (row.sha256, row.copy, row.inputs)
                if row.split_set == self.plan.split_set:
                    there.add(identity)
                else:
                    elsewhere[identity] = row
        wanted = {source.sha256: source for source in self.plan.sources}
        adopted = [
            dict(row._mapping)
            | {
                "split_set": self.plan.split_set,
                "label": wanted[row.sha256].label,
                "group": wanted[row.sha256].group,
            }
            for identity, row in elsewhere.items()
            if identity not in there
            and row.sha256 in wanted
            and row.inputs == wanted[row.sha256].inputs
            and row.copy <= wanted[row.sha256].copies
        ]
        self.workspace.catalog.upsert(_TABLE, adopted)
        return there | {(row["sha256"], row["copy"], row["inputs"]) for row in adopted}

    def _is_done(self, row: Row) -> bool:
        if row.error is not None:
            return row.error.partition(":")[0] in FINAL_ERRORS
        return is_whole(
            self.workspace.root / row.file,
            row.bytes,
            [self.workspace.root / file for file in (row.masks or {}).values()],
        )

    def _of_set(self) -> Any:
        return (_TABLE.c.policy == self.policy.digest) & (_TABLE.c.split_set == self.plan.split_set)

    def _row(self, source: Source, entry: Mapping[str, Any]) -> dict[str, Any]:
        done = entry["error"] is None
        masks = entry["masks"] if done else {}
        return {
            "sha256": source.sha256,
            "policy": self.policy.digest,
            "copy": entry["copy"],
            "split_set": self.plan.split_set,
            "label": source.label,
            "group": source.group,
            "current": True,
            "file": self._relative(entry["file"]) if done else None,
            "masks": {label: self._relative(file) for label, file in masks.items()},
            "inputs": source.inputs,
            "made_at": now(),
            **{name: entry.get(name) for name in _AS_MADE},
        }

    def _relative(self, file: str) -> str:
        return f"variants/{self.policy.folder_name}/{file}"


def is_whole(picture: Path, size: int, masks: Iterable[Path]) -> bool:
    """Say whether a variant is there to its last byte, as far as can be seen without decoding.

    A kill leaves no half file, but a power cut may: variants are not fsynced one by one.

    Parameters
    ----------
    picture : Path
        The variant.
    size : int
        Bytes it was written with.
    masks : iterable of Path
        Its masks, PNG files.
    """
    try:
        if picture.stat().st_size != size:
            return False
        for path in masks:
            with path.open("rb") as file:
                file.seek(-len(_PNG_END), os.SEEK_END)
                if file.read() != _PNG_END:
                    return False
    except OSError:  # absent, or shorter than the end of a PNG
        return False
    return True


def entries(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one entry per copy of a row of `augment.rendering.render_shard`.

    A picture that failed as a whole fails in each of its copies.
    """
    numbers = [int(number) for number in row["key"].rpartition(":")[2].split(",")]
    if row["error"] is not None:
        yield from ({"copy": number, "error": row["error"]} for number in numbers)
    else:
        yield from json.loads(row["variants"])


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
