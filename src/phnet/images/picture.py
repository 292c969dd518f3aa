"""Pictures from files, with everything that the file says about them.

A composite is decoded once, in its own depth and profile, and kept: only pixels under the mask
are ever replaced, so the background of a lossless file comes back bit for bit. The network sees
sRGB. :mod:`phnet.images.decoding` decodes and :mod:`phnet.images.encoding` writes.
"""

import logging
import os
import re
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from phnet.errors import BadImage
from phnet.images.arrays import (
    Floats,
    Pixels,
    to_float,
)
from phnet.images.color_profiles import describes, in_depth, to_srgb
from phnet.images.decoding import Source, decode, opened, source_of, upright

if TYPE_CHECKING:
    from PIL import Image

ORIENTATION = 0x0112
# IFD0 of a TIFF also tells how its pixels are stored; only these tags describe the picture:
# description, make, model, software, date, artist, copyright.
DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432)
SUB_IFDS = (0x8769, 0x8825)  # EXIF and GPS


@dataclass(frozen=True)
class Picture:
    """A decoded picture and what its file says about it."""

    pixels: Pixels  # the file's own values, uint8 or uint16, upright: (H, W, 3), or (H, W) gray
    alpha: Pixels | None = None  # of the same type, (H, W), not multiplied into the colors
    format: str = "PNG"  # Pillow's name: PNG, JPEG, WEBP, TIFF, ...
    icc: bytes | None = None  # the profile of ``pixels``; None: sRGB
    exif: bytes | None = None  # with the orientation set to upright, without a thumbnail
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    jpeg: dict[str, Any] | None = None  # quantization tables, subsampling, progressive
    lossless: bool = True  # the file held these very values

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @cached_property
    def colors(self) -> Pixels:
        """As sRGB (H, W, 3), uint8 or uint16; the very ``pixels`` where they are sRGB already."""
        return to_srgb(self.pixels, self.icc)

    @property
    def rgb(self) -> Floats:
        """As sRGB float32 (H, W, 3) in [0, 1], made anew at each use."""
        return to_float(self.colors)

    @property
    def colors_with_alpha(self) -> Pixels:
        """``colors`` and, where there is one, alpha in one array (H, W, 3 or 4)."""
        if self.alpha is None:
            return self.colors
        return np.dstack([self.colors, in_depth(self.alpha, self.colors.dtype)])

    def behind(self, result: Pixels) -> "Picture":
        """What a composition over this picture is saved with: in color, with the result's alpha.

        Args:
            result: (H, W, 3), or (H, W, 4) where the picture has alpha, in the depth of
                ``colors``.
        """
        picture = self
        if picture.pixels.ndim == 2:  # a gray background gets a person in color
            picture = replace(picture, pixels=picture.colors, icc=None)
        if picture.alpha is not None:
            picture = replace(picture, alpha=in_depth(result[..., 3], picture.alpha.dtype))
        return picture


def quiet_readers() -> None:
    """Silence the libraries that read files: what matters is said in our own sentences.

    For programs, which own their process; a library's user decides that for themselves.
    """
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def load(path: str | os.PathLike[str] | Source) -> Picture:
    """Read a composite or photo, from a file or (as a :class:`Source`) from memory.

    EXIF orientation is applied. CMYK, YCbCr and Lab become sRGB by the file's profile.

    Raises:
        BadImage: missing, truncated, animated, too large, or of an unknown kind.
        MissingExtra: a HEIC file without the extra ``heic``.
    """
    source = source_of(path)
    with opened(source, BadImage) as image:
        kind, jpeg = image.format or "", _jpeg(image)
        lossless = kind in ("PNG", "TIFF", "BMP", "GIF", "PSD") or _is_lossless_webp(source)
        orientation, exif = exif_of(image)
        xmp, dpi = _xmp(image), _dpi(image)
        icc = image.info.get("icc_profile")
        converted = image.mode in ("CMYK", "YCbCr", "LAB")
        values = decode(image, source, BadImage)
    values = upright(values, orientation)
    alpha = None
    if values.ndim == 3 and values.shape[2] in (2, 4):
        alpha, values = np.ascontiguousarray(values[..., -1]), values[..., :-1]
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim == 3 and values.shape[2] != 3:
        raise BadImage(f"{source}: expected 1 to 4 channels, got {values.shape[2]}")
    if converted or not describes(icc, values.ndim if values.ndim == 3 else 1):
        icc = None
    if dpi and orientation > 4:
        dpi = dpi[::-1]
    pixels = np.ascontiguousarray(values)
    return Picture(pixels, alpha, kind, icc, exif, xmp, dpi, jpeg, lossless)


