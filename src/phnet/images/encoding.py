"""Pictures to files, with all that the composite's file had: depth, profile, alpha, metadata.

The suffix chooses the format. PNG is written by imagecodecs and TIFF by tifffile, which know 16
bits; JPEG and WebP by Pillow. PNG, TIFF and WebP are lossless, but a WebP made from a lossy file
is lossy too.
"""

import dataclasses
import io
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from phnet.errors import BadOutput, PHNetError
from phnet.files import check_place, write_bytes
from phnet.images import psd
from phnet.images.arrays import Floats, Pixels
from phnet.images.color_profiles import deep, from_srgb, in_depth, to_srgb
from phnet.images.fitting import fitted, png_words, with_words
from phnet.images.iptc import captions_of
from phnet.images.picture import Picture
from phnet.images.png_chunks import chunk
from phnet.images.tiff import CAPTIONS, DESCRIPTIVE, RESOURCES, SUB_IFDS

WRITABLE = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".psd": "PSD",
}
LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383, "PSD": psd.LONGEST_SIDE}
LARGEST_PROFILE = 1 << 20  # bytes: Pillow reads no PNG with a larger one
METRE = 39.3701  # inches


def check_output(
    path: str | os.PathLike[str],
    *inputs: str | os.PathLike[str] | None,
    picture: Picture | None = None,
) -> None:
    """Refuse, before any work, an output that cannot be written or would overwrite an input.

    Args:
        path: the output.
        inputs: files that must stay as they are.
        picture: the composite, where it is known: its format must be able to hold it.

    Raises:
        BadOutput: with the reason.
    """
    path = Path(path)
    kind = WRITABLE.get(path.suffix.lower())
    if kind is None:
        raise BadOutput(
            f"{path}: expected an output name ending in {', '.join(WRITABLE)}, "
            f"got {path.suffix or 'none'}"
        )
    check_place(path, *inputs)
    if kind == "PSD":
        psd.library()
    if picture is not None:
        if picture.alpha is not None and kind in ("JPEG", "PSD"):
            raise BadOutput(
                f"{path}: {kind} cannot keep the composite's alpha; choose .png or .webp"
            )
        longest = LONGEST_SIDE.get(kind)
        if longest and max(picture.size) > longest:
            raise BadOutput(f"{path}: expected sides of at most {longest} pixels for {kind}")


def has_layers(path: object) -> bool:
    """Tell whether a file of this name has layers."""
    return isinstance(path, Path) and WRITABLE.get(path.suffix.lower()) == "PSD"


def save(
    path: str | os.PathLike[str],
    picture: Picture,
    result: Pixels,
    mask: Floats,
    original: Pixels | None = None,
    steps: Mapping[str, Pixels] | None = None,
) -> None:
    """Write a harmonized picture with all that the composite's file had.

    Args:
        path: its suffix chooses PNG, JPEG, WebP, TIFF or PSD.
        picture: the composite as it was read.
        result: sRGB (H, W, 3): uint8, uint16, or floats in [0, 1].
        mask: (H, W); where it is 0 the composite's own values are written.
        original: what a PSD has as the person before harmonization, of the result's shape and
            type, where the picture is the background alone; None: the picture.
        steps: what a PSD has as a layer for each step, see :func:`phnet.images.psd.psd_bytes`.

    Raises:
        BadOutput: the place cannot be written, or the format cannot hold the picture.
    """
    path = Path(path)
    check_output(path, picture=picture)
    kind = WRITABLE[path.suffix.lower()]
    if kind == "PSD":
        pasted = picture.colors if original is None else original
        content = psd.psd_bytes(picture.colors, pasted, result, mask, steps)
    else:
        content = encoded(kind, picture, result, mask)
    write_bytes(path, content)


