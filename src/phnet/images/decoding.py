"""Decode a picture's own values, with the limits checked on the header first.

8-bit pictures go through Pillow; 16-bit PNG through imagecodecs and TIFF through tifffile, since
Pillow has no 16-bit RGB.
"""

import io
import os
import struct
import threading
import warnings
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from phnet.errors import BadImage, BadMask, MissingExtra
from phnet.images.arrays import Pixels, to_float

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

MOST_PIXELS = 200_000_000
LARGEST_FILE = 2 << 30  # bytes
READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PSD")  # MPO comes with JPEG
MANY_IN_ONE = ("MPO", "HEIF", "PSD")  # the first is the photo, or flat; others are its parts
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"heim", b"heis")
_limit_lock = threading.Lock()


@dataclass(frozen=True)
class Source:
    """Where an encoded picture is: a file, or bytes that never were one."""

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
    """A path as a source; a source passes."""
    return picture if isinstance(picture, Source) else Source(str(picture), Path(picture))


@contextmanager
def opened(source: Source, error: type[BadImage] | type[BadMask]) -> "Iterator[Image.Image]":
    """Open a picture's header and check it against the limits; decoding errors get a sentence."""
    from PIL import Image, UnidentifiedImageError

    broken = (
        *(OSError, SyntaxError, ValueError, EOFError, RuntimeError, TypeError, LookupError),
        *(struct.error, zlib.error, MemoryError, OverflowError),
        *(Image.DecompressionBombError, Warning),  # warnings where they are errors
    )
    if isinstance(source.place, Path):
        _check_file(source.place, source, error)
    try:
        with source.open() as handle:
            start = handle.read(12)
            handle.seek(0)
            formats = list(READABLE)
            if start[4:8] == b"ftyp" and start[8:12] in HEIF_BRANDS:
                formats = _register_heif(source)
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
        raise error(
            f"{source}: expected an image (PNG, JPEG, WebP, TIFF), but it is of an unknown kind "
            "or its header is cut short"
        ) from problem
    except broken as problem:
        reason = str(problem) or type(problem).__name__
        raise error(
            f"{source}: expected a whole image, but it cannot be decoded ({reason})"
        ) from problem


def _check_file(path: Path, source: Source, error: type[BadImage] | type[BadMask]) -> None:
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no such file"
        raise error(f"{source}: expected an image file, but there is {kind}")
    if path.stat().st_size > LARGEST_FILE:
        raise error(f"{source}: expected a file of at most {LARGEST_FILE >> 30} GiB")


def _check_header(
    image: "Image.Image", source: Source, error: type[BadImage] | type[BadMask]
) -> None:
    if image.width * image.height > source.most_pixels:
        raise error(
            f"{source}: expected at most {source.most_pixels // 10**6} megapixels, "
            f"got {image.width}x{image.height}"
        )
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in MANY_IN_ONE:
        raise error(
            f"{source}: expected a single picture, got an animation or document of {frames} frames"
        )


def _register_heif(source: Source) -> list[str]:
    try:
        import pillow_heif
    except ModuleNotFoundError as problem:
        raise MissingExtra("heic", f"{source}: reading HEIC") from problem
    pillow_heif.register_heif_opener()
    return ["HEIF"]


def decode(image: "Image.Image", source: Source, error: type[BadImage] | type[BadMask]) -> Pixels:
    """The picture's own values as uint8 or uint16: (H, W), or (H, W, C) with C of 1 to 4."""
    if image.format == "TIFF":
        tags: Any = image.tag_v2  # type: ignore[attr-defined]
        bits, kinds = tags.get(258, (1,)), tags.get(339, (1,))
        if max(bits) > 16 or set(kinds) != {1}:
            raise error(
                f"{source}: expected 8 or 16 bits a sample, got {bits[0]} (format {kinds[0]})"
            )
        if tags.get(262) in (0, 1, 2) and set(bits) in ({8}, {16}):
            return _decode_tiff(source, error)
    if image.format == "PNG" and _is_deep_png(source):
        import imagecodecs

        return np.asarray(imagecodecs.png_decode(source.read()))
    image.load()
    if image.mode in ("1", "L", "LA", "RGB", "RGBA", "P", "PA"):
        has_alpha = image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info
        gray = image.mode in ("1", "L", "LA")
        wanted = ("LA" if has_alpha else "L") if gray else ("RGBA" if has_alpha else "RGB")
        return np.asarray(image if image.mode == wanted else image.convert(wanted))
    if image.mode in ("CMYK", "YCbCr", "LAB"):
        return np.asarray(_to_srgb_by_pillow(image))
    raise error(f"{source}: expected gray or RGB samples of 8 or 16 bits, got mode {image.mode}")


def _is_deep_png(source: Source) -> bool:
    with source.open() as handle:
        head = handle.read(25)
    return len(head) == 25 and head[24] == 16


def _decode_tiff(source: Source, error: type[BadImage] | type[BadMask]) -> Pixels:
    """Gray or RGB of 8 or 16 bits, with at most one channel more, which is alpha."""
    import tifffile

    with source.open() as handle, tifffile.TiffFile(handle) as tiff:
        page: Any = tiff.pages.first
        samples = int(page.samplesperpixel)
        largest = max(page.imagewidth * page.imagelength, page.tilewidth * page.tilelength)
        if samples > 4 or page.imagedepth != 1 or largest > source.most_pixels:
            raise error(f"{source}: expected 1 to 4 channels of one layer, got {page.shape}")
        values = np.asarray(page.asarray())
        planar, photometric = int(page.planarconfig), int(page.photometric)
        extra = [int(kind) for kind in page.extrasamples]
    if planar == 2 and samples > 1:
        values = np.moveaxis(values, 0, -1)
    values = values.reshape(*values.shape[:2], samples)
    if photometric == 0:  # white is zero
        values = values.copy()
        values[..., 0] = np.iinfo(values.dtype).max - values[..., 0]
    if samples in (2, 4) and extra[:1] == [1]:  # colors multiplied by alpha
        share = to_float(values[..., -1:])
        straight = to_float(values[..., :-1]) / np.maximum(share, 1e-6)
        deep = np.rint(np.clip(straight, 0, 1) * np.iinfo(values.dtype).max)
        values = np.concatenate([deep.astype(values.dtype), values[..., -1:]], 2)
    return values


def _to_srgb_by_pillow(image: "Image.Image") -> "Image.Image":
    """CMYK and the like to sRGB, by the file's profile where it has one."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if profile and image.mode in ("CMYK", "LAB"):
        try:
            result = ImageCms.profileToProfile(
                image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except ImageCms.PyCMSError:
            result = None
        if result is not None:
            return result
    return image.convert("RGB")


def upright(values: Pixels, orientation: int) -> Pixels:
    """Apply an EXIF orientation (1 to 8)."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return np.ascontiguousarray(values)
