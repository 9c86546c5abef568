"""What an import reports: counts, what was skipped, and what a person should look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bodyshop_core.summary import Summary
from collector.archive_kinds import ARCHIVE_SUFFIXES, CLOSED_SUFFIXES, first_archive
from collector.folder_walk import EXAMPLES, Skipped
from collector.import_archives import ENCRYPTED
from collector.import_bytes import is_metadata, kind_of
from collector.import_datasets import ONLY_A_PATH
from collector.import_ledger import Corrections
from collector.import_statements import TABLE_SUFFIXES, LabelTable


@dataclass(frozen=True)
class FolderImportSummary(Summary):
    """The result of an import.

    Parameters
    ----------
    files : int
        Pictures read, readable or not.
    pictures : int
        New to the catalog.
    duplicates : int
        Same bytes as a picture that the catalog has already.
    unreadable : int
        Recorded, so that curate rejects them with that reason.
    skipped : int
        Files that were not read as pictures.
    forgotten : int
        Pictures that were erased on request; they are not imported.
    seconds : float
        Duration.
    labels, given_splits : dict
        Class or split -> pictures.
    skipped_kinds : dict
        Kind of skipped file -> how many.
    superseded, gone, conflicts : int
        Statements of an earlier import of the same root that no longer hold; files of it that are
        not there any more; pictures with two labels of one field.
    unlabelled : int
        Pictures that neither folder, table nor pattern gave a label of the field.
    """

    files: int
    pictures: int
    duplicates: int
    unreadable: int
    skipped: int
    forgotten: int
    seconds: float
    labels: dict[str, int] = field(default_factory=dict)
    given_splits: dict[str, int] = field(default_factory=dict)
    skipped_kinds: dict[str, int] = field(default_factory=dict)
    superseded: int = 0
    gone: int = 0
    conflicts: int = 0
    unlabelled: int = 0
    advice: tuple[str, ...] = ()

    columns: ClassVar[tuple[str, ...]] = ("class", "pictures")

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able counts."""
        return {**super().as_dict(), "advice": list(self.advice)}

    def rows(self) -> list[tuple[str, int]]:
        """Return a table of the classes."""
        return sorted(self.labels.items())

    def notes(self) -> list[str]:
        """Return what was skipped, with examples, and what needs a look."""
        return list(self.advice)


class Unreadable(Skipped):
    """Pictures that can't be decoded, by their type."""

    def lines(self) -> list[str]:
        """Return one line per type."""
        return [
            f"{count} unreadable: {kind} ({_examples(self.examples[kind])}); curate rejects them "
            "and says why"
            for kind, count in sorted(self.counts.items())
        ]


def advice(
    root: str,
    unreadable: Unreadable,
    skipped: Skipped,
    corrections: Corrections,
    tables: Sequence[LabelTable],
    unread: Sequence[str],
    named: Sequence[str] = (),
) -> list[str]:
    """Return what a person should know, one line each; `named` are the tables that were given."""
    lines = skipped.lines()
    lines += unreadable.lines()
    lines += [f"not read as a table: {each}" for each in unread[:EXAMPLES]]
    if len(unread) > EXAMPLES:
        lines.append(f"{len(unread) - EXAMPLES} more tables beside pictures were not read")
    for table in tables:
        lines.append(
            f"the table has {len(table)} rows, {len(table.used)} of them name {table.files} files"
        )
        lines += table.remarks
        if table.loose:
            name, row = next(iter(table.loose.items()))
            lines.append(
                f"{len(table.loose)} rows name files by other case, without their suffix or by "
                f"another path above {root}, but no other file fits ({row}: {name})"
            )
        if table.unmatched:
            lines.append(
                f"{len(table.unmatched)} rows of the table name no file that is there "
                f"({_examples(table.unmatched)})"
            )
        if table.repeated:
            name, rows = next(iter(table.repeated.items()))
            texts = [", ".join(said.values()) or "nothing" for said in rows]
            lines.append(
                f"{len(table.repeated)} files have two rows in the table that differ; the later "
                f"one counts ({name}: {texts[0]}, then {texts[1]})"
            )
        if table.ambiguous:
            row, places = next(iter(table.ambiguous.items()))
            lines.append(
                f"{len(table.ambiguous)} rows of the table fit more than one place and were not "
                f"used ({row}: {', '.join(places[:EXAMPLES])}); write paths below {root} into it"
            )
    if ignored := _ignored_table(skipped, root, named):
        lines.append(f"not read: {ignored}; if it holds labels: --labels FILE")
    seen = [name for names in skipped.examples.values() for name in names]
    if inner := first_archive(seen, ARCHIVE_SUFFIXES):
        lines.append(f"archives in it are not opened: import {inner} by itself")
    if closed := first_archive(seen, CLOSED_SUFFIXES):
        lines.append(f"{closed} is an archive that only another program opens: unpack it first")
    if corrections.superseded:
        lines.append(
            f"{corrections.superseded} statements of the last import of {root} were "
            "replaced: files moved, were edited, or are labelled otherwise now"
        )
    for place, count in sorted(corrections.moved.items()):
        lines.append(
            f"{count} statements of {place}, which is not there any more, were replaced: its "
            "pictures are said to be here now"
        )
    if corrections.gone:
        lines.append(
            f"{len(corrections.gone)} files of the last import are gone ({corrections.gone[0]}); "
            "their pictures stay, bodyshop forget erases them"
        )
    if corrections.conflicts:
        sha256, values = corrections.conflicts[0]
        lines.append(
            f"{len(corrections.conflicts)} pictures have two labels, so that curate keeps them "
            f"out (label_conflict): {sha256[:12]} is {values}"
        )
    return lines


def first_advice(skipped: Skipped, names: Sequence[str]) -> str:
    """Return what to do about a root without pictures, by what is in it."""
    kinds = skipped.counts
    if not kinds:
        return "name the folder that contains the class folders"
    if first_archive(names, ARCHIVE_SUFFIXES):
        return "import the archives in it: bodyshop import FILE.zip"
    if closed := first_archive(names, CLOSED_SUFFIXES):
        return f"unpack the archives in it, such as {closed}, with the program for them"
    if ENCRYPTED in kinds:
        return "unpack it with its password, and import the folder"
    if any(kind.startswith((".mp4", ".mov", ".avi", ".mkv", ".webm")) for kind in kinds):
        return "extract the frames of the films first, for example with ffmpeg"
    if any(kind.startswith(".pdf") for kind in kinds):
        return "extract the pictures of the documents first, for example with pdfimages"
    if any(kind.startswith((".svg", ".eps", ".ai")) for kind in kinds):
        return "drawings are no photos: if they are meant, save them as PNG first"
    if ONLY_A_PATH in kinds:
        return (
            "import the folder of the pictures that it names, or write them into it: "
            "save_to_disk of the datasets library does"
        )
    if any(kind.startswith("link") for kind in kinds):
        return "import the folder that the links lead to"
    if any(kind.startswith("no permission") for kind in kinds):
        return "make the files readable for this user"
    return "name the folder that contains the class folders"


def _examples(names: Sequence[str]) -> str:
    return ", ".join(names[:EXAMPLES]) + (", ..." if len(names) > EXAMPLES else "")


def _ignored_table(skipped: Skipped, root: str, named: Sequence[str]) -> str | None:
    for suffix in TABLE_SUFFIXES:
        for name in skipped.examples.get(kind_of(suffix), []):
            if not is_metadata(name) and f"{root}/{name}" not in named:
                return name
    return None