def encoded(kind: str, picture: Picture, result: Pixels, mask: Floats) -> bytes:
    """The file that :func:`save` writes; ``kind`` is PNG, JPEG, WEBP or TIFF.

    Raises:
        BadOutput: the format cannot hold the picture, or what its file says about it.
    """
    try:
        return _encoded(kind, picture, result, mask)
    except PHNetError:
        raise
    except Exception as error:  # whatever encoders meet: their metadata come from hostile files
        reason = str(error) or type(error).__name__
        raise BadOutput(f"{kind}: the picture cannot be written ({reason})") from error


def _encoded(kind: str, picture: Picture, result: Pixels, mask: Floats) -> bytes:
    if kind == "PNG" and picture.icc and len(picture.icc) > LARGEST_PROFILE:
        raise BadOutput(
            f"PNG: expected a color profile of at most {LARGEST_PROFILE} bytes, "
            f"got {len(picture.icc)}; choose .tif"
        )
    pixels = merged(picture, result, mask)
    picture = fitted(kind, picture)[0]
    deep_gray_alpha = picture.alpha is not None and pixels.dtype == np.uint16
    if pixels.ndim == 2 and (kind == "WEBP" or (kind == "TIFF" and deep_gray_alpha)):
        # WebP has no gray, and few readers know a TIFF of 16-bit gray with alpha.
        pixels = to_srgb(pixels, picture.icc)
        picture = dataclasses.replace(picture.as_srgb(), pixels=pixels)
    if picture.alpha is not None:
        alpha = picture.alpha if pixels.dtype == picture.alpha.dtype else deep(picture.alpha)
        pixels = np.dstack([pixels, alpha])
    if kind == "PNG":
        return _png(pixels, picture)
    return _tiff(pixels, picture) if kind == "TIFF" else _by_pillow(kind, pixels, picture)


def merged(picture: Picture, result: Pixels, mask: Floats) -> Pixels:
    """The composite's own pixels with the foreground of ``result`` in their profile and depth."""
    return from_srgb(picture.pixels, picture.colors, result, mask, picture.icc)


def _by_pillow(kind: str, pixels: Pixels, picture: Picture) -> bytes:
    from PIL import Image

    if pixels.dtype == np.uint16:
        pixels = in_depth(pixels, np.dtype(np.uint8))
    options: dict[str, Any] = {"icc_profile": picture.icc, "exif": picture.exif or b""}
    if kind == "JPEG":
        options |= picture.jpeg or {"quality": 95, "subsampling": 0}
        options["dpi"] = picture.dpi or (0, 0)
    else:
        options |= {"lossless": picture.lossless, "quality": 95, "exact": True}
    if picture.xmp:
        options["xmp"] = picture.xmp
    image = _without_copy(pixels) if kind == "JPEG" and pixels.ndim == 3 else None
    image, target = image or Image.fromarray(pixels), io.BytesIO()
    try:
        image.save(target, kind, **options)
    except OSError:
        if not options.pop("progressive", False):
            raise
        # Pillow's buffer is too small for a whole progressive picture behind large metadata.
        target = io.BytesIO()
        image.save(target, kind, **options)
    return with_words(target.getvalue(), picture.words) if kind == "JPEG" else target.getvalue()


def _without_copy(pixels: Pixels) -> Any:
    """A PIL image of RGB uint8 (H, W, 3) that shares its memory: of the mode RGBX, for JPEG."""
    from PIL import Image

    padded = np.empty((*pixels.shape[:2], 4), np.uint8)
    cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA, dst=padded)
    return Image.frombuffer("RGBX", padded.shape[1::-1], padded, "raw", "RGBX", 0, 1)


def _png(pixels: Pixels, picture: Picture) -> bytes:
    """The file: what imagecodecs encodes, with chunks right behind the header (PNG, 5.6, 11.3)."""
    encoded = compressed(pixels)
    header_end = 8 + 25  # the signature and IHDR
    extra = b""
    for name, content in picture.declared:
        extra += chunk(name, content)
    if picture.icc and not (picture.made_icc and picture.declared):
        extra += chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.icc))
    if picture.exif:
        extra += chunk(b"eXIf", picture.exif.removeprefix(b"Exif\0\0"))
    if picture.xmp:
        extra += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + picture.xmp)
    if picture.dpi:
        across, down = (round(value * METRE) for value in picture.dpi)
        extra += chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    for name, content in png_words(picture.words):
        extra += chunk(name, content)
    return encoded[:header_end] + extra + encoded[header_end:]


