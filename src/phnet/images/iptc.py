"""Photoshop's image resources, in which JPEG and TIFF keep IPTC captions, and PNG's way of both.

Only what describes the picture is kept: IPTC, copyright, address and clipping paths. A preview, and
what repeats the profile, EXIF or XMP, would be wrong beside the new ones.
"""

import binascii
import struct
import zlib
from collections.abc import Iterator

CAPTIONS = 0x0404  # the IPTC records themselves
KEPT = (CAPTIONS, 0x0425, 0x040A, 0x040B)  # and their digest, the copyright flag, the address
PATHS = range(2000, 3000)  # in shares of the picture's sides
MOST = 16 << 20  # bytes, unpacked


def kept_resources(blocks: bytes, turned: bool = False) -> bytes | None:
    """Keep the resources that describe the picture; of a turned one no paths."""
    kept = [
        block
        for name, block in _resources(blocks)
        if name in KEPT or (name in PATHS and not turned)
    ]
    return b"".join(kept) or None


def resource_of(captions: bytes) -> bytes:
    """IPTC records as a resource."""
    size = len(captions)
    return b"8BIM" + struct.pack(">HHI", CAPTIONS, 0, size) + captions + b"\0" * (size % 2)


def captions_of(blocks: bytes) -> bytes | None:
    """The IPTC records among resources."""
    return next((content for name, content in resources(blocks) if name == CAPTIONS), None)


def resources(blocks: bytes) -> Iterator[tuple[int, bytes]]:
    """The number and content of each resource."""
    for name, block in _resources(blocks):
        start = 6 + (block[6] + 2) // 2 * 2
        (size,) = struct.unpack_from(">I", block, start)
        yield name, block[start + 4 : start + 4 + size]


def _resources(blocks: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while blocks[at : at + 4] == b"8BIM" and at + 12 <= len(blocks):
        (name,) = struct.unpack_from(">H", blocks, at + 4)
        start = at + 6 + (blocks[at + 6] + 2) // 2 * 2  # behind a name of even length
        if start + 4 > len(blocks):
            return
        (size,) = struct.unpack_from(">I", blocks, start)
        end = start + 4 + size + size % 2
        if start + 4 + size > len(blocks):
            return
        yield name, blocks[at:end].ljust(end - at, b"\0")
        at = end


# -- in PNG, as ImageMagick and ExifTool have it -------------------------------------------


def to_png(blocks: bytes) -> bytes:
    """The content of a zTXt chunk that holds resources."""
    digits = binascii.hexlify(blocks).decode()
    lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    text = f"\niptc\n{len(blocks):8}\n{lines}\n"
    return b"Raw profile type iptc\0\0" + zlib.compress(text.encode())


def from_png(name: bytes, content: bytes) -> bytes | None:
    """The resources in a text chunk of a PNG; None where it holds none."""
    keyword, _, rest = content.partition(b"\0")
    if keyword.lower() not in (b"raw profile type iptc", b"raw profile type 8bim"):
        return None
    try:
        text = zlib.decompressobj().decompress(rest[1:], MOST) if name == b"zTXt" else rest
        blocks = binascii.unhexlify(b"".join(text.split()[2:]))
    except (zlib.error, ValueError):
        return None
    return blocks if blocks.startswith(b"8BIM") else resource_of(blocks)
