"""Who may ask: the address of one start lets one browser in, once."""

from __future__ import annotations

import hmac
import secrets
from threading import Lock


class Entry:
    """What a desk of this start knows its visitors by.

    Parameters
    ----------
    token : str
        Secret of the address that is printed: good once.

    Attributes
    ----------
    page_token : str
        Secret of the page, which what changes something needs besides the cookie.
    """

    def __init__(self, token: str) -> None:
        self._token: str | None = token
        self._session = secrets.token_urlsafe(24)
        self._lock = Lock()
        self.page_token = secrets.token_urlsafe(24)

    def exchange(self, token: str | None) -> str | None:
        """Return the session's secret for the address's token, the first time only.

        Parameters
        ----------
        token : str or None
            What an address carries.
        """
        with self._lock:
            if self._token is None or not _same(token, self._token):
                return None
            self._token = None
        return self._session

    def knows(self, session: str | None) -> bool:
        """Whether that is the session's secret."""
        return _same(session, self._session)

    def is_of_page(self, token: str | None) -> bool:
        """Whether that is the page's secret."""
        return _same(token, self.page_token)


def _same(given: str | None, secret: str) -> bool:
    """Compare in constant time; as bytes, since text that is not ASCII can't be compared so."""
    return hmac.compare_digest((given or "").encode("utf-8", "surrogatepass"), secret.encode())