def compressed(pixels: Pixels) -> bytes:
    """A PNG of an array (H, W) or (H, W, C), uint8 or uint16, without anything else.

    Runs of equal bytes and Huffman codes alone, behind the filter that suits photos: a quarter to
    two fifths of the time of zlib's level 4, for files of photos that are 5% smaller.
    """
    import imagecodecs

    return bytes(
        imagecodecs.png_encode(
            np.ascontiguousarray(pixels),
            level=1,
            strategy=imagecodecs.PNG.STRATEGY.RLE,
            filter=imagecodecs.PNG.FILTER.PAETH,
            # Its own estimate is too small for narrow pictures: each row has one byte more.
            out=2 * pixels.nbytes + 16 * pixels.shape[0] + 4096,
        )
    )


def _tiff(pixels: Pixels, picture: Picture) -> bytes:
    """A TIFF, compressed (deflate) but where the composite is a TIFF that is not.

    The EXIF and GPS tables, which tifffile does not write, are put behind the pixels.
    """
    import tifffile
    from PIL import Image

    exif = Image.Exif()
    if picture.exif:
        exif.load(picture.exif)
    texts = {tag: exif.get(tag) for tag in DESCRIPTIVE}
    tags: list[tuple[int, int | str, int, Any, bool]] = [
        (tag, "s", 0, text, True) for tag, text in texts.items() if isinstance(text, str) and text
    ]
    if picture.xmp:
        tags.append((700, 1, len(picture.xmp), picture.xmp, True))
    if picture.words.resources:
        captions = captions_of(picture.words.resources)
        blocks = {RESOURCES: picture.words.resources, CAPTIONS: captions}
        tags += [(tag, 7, len(block), block, True) for tag, block in blocks.items() if block]
    tables = {tag: exif.get_ifd(tag) for tag in SUB_IFDS}
    tables = {tag: table for tag, table in tables.items() if table}
    # tifffile refuses to write these two: numbers beside theirs, which keep the order, stand in.
    tags += [(tag - 1, "I", 1, 0, True) for tag in tables]
    has_alpha = picture.alpha is not None
    target = io.BytesIO()
    tifffile.imwrite(
        target,
        pixels,
        photometric="minisblack" if picture.pixels.ndim == 2 else "rgb",
        planarconfig="contig",
        compression=None if picture.plain else "deflate",
        predictor=not picture.plain,
        iccprofile=picture.icc,
        extrasamples=["unassalpha"] if has_alpha else None,
        resolution=picture.dpi or (72, 72),
        resolutionunit="inch",
        extratags=tags,
        software=False,
        metadata=None,
    )
    for tag, table in tables.items():
        _append_table(target, tag, table)
    return target.getvalue()


def _append_table(target: io.BytesIO, tag: int, table: dict[int, Any]) -> None:
    """Put a table of tags behind the file's end; ``tag - 1`` becomes ``tag`` and points to it."""
    import tifffile
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    target.seek(0)  # where tifffile takes the file to begin
    with tifffile.TiffFile(target) as tiff:
        order, entry = tiff.byteorder, tiff.pages.first.tags[tag - 1].offset
    directory = ImageFileDirectory_v2(ifh=b"II*\0\0\0\0\0" if order == "<" else b"MM\0*\0\0\0\0")
    for name, value in table.items():
        directory[name] = value
    end = target.seek(0, os.SEEK_END)
    start = end + end % 2
    target.write(b"\0" * (start - end) + directory.tobytes(start))
    target.seek(entry)
    target.write(struct.pack(f"{order}HHII", tag, 4, 1, start))
