"""Pictures from files and back, with everything that the file says about them.

A composite is decoded once, in its own depth and profile, and kept: only pixels under the mask
are ever replaced, so the background of a lossless file comes back bit for bit. The network sees
sRGB. Limits are checked on the header, before anything is decoded.

8-bit pictures go through Pillow; 16-bit PNG through imagecodecs and 16-bit TIFF through tifffile,
since Pillow has no 16-bit RGB. Profiles are applied by Little CMS (imagecodecs) in 16 bits.
"""

import os
import struct
import threading
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phnet.errors import BadImage, BadMask, BadOutput, MissingExtra
from phnet.files import replacing
from phnet.pixels import (
    Floats,
    Pixels,
    blend,
    check_image,
    check_mask,
    check_pixels,
    mask_notes,
    to_float,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

__all__ = [
    "Picture",
    "blend",
    "check_image",
    "check_mask",
    "check_output",
    "check_pixels",
    "load",
    "load_mask",
    "mask_notes",
    "save",
    "to_float",
]

MOST_PIXELS = 200_000_000
LARGEST_FILE = 2 << 30  # bytes
READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")  # MPO comes with JPEG
WRITABLE = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
ORIENTATION = 0x0112
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, RuntimeError)
_limit_lock = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """A decoded picture and what its file says about it."""

    rgb: Floats  # sRGB float32 (H, W, 3) in [0, 1], upright
    pixels: Pixels  # the file's own values, uint8 or uint16 (H, W, 3), upright
    alpha: Pixels | None  # uint8 or uint16 (H, W)
    format: str  # Pillow's name: PNG, JPEG, WEBP, TIFF, ...
    icc: bytes | None  # the profile of ``pixels``; None: sRGB
    exif: bytes | None  # with the orientation set to upright
    jpeg: dict[str, Any] | None  # quantization tables and subsampling of a JPEG

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.pixels.shape[0], self.pixels.shape[1]


# -- reading ------------------------------------------------------------------------------


@contextmanager
def _opened(
    path: str | os.PathLike[str], error: type[BadImage] | type[BadMask]
) -> "Iterator[Image.Image]":
    """Open a picture's header and check it against the limits; decoding errors get a sentence."""
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    formats = list(READABLE)
    if path.suffix.lower() in (".heic", ".heif"):
        formats += _register_heif()
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no such file"
        raise error(f"{path}: expected an image file, but there is {kind}")
    if path.stat().st_size > LARGEST_FILE:
        raise error(f"{path}: expected a file of at most {LARGEST_FILE >> 30} GiB")
    try:
        with _limit_lock:  # the limit below is ours, not Pillow's
            before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                image = Image.open(path, formats=formats)
            finally:
                Image.MAX_IMAGE_PIXELS = before
        with image:
            if image.width * image.height > MOST_PIXELS:
                raise error(
                    f"{path}: expected at most {MOST_PIXELS // 10**6} megapixels, "
                    f"got {image.width}x{image.height}"
                )
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":
                raise error(f"{path}: expected a single picture, got {frames} frames or pages")
            yield image
    except UnidentifiedImageError as problem:
        raise error(
            f"{path}: expected an image (PNG, JPEG, WebP, TIFF), but it is of an unknown kind"
        ) from problem
    except _BROKEN as problem:
        raise error(
            f"{path}: expected a whole image, but it cannot be decoded ({problem})"
        ) from problem


def _register_heif() -> list[str]:
    try:
        import pillow_heif
    except ModuleNotFoundError as problem:
        raise MissingExtra("heic", "reading HEIC") from problem
    pillow_heif.register_heif_opener()
    return ["HEIF"]


def _bit_depth(image: "Image.Image", path: Path) -> int:
    """Bits a sample, read off the header, where it is more than Pillow would keep."""
    if image.format == "PNG":
        with path.open("rb") as handle:
            head = handle.read(26)
        return 16 if len(head) == 26 and head[24] == 16 else 8
    if image.format == "TIFF":
        bits = image.tag_v2.get(258, (8,))  # type: ignore[attr-defined]
        return int(max(bits) if isinstance(bits, tuple) else bits)
    return 8


def _decode_deep(image: "Image.Image", path: Path) -> Pixels:
    """A 16-bit PNG or TIFF as uint16 (H, W) or (H, W, C)."""
    if image.format == "PNG":
        import imagecodecs

        values = imagecodecs.png_decode(path.read_bytes())
    else:
        import tifffile

        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            values = page.asarray()
            if values.ndim == 3 and page.planarconfig == 2:
                values = np.moveaxis(values, 0, -1)
            if int(page.photometric) == 0:  # white is zero
                values = 65535 - values
    if values.dtype != np.uint16:
        raise BadImage(f"{path}: expected 8 or 16 bits a sample, got {values.dtype}")
    return np.asarray(values)


