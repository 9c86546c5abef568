"""What hosts have answered, so that an address that several pictures name is asked for once."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections import Counter, OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from collector.candidate import Candidate
from collector.crawl.frontier import DownloadJob
from collector.net.outcome import Failure, Outcome, Refusal, StoredPicture
from collector.weburl import url_key

MOST_ANSWERS = 4096
MOST_BYTES = 256 << 20
"""Of the pictures among the answers; on disk, where most of them are the blobs themselves."""


@dataclass
class _Answer:
    outcome: Outcome
    page_url: str


@dataclass
class _Asking:
    """The job that asks for an address, and those that wait for what it gets."""

    job: DownloadJob
    waiting: list[DownloadJob] = field(default_factory=list)


Key = tuple[str, bool]


class SharedAnswers:
    """Answers by address, the latest ones of a run; thread-safe.

    A picture serves every page; another answer serves the page it was given to, since a host may
    judge by the referrer.

    Parameters
    ----------
    folder : Path
        For the bytes of pictures, as ``.part`` files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._answers: OrderedDict[Key, _Answer] = OrderedDict()
        self._asking: dict[Key, _Asking] = {}
        self._named: Counter[str] = Counter()
        self._size = 0
        self._number = itertools.count()
        self._lock = threading.Lock()

    def name(self, candidate: Candidate) -> None:
        """Note which addresses a candidate may need after its first one."""
        with self._lock:
            self._named.update(_later(candidate))

    def unname(self, candidate: Candidate) -> None:
        """Note that a candidate needs no address any more."""
        with self._lock:
            for key in _later(candidate):
                self._named[key] -= 1
                if self._named[key] <= 0:
                    del self._named[key]

    def begin(self, job: DownloadJob) -> bool:
        """Return whether the job may ask now; else it is kept until the one that asks is done."""
        with self._lock:
            asking = self._asking.setdefault(key_of(job), _Asking(job))
            if asking.job is not job:
                asking.waiting.append(job)
            return asking.job is job

    def end(self, job: DownloadJob, key: Key) -> list[DownloadJob]:
        """Note that the job asks no more; return those that waited for it."""
        with self._lock:
            if key not in self._asking or self._asking[key].job is not job:
                return []
            return self._asking.pop(key).waiting

    def recall(self, job: DownloadJob) -> Outcome | None:
        """Return what the address of the job was answered with, or None."""
        with self._lock:
            answer = self._answers.get(key_of(job))
            if answer is None:
                return None
            outcome = answer.outcome
            if not isinstance(outcome, StoredPicture):
                return outcome if answer.page_url == job.candidate.page_url else None
            assert outcome.part is not None
            part = self._new_part()
            try:
                shutil.copyfile(outcome.part, part)
            except OSError:
                part.unlink(missing_ok=True)
                return None
        name = job.candidate.url_candidates[job.position].name
        return replace(outcome, part=part, url_candidate=name)

    def remember(self, job: DownloadJob, outcome: Outcome) -> None:
        """Keep the last answer to the job's address, if others may ask for it.

        The run itself looks after the first addresses of candidates.
        """
        if isinstance(outcome, Failure | Refusal):
            # What it says about the host was counted when it arrived.
            outcome = replace(outcome, status=None, latency=None)
        if isinstance(outcome, Failure):
            outcome = replace(outcome, retry=False, retry_after=None, challenge=False)
        key = key_of(job)
        with self._lock:
            if not self._is_shared(job, key):
                return
            if isinstance(outcome, StoredPicture):
                if outcome.part is None:
                    return
                kept = self._new_part()
                try:
                    os.link(outcome.part, kept)
                except OSError:  # a file system without links: it is requested again
                    return
                outcome = replace(outcome, part=kept, latency=None)
            self._forget(key)
            self._answers[key] = _Answer(outcome, job.candidate.page_url)
            self._size += _bytes_of(outcome)
            while len(self._answers) > MOST_ANSWERS or self._size > MOST_BYTES:
                self._forget(next(iter(self._answers)))

    def clear(self) -> None:
        """Forget everything, and remove the files."""
        with self._lock:
            for key in list(self._answers):
                self._forget(key)

    def _is_shared(self, job: DownloadJob, key: Key) -> bool:
        asking = self._asking.get(key)
        later = job.position > 0 or job.hops > 0 or key[0] in self._named
        return later or (asking is not None and bool(asking.waiting))

    def _forget(self, key: Key) -> None:
        answer = self._answers.pop(key, None)
        if answer is None:
            return
        self._size -= _bytes_of(answer.outcome)
        if isinstance(answer.outcome, StoredPicture):
            with suppress(OSError):
                answer.outcome.discard()

    def _new_part(self) -> Path:
        return self._folder / f"shared-{os.getpid()}-{id(self)}-{next(self._number)}.part"


def key_of(job: DownloadJob) -> Key:
    """Return what tells the address of a job from others."""
    return (url_key(job.url), job.candidate.override)


def _later(candidate: Candidate) -> set[str]:
    return {url_key(each.url) for each in candidate.url_candidates[1:]}


def _bytes_of(outcome: Outcome) -> int:
    return outcome.size if isinstance(outcome, StoredPicture) else 0
