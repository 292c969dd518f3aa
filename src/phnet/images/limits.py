"""Limits on a picture's file, checked before it is decoded.

Memory and time of decoding follow from the header's size and, in a JPEG, from how many times the
file goes over the picture (its scans): a few bytes can ask for gigabytes, or for minutes.
"""

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from phnet.errors import BadImage, BadMask
from phnet.images.arrays import Pixels
from phnet.options import LookOptions

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = LookOptions.max_megapixels * 10**6
UNBOUNDED = sys.maxsize
LONGEST_SIDE = 100_000  # pixels; steps of the work go over whole rows
MOST_SCANS = 100  # progressive JPEGs have about ten
MOST_SCANNED = 2_000_000_000  # pixels of all scans
START_OF_IMAGE, START_OF_SCAN, END_OF_IMAGE = 0xD8, 0xDA, 0xD9
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Behind FF: a marker, but not 00 (the byte FF itself), a restart, or another FF.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")


class Sized(Protocol):
    """A picture that is opened but not decoded."""

    @property
    def format(self) -> str | None:
        """Its kind."""

    @property
    def width(self) -> int:
        """Pixels in a row."""

    @property
    def height(self) -> int:
        """Rows."""


class Encoded(Protocol):
    """An encoded picture: a :class:`phnet.images.decoding.Source`."""

    @property
    def most_pixels(self) -> int:
        """The most pixels that it may have."""

    def read(self) -> bytes:
        """All of the encoded bytes."""


def most_pixels(max_megapixels: int) -> int:
    """The option ``max_megapixels`` in pixels."""
    return max_megapixels * 10**6 or UNBOUNDED


def check_header(image: Sized, source: Encoded, error: type[BadImage] | type[BadMask]) -> None:
    """Refuse a picture that is opened but not decoded.

    Args:
        image: of it the size and format are looked at.
        source: where it came from; where it allows any size, only an empty one is refused.
        error: what is raised.

    Raises:
        BadImage, BadMask: it holds no pixels, or asks for too much memory or time.
    """
    width, height = image.width, image.height
    if width < 1 or height < 1:
        raise error(f"{source}: expected a picture with pixels, got {width}x{height}")
    if source.most_pixels >= UNBOUNDED:
        return
    if max(width, height) > LONGEST_SIDE:
        raise error(
            f"{source}: expected sides of at most {LONGEST_SIDE} pixels, got {width}x{height}"
        )
    if image.format in ("JPEG", "MPO"):
        scans = scans_of(source.read())
        if scans > MOST_SCANS or scans * width * height > MOST_SCANNED:
            raise error(
                f"{source}: expected a JPEG of at most {MOST_SCANS} scans and "
                f"{MOST_SCANNED // 10**6} megapixels in all of them, "
                f"got {scans} scans of {width}x{height}"
            )


def check_decoded(
    values: Pixels, image: "Image.Image", source: Encoded, error: type[BadImage] | type[BadMask]
) -> Pixels:
    """A decoder's values (H, W) or (H, W, C), if they are of the size that the header gives.

    Raises:
        BadImage, BadMask: they are not: two readers understand the file differently.
    """
    if values.shape[:2] != (image.height, image.width):
        raise error(
            f"{source}: expected a whole image of {image.width}x{image.height}, "
            f"but {' x '.join(map(str, values.shape))} values were found"
        )
    return values


def scans_of(content: bytes) -> int:
    """Count the scans of a JPEG file's first picture (ITU-T T.81, B.1.1)."""
    return sum(marker == START_OF_SCAN for marker, _ in _segments(content))


def jpeg_bits(content: bytes) -> int | None:
    """Bits of each sample, as a JPEG's first frame says (B.2.2); None: it has none."""
    for marker, position in _segments(content):
        if marker in FRAMES and position + 2 < len(content):
            return content[position + 2]
    return None


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Markers of a JPEG file's first picture, each with the position behind it."""
    position = 0
    while found := _MARKER.search(content, position):
        marker, position = found[1][0], found.end()
        if marker == START_OF_IMAGE:
            continue
        if marker == END_OF_IMAGE:
            break
        yield marker, position
        position += int.from_bytes(content[position : position + 2], "big")
