"""JPEG XL and JPEG 2000: what their headers say, and their values; they are read, not written.

imagecodecs decodes both. It gives no profiles, orientation or metadata, so the boxes (ISO/IEC
18181-2, 15444-1) and the start of a JPEG XL codestream (18181-1, annexes D and E) are read here.
"""

import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from phnet.images.arrays import FULL_SCALE, Pixels, to_float
from phnet.images.color_profiles import cmyk_to_rgb
from phnet.images.declared_colors import Declared, by_codes
from phnet.images.jpegxl_header import Bits, colors_of, depth_of, extra_of, size_of, skip_preview
from phnet.images.opened_file import ORIENTATION, OpenedFile

if TYPE_CHECKING:
    from PIL import Image

JXL_STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL ")
JP2_STARTS = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"\0\0\0\x0cjP\x1a\x1a")
MOST_BOXES = 10_000
MOST_METADATA = 16 << 20  # bytes
XMP_ID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
EXIF_ID = b"JpgTiffExif->JP2"
LINEAR = 8  # of H.273
DEPTHS = "8 or 16 bits a sample"
Box = tuple[bytes, bytes]  # name and content


def is_newer(start: bytes) -> bool:
    """Tell whether a file that begins so is a JPEG XL or JPEG 2000."""
    return start.startswith(JXL_STARTS + JP2_STARTS)


def jpeg_within(content: bytes) -> bytes | None:
    """The very JPEG that a JPEG XL was made of without loss; None: it was not.

    Raises:
        ValueError, RuntimeError: it cannot be made again.
    """
    if not content.startswith(JXL_STARTS[1]) or b"jbrd" not in content:
        return None
    if not any(name == b"jbrd" for name, _ in boxes(content)):
        return None
    import imagecodecs

    return bytes(imagecodecs.jpegxl_decode_jpeg(content, numthreads=1))


