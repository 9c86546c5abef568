"""The authenticated transport of a Label Studio server, with errors that say what to do.

The SDK holds the key, refreshes tokens and retries.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from bodyshop_core.errors import MissingPartError
from bodyshop_core.extras import need_extra
from labeling.server.connection import Connection, GoneError, ServerError

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 300.0


class LabelStudioTransport:
    """Sends requests and translates what goes wrong.

    Parameters
    ----------
    connection : Connection
        The server and the key.
    transport : httpx.BaseTransport, optional
        Used instead of the network, for tests.
    """

    def __init__(
        self, connection: Connection, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        need_extra("label", "Label Studio")
        import httpx

        # Dependencies of the SDK, such as nltk, log while they are imported.
        logging.getLogger("label_studio_sdk").setLevel(logging.ERROR)
        from label_studio_sdk import LabelStudio

        self.connection = connection
        self._http = httpx.Client(
            transport=transport, timeout=TIMEOUT_S, follow_redirects=True,
            trust_env=not connection.is_local,  # a proxy can't reach this machine
        )  # fmt: skip
        with self._translated_errors():
            self._sdk = LabelStudio(
                base_url=connection.url, api_key=connection.key, httpx_client=self._http
            )
        # The only private name of the SDK used here: its authenticated transport.
        self._transport = self._sdk._client_wrapper.httpx_client
        self.server_time = ""

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    def _json(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        body: Any = None,
        files: Mapping[str, Any] | None = None,
        once: bool = False,
    ) -> Any:
        with self._translated_errors():
            response = self._transport.request(
                path,
                method=method,
                params=dict(params or {}),
                json=body,
                files=dict(files) if files else None,
                request_options={"max_retries": 0} if once else None,
            )
        self.server_time = response.headers.get("date", "")
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if response.status_code >= 400 or answer is None:
            self._raise_for(response.status_code, answer)
        return answer

    def _raise_for(self, status: int | None, body: Any) -> NoReturn:
        url = self.connection.url
        facts = body if isinstance(body, dict) else {}
        detail = str(facts.get("detail") or "").strip()
        if errors := facts.get("validation_errors"):
            detail = f"{detail}: {json.dumps(errors, ensure_ascii=False)}"[:600]
        if status in {401, 403}:
            raise MissingPartError(
                f"Label Studio at {url} refuses the key: {detail or f'HTTP {status}'}",
                hint="copy a personal access token from Account & Settings into "
                "LABEL_STUDIO_API_KEY, or use the workspace's own server: bodyshop label serve",
            )
        if status == 404 and detail:
            raise GoneError(
                f"not found on Label Studio at {url}: {detail}",
                hint="if the project was deleted, create it again: bodyshop label init",
            )
        if not facts:
            raise self._not_label_studio(f"HTTP {status}")
        kind = ServerError if (status or 500) < 500 else MissingPartError
        raise kind(f"Label Studio at {url} answered HTTP {status}: {detail}")

    def _not_label_studio(self, why: object) -> MissingPartError:
        return MissingPartError(
            f"{self.connection.url} answers, but is not a Label Studio server ({why})",
            hint="LABEL_STUDIO_URL must be the address of its start page, without /api",
        )

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        url = self.connection.url
        try:
            yield
        except ApiError as error:
            # str(error) contains the session cookie, which a chained error would show.
            status, body = error.status_code, error.body
        except httpx.TransportError as error:
            timeout = isinstance(error, httpx.TimeoutException)
            why = f"no answer within {TIMEOUT_S:.0f} s" if timeout else error
            raise MissingPartError(
                f"no Label Studio answers at {url}: {why}",
                hint="start it with: bodyshop label serve, then run the command again: "
                "it continues where it stopped",
            ) from error
        except (httpx.RequestError, httpx.InvalidURL) as error:  # endless redirects and the like
            raise self._not_label_studio(error) from error
        else:
            return
        self._raise_for(status, body)
