"""Files that are trees of parts with lengths, changed part by part: boxes, elements, fields.

Each kind is read into a list of parts and written again with its lengths made right; what is
changed is a part's name, length, place or content. What cannot be read is left as bytes.
"""

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

NUMBERS = (0, 1, 2, 7, 127, 128, 255, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 62)
DEEPEST = 8
HOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"iprp", b"ipco", b"udta"}
MASTERS = {0x18538067, 0x1654AE6B, 0xAE, 0xE0, 0x1F43B675, 0x1549A966, 0x1C53BB6B, 0xBB, 0xA0}


@dataclass
class Part:
    """A name, and either bytes or parts."""

    name: bytes
    body: bytes = b""
    parts: "list[Part] | None" = None
    front: bytes = field(default=b"")  # stands before the parts
    length: int | None = None  # that is written; None: the true one


Write = Callable[[Part], bytes]


def changed(rng: random.Random, parts: list[Part]) -> list[Part]:
    """The same tree with one thing changed."""
    groups = [parts]
    for group in groups:  # a part may stand in two places
        new = [part.parts for part in group if part.parts]
        groups += [one for one in new if not any(one is known for known in groups)]
    group = rng.choice(groups)
    if not group:
        return parts
    place = rng.randrange(len(group))
    part, how = group[place], rng.randrange(8)
    if how == 0:
        del group[place]
    elif how == 1:
        group.insert(rng.randrange(len(group) + 1), part)
    elif how == 2:
        rng.shuffle(group)
    elif how == 3:
        part.length = rng.choice(NUMBERS)
    elif how == 4:
        part.name = rng.choice([other.name for other in group] + [rng.randbytes(len(part.name))])
    elif how == 5 and part.parts is not None:
        part.parts += deepcopy([part] if rng.random() < 0.5 else part.parts)  # in itself, or twice
    else:
        part.body = _other_bytes(rng, part.body)
    return parts


def _other_bytes(rng: random.Random, body: bytes) -> bytes:
    made = bytearray(body)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if len(made) >= 4 and rng.random() < 0.6:
            at, size = rng.randrange(len(made) - 3), rng.choice((1, 2, 4))
            number = rng.choice(NUMBERS) & (256**size - 1)
            made[at : at + size] = number.to_bytes(size, "big")
        elif made:
            made[rng.randrange(len(made))] = rng.randrange(256)
    return bytes(made) if rng.random() < 0.8 else rng.randbytes(rng.choice((0, 1, 4, 300)))


def written(parts: list[Part], write: Write, depth: int = DEEPEST) -> bytes:
    """A tree as bytes, down to some depth."""
    made = b""
    for part in parts:
        body = part.body
        if part.parts is not None:
            body = part.front + (written(part.parts, write, depth - 1) if depth else b"")
        made += write(Part(part.name, body, length=part.length))
    return made


# -- ISO's boxes: MP4, MOV, AVIF, HEIC, JPEG 2000 ----------------------------------------------


def boxes(content: bytes, depth: int = DEEPEST) -> list[Part]:
    """Boxes, up to where there are none any more."""
    found, place = [], 0
    while place + 8 <= len(content):
        size, name = (
            int.from_bytes(content[place : place + 4], "big"),
            content[place + 4 : place + 8],
        )
        end = place + size if 8 <= size <= len(content) - place else len(content)
        body = content[place + 8 : end]
        part = Part(name, body)
        front = 4 if name == b"meta" else 0
        if depth and (name in HOLDERS or front):
            part.front, part.parts = body[:front], boxes(body[front:], depth - 1)
        found.append(part)
        place = end
    return found


def box(part: Part) -> bytes:
    """One box."""
    size = len(part.body) + 8 if part.length is None else part.length
    return (size & 0xFFFFFFFF).to_bytes(4, "big") + part.name + part.body


# -- RIFF: WebP, AVI -----------------------------------------------------------------------


def chunks(content: bytes) -> list[Part]:
    """The pieces behind RIFF's twelve bytes."""
    found, place = [], 12
    while place + 8 <= len(content):
        size = int.from_bytes(content[place + 4 : place + 8], "little")
        found.append(Part(content[place : place + 4], content[place + 8 : place + 8 + size]))
        place += 8 + size + size % 2
    return found


def chunk(part: Part) -> bytes:
    """One piece."""
    size = len(part.body) if part.length is None else part.length
    padding = b"\0" * (len(part.body) % 2)
    return part.name + (size & 0xFFFFFFFF).to_bytes(4, "little") + part.body + padding


# -- EBML: Matroska, WebM ------------------------------------------------------------------


def _number(content: bytes, place: int, keep: bool) -> tuple[int, int]:
    """A number of variable length and where it ends; ``keep`` its mark, as names do."""
    first = content[place]
    size = 9 - first.bit_length()
    value = int.from_bytes(content[place : place + size], "big")
    return (value if keep else value & ((1 << 7 * size) - 1)), place + size


def elements(content: bytes, depth: int = DEEPEST) -> list[Part]:
    """Elements, up to where there are none any more."""
    found, place = [], 0
    while place + 2 <= len(content):
        if content[place] == 0:
            break
        start = place
        name, place = _number(content, place, keep=True)
        raw = content[start:place]
        if place >= len(content) or content[place] == 0:
            break
        size, place = _number(content, place, keep=False)
        part = Part(raw, content[place : place + size])
        place = min(place + size, len(content))
        if depth and name in MASTERS:
            part.parts = elements(part.body, depth - 1)
        found.append(part)
    return found


def element(part: Part) -> bytes:
    """One element, its length in eight bytes."""
    size = len(part.body) if part.length is None else part.length
    return part.name + (1 << 56 | size & ((1 << 56) - 1)).to_bytes(8, "big") + part.body


# -- Protocol Buffers: ONNX ----------------------------------------------------------------


def fields(content: bytes, depth: int = DEEPEST) -> list[Part] | None:
    """Fields of a message; None: it is none."""
    found, place = [], 0
    while place < len(content):
        key, place = _varint(content, place)
        kind, start = key & 7, place
        if key >> 3 == 0 or kind not in (0, 1, 2, 5):
            return None
        if kind == 0:
            _, place = _varint(content, place)
        elif kind == 2:
            size, start = _varint(content, place)
            place = start + size
        else:
            place += 8 if kind == 1 else 4
        if place > len(content):
            return None
        part = Part(_as_varint(key), content[start:place])
        if kind == 2 and depth and part.body:
            part.parts = fields(part.body, depth - 1)
        found.append(part)
    return found


def one_field(part: Part) -> bytes:
    """One field."""
    if part.name[0] & 7 != 2:
        return part.name + part.body
    size = len(part.body) if part.length is None else part.length
    return part.name + _as_varint(size) + part.body


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(content) and shift < 70:
        value |= (content[place] & 127) << shift
        shift, place = shift + 7, place + 1
        if content[place - 1] < 128:
            return value, place
    return 0, len(content) + 1


def _as_varint(value: int) -> bytes:
    made = b""
    while value > 127:
        made, value = made + bytes([value & 127 | 128]), value >> 7
    return made + bytes([value])
