"""A variant set: its files in the workspace and its rows in the catalog."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, bindparam, func, select, update

from augment.adapter import versions
from augment.failures import FINAL, code_of
from augment.plan import AugmentPlan, SourcePicture
from augment.policy import AugmentPolicy
from bodyshop_core import atomic
from bodyshop_core.catalog import now, schema

if TYPE_CHECKING:
    from bodyshop_core.storage.derived_files import IsWhole
    from bodyshop_core.workspace import Workspace

_TABLE = schema.variants
_CHUNK = 500

_AS_RENDERED = (
    "boxes", "applied", "seed", "attempt", "digest", "bytes", "width", "height", "error",
)  # fmt: skip
"""Columns that are copied from the entries of a shard."""

_IN_MANIFEST = (
    "sha256", "copy", "label", "group", "file", "masks", "boxes", "seed", "attempt", "applied",
    "digest", "width", "height", "error",
)  # fmt: skip


@dataclass(frozen=True)
class VariantSet:
    """The variants of one policy for one split set.

    Parameters
    ----------
    workspace : Workspace
        Where it is.
    policy : AugmentPolicy
        Its transforms.
    plan : AugmentPlan
        Its pictures.
    """

    workspace: Workspace
    policy: AugmentPolicy
    plan: AugmentPlan

    @property
    def folder(self) -> Path:
        """Folder of what tells about the set, and of its files unless they are in a bucket."""
        return self.workspace.variants / self.policy.folder_name

    @property
    def name(self) -> str:
        """Its name in the store of masks and variants."""
        return f"variants/{self.policy.folder_name}"

    def adopt(self) -> None:
        """Add the variants that the same policy made for another split set: the files are equal."""
        wanted = {source.sha256: source for source in self.plan.sources}
        own, others = set(), {}
        is_whole = self.workspace.derived.checker(self.name)
        query = select(_TABLE).where(_TABLE.c.policy == self.policy.digest)
        with self.workspace.catalog.read() as connection:
            for row in connection.execute(query):
                if row.split_set == self.plan.split_set:
                    own.add(_identity(row))
                elif row.sha256 in wanted and row.copy <= wanted[row.sha256].copies:
                    others[_identity(row)] = row
        adopted = [
            dict(row._mapping)
            | {
                "split_set": self.plan.split_set,
                "label": wanted[row.sha256].label,
                "group": wanted[row.sha256].group,
            }
            for identity, row in others.items()
            if row.inputs == wanted[row.sha256].inputs
            and identity not in own
            and _is_finished(row, is_whole)
        ]
        self.workspace.catalog.upsert(_TABLE, adopted)

    def missing(self) -> list[tuple[SourcePicture, tuple[int, ...]]]:
        """Return the pictures with missing variants and the numbers of the missing copies.

        A variant is missing when the catalog has no row of it, or a file is absent or incomplete.
        """
        query = select(_TABLE).where(self._of_set())
        is_whole = self.workspace.derived.checker(self.name)
        with self.workspace.catalog.read() as connection:
            finished = {
                _identity(row) for row in connection.execute(query) if _is_finished(row, is_whole)
            }
        missing = []
        for source in self.plan.sources:
            numbers = tuple(
                copy
                for copy in range(1, source.copies + 1)
                if (source.sha256, copy, source.inputs) not in finished
            )
            if numbers:
                missing.append((source, numbers))
        return missing

    def record(self, entries: Iterable[Mapping[str, Any]]) -> int:
        """Write new variants and the present contents of the set in one transaction.

        Files of pictures that were erased (``bodyshop forget``) while they were rendered are
        removed.

        Parameters
        ----------
        entries : iterable of dict
            From `augment.rendering.variant_entries`.

        Returns
        -------
        int
            Variants made, without those that failed.
        """
        sources = {source.sha256: source for source in self.plan.sources}
        made, catalog = 0, self.workspace.catalog
        with catalog.begin() as connection:
            for chunk in _chunks(entries):
                erased = _erased(connection, {entry["sha256"] for entry in chunk})
                rows = []
                for entry in chunk:
                    if entry["sha256"] in erased:
                        self._remove_files(entry)
                    else:
                        rows.append(self._row(sources[entry["sha256"]], entry))
                made += sum(row["error"] is None for row in rows)
                catalog.upsert(_TABLE, rows, connection=connection)
            self._mark_current(connection)
            catalog.upsert(schema.variant_sets, [self._set_row()], connection=connection)
        return made

    def current(self) -> Iterator[Row[Any]]:
        """Yield the rows of the set as it was last requested, failures included."""
        query = (
            select(_TABLE)
            .where(self._of_set(), _TABLE.c.current)
            .order_by(_TABLE.c.sha256, _TABLE.c.copy)
        )
        # Whoever reads it may stop early.
        with self.workspace.catalog.read() as connection, connection.execute(query) as result:
            yield from result

    def outcomes(self) -> list[tuple[str, str | None, int]]:
        """Return (label, error or None, number of variants) of the set as last requested."""
        query = (
            select(_TABLE.c.label, _TABLE.c.error, func.count())
            .where(self._of_set(), _TABLE.c.current)
            .group_by(_TABLE.c.label, _TABLE.c.error)
        )
        with self.workspace.catalog.read() as connection:
            return [(label, error, number) for label, error, number in connection.execute(query)]

    def changed_versions(self) -> dict[str, tuple[str, str]]:
        """Return library -> (earlier version, present version) where they differ."""
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
        """Write the policy, and one JSON line per variant, next to the set's files."""
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

    def _mark_current(self, connection: Connection) -> None:
        """Mark the variants of the plan as current, with the labels and groups it has now."""
        connection.execute(update(_TABLE).where(self._of_set()).values(current=False))
        connection.execute(
            update(_TABLE)
            .where(
                self._of_set(),
                _TABLE.c.sha256 == bindparam("picture"),
                _TABLE.c.copy <= bindparam("copies"),
            )
            .values(current=True, label=bindparam("new_label"), group=bindparam("new_group"))
            .execution_options(synchronize_session=None),
            [
                {
                    "picture": source.sha256,
                    "copies": source.copies,
                    "new_label": source.label,
                    "new_group": source.group,
                }
                for source in self.plan.sources
            ],
        )

    def _of_set(self) -> Any:
        return (_TABLE.c.policy == self.policy.digest) & (_TABLE.c.split_set == self.plan.split_set)

    def _set_row(self) -> dict[str, Any]:
        return {
            "policy": self.policy.digest,
            "split_set": self.plan.split_set,
            "name": self.policy.folder_name,
            "content": self.policy.as_dict(),
            "copies": self.plan.copies,
            "balance": self.plan.balance,
            "versions": versions(),
            "updated_at": now(),
        }

    def _row(self, source: SourcePicture, entry: Mapping[str, Any]) -> dict[str, Any]:
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
            **{name: entry.get(name) for name in _AS_RENDERED},
        }

    def _relative(self, file: str) -> str:
        return f"{self.name}/{file}"

    def _remove_files(self, entry: Mapping[str, Any]) -> None:
        if entry["error"] is None:
            files = (entry["file"], *entry["masks"].values())
            self.workspace.derived.discard(map(self._relative, files))