def from_pil(image: "Image.Image") -> Picture:
    """A PIL image in memory as a picture in color, with its alpha and, where it has one, profile.

    Raises:
        BadImage: it holds no pixels.
    """
    if 0 in image.size:
        raise BadImage(f"expected a PIL image with pixels, got one of {image.size}")
    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    values = np.asarray(image.convert("RGBA" if has_alpha else "RGB"))
    icc = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA", "P", "PA") else None
    return Picture(
        np.ascontiguousarray(values[..., :3]),
        np.ascontiguousarray(values[..., 3]) if has_alpha else None,
        icc=icc if describes(icc, 3) else None,
    )


# -- what the file says -------------------------------------------------------------------


def _jpeg(image: "Image.Image") -> dict[str, Any] | None:
    """What Pillow's writer must be told to compress a JPEG as this one is."""
    from PIL import JpegImagePlugin

    if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.mode not in ("L", "RGB"):
        return None
    # Subsampling that Pillow cannot name (4:1:1, 4:4:0) becomes none, which loses nothing.
    subsampling = max(0, JpegImagePlugin.get_sampling(image))
    progressive = bool(image.info.get("progressive"))
    tables = dict(image.quantization)
    return {"qtables": tables, "subsampling": subsampling, "progressive": progressive}


def _is_lossless_webp(source: Source) -> bool:
    """Whether a WebP file has a VP8L chunk, looking at chunk names alone (RFC 9649)."""
    with source.open() as handle:
        head = handle.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WEBP":
            return False
        for _ in range(64):
            name, size = handle.read(4), handle.read(4)
            if name in (b"VP8L", b"VP8 ") or len(size) < 4:
                return name == b"VP8L"
            length = int.from_bytes(size, "little")
            handle.seek(length + length % 2, os.SEEK_CUR)
    return False


def exif_of(image: "Image.Image") -> tuple[int, bytes | None]:
    """The orientation, and the metadata with it set to upright; broken EXIF counts as none."""
    from PIL import Image

    try:
        exif = image.getexif()
        orientation = int(exif.get(ORIENTATION, 1))
        if orientation not in range(1, 9) or image.format == "HEIF":  # its reader turned it
            orientation = 1
        if image.format == "TIFF":
            whole, exif = exif, Image.Exif()
            for tag in DESCRIPTIVE:
                if tag in whole:
                    exif[tag] = whole[tag]
            for tag in SUB_IFDS:
                if part := whole.get_ifd(tag):
                    exif.get_ifd(tag).update(part)
                    exif[tag] = part
        if ORIENTATION in exif:
            exif[ORIENTATION] = 1
        return orientation, exif.tobytes() if len(exif) else None
    except Exception:  # whatever Pillow's EXIF code meets in a hostile file
        return 1, None


def _xmp(image: "Image.Image") -> bytes | None:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode()
    if not isinstance(packet, bytes):
        return None
    upright = re.sub(rb'(tiff:Orientation=")[2-8]"', rb'\g<1>1"', packet)
    return re.sub(rb"(<tiff:Orientation>)[2-8]<", rb"\g<1>1<", upright)


def _dpi(image: "Image.Image") -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 <= across <= 1e5 and 1 <= down <= 1e5 else None