def _decode(image: "Image.Image", path: Path) -> Pixels:
    """The picture's own values as uint8 or uint16: (H, W), or (H, W, C) with C of 2, 3 or 4."""
    depth = _bit_depth(image, path)
    if depth > 16:
        raise BadImage(f"{path}: expected 8 or 16 bits a sample, got {depth}")
    if depth == 16:
        return _decode_deep(image, path)
    image.load()
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        if "transparency" in image.info:
            image = image.convert("LA" if image.mode == "L" else "RGBA")
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.mode in ("P", "PA"):
        has_alpha = image.mode == "PA" or "transparency" in image.info
        return np.asarray(image.convert("RGBA" if has_alpha else "RGB"))
    if image.mode in ("CMYK", "YCbCr", "LAB"):
        return np.asarray(_to_srgb_by_pillow(image))
    raise BadImage(f"{path}: expected grey or RGB samples, got mode {image.mode}")


def _to_srgb_by_pillow(image: "Image.Image") -> "Image.Image":
    """CMYK and the like to sRGB, by the file's profile where it has one."""
    import io

    from PIL import ImageCms

    profile = image.info.pop("icc_profile", None)
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


def _upright(values: Pixels, orientation: int) -> Pixels:
    """Apply an EXIF orientation (1 to 8)."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return np.ascontiguousarray(values)


def _exif(image: "Image.Image") -> tuple[int, bytes | None]:
    """The orientation, and the metadata with it set to upright; broken EXIF counts as none."""
    try:
        exif = image.getexif()
        orientation = int(exif.get(ORIENTATION, 1))
        if orientation not in range(1, 9):
            orientation = 1
        if not len(exif):
            return orientation, None
        if orientation == 1:
            raw = image.info.get("exif")
            return 1, raw if isinstance(raw, bytes) else exif.tobytes()
        exif[ORIENTATION] = 1
        return orientation, exif.tobytes()
    except (*_BROKEN, TypeError, KeyError):
        return 1, None


def load(path: str | os.PathLike[str]) -> Picture:
    """Read a composite or photo.

    Raises:
        BadImage: missing, truncated, animated, too large, or of an unknown kind.
        MissingExtra: a HEIC file without the extra ``heic``.
    """
    path = Path(path)
    with _opened(path, BadImage) as image:
        jpeg = None
        if image.format in ("JPEG", "MPO"):
            from PIL import JpegImagePlugin

            tables = dict(image.quantization)  # type: ignore[attr-defined]
            subsampling = JpegImagePlugin.get_sampling(image)
            if image.mode == "RGB" and subsampling >= 0:
                jpeg = {"qtables": tables, "subsampling": subsampling}
        values = _decode(image, path)
        orientation, exif = _exif(image)
        icc = image.info.get("icc_profile")
        kind = image.format or ""
    values = _upright(values, orientation)
    alpha = None
    if values.ndim == 2 or values.shape[2] == 2:
        if values.ndim == 3:
            alpha, values = values[..., 1], values[..., 0]
        values = np.repeat(values[..., None], 3, 2)
        icc = None  # a profile of grey does not fit the colours that come out
    elif values.shape[2] == 4:
        alpha, values = values[..., 3], values[..., :3]
    elif values.shape[2] != 3:
        raise BadImage(f"{path}: expected 1 to 4 channels, got {values.shape[2]}")
    values = np.ascontiguousarray(values)
    rgb, icc = _srgb(values, icc)
    if alpha is not None:
        alpha = np.ascontiguousarray(alpha)
    return Picture(rgb, values, alpha, kind, icc, exif, jpeg)


def _srgb(pixels: Pixels, icc: bytes | None) -> tuple[Floats, bytes | None]:
    """Pixels of a profile as sRGB floats, and the profile where it can be used."""
    if not icc:
        return to_float(pixels), None
    try:
        return to_float(_transform(pixels, icc, None)), icc
    except (RuntimeError, ValueError):  # a broken profile, or one not of RGB
        return to_float(pixels), None


def _transform(pixels: Pixels, source: bytes | None, target: bytes | None) -> Pixels:
    """Colours from one profile to another (None: sRGB), in 16 bits; (..., 3) uint8 or uint16."""
    import imagecodecs

    srgb = imagecodecs.cms_profile("srgb")
    deep = pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint16) * 257
    return np.asarray(
        imagecodecs.cms_transform(
            np.ascontiguousarray(deep),
            source or srgb,
            target or srgb,
            colorspace="rgb",
            outcolorspace="rgb",
            intent=1,  # relative colorimetric
        )
    )


def load_mask(path: str | os.PathLike[str]) -> Floats:
    """Read a mask as float32 (H, W) in [0, 1]: its alpha where that says something, else its grey.

    Raises:
        BadMask: missing, truncated, animated, too large, or of an unknown kind.
    """
    path = Path(path)
    with _opened(path, BadMask) as image:
        try:
            values = _decode(image, path)
        except BadImage as problem:
            raise BadMask(str(problem)) from problem
        orientation, _ = _exif(image)
    floats = to_float(_upright(values, orientation))
    if floats.ndim == 2:
        return floats
    if floats.shape[2] in (2, 4) and float(floats[..., -1].min()) < 1:
        return np.ascontiguousarray(floats[..., -1])
    if floats.shape[2] == 2:
        return np.ascontiguousarray(floats[..., 0])
    return np.asarray(floats[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32))


# -- writing ------------------------------------------------------------------------------


def check_output(path: str | os.PathLike[str], *inputs: str | os.PathLike[str] | None) -> None:
    """Refuse an output that would overwrite an input, or that cannot be written, before any work.

    Raises:
        BadOutput: with the reason.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITABLE:
        raise BadOutput(
            f"{path}: expected an output name ending in {', '.join(WRITABLE)}, "
            f"got {path.suffix or 'none'}"
        )
    if path.is_dir():
        raise BadOutput(f"{path}: expected a file name to write to, but it is a folder")
    if not path.parent.is_dir():
        raise BadOutput(f"{path}: expected an existing folder to write to, found none")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise BadOutput(f"{path}: expected a place to write to, but it is not writable")
    for other in inputs:
        if other is not None and path.exists() and Path(other).exists() and path.samefile(other):
            raise BadOutput(f"{path}: the output is also an input; choose another name")