class NewerJpeg(OpenedFile):
    """An opened JPEG XL or JPEG 2000."""

    declared = Declared()
    orientation = 1
    _alpha: int | None = None  # the number of its channel
    _is_multiplied = _is_ink = _is_ycc = False

    def _read_header(self) -> None:
        if self._content.startswith(JXL_STARTS):
            self.format, self._read = "JXL", self._read_jxl()
        else:
            self.format, self._read = "JPEG2000", self._read_jp2()

    def getexif(self) -> "Image.Exif":
        """The EXIF, with the orientation that counts: JPEG XL's own; JPEG 2000 has none."""
        exif = super().getexif()
        if self.orientation != 1 or ORIENTATION in exif:
            exif[ORIENTATION] = self.orientation
        return exif

    def values(self) -> Pixels:
        """The picture as it is stored: (H, W) or (H, W, C), alpha last; uint8 or uint16."""
        values = self._read()
        if values.shape[:2] != (self.height, self.width):
            self._refuse(f"expected {self.width}x{self.height} pixels, got {values.shape}")
        if values.dtype.kind != "u" or values.dtype.itemsize > 2:
            self._refuse(f"expected {DEPTHS}, got {values.dtype}")
        most = (1 << self._bits) - 1
        if self._bits not in (8, 16):
            full = 255 if self._bits < 8 else 65535
            scaled = np.minimum(values, most).astype(np.uint32) * full * 2 + most
            values = (scaled // (2 * most)).astype(np.uint8 if self._bits < 8 else np.uint16)
            if self._bits > 8:
                self.notes.append(f"has {self._bits} bits a sample, which are kept in 16")
        if values.ndim == 2:
            return values
        colors, alpha = values[..., : self._own], None
        if self._alpha is not None and self._alpha < values.shape[2]:
            alpha = values[..., self._alpha]
        if values.shape[2] > self._own + (alpha is not None):
            self.notes.append("channels besides its colors and alpha were left out")
        if self._is_ink:
            colors, note = cmyk_to_rgb(np.ascontiguousarray(colors), self._icc())
            self.notes.append(note)
        if alpha is None:
            return np.ascontiguousarray(colors)
        if self._is_multiplied:
            colors = straight(colors, alpha)
        return np.dstack([colors, alpha])

    def _icc(self) -> bytes | None:
        icc = self.info.pop("icc_profile", None)
        return icc if isinstance(icc, bytes) else None

    # -- JPEG XL --

    def _read_jxl(self) -> Callable[[], Pixels]:
        stream = self._content
        if not stream.startswith(JXL_STARTS[0]):
            parts = []
            for name, body in boxes(self._content):
                name, body = _unpacked(name, body)
                if name == b"jxlc":
                    parts = [body]
                elif name == b"jxlp":
                    parts.append(body[4:])
                elif name == b"Exif" and len(body) > 8:
                    self._exif = body[4 + int.from_bytes(body[:4], "big") :]
                elif name == b"xml ":
                    self.info["xmp"] = body
            stream = b"".join(parts)
        self._read_codestream(Bits(stream[2:4096]))

        def read() -> Pixels:
            import imagecodecs

            return np.asarray(imagecodecs.jpegxl_decode(self._content, keeporientation=True))

        return read

    def _read_codestream(self, bits: "Bits") -> None:
        self.width, self.height = size_of(bits)
        self._bits, self._own = 8, 3
        if bits.flag():  # all is as usual
            return
        self._refuse_more(bits)
        is_float, self._bits = depth_of(bits)
        if is_float or self._bits > 16:
            self._refuse(f"expected {DEPTHS}, got {self._bits}{' in floating point' * is_float}")
        bits.flag()
        kinds = [extra_of(bits) for _ in range(bits.one_of(0, 1, (4, 2), (12, 1)))]
        is_xyb = bits.flag()
        space, self.declared, has_icc = colors_of(bits)
        if has_icc:
            how = "its colors were taken as sRGB"
            if is_xyb:  # libjxl makes linear sRGB of it
                self.declared, how = by_codes(1, LINEAR, 1 if space == 1 else 3), "sRGB was decoded"
            self.notes.append(f"its color profile is inside a JPEG XL and was not read: {how}")
        self._own = 1 if space == 1 else 3
        alphas = [number for number, (kind, _) in enumerate(kinds) if kind == 0]
        if alphas:
            self._alpha = self._own + alphas[0]
            self._is_multiplied = kinds[alphas[0]][1]

    def _refuse_more(self, bits: "Bits") -> None:
        """Read the fields that are rarely there; an animation is refused."""
        if not bits.flag():
            return
        self.orientation = 1 + bits.take(3)
        if bits.flag():
            size_of(bits)
        if bits.flag():
            skip_preview(bits)
        if bits.flag():
            self._refuse("expected a single picture, got an animation")

    # -- JPEG 2000 --

    def _read_jp2(self) -> Callable[[], Pixels]:
        content = self._content
        start, components = content.find(b"\xff\x4f\xff\x51"), 0
        if not content.startswith(JP2_STARTS[0]):
            for name, body in boxes(content):
                if name == b"jp2h":
                    components = self._read_jp2_header(body)
                elif name == b"uuid" and body.startswith(XMP_ID):
                    self.info["xmp"] = body[16:]
                elif name == b"uuid" and body.startswith(EXIF_ID):
                    self._exif = body[16:].removeprefix(b"Exif\0\0")
                elif name == b"jp2c":
                    start = content.find(b"\xff\x4f\xff\x51", content.find(b"jp2c"))
                    break
        if start < 0:
            raise ValueError("there is no codestream in it")
        across, down, left, top = struct.unpack_from(">4I", content, start + 8)
        (count,) = struct.unpack_from(">H", content, start + 40)
        self.width, self.height = across - left, down - top
        depths = [content[start + 42 + 3 * number] for number in range(min(count, 64))]
        bits = {(depth & 0x7F) + 1 for depth in depths}
        self._bits = 8 if components else max(bits)  # a palette's colors have 8
        if len(bits) > 1 or any(depth & 0x80 for depth in depths) or self._bits > 16:
            self._refuse(f"expected {DEPTHS}, unsigned, got {sorted(bits)}")
        count = components or count
        if not 1 <= count <= 5:
            self._refuse(f"expected 1 to 4 channels or one more, got {count}")
        self._own = 4 if self._is_ink else 3 if count > 2 else 1
        if self._alpha is None and components == 0 and count in (2, 4) and count > self._own:
            self._alpha = self._own

        def read() -> Pixels:
            import imagecodecs

            # Of a file with a profile the library takes RGB for YCC: of a codestream it does not.
            whole = components or self._is_ycc
            return np.asarray(imagecodecs.jpeg2k_decode(content if whole else content[start:]))

        return read

    def _read_jp2_header(self, header: bytes) -> int:
        """Profile, space and alpha; returns the palette's number of channels, 0 without one."""
        columns = 0
        for name, body in boxes(header):
            if name == b"colr" and body[0] == 1:
                (space,) = struct.unpack_from(">I", body, 3)
                self._is_ink, self._is_ycc = space == 12, space == 18
                if space not in (12, 16, 17, 18):
                    self.notes.append(f"declares colors ({space}) that were taken as sRGB")
            elif name == b"colr" and body[0] in (2, 3):
                self.info["icc_profile"] = body[3:]
                self._is_ink = body[19:23] == b"CMYK"
            elif name == b"pclr":
                columns = body[2]
            elif name == b"cdef":
                for at in range(2, 2 + 6 * int.from_bytes(body[:2], "big"), 6):
                    channel, kind, _ = struct.unpack_from(">3H", body, at)
                    if kind in (1, 2) and self._alpha is None:
                        self._alpha, self._is_multiplied = channel, kind == 2
        return columns


def straight(colors: Pixels, alpha: Pixels) -> Pixels:
    """Colors (H, W, C) that were multiplied by an alpha (H, W), divided by it again."""
    share = np.maximum(to_float(alpha), 1e-6)[..., None]
    levels = np.clip(to_float(colors) / share, 0, 1) * FULL_SCALE[colors.dtype]
    return np.asarray(np.rint(levels), colors.dtype)


def boxes(content: bytes) -> Iterator[Box]:
    """The boxes of a file or of a box's content, those that are whole; the last may lack an end."""
    at = 0
    for _ in range(MOST_BOXES):
        if at + 8 > len(content):
            return
        size, name = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        head = 8
        if size == 1:
            size, head = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        if size == 0:
            size = len(content) - at
        if size < head:
            return
        yield name, content[at + head : at + size]
        at += size


def _unpacked(name: bytes, body: bytes) -> Box:
    """A box of JPEG XL that may be packed by Brotli."""
    if name != b"brob":
        return name, body
    import imagecodecs

    try:
        unpacked = imagecodecs.brotli_decode(body[4:], out=MOST_METADATA)
    except (ValueError, RuntimeError):
        return b"", b""
    return body[:4], bytes(unpacked)
