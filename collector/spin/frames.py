"""From the addresses that a turning viewer requested to the template of all its frames."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_DIGITS = re.compile(r"\d+")
MIN_FRAMES = 3
MAX_FRAMES = 720  # half a degree a frame


@dataclass(frozen=True)
class FrameTemplate:
    """Addresses that differ in one number.

    Parameters
    ----------
    prefix, suffix : str
        The text before and after the number.
    pad : int
        Digits of the number with leading zeros; 0: no leading zeros.
    first, last, step : int
        Lowest and highest number seen, and the common distance.
    """

    prefix: str
    suffix: str
    pad: int
    first: int
    last: int
    step: int

    def url(self, number: int) -> str:
        """Return one frame's address."""
        return f"{self.prefix}{str(number).zfill(self.pad)}{self.suffix}"

    def urls(self) -> list[str]:
        """Return the address of every frame, also of those that were not requested."""
        return [self.url(number) for number in range(self.first, self.last + 1, self.step)]


def infer_template(urls: Iterable[str]) -> FrameTemplate | None:
    """Find the number in the addresses that counts the frames.

    Parameters
    ----------
    urls : iterable of str
        Addresses of pictures that were requested while the viewer turned; others may be included.

    Returns
    -------
    FrameTemplate or None
        The one that matches most addresses, at least `MIN_FRAMES`.
    """
    families: dict[tuple[str, str], dict[int, str]] = {}
    for url in dict.fromkeys(urls):
        for match in _DIGITS.finditer(url):
            family = families.setdefault((url[: match.start()], url[match.end() :]), {})
            family.setdefault(int(match[0]), match[0])
    best: FrameTemplate | None = None
    most = MIN_FRAMES - 1
    for (prefix, suffix), numbers in families.items():
        if len(numbers) <= most:
            continue
        template = _template(prefix, suffix, numbers)
        if template is not None:
            best, most = template, len(numbers)
    return best


def _template(prefix: str, suffix: str, numbers: dict[int, str]) -> FrameTemplate | None:
    ordered = sorted(numbers)
    step = math.gcd(*(b - a for a, b in pairwise(ordered)))
    if (ordered[-1] - ordered[0]) // step >= MAX_FRAMES:
        return None  # numbers that far apart are identifiers, not frames
    widths = {len(text) for text in numbers.values()}
    padded = len(widths) == 1 and (
        any(text.startswith("0") and len(text) > 1 for text in numbers.values())
    )
    if len(widths) > 1 and any(text.startswith("0") and len(text) > 1 for text in numbers.values()):
        return None  # 007 beside 12 is not a counter
    return FrameTemplate(
        prefix, suffix, widths.pop() if padded else 0, ordered[0], ordered[-1], step
    )


def whole_turn(shown: Sequence[str]) -> list[str] | None:
    """Return the frames of one complete turn in the order in which they were shown, or None.

    Parameters
    ----------
    shown : sequence of str
        What the viewer showed after each small step in one direction, with repetitions. The turn is
        complete when a frame returns after at least `MIN_FRAMES` different ones; what was shown
        before that frame's first time (a still picture, a loading screen) is not part of it.
    """
    order: list[str] = []
    for each in shown:
        if order and each == order[-1]:
            continue
        if each in order:
            start = order.index(each)
            if len(order) - start >= MIN_FRAMES:
                return order[start:]
            continue
        order.append(each)
    return None


def angle(frame: int, frames: int | None) -> float | None:
    """Return the angle to the first frame in degrees, in [0, 360); None without a whole turn."""
    return round(frame * 360 / frames, 3) if frames else None