def is_complete(is_whole: IsWhole, file: str, size: int, masks: Iterable[str]) -> bool:
    """Return whether the files of a variant exist and are not cut.

    Parameters
    ----------
    is_whole : callable
        From `DerivedFiles.checker`.
    file : str
        The variant.
    size : int
        Its size in bytes when it was written.
    masks : iterable of str
        Its masks.
    """
    return is_whole(file, size) and all(is_whole(mask, None) for mask in masks)


def _is_finished(row: Row[Any], is_whole: IsWhole) -> bool:
    """Return whether a variant need not be made again."""
    if row.error is not None:
        return code_of(row.error) in FINAL
    return is_complete(is_whole, row.file, row.bytes, (row.masks or {}).values())


def _identity(row: Row[Any]) -> tuple[str, int, str]:
    return row.sha256, row.copy, row.inputs


def _erased(connection: Connection, sha256s: set[str]) -> set[str]:
    """Return those of some pictures that are no longer in the catalog or have a tombstone."""
    images, tombstones = schema.images, schema.tombstones
    erased = select(tombstones.c.value).where(tombstones.c.kind == "sha256")
    query = select(images.c.sha256).where(
        images.c.sha256.in_(sha256s), images.c.sha256.not_in(erased)
    )
    return sha256s - set(connection.scalars(query))


def _chunks(entries: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    chunk: list[Mapping[str, Any]] = []
    for entry in entries:
        chunk.append(entry)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
