"""The record of one download: filled once, stored in the journal, and written as catalog rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from bodyshop_core.catalog import FACTS, host_of, now
from bodyshop_core.version import __version__
from collector.candidate import Candidate, digest
from collector.net.outcome import Failure, Refusal, StoredPicture
from collector.weburl import url_key

TOOL = f"bodyshop {__version__}"
_IN_THE_JOURNAL = [
    each.name for each in fields(StoredPicture) if each.name not in {"part", "latency"}
]
MAX_ERROR_TEXT = 2000

JOURNAL_VERSION = 2
"""Of the lines that `DownloadRecord.journal_line` writes."""


def promised_by(records: Iterable[DownloadRecord]) -> list[str]:
    """Return the sha256 of every line that workers wrote to the journal for these records."""
    return [each.picture.sha256 for each in records if each.picture and not each.repeated]


@dataclass(frozen=True)
class DownloadRecord:
    """What became of one candidate.

    Parameters
    ----------
    candidate : Candidate
        What was to be downloaded.
    state : str
        ``done``, ``refused``, ``failed``, or ``queued`` when it has to be downloaded again.
    picture : StoredPicture, optional
        The download, when the state is ``done``.
    repeated : bool
        Another candidate brought the same address: a further sighting; a new picture only if that
        candidate was refused in the same transaction.
    error_class, error : str
        Why it was refused or failed: the class and the details.
    attempts : int
        Requests for the address that was tried last.
    permission : dict
        What robots.txt and the like said about the addresses of the picture.
    at : str
        Time of the outcome, ISO 8601 in UTC.
    """

    candidate: Candidate
    state: Literal["done", "refused", "failed", "queued"]
    picture: StoredPicture | None = None
    repeated: bool = False
    error_class: str = ""
    error: str = ""
    attempts: int = 0
    permission: dict[str, Any] = field(default_factory=dict)
    at: str = field(default_factory=now)

    @classmethod
    def of(
        cls,
        candidate: Candidate,
        outcome: StoredPicture | Refusal | Failure,
        *,
        attempts: int = 1,
        error: str = "",
        permission: dict[str, Any] | None = None,
    ) -> DownloadRecord:
        """Return the record of an outcome; `error` replaces the outcome's own details."""
        said = permission or {}
        if isinstance(outcome, StoredPicture):
            return cls(candidate, "done", outcome, attempts=attempts, permission=said)
        return cls(
            candidate,
            "refused" if isinstance(outcome, Refusal) else "failed",
            error_class=outcome.error_class,
            error=error or outcome.detail,
            attempts=attempts,
            permission=said,
        )

    @classmethod
    def again(cls, candidate: Candidate, picture: StoredPicture) -> DownloadRecord:
        """Return the record of a candidate whose picture was downloaded for another one."""
        named = replace(picture, url_candidate=_name_of(picture, candidate))
        return cls(candidate, "done", named, repeated=True)

    def for_candidate(self, candidate: Candidate) -> DownloadRecord:
        """Return the record of another candidate with the same address, met now."""
        if self.picture is not None:
            return replace(
                DownloadRecord.again(candidate, self.picture),
                attempts=self.attempts,
                permission=self.permission,
            )
        return replace(self, candidate=candidate, repeated=True, at=now())

    def shows(self, candidate: Candidate) -> bool:
        """Return whether the picture was downloaded from an address of this candidate."""
        if self.picture is None:
            return False
        asked = url_key(self.picture.asked)
        return any(url_key(each.url) == asked for each in candidate.url_candidates)

    def proven_addresses(self) -> list[str]:
        """Return the addresses that are known to lead to the picture."""
        if self.picture is None:
            return []
        asked = self.picture.asked
        by_url = {each.url: each for each in self.candidate.url_candidates}
        unproven = asked in by_url and by_url[asked].unproven
        return [asked, self.candidate.url] if unproven else [asked]

    def known_picture(self) -> StoredPicture:
        """Return the picture as a later candidate of the same address gets it."""
        assert self.picture is not None
        said = self.permission | self.picture.permission
        return replace(self.picture, permission=said, facts={}, part=None)

    def erased(self, kind: str) -> DownloadRecord:
        """Return the refusal that takes this record's place: a tombstone covers the picture."""
        return DownloadRecord(
            self.candidate,
            "refused",
            error_class="forgotten",
            error=f"erased on request by {kind}",
            attempts=self.attempts,
        )

    def journal_line(self) -> dict[str, Any]:
        """Return the JSON-able line of a stored picture; the candidate is named by its key."""
        assert self.picture is not None
        # `asdict` copies every value, a tenth of a download's processor time.
        facts = {name: getattr(self.picture, name) for name in _IN_THE_JOURNAL}
        part = self.picture.part
        return facts | {
            "version": JOURNAL_VERSION,
            "key": self.candidate.key,
            "part": part.name if part is not None else "",
            "attempts": self.attempts,
            "host_permission": self.permission,
            "at": self.at,
        }

    @classmethod
    def from_journal_line(cls, candidate: Candidate, line: dict[str, Any]) -> DownloadRecord:
        """Read back what `journal_line` wrote."""
        picture = StoredPicture(
            sha256=line["sha256"], size=line["size"], extension=line["extension"],
            facts=line["facts"], url=line["url"], url_candidate=line["url_candidate"],
            asked=line.get("asked", ""), etag=line["etag"], last_modified=line["last_modified"],
            content_type=line["content_type"], permission=line["permission"],
            part=Path(line["part"]), status=line["status"],
        )  # fmt: skip
        return cls(
            candidate,
            "done",
            picture,
            attempts=line["attempts"],
            permission=line["host_permission"],
            at=line["at"],
        )

    def image_row(self, added_at: str) -> dict[str, Any]:
        """Return the row of `images`."""
        assert self.picture is not None
        return {
            "sha256": self.picture.sha256,
            "extension": self.picture.extension,
            "bytes": self.picture.size,
            "added_at": added_at,
            **{name: self.picture.facts.get(name) for name in FACTS},
        }

    def sighting_row(self) -> dict[str, Any]:
        """Return the row of `sightings`."""
        assert self.picture is not None
        candidate, picture = self.candidate, self.picture
        return {
            "key": digest(candidate.key, picture.sha256),
            "sha256": picture.sha256,
            "url": candidate.url,
            "final_url": picture.url,
            "page_url": candidate.page_url or None,
            "page_title": candidate.page_title or None,
            "alt": candidate.alt or None,
            "caption": candidate.caption or None,
            "selector": candidate.selector or None,
            "file": None,
            "source": candidate.source,
            "origin": host_of(picture.url or candidate.page_url) or candidate.source,
            "brand": candidate.brand,
            "model": candidate.model,
            "query": candidate.query,
            "rank": candidate.rank,
            "spin_group": candidate.spin_group,
            "frame": candidate.frame,
            "frames": candidate.frames,
            "angle_deg": candidate.angle_deg,
            "sense": candidate.sense,
            "capture": candidate.capture,
            "url_candidate": picture.url_candidate,
            "status": picture.status,
            "etag": picture.etag or None,
            "last_modified": picture.last_modified or None,
            "content_type": picture.content_type or None,
            "licence": candidate.licence or None,
            "author": candidate.author or None,
            "permission": candidate.permission | self.permission | picture.permission,
            "given_split": None,
            "fetched_at": self.at,
            "tool_version": TOOL,
            "recipe_version": candidate.recipe_version or None,
        }

    def label_rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Yield the labels (sha256, field, value, origin, annotator) that the query suggests."""
        assert self.picture is not None
        sha256, candidate = self.picture.sha256, self.candidate
        yield (sha256, "brand", candidate.brand, "query", candidate.source)
        yield (sha256, "model", f"{candidate.brand} {candidate.model}", "query", candidate.source)
        if candidate.label:
            yield (sha256, "damage", candidate.label, "query", candidate.source)

    def candidate_update(self, state: str, at: str) -> dict[str, Any]:
        """Return what changes in the candidate's row; `state` may be ``duplicate``."""
        return {
            "of_key": self.candidate.key,
            "to_state": state,
            "to_class": self.error_class or None,
            "to_error": self.error[:MAX_ERROR_TEXT] or None,
            "to_attempts": self.attempts,
            "to_sha256": self.picture.sha256 if self.picture is not None else None,
            "to_time": at,
        }

    def permission_update(self) -> dict[str, Any]:
        """Return the candidate's details with the permission; a refusal has no sighting for it."""
        said = self.candidate.permission | self.permission
        return {
            "of_key": self.candidate.key,
            "to_details": self.candidate.as_dict() | {"permission": said},
        }


def _name_of(picture: StoredPicture, candidate: Candidate) -> str:
    """Return how this candidate found the address that the picture came from."""
    asked = url_key(picture.asked)
    for each in candidate.url_candidates:
        if url_key(each.url) == asked:
            return each.name
    return picture.url_candidate
