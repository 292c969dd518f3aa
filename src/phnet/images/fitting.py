"""Fitting a picture's words and metadata to what each format can hold.

Orientation is in the pixels already and profiles fit everywhere; the rest is left out where a
format has no place for it, with one sentence.
"""

import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

from phnet.images.declared_colors import Chunk
from phnet.images.iptc import to_png
from phnet.images.metadata import LARGEST_SEGMENT, Words, without_unwritable
from phnet.images.picture import Picture
from phnet.images.png_chunks import text_names
from phnet.images.tiff import SUB_IFDS

LARGEST_XMP = LARGEST_SEGMENT - len(b"http://ns.adobe.com/xap/1.0/\0") - 2
RESOURCES_START = b"Photoshop 3.0\0"
NAMES = {"PNG": "PNG", "JPEG": "JPEG", "WEBP": "WebP", "TIFF": "TIFF"}


def left_out(name: str | os.PathLike[str], kind: str, picture: Picture) -> list[str]:
    """Say what a file of this kind does not keep of a picture, in at most one sentence.

    Args:
        name: of the file, for the sentence; empty: there is only one.
        kind: PNG, JPEG, WEBP or TIFF.
        picture: the composite as it was read.
    """
    lost = fitted(kind, picture)[1]
    if not lost:
        return []
    about = f"{Path(name)}: " if str(name) else ""
    return [f"{about}{NAMES[kind]} has no place for {', '.join(lost)}: left out"]


def fitted(kind: str, picture: Picture) -> tuple[Picture, list[str]]:
    """The picture without what a format cannot hold, and what that is."""
    words, lost = picture.words, []
    if kind != "PNG" and words.texts:
        if names := text_names(words.texts):
            lost.append(f"the text of a PNG ({names})")
        words = replace(words, texts=())
    if kind in ("WEBP", "TIFF") and words.comment:
        lost.append("the comment")
        words = replace(words, comment=None)
    if kind == "WEBP" and words.resources:
        lost.append("the IPTC captions")
        words = replace(words, resources=None)
    if kind != "JPEG" and words.extended_xmp:
        size = sum(len(part) for part in words.extended_xmp)
        lost.append(f"{size >> 10} KiB of a JPEG's extended XMP")
        words = replace(words, extended_xmp=())
    picture = replace(picture, words=words)
    if kind == "JPEG":
        if picture.exif and len(picture.exif) > LARGEST_SEGMENT:
            small = _small_exif(picture.exif)
            kept = "what is largest of " if small else ""
            lost.append(f"{kept}{len(picture.exif) >> 10} KiB of EXIF")
            picture = replace(picture, exif=small)
        if picture.xmp and len(picture.xmp) > LARGEST_XMP:
            lost.append(f"{len(picture.xmp) >> 10} KiB of XMP")
            picture = replace(picture, xmp=None)
    return picture, lost


def _small_exif(content: bytes) -> bytes | None:
    """EXIF without its largest values, so that it fits into one segment."""
    from PIL import Image

    exif = Image.Exif()
    try:
        exif.load(content)
    except (SyntaxError, ValueError, struct.error):  # it is no EXIF
        return None
    sizes: list[tuple[int, Any, int]] = []
    tables: dict[int | None, Any] = {None: exif, **{tag: exif.get_ifd(tag) for tag in SUB_IFDS}}
    for table, part in tables.items():
        sizes += [(_size(value), table, tag) for tag, value in part.items() if tag not in SUB_IFDS]
    for _, table, tag in sorted(sizes, key=lambda entry: -entry[0]):
        del tables[table][tag]
        small = without_unwritable(exif)[0]
        if not small or len(small) <= LARGEST_SEGMENT:
            return small
    return None


def _size(value: Any) -> int:
    return len(value) if isinstance(value, bytes | str | tuple) else 8


def png_words(words: Words) -> list[Chunk]:
    """Captions, comments and text as chunks of a PNG."""
    chunks = list(words.texts)
    if words.resources:
        chunks.append((b"zTXt", to_png(words.resources)))
    if words.comment:
        try:
            text = words.comment.rstrip(b"\0").decode().encode()
            chunks.append((b"iTXt", b"Comment\0\0\0\0\0" + text.replace(b"\0", b" ")))
        except UnicodeDecodeError:
            chunks.append((b"tEXt", b"Comment\0" + words.comment.replace(b"\0", b" ")))
    return chunks


def with_words(jpeg: bytes, words: Words) -> bytes:
    """A JPEG with captions and comment, behind the segments that it begins with."""
    at = 2
    while jpeg[at : at + 1] == b"\xff" and 0xE0 <= jpeg[at + 1] <= 0xEF:
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    extra = b"".join(_segment(0xE1, part) for part in words.extended_xmp)
    blocks, room = words.resources or b"", LARGEST_SEGMENT - len(RESOURCES_START)
    for start in range(0, len(blocks), room):
        extra += _segment(0xED, RESOURCES_START + blocks[start : start + room])
    if words.comment:
        extra += _segment(0xFE, words.comment[:LARGEST_SEGMENT])
    return jpeg[:at] + extra + jpeg[at:]


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content
