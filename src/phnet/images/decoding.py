"""Decode a picture's own values, with the limits checked on the header first.

8-bit pictures go through Pillow; 16-bit PNG through imagecodecs and TIFF through tifffile, since
Pillow has no 16-bit RGB; HEIC through pillow-heif, JPEG XL and JPEG 2000 through imagecodecs.
"""

import io
import os
import struct
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from phnet.errors import BadImage, BadMask, MissingExtra, PHNetError
from phnet.images.arrays import Pixels
from phnet.images.color_profiles import cmyk_to_rgb, describes, fault
from phnet.images.declared_colors import Chunk, Declared, by_codes, by_png
from phnet.images.limits import MOST_PIXELS, check_decoded, check_header, jpeg_bits
from phnet.images.newer_jpegs import NewerJpeg, is_newer, jpeg_within
from phnet.images.opened_file import OpenedFile
from phnet.images.png_chunks import PROFILE, color_chunks
from phnet.images.psd_file import START as PSD_START
from phnet.images.psd_file import PsdFile
from phnet.images.tiff import RAW, STARTS, TiffPage, opened_tiff

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    Opened = Image.Image | TiffPage | OpenedFile

LARGEST_FILE = 2 << 30  # bytes
READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")  # MPO comes with JPEG
RAW_STARTS = (b"FUJIFILMCCD-", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"\0MRM", b"FOVb")
MANY_IN_ONE = ("MPO", "HEIF")  # the first is the photo; others are its parts
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"heim", b"heis")
AVIF_BRANDS = (b"avif", b"avis")
XCF = (
    "expected a flat picture, got a GIMP file (XCF), whose layers only GIMP puts together; export "
    "it as PNG or TIFF"
)
DEEP_JPEG = "expected a JPEG of 8 bits a sample, got one of {}; convert it to a TIFF of 16 bits"
OLDER = (PROFILE, b"sRGB", b"gAMA", b"cHRM")  # chunks that a profile overrides
BOXES = 1 << 16  # bytes at the start of an AVIF, where its boxes are
ROWS = 1 << 17  # pixels that are copied at a time
_limit_lock = threading.Lock()


@dataclass(frozen=True)
class Source:
    """An encoded picture: a file, or bytes that never were one."""

    name: str  # for sentences about it
    place: Path | bytes
    most_pixels: int = MOST_PIXELS

    def __str__(self) -> str:
        return self.name

    def open(self) -> BinaryIO:
        """The encoded bytes, from their start."""
        return io.BytesIO(self.place) if isinstance(self.place, bytes) else self.place.open("rb")

    def read(self) -> bytes:
        """All of the encoded bytes."""
        return self.place if isinstance(self.place, bytes) else self.place.read_bytes()


def source_of(picture: "str | os.PathLike[str] | Source") -> Source:
    """A path as a source; a source passes, but for the JPEG of which a JPEG XL was made."""
    source = picture if isinstance(picture, Source) else Source(str(picture), Path(picture))
    try:
        if isinstance(source.place, Path) and not source.place.is_file():
            return source
        with source.open() as handle:
            if not is_newer(handle.read(12)):
                return source
        content = source.read()
        newer = NewerJpeg(content, source, BadImage)
        if newer.width * newer.height > source.most_pixels:
            return source
        jpeg = jpeg_within(content)
    except (OSError, ValueError, RuntimeError, PHNetError):  # is told when it is opened
        return source
    return source if jpeg is None else replace(source, place=jpeg)


