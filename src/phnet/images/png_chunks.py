"""The chunks of a PNG that say something about the picture: colors, text, the time."""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from phnet.images.declared_colors import CHUNKS, Chunk

TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"tIME")
PROFILE = b"iCCP"
MOST_CHUNKS = 1 << 18  # looked at
MOST_TEXT = 16 << 20  # bytes kept
# Text chunks of other programs' making that hold what is written in its own place.
ELSEWHERE = (b"raw profile type exif", b"raw profile type app1", b"raw profile type xmp")
XMP = b"XML:com.adobe.xmp"


def color_chunks(handle: BinaryIO) -> tuple[Chunk, ...]:
    """Read a PNG's declarations of color, which stand before its pixels; of a profile the name."""
    found = []
    for name, content in _chunks(handle, (*CHUNKS, PROFILE), MOST_TEXT):
        if name == b"IDAT":
            break
        if name == PROFILE:
            found.append((name, b""))
        elif len(content) <= 64:
            found.append((name, content))
    return tuple(found)


def text_chunks(handle: BinaryIO) -> tuple[Chunk, ...]:
    """Text and time, wherever they stand, without XMP and EXIF in text's clothing."""
    found, total = [], 0
    for name, content in _chunks(handle, TEXTS, MOST_TEXT):
        keyword = content[:80].partition(b"\0")[0]
        total += len(content)
        if name == b"IDAT" or keyword == XMP or keyword.lower() in ELSEWHERE:
            continue
        if total > MOST_TEXT:
            break
        found.append((name, content))
    return tuple(found)


def text_names(chunks: tuple[Chunk, ...]) -> str:
    """The keywords of text chunks, for a sentence."""
    names = {
        content.partition(b"\0")[0].decode("latin-1") for name, content in chunks if name != b"tIME"
    }
    shown = sorted(name if name.isprintable() else repr(name) for name in names)
    return ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")


def chunk(name: bytes, content: bytes) -> bytes:
    """As it stands in the file."""
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def _chunks(handle: BinaryIO, wanted: tuple[bytes, ...], most: int) -> Iterator[Chunk]:
    """Whole chunks of some names and of at most ``most`` bytes, and one empty one for pixels."""
    if handle.read(8) != b"\x89PNG\r\n\x1a\n":
        return
    pixels = False
    for _ in range(MOST_CHUNKS):
        head = handle.read(8)
        if len(head) < 8:
            return
        size, name = int.from_bytes(head[:4], "big"), head[4:]
        if name in wanted and size <= most:
            content, checksum = handle.read(size), handle.read(4)
            if checksum == struct.pack(">I", zlib.crc32(name + content)):
                yield name, content
        else:
            handle.seek(size + 4, 1)
            if name == b"IDAT" and not pixels:
                pixels = True
                yield name, b""
