"""Hostile pictures from seeds: each is a real file with parts changed that its format knows of.

The same seed makes the same file. What may be changed: single bytes, lengths and sums of PNG
chunks (sums made right again), fields of a PNG's header, markers and frames of a JPEG, scans
repeated, tags of a TIFF, pieces of RIFF; metadata of great size; files cut, doubled and joined.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import tifffile
from PIL import Image, ImageCms

NUMBERS = (0, 1, 2, 3, 7, 127, 128, 255, 256, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)
SIDES = (1, 1, 2, 3, 16, 17, 33, 64, 100, 129, 400)
MODES = ("RGB", "RGB", "L", "LA", "RGBA", "P", "1", "CMYK", "I;16")
Change = Callable[[random.Random, bytes], bytes]


def case(seed: int) -> tuple[str, bytes]:
    """A suffix and a file."""
    rng = random.Random(seed)
    suffix, content = original(rng)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        content = rng.choice((*CHANGES[suffix], *ANY, *ANY))(rng, content)
    if rng.random() < 0.05:
        suffix = rng.choice(list(CHANGES))  # a name that lies
    return suffix, content


def original(rng: random.Random) -> tuple[str, bytes]:
    """A suffix and a file that is right."""
    suffix = rng.choice((".png", ".png", ".jpg", ".jpg", ".tif", ".tif", ".webp", ".bmp", ".gif"))
    size = (rng.choice(SIDES), rng.choice(SIDES))
    numbers = np.random.default_rng(rng.randrange(1 << 32))
    values = numbers.integers(0, 256, (*size, 4), np.uint8)
    if suffix == ".tif" and rng.random() < 0.5:
        return suffix, _deep_tiff(rng, values)
    target = io.BytesIO()
    mode = rng.choice(MODES)
    image = Image.fromarray(values)
    if mode == "I;16":
        image = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    else:
        image = image.convert("RGB").convert(mode) if mode in ("P", "CMYK") else image.convert(mode)
    try:
        image.save(target, KINDS[suffix], **_metadata(rng, suffix))
    except (OSError, ValueError, KeyError, struct.error):  # not this mode, or not these metadata
        target = io.BytesIO()
        Image.fromarray(values[..., :3].copy()).save(target, KINDS[suffix])
    return suffix, target.getvalue()


KINDS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".tif": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
}


@cache
def _profile() -> bytes:
    """sRGB's, without the second at which it was made."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[:24] + bytes(12) + made[36:]


def _metadata(rng: random.Random, suffix: str) -> dict[str, object]:
    made: dict[str, object] = {}
    if rng.random() < 0.3:
        made["icc_profile"] = _profile()
        if rng.random() < 0.3:
            made["icc_profile"] = rng.randbytes(rng.choice((0, 10, 128, 3000)))
    if rng.random() < 0.3:
        exif = Image.Exif()
        exif[0x0112] = rng.choice((1, 3, 5, 6, 8, 9, 60_000))
        exif[0x010E] = "x" * rng.choice((0, 5, 60_000))
        made["exif"] = exif.tobytes()
    if rng.random() < 0.2 and suffix in (".jpg", ".webp"):
        made["xmp"] = b"x" * rng.choice((0, 100, 65_000))
    if rng.random() < 0.3:
        made["dpi"] = (rng.choice((0, 1, 72, 65_000)), 72)
    if suffix == ".jpg":
        made["progressive"] = rng.random() < 0.5
        made["quality"] = rng.choice((1, 50, 95, 100))
    return made


def _deep_tiff(rng: random.Random, values: np.ndarray) -> bytes:
    target = io.BytesIO()
    channels = rng.choice((1, 2, 3, 4))
    pixels = values[..., :channels].astype(np.uint16) * 257 if rng.random() < 0.6 else values
    pixels = pixels[..., :channels] if channels > 1 else pixels[..., 0]
    if rng.random() < 0.1:
        pixels = pixels.astype(np.float32)
    more: dict[str, object] = {"compression": rng.choice((None, "deflate", "lzw"))}
    if rng.random() < 0.3:
        more["tile"] = (16, 16)
    more["photometric"] = "rgb" if channels > 2 else "minisblack"
    tifffile.imwrite(target, pixels, metadata=None, **more)
    return target.getvalue()


# -- changes that fit any file ------------------------------------------------------------


def flipped(rng: random.Random, content: bytes) -> bytes:
    """Some bytes are others."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 10, 100))):
        if made:
            place = min(int(len(made) * rng.random() ** 2), len(made) - 1)  # mostly near the start
            made[place] = rng.choice((0, 255, made[place] ^ 1 << rng.randrange(8)))
    return bytes(made)


def cut(rng: random.Random, content: bytes) -> bytes:
    """The end, the start or a piece is missing."""
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return rng.choice((content[:a], content[a:], content[:a] + content[b:]))


def doubled(rng: random.Random, content: bytes) -> bytes:
    """A piece comes twice, or another file's start stands behind."""
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return rng.choice((content[:b] + content[a:], content + content[a:b], content * 2))


def numbered(rng: random.Random, content: bytes) -> bytes:
    """A number of two or four bytes is one that programs stumble over."""
    if len(content) < 8:
        return content
    place = rng.randrange(min(len(content) - 4, 400))
    size = rng.choice((2, 4))
    number = rng.choice(NUMBERS) & (256**size - 1)
    written = number.to_bytes(size, rng.choice(("big", "little")))
    return content[:place] + written + content[place + size :]