@contextmanager
def opened(source: Source, error: type[BadImage] | type[BadMask]) -> "Iterator[Opened]":
    """Open a picture's header and check it against the limits; decoding errors get a sentence."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(source.place, Path):
        _check_file(source.place, source, error)
    try:
        with source.open() as handle:
            start = handle.read(12)
            handle.seek(0)
            canon = start[4:12] == b"ftypcrx " or (start[:4] in STARTS and start[8:10] == b"CR")
            if canon or start.startswith(RAW_STARTS):
                raise error(f"{source}: {RAW}")
            if start[:4] in STARTS:
                with opened_tiff(handle, source, error) as page:
                    _check_header(page, source, error)
                    yield page
                return
            own = PsdFile if start.startswith(PSD_START) else NewerJpeg if is_newer(start) else None
            if own is not None:
                other = own(source.read(), source, error)
                _check_header(other, source, error)
                yield other
                return
            if start.startswith(b"gimp xcf"):
                raise error(f"{source}: {XCF}")
            formats = list(READABLE)
            if start[4:8] == b"ftyp":
                formats = _formats_of(handle, source) or formats
            with _limit_lock, warnings.catch_warnings():  # the limit below is ours, not Pillow's
                warnings.simplefilter("ignore")
                before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
                try:
                    image = Image.open(handle, formats=formats)
                finally:
                    Image.MAX_IMAGE_PIXELS = before
            with image:
                _check_header(image, source, error)
                yield image
    except UnidentifiedImageError as problem:
        bits = jpeg_bits(source.read()) if start.startswith(b"\xff\xd8") else None
        if bits and bits != 8:
            raise error(f"{source}: {DEEP_JPEG.format(bits)}") from problem
        raise error(
            f"{source}: expected an image (PNG, JPEG, WebP, TIFF), but it is of an unknown kind "
            "or its header is cut short"
        ) from problem
    except PHNetError:
        raise
    except Exception as problem:  # whatever decoders meet; warnings, where they are errors
        reason = str(problem) or type(problem).__name__
        raise error(
            f"{source}: expected a whole image, but it cannot be decoded ({reason})"
        ) from problem


def _check_file(path: Path, source: Source, error: type[BadImage] | type[BadMask]) -> None:
    try:
        is_file, is_folder, exists = path.is_file(), path.is_dir(), path.exists()
    except OSError as problem:  # its name is too long
        raise error(f"{source}: expected an image file, but {problem.strerror}") from problem
    if not is_file:
        kind = "a folder" if is_folder else "a pipe or a device" if exists else "no such file"
        raise error(f"{source}: expected an image file, but there is {kind}")
    if path.stat().st_size > LARGEST_FILE:
        raise error(f"{source}: expected a file of at most {LARGEST_FILE >> 30} GiB")


def _check_header(image: "Opened", source: Source, error: type[BadImage] | type[BadMask]) -> None:
    if image.width * image.height > source.most_pixels:
        raise error(
            f"{source}: expected at most {source.most_pixels // 10**6} megapixels, "
            f"got {image.width}x{image.height}"
        )
    check_header(image, source, error)
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in MANY_IN_ONE:
        raise error(
            f"{source}: expected a single picture, got an animation or document of {frames} frames"
        )


def _formats_of(handle: BinaryIO, source: Source) -> list[str]:
    """Pillow's names for a file of boxes, by its brands."""
    head = handle.read(64)
    handle.seek(0)
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))]
    if any(brand in AVIF_BRANDS for brand in brands):
        return ["AVIF"]
    return _register_heif(source) if brands[0] in HEIF_BRANDS else []


def _register_heif(source: Source) -> list[str]:
    try:
        import pillow_heif
    except ModuleNotFoundError as problem:
        raise MissingExtra("heic", f"{source}: reading HEIC") from problem
    pillow_heif.register_heif_opener()
    return ["HEIF"]


@dataclass(frozen=True)
class Decoded:
    """A picture's own values, upright, and in which colors they are."""

    values: Pixels  # uint8 or uint16, (H, W), or (H, W, C) with C of 2 to 4, alpha last
    icc: bytes | None = None  # the profile of the values; None: sRGB
    declared: tuple[Chunk, ...] = ()  # a PNG's chunks about colors
    made: bool = False  # the file has no profile: it was made of what else the file declares
    notes: tuple[str, ...] = ()


def decode(
    image: "Opened", source: Source, error: type[BadImage] | type[BadMask], orientation: int
) -> Decoded:
    """The picture's own values, turned as ``orientation`` (EXIF, 1 to 8) says.

    Of a TIFF that is a mask they may be numbers of any kind. CMYK and Lab become sRGB.
    """
    notes: list[str] = []
    if isinstance(image, TiffPage):
        values, is_upright = image.values()
        orientation = 1 if is_upright else orientation
        notes += image.notes
    elif isinstance(image, OpenedFile):
        values = image.values()
        notes += image.notes
    elif image.format == "PNG" and _is_deep_png(source):
        import imagecodecs

        values = np.asarray(imagecodecs.png_decode(source.read()))
        check_decoded(values, image, source, error)
    elif image.format == "AVIF" and (bits := _avif_codes(source)[0]) > 8:
        values = _deep_avif(source, bits)
    elif image.format == "HEIF" and image.info.get("bit_depth", 8) > 8:
        values = _deep_heif(source)
    else:
        values = _by_pillow(image, source, error, notes)
    if (count := getattr(image, "n_frames", 1)) > 1:
        notes.append(f"holds {count} pictures: the main one was taken")
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    channels = 3 if values.ndim == 3 and values.shape[2] > 2 else 1
    icc = image.info.get("icc_profile")
    declared = _declared(image, source, channels)
    if problem := fault(icc, channels):
        icc, notes = None, [*notes, problem]
    if not describes(icc, channels):
        icc = None
    if declared.note:
        notes.append(declared.note)
    made = icc is None and declared.icc is not None
    return Decoded(
        *(upright(values, orientation), icc or declared.icc, declared.chunks, made, tuple(notes))
    )


