"""Odd answers of real servers, each on a page of its own.

They follow public reports about other collectors: encodings that are named but not used (gallery-dl
2267, versitygw 2398, aws-sdk-java-v2 5769), answers that only browsers get, and endings.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable
from functools import lru_cache, partial
from http.server import BaseHTTPRequestHandler

from PIL import Image

from abroad.pages import FULL, Case, each, page
from abroad.photos import photo

COUNT = 3
"""Pictures per page."""

Answer = tuple[int, bytes, dict[str, str]]


def respond(handler: BaseHTTPRequestHandler, path: str) -> bool:
    """Answer an address below ``/e/`` by its kind; False if there is no such kind or picture."""
    found = re.fullmatch(r"/e/([\w-]+)/(?:.*\D)?(\d)\.jpg", path)
    if found is None or found[1] not in _HABITS:
        return False
    status, body, headers = _HABITS[found[1]](photo(int(found[2]), FULL[0]), handler)
    length = {} if "Transfer-Encoding" in headers else {"Content-Length": str(len(body))}
    handler.send_response(status)
    for name, value in ({"Content-Type": "image/jpeg"} | length | headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
    if "Connection" in headers:
        handler.close_connection = True
    return True


def _with(data: bytes, _: BaseHTTPRequestHandler, **headers: str) -> Answer:
    return 200, data, {name.replace("_", "-"): value for name, value in headers.items()}


def _status(number: int) -> Callable[..., Answer]:
    def answer(data: bytes, _: BaseHTTPRequestHandler) -> Answer:
        last, size = len(data) - 1, len(data)
        extra = {"Content-Range": f"bytes 0-{last}/{size}"} if number == 206 else {}
        return number, data, extra

    return answer


def _changed(change: Callable[[bytes], bytes], kind: str = "image/jpeg") -> Callable[..., Answer]:
    return lambda data, _: (200, change(data), {"Content-Type": kind})


def _only(test: Callable[[dict[str, str]], bool]) -> Callable[..., Answer]:
    """403 unless the request's headers pass a test."""

    def answer(data: bytes, handler: BaseHTTPRequestHandler) -> Answer:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        return (200, data, {}) if test(headers) else (403, b"no", {"Content-Type": "text/plain"})

    return answer


def _redirect(target: str) -> Callable[..., Answer]:
    def answer(_: bytes, handler: BaseHTTPRequestHandler) -> Answer:
        number = re.sub(r"\D", "", handler.path.rpartition("/")[2])
        return 302, b"", {"Location": target.replace("{n}", number)}

    return answer


@lru_cache(maxsize=100)
def _saved(data: bytes, kind: str, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    image = Image.open(io.BytesIO(data)).convert(mode)
    more = {"save_all": True, "append_images": [image.resize((320, 213))]} if kind == "MPO" else {}
    image.save(out, kind, **more)
    return out.getvalue()


def _as(kind: str, mime: str, mode: str = "RGB") -> Callable[..., Answer]:
    return _changed(lambda data: _saved(data, kind, mode), mime)


def _negotiated(data: bytes, handler: BaseHTTPRequestHandler) -> Answer:
    """AVIF for those who accept it, JPEG for all others."""
    if "image/avif" in handler.headers.get("Accept", ""):
        return 200, _saved(data, "AVIF"), {"Content-Type": "image/avif"}
    return 200, data, {}


def _chunked(data: bytes, _: BaseHTTPRequestHandler) -> Answer:
    parts = (data[at : at + 5000] for at in range(0, len(data), 5000))
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return 200, body + b"0\r\n\r\n", {"Transfer-Encoding": "chunked"}


def _wrong_length(data: bytes, _: BaseHTTPRequestHandler) -> Answer:
    """Announce ten bytes too many, and close: browsers show no such picture."""
    return 200, data, {"Content-Length": str(len(data) + 10), "Connection": "close"}


_HABITS: dict[str, Callable[..., Answer]] = {
    "aws-chunked": partial(_with, Content_Encoding="aws-chunked"),
    "utf8": partial(_with, Content_Encoding="UTF-8"),
    "none": partial(_with, Content_Encoding="none"),
    "gzip": lambda data, _: (200, gzip.compress(data), {"Content-Encoding": "gzip"}),
    "octet": partial(_with, Content_Type="application/octet-stream"),
    "redirect": _redirect("/pics/{n}.jpg"),
    # The header contains the UTF-8 bytes of Korean letters, as many servers send it.
    "redirect-utf8": _redirect("/e/korean/쏘나타_{n}.jpg".encode().decode("latin-1")),
    "korean": partial(_with),
    "203": _status(203),
    "206": _status(206),
    "no-end": _changed(lambda data: data[:-2]),
    "more-after-end": _changed(lambda data: data + bytes(200_000)),
    "blank-line-first": _changed(lambda data: b"\r\n" + data),
    "chunked": _chunked,
    "wrong-length": _wrong_length,
    "referer": _only(lambda headers: "referer" in headers),
    "cookie": _only(lambda headers: "sess=1" in headers.get("cookie", "")),
    "agent": _only(lambda headers: "Chrome" in headers.get("user-agent", "")),
    "fetch-metadata": _only(lambda headers: headers.get("sec-fetch-dest") == "image"),
    "negotiated": _negotiated,
    "avif": _as("AVIF", "image/avif"),
    "jp2": _as("JPEG2000", "image/jp2"),
    "tiff": _as("TIFF", "image/tiff"),
    "bmp": _as("BMP", "image/bmp"),
    "mpo": _as("MPO", "image/jpeg"),
    "cmyk": _as("JPEG", "image/jpeg", "CMYK"),
    "grey": _as("JPEG", "image/jpeg", "L"),
}

_NAMES = {"korean": "쏘나타 광고_%EC%9C%A0%EC%97%B0_"}

HABITS = tuple(
    Case(f"http-{kind}", "pages", COUNT, page(each(
        f'<p><img src="/e/{kind}/{_NAMES.get(kind, "")}{{k}}.jpg" width=600 height=400></p>',
        COUNT)))
    for kind in _HABITS
)  # fmt: skip
