"""What can end the work on a page, query or picture: every error has a class for the ledger."""

from __future__ import annotations

import errno

from bodyshop_core.errors import BodyshopError


class CollectorError(BodyshopError):
    """Base of the collector's errors.

    Parameters
    ----------
    message : str
        The thing and the cause.
    hint : str, optional
        The next step.
    error_class : str, optional
        Replaces that of the Python class.

    Attributes
    ----------
    error_class : str
        What the ledger stores and ``--retry-failed=CLASS`` selects.
    transient : bool
        Another attempt may succeed.
    refusal : bool
        A rule forbids the work; nothing has failed.
    """

    error_class = "page"
    transient = False
    refusal = False

    def __init__(
        self, message: str, *, hint: str | None = None, error_class: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        if error_class is not None:
            self.error_class = error_class


class TransientError(CollectorError):
    """A busy host or a broken connection: the task is tried again later."""

    transient = True


class HostDisabledError(CollectorError):
    """The host refused too many requests and is disabled for this run."""

    error_class = "host_disabled"


class HttpStatusError(CollectorError):
    """The server answered with an error status that will not change by itself."""

    def __init__(self, url: str, status: int, detail: str = "") -> None:
        message = f"{url} returned HTTP {status}" + (f": {detail}" if detail else "")
        super().__init__(message, error_class=f"http_{status}")
        self.status = status


class RobotsUnreachableError(CollectorError):
    """robots.txt could not be read, so nothing of the host may be requested in this run."""

    error_class = "robots_unreachable"


class ForbiddenAddressError(CollectorError):
    """The address is private, or otherwise not on the public internet."""

    error_class = "forbidden_address"
    refusal = True


class ChallengeError(CollectorError):
    """A captcha or "checking your browser" page: the host is disabled for this run."""

    error_class = "challenge"


class RunStoppedError(CollectorError):
    """The run is being stopped: whoever waits for a host's turn stops waiting."""

    error_class = "stopped"


class TurnLostError(CollectorError):
    """A request was about to leave when its host asked for a pause: it has to be queued again."""

    error_class = "turn_lost"
    transient = True


def explained(error: BaseException) -> BaseException:
    """Return an error that says what to do, of one that ended a run; others as they are."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return BodyshopError(
            f"the disk is full: {error.filename or 'a picture'} could not be written",
            hint="free some space and run the same command again: it continues where it stopped",
        )
    return error
