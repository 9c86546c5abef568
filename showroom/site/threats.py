"""The list of the hostile corner: every bad answer, and the fate it deserves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from showroom.site.hosts import Hosts

Fate = Literal["accept", "retry", "never", "refuse"]

# File names as the web writes them: parts of paths, devices, controls, headers, another script.
NAMES = (
    "../../../../etc/passwd.jpg", "..\\..\\windows\\win.ini.jpg", "/etc/shadow.jpg", "C:\\car.jpg",
    "CON.jpg", "a\r\nSet-Cookie: x=1.jpg", "nul\0byte.jpg", "바람 측면.jpg", "-rf.jpg", "~root.jpg",
    "%2e%2e%2fdouble.jpg", "x" * 300 + ".jpg", ".jpg", "car.jpg.exe", "car.php?.jpg", "$(id).jpg",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hostile:
    """One bad answer.

    Attributes
    ----------
    name
        Its address is ``/hostile/<name>``.
    what
        What a visitor gets.
    fate
        What a careful downloader makes of it: ``"accept"`` a good picture in odd clothes (perhaps
        after a retry), ``"retry"`` and give up after a few attempts, ``"never"`` ask again, or
        ``"refuse"`` the content or the address.
    """

    name: str
    what: str
    fate: Fate


STATUS = {
    "408": (408, "retry"), "425": (425, "retry"), "429": (429, "retry"), "500": (500, "retry"),
    "502": (502, "retry"), "503": (503, "retry"), "504": (504, "retry"), "401": (401, "never"),
    "403": (403, "never"), "404": (404, "never"), "410": (410, "never"), "451": (451, "never"),
}  # fmt: skip

_CONTENT: tuple[Hostile, ...] = (
    Hostile("slow", "one byte a second", "retry"),
    Hostile("stall", "no answer for two minutes", "retry"),
    Hostile("truncated", "half of the bytes that Content-Length promises", "retry"),
    Hostile("cut", "a complete answer with half a JPEG in it", "refuse"),
    Hostile("zero", "no bytes at all", "refuse"),
    Hostile("huge-length", "a Content-Length of one terabyte, and bytes without end", "refuse"),
    Hostile("endless", "bytes without end and without Content-Length", "refuse"),
    Hostile("wrong-type", "a PDF called image/jpeg", "refuse"),
    Hostile("html-as-jpg", "a sign-in page called image/jpeg", "refuse"),
    Hostile("svg", "an SVG with a script", "refuse"),
    Hostile("bomb", "a PNG of 60 kB and 500 megapixels", "refuse"),
    Hostile("bomb-header", "a PNG that claims 500 megapixels", "refuse"),
    Hostile("gzip-bomb", "1 MB, Content-Encoding gzip, 1 GiB unpacked", "refuse"),
    Hostile("png-as-jpg", "a JPEG whose name and type say PNG", "accept"),
    Hostile("disposition", "a picture whose Content-Disposition names ../../evil.jpg", "accept"),
    Hostile("noai", "X-Robots-Tag: noai, noimageai", "refuse"),
    Hostile("noml", "X-Robots-Tag: noml for every agent", "refuse"),
    Hostile("tdm", "tdm-reservation: 1", "refuse"),
    Hostile("redirect-loop", "a redirect to itself by way of another address", "refuse"),
    Hostile("redirect-many", "forty redirects, then a picture", "refuse"),
    Hostile("redirect-good", "two redirects, then a picture", "accept"),
    Hostile("redirect-hop", "a redirect to the CDN, which redirects to a private host", "refuse"),
)  # fmt: skip


_REFUSALS: tuple[Hostile, ...] = (
    *(Hostile(n, f"status {s}", f) for n, (s, f) in STATUS.items()),  # type: ignore[arg-type]
    Hostile("429-date", "status 429, Retry-After as an HTTP date", "retry"),
    Hostile("429-once", "status 429 with Retry-After the first time, then a picture", "accept"),
    Hostile("503-twice", "status 503 two times, then a picture", "accept"),
)


def redirects(hosts: Hosts) -> dict[str, str]:
    """Return the addresses a downloader must refuse to be sent to, by name of the answer."""
    port = hosts.private.rpartition(":")[2]
    return {
        "redirect-private": hosts.url("private", "/secret.jpg"),
        "redirect-metadata": "http://169.254.169.254/latest/meta-data/secret.jpg",
        "redirect-10": "http://10.0.0.1/secret.jpg",
        "redirect-192": "http://192.168.1.1/secret.jpg",
        "redirect-cgnat": "http://100.64.0.1/secret.jpg",
        "redirect-v6": f"http://[::1]:{port}/secret.jpg",
        "redirect-mapped": "http://[::ffff:10.0.0.1]/secret.jpg",
        "redirect-mapped-loopback": f"http://[::ffff:127.0.0.1]:{port}/secret.jpg",
        "redirect-octal": f"http://0177.0.0.1:{port}/secret.jpg",
        "redirect-decimal": f"http://2130706433:{port}/secret.jpg",
        "redirect-short": f"http://127.1:{port}/secret.jpg",
        "redirect-zero": f"http://0.0.0.0:{port}/secret.jpg",
        "redirect-name": f"http://localhost:{port}/secret.jpg",
        "redirect-userinfo": f"http://{hosts.site}@{hosts.private}/secret.jpg",
        "redirect-file": "file:///etc/passwd",
        "redirect-ftp": "ftp://127.0.0.1/secret.jpg",
        "redirect-data": "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=",
    }


def all_answers(hosts: Hosts) -> tuple[Hostile, ...]:
    """Return every bad answer of the corner."""
    sent_away = (
        Hostile(name, f"a redirect to {target}", "refuse")
        for name, target in redirects(hosts).items()
    )
    # Refusals last: after a few of them a polite visitor leaves the host alone.
    return (*_CONTENT, *sent_away, *_REFUSALS)


# Pages of the corner: name -> what a visitor gets.
PAGES = {
    "wall": "every bad answer above as an <img>",
    "same": "one picture under fifty addresses",
    "items": "10,000 pictures (?n=… for fewer)",
    "names": "file names with path parts, controls and other scripts",
    "texts": "alt texts and captions with markup and control characters",
    "scroll": "a feed that never ends",
    "browser": "a page that makes the browser itself ask a private host",
    "dialogs": "alert boxes, pop-ups and a question before leaving",
    "challenge": "a page that asks whether you are human (?status=200, 403 or 503)",
    "empty": "a page without pictures",
    "noai-page": "a page whose meta element says noai, noimageai",
    "busy-page": "a page that answers 429 with Retry-After",
}
