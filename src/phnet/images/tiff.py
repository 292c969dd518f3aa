"""TIFF: which of its pages is the picture, and that page's own values.

tifffile reads nearly all kinds; Pillow those that it does not (subsampled YCbCr, old JPEG). A raw
file of a camera has TIFF's form and a thumbnail for its first page: it is refused.
"""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import numpy as np

from phnet.errors import BadImage, BadMask
from phnet.images.arrays import Pixels
from phnet.images.color_profiles import cmyk_to_rgb, lab_to_rgb
from phnet.images.newer_jpegs import straight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_PAGES = 32  # looked at
MOST_CHANNELS = 16
REDUCED, MASK = 1, 4  # of NewSubfileType
GRAYS, RGB, PALETTE, INK, YCBCR, LAB, ICC_LAB = (0, 1), 2, 3, 5, 6, 8, 9
COLORS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3, 9: 3}  # channels of each photometric kind
SENSOR = (32803, 34892)  # photometric kinds of raw files: a color filter array, linear raw
SENSOR_CODECS = (32767, 34713, 34892, 65535)  # of Sony, Nikon, lossy DNG, Pentax
DNG_VERSION, TIFF_EP = 50706, 37398
UNSPECIFIED, MULTIPLIED = 0, 1  # kinds of extra channels; 2 is alpha
OLD_JPEG, JPEG = 6, 7
BIG = STARTS[2:]
ORIENTATION, INK_SET = 274, 332
RESOLUTION = (282, 283, 296)  # across, down, unit
LAYERS = 37724  # Photoshop's
XMP, CAPTIONS, RESOURCES, PROFILE = 700, 33723, 34377, 34675
DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432)
SUB_IFDS = (0x8769, 0x8825)  # EXIF and GPS
SAMPLES = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
RAW = (
    "expected a developed picture, got a camera's raw file, of which only a preview could be "
    "read; develop it in a raw converter and save it as TIFF or JPEG"
)