ANY: tuple[Change, ...] = (flipped, cut, doubled, numbered)


# -- changes that know the format ---------------------------------------------------------


def png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Names and contents, up to where the file is none any more."""
    found, place = [], 8
    while place + 8 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        found.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG whose sums are right."""
    made = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        made += (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )
    return made


def png_header(rng: random.Random, content: bytes) -> bytes:
    """Another size, depth, color type or interlacing."""
    chunks = png_chunks(content)
    if not chunks or len(chunks[0][1]) < 13:
        return content
    head = list(struct.unpack(">IIBBBBB", chunks[0][1][:13]))
    field = rng.randrange(7)
    head[field] = rng.choice((*NUMBERS, 100_000, 199_999_999)) if field < 2 else rng.randrange(18)
    return png_of([(chunks[0][0], struct.pack(">IIBBBBB", *head)), *chunks[1:]])


def png_chunk(rng: random.Random, content: bytes) -> bytes:
    """A chunk is missing, comes twice, elsewhere, or is new and odd."""
    chunks = png_chunks(content)
    if not chunks:
        return content
    place = rng.randrange(len(chunks))
    bomb = zlib.compress(bytes(rng.choice((10, 2 << 20))))
    new = [
        (b"iCCP", b"x\0\0" + bomb),
        (b"zTXt", b"x\0\0" + bomb),
        (b"tRNS", rng.randbytes(rng.choice((0, 1, 2, 6, 300)))),
        (b"PLTE", rng.randbytes(rng.choice((0, 2, 3, 768, 900)))),
        (b"eXIf", rng.randbytes(30)),
        (b"acTL", struct.pack(">II", rng.choice(NUMBERS), 0)),
        (b"pHYs", struct.pack(">IIB", rng.choice(NUMBERS), 1, 1)),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * rng.choice((0, 70_000))),
        (b"IDAT", bomb),
    ]
    changed = [
        chunks[:place] + chunks[place + 1 :],
        [*chunks[:place], chunks[place], *chunks[place:]],
        [*chunks[:1], rng.choice(new), *chunks[1:]],
        rng.sample(chunks, len(chunks)),
    ]
    return png_of(rng.choice(changed))


def jpeg_frame(rng: random.Random, content: bytes) -> bytes:
    """Another size, count of components, sampling or table in the frame's header."""
    place = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
    if place < 0 or place + 20 > len(content):
        return content
    made = bytearray(content)
    if rng.random() < 0.6:
        side = rng.choice((0, 1, 8, 14_000, 65_500, 65_535))
        at = place + rng.choice((5, 7))
        made[at : at + 2] = side.to_bytes(2, "big")
    else:
        made[place + rng.choice((4, 9, 10, 11, 12, 13))] = rng.randrange(256)
    return bytes(made)


def jpeg_scans(rng: random.Random, content: bytes) -> bytes:
    """The last scan comes again and again."""
    last = content.rfind(b"\xff\xda")
    return content[:last] + content[last:-2] * rng.choice((2, 30, 3000)) + content[-2:]


def jpeg_segment(rng: random.Random, content: bytes) -> bytes:
    """A segment of metadata more."""
    head = rng.choice((b"Exif\0\0", b"ICC_PROFILE\0\1\1", b"JFIF\0", b"Adobe\0", b""))
    body = head + rng.randbytes(rng.choice((0, 4, 60, 65_000)))
    marker = rng.choice(
        (b"\xff\xe0", b"\xff\xe1", b"\xff\xe2", b"\xff\xee", b"\xff\xdb", b"\xff\xc4")
    )
    return content[:2] + marker + (len(body) + 2).to_bytes(2, "big") + body + content[2:]


def tiff_tag(rng: random.Random, content: bytes) -> bytes:
    """A tag has another number, type, count or value."""
    if len(content) < 12 or content[:2] not in (b"II", b"MM"):
        return content
    order = "<" if content[:2] == b"II" else ">"
    (start,) = struct.unpack(order + "I", content[4:8])
    if start + 2 > len(content):
        return content
    (count,) = struct.unpack(order + "H", content[start : start + 2])
    place = start + 2 + 12 * rng.randrange(max(1, min(count, 40)))
    if place + 12 > len(content):
        return content
    entry = list(struct.unpack(order + "HHII", content[place : place + 12]))
    field = rng.choice((0, 1, 2, 3, 3, 3, 3))
    values = {0: (256, 257, 258, 259, 262, 277, 278, 322, 330, 339), 1: range(20)}
    entry[field] = rng.choice(values.get(field, NUMBERS))
    made = struct.pack(order + "HHII", *entry)
    return content[:place] + made + content[place + 12 :]


def riff_size(rng: random.Random, content: bytes) -> bytes:
    """A piece of a RIFF file has another length or name."""
    made = bytearray(content)
    place = rng.choice((4, 12, 16, 20, 24, 26))
    if len(made) >= place + 4:
        made[place : place + 4] = rng.choice((b"VP8L", b"VP8X", b"ANIM", rng.randbytes(4)))
    return bytes(made)


CHANGES: dict[str, tuple[Change, ...]] = {
    ".png": (png_header, png_header, png_chunk, png_chunk, png_chunk),
    ".jpg": (jpeg_frame, jpeg_frame, jpeg_scans, jpeg_segment),
    ".tif": (tiff_tag, tiff_tag, tiff_tag),
    ".webp": (riff_size,),
    ".bmp": (numbered,),
    ".gif": (numbered,),
}
