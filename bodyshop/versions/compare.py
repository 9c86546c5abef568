"""Which pictures differ between two states, and how; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bodyshop_core.catalog import Field
from bodyshop_core.snapshots import PictureState, State
from bodyshop_core.snapshots.state import PackedChunks, decode_rows, split_rows

KINDS = (
    "added", "removed", "rejected", "kept", "reasons", "label", "split", "masks"
)  # fmt: skip
"""What can happen to a picture: it came or went; its verdict or the reasons of it changed; a label,
its place in a split set, its masks."""

NONE = "none"
"""In texts, where a side has no value."""

_FIELDS = tuple(field.value for field in Field)


@dataclass(frozen=True)
class Change:
    """A picture that differs.

    Parameters
    ----------
    before, after : PictureState or None
        None where the picture is not there; never both.
    """

    before: PictureState | None
    after: PictureState | None

    @property
    def picture(self) -> PictureState:
        """The later one that there is."""
        picture = self.after or self.before
        assert picture is not None
        return picture

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Those of `KINDS` that happened to it, the first one first."""
        a, b = self.before, self.after
        if a is None or b is None:
            return ("added",) if a is None else ("removed",)
        was, is_kept = a.kept, b.kept
        happened = {
            "rejected": was and not is_kept,
            "kept": is_kept and not was,
            "reasons": was == is_kept and (a.verdict, a.reasons) != (b.verdict, b.reasons),
            "label": any(True for _ in self.labels()),
            "split": any(True for _ in self.splits()),
            "masks": a.masks != b.masks,
        }
        return tuple(kind for kind in KINDS if happened.get(kind))

    def labels(self) -> Iterator[tuple[str, str, str]]:
        """Yield field, and value before and after with who gave it, of each label that differs."""
        a, b = self.before, self.after
        if a is None or b is None:
            return
        for field in _FIELDS:
            if getattr(a, field) != getattr(b, field):
                yield field, _given(a, field), _given(b, field)

    def splits(self) -> Iterator[tuple[str, str, str]]:
        """Yield split set, and split before and after, of each set in which it moved."""
        a, b = self.before, self.after
        if a is None or b is None or a.splits == b.splits:
            return
        for name in sorted({each[0] for each in (*a.splits, *b.splits)}):
            if a.split(name) != b.split(name):
                yield name, a.split(name) or NONE, b.split(name) or NONE

    def words(self) -> list[str]:
        """Return what happened, one short text each."""
        a, b, said = self.before, self.after, []
        for kind in self.kinds:
            if kind in ("added", "removed"):
                said.append(f"{kind}, {verdict_text(self.picture)}")
            elif a is not None and b is not None and kind in ("rejected", "kept", "reasons"):
                said.append(f"{verdict_text(a)} → {verdict_text(b)}")
            elif kind == "masks":
                said.append("masks changed")
        said += [f"{field}: {before} → {after}" for field, before, after in self.labels()]
        said += [f"split of {name}: {before} → {after}" for name, before, after in self.splits()]
        return said

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        one, picture = self.before, self.picture
        values: dict[str, Any] = {
            "sha256": picture.sha256,
            "changes": list(self.kinds),
            "source": picture.source,
            "origin": picture.origin,
            "verdict": [one and one.verdict, self.after and self.after.verdict],
            "reasons": [
                None if each is None else [why for why in each.reasons.split(";") if why]
                for each in (one, self.after)
            ],
        }
        values["labels"] = {field: [before, after] for field, before, after in self.labels()}
        values["splits"] = {name: [before, after] for name, before, after in self.splits()}
        return values


