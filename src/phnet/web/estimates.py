"""Estimates of time: the pictures' megapixels, and what a megapixel took lately.

The sizes are read off the first bytes without a decoder, since this runs in the server's own
process. They are no limits: the workers check those.
"""

import struct
from collections.abc import Iterable

LEAST = 0.5  # megapixels that every request counts besides its own: what comes with any work
FIRST = 0.25  # seconds a megapixel, before anything was measured
WEIGHT = 0.2  # of the latest measurement
MOST = 50_000_000  # pixels: what says that it has more is refused, which takes no time
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG's markers that carry a size


class Estimate:
    """Seconds that work takes, learned from what was done.

    One number for each kind of work: seconds a megapixel, an exponential mean.
    """

    def __init__(self) -> None:
        self._rates: dict[str, float] = {}

    def seconds(self, kind: str, pixels: int) -> float:
        """Estimate the seconds of work on so many pixels."""
        return self._rates.get(kind, FIRST) * (LEAST + pixels / 1e6)

    def learn(self, kind: str, pixels: int, seconds: float) -> None:
        """Take account of work that was done."""
        rate = seconds / (LEAST + pixels / 1e6)
        before = self._rates.get(kind)
        self._rates[kind] = rate if before is None else before + WEIGHT * (rate - before)


def pixels(files: Iterable[bytes]) -> int:
    """About how many pixels encoded pictures have, all together."""
    found = [_pixels(content) for content in files]
    return sum(each for each in found if each <= MOST)


def _pixels(content: bytes) -> int:
    """One picture's: from the header of a PNG or JPEG, else its bytes."""
    if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return int(width * height)
    if content.startswith(b"\xff\xd8"):
        return _jpeg(content) or len(content)
    return len(content)


def _jpeg(content: bytes) -> int:
    at = 2
    for _ in range(200):  # segments before the first frame; photos have about 20
        if at + 9 > len(content) or content[at] != 0xFF:
            return 0
        marker = content[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return int(width * height)
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return 0
