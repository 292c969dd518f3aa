"""Pictures from files, with everything that the file says about them.

A composite is decoded once, in its own depth and profile, and kept: only pixels under the mask
are ever replaced, so the background of a lossless file comes back bit for bit. The network sees
sRGB. :mod:`phnet.images.decoding` decodes and :mod:`phnet.images.encoding` writes.
"""

import logging
import os
import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from phnet.errors import BadImage
from phnet.images.arrays import Floats, Pixels, to_float
from phnet.images.color_profiles import cmyk_to_rgb, describes, in_depth, to_srgb
from phnet.images.declared_colors import Chunk
from phnet.images.decoding import Source, decode, opened, source_of
from phnet.images.metadata import Words, dpi_of, exif_of, jpeg_of, words_of, xmp_of
from phnet.images.tiff import TiffPage

if TYPE_CHECKING:
    from PIL import Image


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
    orientation: int = 1  # EXIF's, by which ``pixels`` were turned upright
    words: Words = field(default_factory=Words)  # captions, comments, text
    declared: tuple[Chunk, ...] = ()  # a PNG's chunks about its colors, to be written again
    made_icc: bool = False  # the file has no profile, ``icc`` says what else it declares
    notes: tuple[str, ...] = ()  # warnings of how it was read, a sentence each
    plain: bool = False  # a TIFF that was not compressed, and is written so

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

    def as_srgb(self) -> "Picture":
        """The same in color, and converted to sRGB."""
        return replace(self, pixels=self.colors, icc=None, declared=(), made_icc=False)

    def behind(self, result: Pixels) -> "Picture":
        """Prepare this picture to save a composition over it: in color, with the result's alpha.

        Args:
            result: (H, W, 3), or (H, W, 4) where the picture has alpha, in the depth of
                ``colors``.
        """
        picture = self
        if picture.pixels.ndim == 2:  # a gray background gets a person in color
            picture = picture.as_srgb()
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
        kind, jpeg = image.format or "", jpeg_of(image)
        lossless = kind in ("PNG", "TIFF", "BMP", "GIF", "PSD") or _is_lossless_webp(source)
        exif = exif_of(image)
        xmp, dpi = xmp_of(image), dpi_of(image)
        decoded = decode(image, source, BadImage, exif.orientation)
        words = words_of(image, source, exif.orientation != 1)
    alpha, values = None, decoded.values
    if values.ndim == 3 and values.shape[2] in (2, 4):
        alpha, values = np.ascontiguousarray(values[..., -1]), values[..., :-1]
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if dpi and exif.orientation > 4:
        dpi = dpi[::-1]
    notes = (*([exif.note] if exif.note else []), *decoded.notes)
    return Picture(
        *(np.ascontiguousarray(values), alpha, kind, decoded.icc, exif.content, xmp, dpi, jpeg),
        lossless=lossless,
        words=words,
        declared=decoded.declared,
        made_icc=decoded.made,
        notes=notes,
        orientation=exif.orientation,
        plain=isinstance(image, TiffPage) and image.is_plain,
    )


def from_pil(image: "Image.Image") -> Picture:
    """A PIL image in memory as a picture in color, with its alpha and, where it has one, profile.

    Raises:
        BadImage: it holds no pixels.
    """
    if 0 in image.size:
        raise BadImage(f"expected a PIL image with pixels, got one of {image.size}")
    if image.mode == "La":
        image = image.convert("LA")
    has_alpha = image.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in image.info
    if image.mode == "CMYK":
        values, note = cmyk_to_rgb(np.asarray(image), image.info.get("icc_profile"))
        return Picture(values, notes=(note,))
    values = np.asarray(image.convert("RGBA" if has_alpha else "RGB"))
    icc = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA", "P", "PA") else None
    return Picture(
        np.ascontiguousarray(values[..., :3]),
        np.ascontiguousarray(values[..., 3]) if has_alpha else None,
        icc=icc if describes(icc, 3) else None,
    )


def _is_lossless_webp(source: Source) -> bool:
    """Tell whether a WebP file has a VP8L chunk, looking at chunk names alone (RFC 9649)."""
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
