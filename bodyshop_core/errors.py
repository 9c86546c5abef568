"""The errors that a caller can act on, with one exit code per branch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


class BodyshopError(Exception):
    """Base of all errors that have an explanation; the command ends with exit code 1.

    Parameters
    ----------
    message : str
        The thing and the cause.
    hint : str, optional
        The next step that solves it.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


class UnreadableImageError(BodyshopError):
    """Bytes that are not an accepted picture; the picture is rejected with this reason.

    Parameters
    ----------
    message : str
        The thing and the cause.
    hint : str, optional
        The next step that solves it.
    code : str
        ``unreadable``, or ``too_many_pixels`` for a picture that is larger than the limit.
    """

    def __init__(self, message: str, *, hint: str | None = None, code: str = "unreadable") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class MaskFormatError(BodyshopError):
    """A mask that can't be decoded, or whose size does not match its picture."""


class TransientError(BodyshopError):
    """Storage or a machine failed, not a picture: nothing is recorded, and it is left to do.

    Parameters
    ----------
    message : str
        The thing and the cause.
    hint : str, optional
        The next step that solves it.
    left : sequence of (str, str)
        Key and cause of every item that is left to do; empty for one thing alone.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, left: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.left = tuple(left)

    @classmethod
    def of(cls, left: Sequence[tuple[str, str]], *, what: str = "pictures") -> TransientError:
        """Return the error that ends a run which did everything else.

        Parameters
        ----------
        left : sequence of (str, str)
            Key and cause of every item that is left to do.
        what : str
            What the items are.
        """
        return cls(
            f"{what} left to do: {len(left)}; storage or a machine failed, not they. "
            f"The first: {left[0][1]}",
            hint="bring it back (mount, permissions, network), then run the same command again: it "
            "does only these. A file that is lost for good: import the picture again, or erase it: "
            "bodyshop forget SHA",
            left=left,
        )


class LostBlobError(TransientError):
    """The stored bytes of a picture are not where they should be."""


class DamagedBlobError(TransientError):
    """The stored bytes of a picture are not those that were stored."""


class ErasedPictureError(BodyshopError):
    """A picture that `bodyshop forget` erased was about to enter the catalog again."""


class UsageError(BodyshopError):
    """Invalid arguments; nothing was started."""

    exit_code = 2


class NothingFoundError(BodyshopError):
    """A source, folder or query yielded nothing; nothing is marked as done."""

    exit_code = 3


class ConfigError(BodyshopError):
    """A configuration file is wrong; the message says where and what is allowed.

    Parameters
    ----------
    message : str
        What is wrong.
    file : Path or str, optional
        The file it is in.
    line : int, optional
        Line in that file, from 1.
    key : str, optional
        Dotted path of the key, such as ``brands.0.models.1.name``.
    allowed : Iterable[str], optional
        The allowed values.
    hint : str, optional
        The next step that solves it.
    """

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        key: str | None = None,
        allowed: Iterable[str] | None = None,
        hint: str | None = None,
    ) -> None:
        self.file, self.line, self.key = file, line, key
        self.allowed = tuple(allowed) if allowed is not None else None
        place = ":".join(str(part) for part in (file, line) if part is not None)
        text = ": ".join(part for part in (place, key, message) if part)
        if self.allowed:
            text += f" (allowed: {', '.join(self.allowed)})"
        super().__init__(text, hint=hint)


class MissingPartError(BodyshopError):
    """A browser, weights file, server or package is missing; the hint says how to get it."""

    exit_code = 5


class InterruptedByUser(BodyshopError):  # noqa: N818 - named for what happened
    """The user stopped the command; everything finished so far is saved."""

    exit_code = 130