@dataclass(frozen=True)
class StateDiff:
    """What changed from one state to another.

    Parameters
    ----------
    before, after : State
        The two.
    target : str
        The label field by which classes are counted.
    split_set : str or None
        Split set by which splits are counted.
    changes : tuple of Change
        By sha256.
    """

    before: State
    after: State
    target: str
    split_set: str | None
    changes: tuple[Change, ...]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Kind -> pictures; one with a new label and a new split counts in both."""
        found = Counter(kind for change in self.changes for kind in change.kinds)
        return {kind: found[kind] for kind in KINDS}

    def transitions(self) -> dict[str, dict[str, int]]:
        """Return ``verdict``, label fields and split sets -> "before → after" -> pictures."""
        found: dict[str, Counter[str]] = {}
        for change in self.changes:
            a, b = change.before, change.after
            if (
                a is not None
                and b is not None
                and {"rejected", "kept", "reasons"} & {*change.kinds}
            ):
                text = f"{verdict_text(a)} → {verdict_text(b)}"
                found.setdefault("verdict", Counter())[text] += 1
            for field, before, after in change.labels():
                found.setdefault(field, Counter())[f"{before} → {after}"] += 1
            for name, before, after in change.splits():
                found.setdefault(f"split of {name}", Counter())[f"{before} → {after}"] += 1
        return {name: dict(of.most_common()) for name, of in sorted(found.items())}

    def per_class(self) -> dict[str, dict[str, int]]:
        """Return class of `target` -> kept pictures ``before`` and ``after``, and each kind."""
        return self._by(0, lambda picture: picture.label(self.target) or NONE)

    def per_origin(self) -> dict[str, dict[str, int]]:
        """Return origin -> kept pictures ``before`` and ``after``, and each kind of change."""
        return self._by(1, lambda picture: picture.origin or NONE)

    def policy(self) -> dict[str, list[Any]]:
        """Return dotted key of curate.yaml -> value before and after, of those that differ."""
        a, b = _policy(self.before), _policy(self.after)
        return {key: [a.get(key), b.get(key)] for key in sorted(a.keys() | b.keys())
                if a.get(key) != b.get(key)}  # fmt: skip

    @cached_property
    def _kept(self) -> dict[str, Counter[tuple[str, str]]]:
        """Side -> class and origin -> kept pictures."""
        return {
            side: Counter(
                (picture.label(self.target) or NONE, picture.origin or NONE)
                for rows in state.chunks.values()
                for picture in rows
                if picture.kept
            )
            for side, state in (("before", self.before), ("after", self.after))
        }

    def _by(self, place: int, name_of: Callable[[PictureState], str]) -> dict[str, dict[str, int]]:
        found: dict[str, Counter[str]] = {}
        for side, kept in self._kept.items():
            for names, number in kept.items():
                found.setdefault(names[place], Counter())[side] += number
        for change in self.changes:
            found.setdefault(name_of(change.picture), Counter()).update(change.kinds)
        return {
            name: {key: found[name][key] for key in ("before", "after", *KINDS)}
            for name in sorted(found)
        }


def compare(
    before: State,
    after: State,
    *,
    target: str | None = None,
    split_set: str | None = None,
    only: Collection[str] | None = None,
) -> StateDiff:
    """Compare two states; parts that they have in common cost nothing.

    Parameters
    ----------
    before, after : State
        Such as `bodyshop_core.snapshots.load_state` returns.
    target : str, optional
        ``damage``, ``brand`` or ``model``: by which classes are counted; by default that of the
        split set.
    split_set : str, optional
        By default the newest one of `after`, or else of `before`.
    only : collection of str, optional
        sha256 of the pictures that matter; all others are taken for equal.
    """
    name = split_set or after.about.get("newest") or before.about.get("newest")
    sets = {**before.about["split_sets"], **after.about["split_sets"]}
    one, two = before.digests, after.digests
    changes = [
        change
        for prefix in sorted(one.keys() | two.keys())
        if one.get(prefix) != two.get(prefix)
        for change in _changes(before, after, prefix)
        if change.kinds and (only is None or change.picture.sha256 in only)
    ]
    field = target or sets.get(name, {}).get("target", Field.DAMAGE.value)
    return StateDiff(before, after, field, name, tuple(changes))


def verdict_text(picture: PictureState) -> str:
    """Return a verdict with its reasons, such as ``reject (blurry)``."""
    reasons = f" ({picture.reasons.replace(';', ', ')})" if picture.reasons else ""
    by = " by a person" if picture.human else ""
    return f"{picture.verdict or 'no verdict'}{reasons}{by}"


def _changes(before: State, after: State, prefix: str) -> list[Change]:
    """Compare a chunk; of large states only rows that differ are decoded."""
    if isinstance(before.chunks, PackedChunks) and isinstance(after.chunks, PackedChunks):
        old, new = (split_rows(state.encoded.get(prefix, b"")) for state in (before, after))
        same = set(old).intersection(new)
        one, two = (decode_rows(row for row in rows if row not in same) for rows in (old, new))
    else:
        one, two = before.chunks.get(prefix, []), after.chunks.get(prefix, [])
    a, b = ({row.sha256: row for row in rows} for rows in (one, two))
    return [
        Change(a.get(sha), b.get(sha)) for sha in sorted(a.keys() | b.keys())
        if a.get(sha) != b.get(sha)
    ]  # fmt: skip


def _given(picture: PictureState, field: str) -> str:
    by, value = getattr(picture, f"{field}_by"), getattr(picture, field)
    return f"{value or by} ({by})" if value and by else by or NONE


def _policy(state: State) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for content in state.about["policies"].values():
        found |= dict(_flat(content or {}))
    return found


def _flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