def _by_pillow(
    image: "Image.Image",
    source: Source,
    error: type[BadImage] | type[BadMask],
    notes: list[str],
) -> Pixels:
    image.load()
    if image.mode in ("1", "L", "LA", "RGB", "RGBA", "RGBa", "P", "PA"):
        has_alpha = image.mode in ("LA", "RGBA", "RGBa", "PA") or "transparency" in image.info
        gray = image.mode in ("1", "L", "LA")
        wanted = ("LA" if has_alpha else "L") if gray else ("RGBA" if has_alpha else "RGB")
        return samples_of(image if image.mode == wanted else image.convert(wanted))
    if image.mode == "CMYK":
        values, note = cmyk_to_rgb(np.asarray(image), image.info.pop("icc_profile", None))
        notes.append(note)
        return values
    if image.mode == "YCbCr":
        return np.asarray(image.convert("RGB"))
    raise error(f"{source}: expected gray or RGB samples of 8 or 16 bits, got mode {image.mode}")


def samples_of(image: "Image.Image") -> Pixels:
    """The array of a PIL image of 8 bits a sample, copied a few rows at a time.

    As one piece a large picture is put together of many, in memory that is new each time: that
    takes four times as long.
    """
    count, (width, height) = len(image.getbands()), image.size
    values = np.empty((height, width, count)[: 2 + (count > 1)], np.uint8)
    step = max(1, ROWS // width)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        values[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return values


def _declared(image: "Opened", source: Source, channels: int) -> Declared:
    """Read the file's declarations of color besides its profile, which comes first."""
    has_profile = bool(image.info.get("icc_profile"))
    if isinstance(image, NewerJpeg):
        return Declared() if has_profile else image.declared
    if image.format == "PNG":
        with source.open() as handle:
            chunks = color_chunks(handle)
        if has_profile:
            return Declared(
                chunks=tuple(chunk for chunk in chunks if chunk[0] not in (*OLDER, PROFILE))
            )
        declared = by_png(chunks, channels)
        if any(name == PROFILE for name, _ in chunks):
            note = "its color profile cannot be unpacked and was left out"
            return replace(declared, note=declared.note or note)
        return declared
    if image.format == "AVIF" and not has_profile:
        return by_codes(*_avif_codes(source)[1:], channels)
    nclx = image.info.get("nclx_profile")
    if isinstance(nclx, dict) and not has_profile:
        return by_codes(nclx["color_primaries"], nclx["transfer_characteristics"], channels)
    return Declared()


def _is_deep_png(source: Source) -> bool:
    with source.open() as handle:
        head = handle.read(25)
    return len(head) == 25 and head[24] == 16


def _deep_heif(source: Source) -> Pixels:
    """Samples of 10 or 12 bits, which the library has at the upper end of 16, as uint16."""
    import pillow_heif

    heif: Any
    with source.open() as handle:
        whole = pillow_heif.open_heif(handle, convert_hdr_to_8bit=False)
        heif = whole[whole.primary_index]
        values, bits = np.asarray(heif), heif.info["bit_depth"]
    if values.dtype != np.uint16:
        return values
    return np.asarray(values | values >> np.uint16(bits))  # white is 65535


def _avif_codes(source: Source) -> tuple[int, int, int]:
    """Bits a sample, primaries and transfer, by the boxes av1C and colr (H.273's codes)."""
    with source.open() as handle:
        head = handle.read(BOXES)
    bits, primaries, transfer = 8, 2, 2
    if (at := head.find(b"av1C")) >= 0 and len(head) > at + 6:
        flags = head[at + 6]
        bits = (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    if (at := head.find(b"colrnclx")) >= 0 and len(head) >= at + 12:
        primaries, transfer = struct.unpack_from(">HH", head, at + 8)
    return bits, primaries, transfer


def _deep_avif(source: Source, bits: int) -> Pixels:
    """Samples of 10 or 12 bits as uint16."""
    import imagecodecs

    values = np.asarray(imagecodecs.avif_decode(source.read()))
    if values.dtype != np.uint16:
        return values
    most = (1 << bits) - 1
    return np.asarray((values.astype(np.uint32) * 65535 + most // 2) // most, np.uint16)


def upright(values: Pixels, orientation: int) -> Pixels:
    """Apply an EXIF orientation (1 to 8)."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return np.ascontiguousarray(values)