class TiffPage:
    """The one page of a TIFF that is the picture; for callers like an image of Pillow's.

    Args:
        handle: the open file.
        tiff: the same, as tifffile knows it.
        source: what is asked for its name and limit.
        error: what to raise.
    """

    format = "TIFF"

    def __init__(
        self, handle: BinaryIO, tiff: Any, source: Any, error: type[BadImage] | type[BadMask]
    ) -> None:
        self._handle, self._source, self._error = handle, source, error
        self.notes: list[str] = []
        self._page = page = self._chosen(tiff)
        self.width, self.height = int(page.imagewidth), int(page.imagelength)
        self.photometric, self._channels = int(page.photometric), int(page.samplesperpixel)
        self.mode = "P" if self.photometric == PALETTE and self._channels == 1 else ""
        self.info: dict[str, Any] = {
            "icc_profile": self._raw(PROFILE),
            "xmp": self._raw(XMP),
            "resources": self._raw(RESOURCES),
            "captions": self._raw(CAPTIONS),
        }
        self._exif = self._read_exif()
        self._find_resolution()

    @property
    def orientation(self) -> int:
        """As the page says, 1 to 8."""
        value = self._exif.get(ORIENTATION, 1)
        return value if isinstance(value, int) and value in range(1, 9) else 1

    def getexif(self) -> "Image.Exif":
        """Read the page's tags about the picture, without those about its storage."""
        from PIL import Image

        exif = Image.Exif()
        for tag in (*DESCRIPTIVE, ORIENTATION):
            if tag in self._exif:
                exif[tag] = self._exif[tag]
        for tag in SUB_IFDS:
            if part := self._exif.get_ifd(tag):
                exif.get_ifd(tag).update(part)
                exif[tag] = part
        return exif

    # -- pages --

    def _chosen(self, tiff: Any) -> Any:
        pages: list[Any] = []
        for number in range(MOST_PAGES + 1):
            try:
                pages.append(tiff.pages[number])
            except IndexError:
                break
        if not pages:
            self._refuse("expected a picture, got a TIFF without one")
        self._refuse_raw(pages)
        full = [page for page in pages if not int(page.subfiletype) & (REDUCED | MASK)]
        below = [page for first in pages[:1] for page in _below(first)] if not full else []
        full = full or [page for page in below if not int(page.subfiletype) & (REDUCED | MASK)]
        full = full or pages
        if len(full) > 1:
            count = f"more than {MOST_PAGES}" if len(pages) > MOST_PAGES else str(len(full))
            self._refuse(f"expected a single picture, got {count} pages or layers; save it flat")
        if any(int(page.subfiletype) & MASK for page in pages if page is not full[0]):
            self.notes.append("the mask in a page of its own was left out")
        if LAYERS in full[0].tags:
            self.notes.append("its layers were left out: the flat picture counts")
        self._in_chain = full[0] in pages
        return full[0]

    def _refuse_raw(self, pages: list[Any]) -> None:
        first = pages[0]
        nested = _below(first)
        for page in (*pages, *nested):
            if int(page.photometric) in SENSOR or int(page.compression) in SENSOR_CODECS:
                self._refuse(RAW)
        is_preview = bool(int(first.subfiletype) & REDUCED)
        if DNG_VERSION in first.tags or (TIFF_EP in first.tags and is_preview and nested):
            self._refuse(RAW)

    @property
    def is_plain(self) -> bool:
        """Tell whether its samples are stored without compression."""
        return int(self._page.compression) == 1

    def _refuse(self, sentence: str) -> NoReturn:
        raise self._error(f"{self._source}: {sentence}")

    # -- tags --

    def _raw(self, code: int) -> bytes | None:
        tag = self._page.tags.get(code)
        if tag is None:
            return None
        self._handle.seek(tag.valueoffset)
        size = tag.valuebytecount
        content = self._handle.read(size)
        return content if 0 < len(content) == size else None

    def _read_exif(self) -> "Image.Exif":
        from PIL import Image

        exif = Image.Exif()
        self._handle.seek(0)
        start = self._handle.read(4)
        if start in BIG:  # which Pillow's reader of tables does not know
            return self._big_exif(exif)
        try:
            exif.endian = "<" if start[:2] == b"II" else ">"
            exif.load_from_fp(self._handle, self._page.offset)
            # Read now, while the file is open.
            for tag in SUB_IFDS:
                exif.get_ifd(tag)
        except Exception:  # whatever Pillow's EXIF code meets in a hostile file
            return Image.Exif()
        return exif

    def _big_exif(self, exif: "Image.Exif") -> "Image.Exif":
        tags = self._page.tags
        for code in (*DESCRIPTIVE, ORIENTATION, *RESOLUTION):
            tag = tags.get(code)
            if tag is None:
                continue
            value = tag.value
            if code in RESOLUTION[:2] and isinstance(value, tuple):
                value = value[0] / value[1] if len(value) == 2 and value[1] else None
            if isinstance(value, str | int | float):
                exif[code] = value
        if any(code in tags for code in SUB_IFDS):
            self.notes.append("the EXIF of a BigTIFF was left out")
        return exif

    def _find_resolution(self) -> None:
        across, down, unit = (self._exif.get(code) for code in RESOLUTION)
        unit = {2: 1.0, 3: 2.54}.get(2 if unit is None else unit)
        if unit and across and down:
            self.info["dpi"] = (across * unit, down * unit)

    # -- values --

    def indices(self) -> tuple[Pixels, Pixels]:
        """Of a palette: its indices (H, W), as they are stored, and its colors (N, 3), uint8."""
        self._check()
        indices = np.asarray(self._page.asarray())
        indices = indices.reshape(*self._shape(), -1)[..., 0].astype(np.uint8)
        palette = np.asarray(self._page.colormap).T
        if palette.ndim != 2 or palette.shape[1] != 3 or not len(palette):
            self._refuse("expected a palette, got none")
        if int(palette.max()) > 255:  # else an old program wrote 8 bits
            palette = palette >> 8
        if int(indices.max()) >= len(palette):
            self._refuse(f"expected indices below {len(palette)}, got {indices.max()}")
        return indices, palette.astype(np.uint8)

    def values(self) -> tuple[Pixels, bool]:
        """The picture (H, W) or (H, W, C), and whether it was turned upright already.

        C is 1 to 4, alpha last. uint8 or uint16, or for masks any numbers. Ink and Lab are sRGB.
        """
        if self.photometric == YCBCR or int(self._page.compression) == OLD_JPEG:
            return self._by_pillow(), True
        self._check()
        try:
            return self._by_tifffile(), False
        except (ValueError, RuntimeError, LookupError) as problem:
            # Strips of odd sizes, say, which libtiff puts up with.
            try:
                return self._by_pillow(), True
            except Exception:
                raise problem from None

    def _by_tifffile(self) -> Pixels:
        if self.photometric == PALETTE:
            indices, palette = self.indices()
            return np.asarray(palette[indices])
        values = self._stored()
        colors, alpha = self._split(values)
        if values.dtype.kind == "f" or values.dtype.itemsize > 2:  # a mask's
            return colors if alpha is None else np.dstack([colors, alpha])
        if self.photometric == INK:
            icc = self.info.pop("icc_profile")
            colors, note = cmyk_to_rgb(colors, icc)
            self.notes.append(note)
        elif self.photometric in (LAB, ICC_LAB):
            colors = lab_to_rgb(self._as_icc_lab(colors))
            self.info["icc_profile"] = None
            self.notes.append("is CIELab: converted to sRGB")
        return colors if alpha is None else np.dstack([colors, alpha])

    def _check(self) -> None:
        """Refuse what cannot be read, from the header alone."""
        page = self._page
        largest = max(page.imagewidth * page.imagelength, page.tilewidth * page.tilelength)
        if page.imagedepth != 1 or largest > self._source.most_pixels or not self.width:
            self._refuse(f"expected 1 to 4 channels of one layer, got {page.shape}")
        wanted = COLORS.get(self.photometric)
        if wanted is None:
            self._refuse(f"expected gray, RGB, CMYK or Lab, got photometric {self.photometric}")
        ink_set = page.tags.get(INK_SET)
        if self.photometric == INK and ink_set is not None and ink_set.value != 1:
            self._refuse("expected CMYK, got other inks")
        most = 2 if self.photometric in GRAYS else MOST_CHANNELS
        if not wanted <= self._channels <= most:
            self._refuse(f"expected {wanted} channels or one more, got {self._channels}")
        bits, kind = page.bitspersample, int(page.sampleformat or 1)
        if isinstance(bits, tuple) or not bits:
            self._refuse(f"expected all channels of as many bits, got {bits}")
        plain = kind in (1, 4) and bits <= 16
        if not plain and (self._error is not BadMask or kind not in (1, 2, 3)):
            name = SAMPLES.get(kind, "")
            self._refuse(
                f"expected 8 or 16 bits a sample, got {bits}-bit {name}".rstrip()
                + " samples, for which the file does not say what is black and what is white; "
                "save it with 16 bits"
            )

    def _shape(self) -> tuple[int, int]:
        return self.height, self.width

    def _stored(self) -> Pixels:
        """(H, W, C), of full scale where the samples are whole numbers of at most 16 bits."""
        page = self._page
        values = np.asarray(page.asarray())
        if int(page.planarconfig) == 2 and self._channels > 1:
            values = np.moveaxis(values, 0, -1)
        values = values.reshape(*self._shape(), self._channels)
        bits = int(page.bitspersample)
        kind = int(page.sampleformat or 1)
        if kind in (2, 3) or bits > 16:
            return values
        if values.dtype.kind == "i":
            values = values.view(f"u{values.dtype.itemsize}")
        most = (1 << bits) - 1
        if bits not in (8, 16):
            full = 255 if bits < 8 else 65535
            if bits > 8:
                self.notes.append(f"has {bits} bits a sample, which are kept in 16")
            scaled = values.astype(np.uint32) * full * 2 + most
            values = (scaled // (2 * most)).astype(np.uint8 if bits < 8 else np.uint16)
        elif values.dtype.byteorder not in "=|":
            values = values.astype(values.dtype.newbyteorder("="))
        if self.photometric == 0:  # white is zero
            values = values.copy()
            values[..., 0] = np.iinfo(values.dtype).max - values[..., 0]
        return values

    def _split(self, values: Pixels) -> tuple[Pixels, Pixels | None]:
        """Colors (H, W, C) and alpha (H, W); a saved selection is alpha for a mask alone."""
        own = COLORS[self.photometric]
        count = self._channels - own
        kinds = [int(kind) for kind in self._page.extrasamples][:count]
        if not kinds and count == 1:
            kinds = [2]  # ExtraSamples is missing
        kinds += [UNSPECIFIED] * (count - len(kinds))
        colors = np.ascontiguousarray(values[..., :own])
        is_alpha = [kind != UNSPECIFIED or self._error is BadMask for kind in kinds]
        if True not in is_alpha:
            if count:
                self.notes.append(
                    f"{count} channels besides its colors (saved selections) were left out"
                    if count > 1
                    else "a channel besides its colors (a saved selection) was left out"
                )
            return colors, None
        number = is_alpha.index(True)
        alpha = np.ascontiguousarray(values[..., own + number])
        if count > 1:
            self.notes.append("channels besides its colors and alpha were left out")
        if kinds[number] == MULTIPLIED and self.photometric in (*GRAYS, RGB):
            colors = straight(colors, alpha)
        return colors, alpha

    def _as_icc_lab(self, values: Pixels) -> Pixels:
        """Channels a and b with 0 at 128/255 of full scale; TIFF's own have a sign."""
        if self.photometric == ICC_LAB and values.dtype == np.uint8:
            return values
        result = values.copy()
        if values.dtype == np.uint8:
            result[..., 1:] ^= 0x80
        else:  # in 256ths: 0 is 0 in CIELab, and 32768 in ICCLab
            signed = values[..., 1:] ^ 0x8000 if self.photometric == LAB else values[..., 1:]
            exact = np.rint(signed.astype(np.float64) / 256 * 257)
            result[..., 1:] = np.clip(exact, 0, 65535).astype(np.uint16)
        return result

    def _by_pillow(self) -> Pixels:
        from PIL import Image

        if not self._in_chain:
            self._refuse("expected its picture in a page of its own")
        self._handle.seek(0)
        image: Image.Image = Image.open(self._handle, formats=["TIFF"])
        image.seek(int(self._page.index))
        image.load()
        if image.mode.startswith("I;16"):
            return np.asarray(image).astype(np.uint16)
        if image.mode not in ("L", "LA", "RGB", "RGBA"):
            image = image.convert("L" if image.mode == "1" else "RGB")
        return np.asarray(image)


def _below(page: Any) -> list[Any]:
    """The pages in a page's SubIFDs."""
    found = []
    for number in range(len(page.subifds[:MOST_PAGES]) if page.subifds else 0):
        try:
            found.append(page.pages[number])
        except (IndexError, ValueError, KeyError):
            break
    return found


@contextmanager
def opened_tiff(
    handle: BinaryIO, source: Any, error: type[BadImage] | type[BadMask]
) -> "Iterator[TiffPage]":
    """The page that is the picture; the handle stays open."""
    import tifffile

    handle.seek(0)
    with tifffile.TiffFile(handle) as tiff:
        yield TiffPage(handle, tiff, source, error)