def save(path: str | os.PathLike[str], picture: Picture, result: Floats, mask: Floats) -> None:
    """Write a harmonized picture with all that the composite's file had.

    Args:
        path: its suffix chooses PNG, JPEG, WebP or TIFF.
        picture: the composite as it was read.
        result: sRGB float32 (H, W, 3) in [0, 1].
        mask: (H, W); where it is 0 the composite's own values are written.

    Raises:
        BadOutput: the place cannot be written, or the format cannot hold the picture.
    """
    path = Path(path)
    check_output(path)
    kind = WRITABLE[path.suffix.lower()]
    pixels = merged(picture, result, mask)
    if picture.alpha is not None:
        if kind == "JPEG":
            raise BadOutput(f"{path}: JPEG cannot keep the composite's alpha; choose PNG or WebP")
        pixels = np.dstack([pixels, picture.alpha])
    if pixels.dtype == np.uint16 and kind in ("JPEG", "WEBP"):
        pixels = np.rint(pixels / 257).astype(np.uint8)
    with replacing(path) as temporary:
        if pixels.dtype == np.uint16:
            write = _write_deep_png if kind == "PNG" else _write_deep_tiff
            write(temporary, pixels, picture)
        else:
            _write_by_pillow(temporary, kind, pixels, picture)


def merged(picture: Picture, result: Floats, mask: Floats) -> Pixels:
    """The composite's own pixels with the foreground of ``result`` in their profile and depth."""
    inside = mask > 0
    pixels = picture.pixels.copy()
    wanted = np.clip(result[inside], 0, 1)
    if picture.icc:
        deep = np.rint(wanted * 65535).astype(np.uint16)
        wanted = to_float(_transform(deep[None], None, picture.icc)[0])
    scale = 65535 if pixels.dtype == np.uint16 else 255
    pixels[inside] = np.rint(wanted * scale).astype(pixels.dtype)
    return pixels


def _write_by_pillow(path: Path, kind: str, pixels: Pixels, picture: Picture) -> None:
    from PIL import Image

    options: dict[str, Any] = {}
    if kind == "JPEG":
        options = picture.jpeg or {"quality": 95, "subsampling": 0}
    elif kind == "WEBP":
        options = {"lossless": picture.format != "JPEG", "quality": 95, "exact": True}
    elif kind == "TIFF":
        options = {"compression": "tiff_deflate"}
    if picture.icc:
        options["icc_profile"] = picture.icc
    if picture.exif:
        options["exif"] = picture.exif
    Image.fromarray(pixels).save(path, kind, **options)


def _write_deep_png(path: Path, pixels: Pixels, picture: Picture) -> None:
    """A 16-bit PNG; profile and EXIF as chunks right behind the header (PNG, 11.3)."""
    import imagecodecs

    encoded = bytes(imagecodecs.png_encode(pixels, level=6))
    header_end = 8 + 25  # the signature and IHDR
    extra = b""
    if picture.icc:
        extra += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.icc))
    if picture.exif:
        extra += _chunk(b"eXIf", picture.exif.removeprefix(b"Exif\0\0"))
    path.write_bytes(encoded[:header_end] + extra + encoded[header_end:])


def _chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def _write_deep_tiff(path: Path, pixels: Pixels, picture: Picture) -> None:
    import tifffile

    tifffile.imwrite(
        path,
        pixels,
        photometric="rgb",
        compression="deflate",
        iccprofile=picture.icc,
        extrasamples=["unassalpha"] if pixels.shape[2] == 4 else None,
        metadata=None,
    )
