"""Metadata of a picture: EXIF, XMP, IPTC, comments, text, dpi."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phnet.images.decoding import Source
from phnet.images.iptc import from_png, kept_resources, resource_of
from phnet.images.opened_file import ORIENTATION
from phnet.images.png_chunks import text_chunks
from phnet.images.psd_file import PsdFile
from phnet.images.tiff import SUB_IFDS, TiffPage

if TYPE_CHECKING:
    from PIL import Image

    from phnet.images.declared_colors import Chunk
    from phnet.images.decoding import Opened

LARGEST_SEGMENT = 65533  # bytes in a segment of a JPEG
EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"


@dataclass(frozen=True)
class Exif:
    """The orientation, and the rest of EXIF with it set to upright."""

    orientation: int = 1
    content: bytes | None = None
    note: str | None = None


@dataclass(frozen=True)
class Words:
    """Words that people and programs wrote into a file besides EXIF and XMP."""

    resources: bytes | None = None  # Photoshop's, with IPTC captions: see :mod:`phnet.images.iptc`
    comment: bytes | None = None  # of a JPEG or GIF
    texts: "tuple[Chunk, ...]" = ()  # of a PNG, as they stand there
    extended_xmp: tuple[bytes, ...] = ()  # of a JPEG, segments as they stand there


def exif_of(image: "Opened") -> Exif:
    """The EXIF of an opened picture; broken EXIF counts as none, a broken tag as not there."""
    try:
        exif = image.getexif()
        orientation = exif.get(ORIENTATION, 1)
    except Exception:  # whatever Pillow's EXIF code meets in a hostile file
        return Exif()
    if isinstance(orientation, bytes) and len(orientation) == 1:  # of the wrong type, but clear
        orientation = orientation[0]
    if not isinstance(orientation, int) or orientation not in range(1, 9):
        orientation = 1
    if image.format == "HEIF":  # its reader turned it
        orientation = 1
    try:
        if ORIENTATION in exif:
            exif[ORIENTATION] = 1
        return Exif(orientation, exif.tobytes() if len(exif) else None)
    except Exception:  # a tag that cannot be written
        content, lost = without_unwritable(exif)
    tags, were = ("a tag", "was") if lost == 1 else (f"{lost} tags", "were")
    return Exif(orientation, content, f"{tags} of its EXIF cannot be written and {were} left out")


def without_unwritable(exif: "Image.Exif") -> tuple[bytes | None, int]:
    """The tags that can be written, and how many cannot."""
    from PIL import Image

    lost = 0

    def writable(tag: int, value: Any, table: int | None = None) -> bool:
        nonlocal lost
        alone = Image.Exif()
        try:
            if table is None:
                alone[tag] = value
            else:
                alone.get_ifd(table)[tag] = value
                alone[table] = {tag: value}
            alone.tobytes()
        except Exception:
            lost += 1
            return False
        return True

    kept = Image.Exif()
    for tag, value in exif.items():
        if tag not in SUB_IFDS and writable(tag, value):
            kept[tag] = value
    for table in SUB_IFDS:
        try:
            part = dict(exif.get_ifd(table))
        except Exception:
            lost += 1
            continue
        part = {tag: value for tag, value in part.items() if writable(tag, value, table)}
        if part:
            kept.get_ifd(table).update(part)
            kept[table] = part
    try:
        return (kept.tobytes() if len(kept) else None), lost
    except Exception:
        return None, lost


def words_of(image: "Opened", source: Source, turned: bool) -> Words:
    """Captions, comments and text; ``turned``: the picture does not stand as it was stored."""
    if isinstance(image, TiffPage | PsdFile):
        blocks = image.info["resources"] or b""
        captions = image.info.get("captions")
        kept = kept_resources(blocks, turned)
        if kept is None and captions:
            kept = resource_of(captions.rstrip(b"\0"))
        return Words(kept)
    comment = image.info.get("comment") if image.format in ("JPEG", "MPO", "GIF") else None
    if not isinstance(comment, bytes) or not comment:
        comment = None
    if image.format in ("JPEG", "MPO"):
        start = b"Photoshop 3.0\0"
        parts = [
            content[len(start) :]
            for name, content in getattr(image, "applist", [])
            if name == "APP13" and content.startswith(start)
        ]
        extended = tuple(
            content
            for name, content in getattr(image, "applist", [])
            if name == "APP1" and content.startswith(EXTENDED_XMP)
        )
        kept = kept_resources(b"".join(parts), turned)
        return Words(kept, comment, extended_xmp=extended)
    if image.format != "PNG":
        return Words(None, comment)
    with source.open() as handle:
        texts = text_chunks(handle)
    found = [(chunk, from_png(*chunk)) for chunk in texts]
    resources = b"".join(blocks for _, blocks in found if blocks)
    rest = tuple(chunk for chunk, blocks in found if not blocks)
    return Words(kept_resources(resources, turned), None, rest)


def xmp_of(image: "Opened") -> bytes | None:
    """The XMP packet, with its orientation set to upright."""
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode()
    if not isinstance(packet, bytes):
        return None
    upright = re.sub(rb'(tiff:Orientation=")[2-8]"', rb'\g<1>1"', packet)
    return re.sub(rb"(<tiff:Orientation>)[2-8]<", rb"\g<1>1<", upright)


def dpi_of(image: "Opened") -> tuple[float, float] | None:
    """Dots per inch, across and down, where they can be meant."""
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 <= across <= 1e5 and 1 <= down <= 1e5 else None


def jpeg_of(image: "Opened") -> dict[str, Any] | None:
    """Parameters with which Pillow compresses a JPEG as this one is."""
    from PIL import JpegImagePlugin

    if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.mode not in ("L", "RGB"):
        return None
    tables = dict(image.quantization)
    if not tables:  # a lossless JPEG
        return None
    # Subsampling that Pillow cannot name (4:1:1, 4:4:0) becomes none, which loses nothing.
    subsampling = max(0, JpegImagePlugin.get_sampling(image))
    progressive = bool(image.info.get("progressive"))
    return {"qtables": tables, "subsampling": subsampling, "progressive": progressive}
