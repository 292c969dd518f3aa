"""Photoshop files that are read: their flat picture, of 1, 8 or 16 bits (Adobe's specification).

Layers are not put together: Photoshop writes a flat picture beside them unless it is told not to.
"""

import struct
from typing import TYPE_CHECKING

import numpy as np

from phnet.images.arrays import Pixels, to_float
from phnet.images.color_profiles import cmyk_to_rgb, lab_to_rgb
from phnet.images.opened_file import ORIENTATION, OpenedFile

if TYPE_CHECKING:
    from PIL import Image

START = b"8BPS"
BITMAP, GRAY, PALETTE, RGB, INK, DUOTONE, LAB = 0, 1, 2, 3, 4, 8, 9
COLORS = {BITMAP: 1, GRAY: 1, PALETTE: 1, RGB: 3, INK: 4, DUOTONE: 1, LAB: 3}
RESOLUTION, PROFILE, VERSION, EXIF, XMP = 1005, 1039, 1057, 1058, 1060
MOST_CHANNELS = 56
RAW, PACKED = 0, 1
DEEPEST = "expected a PSD of 8 or 16 bits, got {}; save it as TIFF"
NO_FLAT = (
    "expected a flat picture beside the layers, got a PSD that was saved without one; save it with "
    "Photoshop's option to maximize compatibility, or as TIFF"
)


class PsdFile(OpenedFile):
    """The flat picture of a PSD or PSB."""

    format = "PSD"

    def getexif(self) -> "Image.Exif":
        """Read its EXIF, without the orientation, which counts for nothing there."""
        exif = super().getexif()
        if ORIENTATION in exif:  # the pixels are upright already
            del exif[ORIENTATION]
        return exif

    def indices(self) -> tuple[Pixels, Pixels]:
        """Of a palette: its indices (H, W), as they are stored, and its colors (256, 3), uint8."""
        return self._stored()[..., 0], self._palette

    def values(self) -> Pixels:
        """The picture (H, W) or (H, W, C), alpha last; uint8 or uint16. Ink and Lab are sRGB."""
        stored, own = self._stored(), COLORS[self._kind]
        colors, alpha = stored[..., :own], None
        if self._has_alpha and stored.shape[2] > own:
            alpha = stored[..., own]
        others = stored.shape[2] - own - (alpha is not None)
        if others:
            self.notes.append(f"{others} channels besides its colors (saved selections) left out")
        if self._kind == PALETTE:
            colors = self._palette[colors[..., 0]]
        elif self._kind == INK:  # 0 is full ink
            ink = np.ascontiguousarray(np.iinfo(colors.dtype).max - colors)
            colors, note = cmyk_to_rgb(ink, self.info.pop("icc_profile", None))
            self.notes.append(note)
        elif self._kind == LAB:
            colors = lab_to_rgb(np.ascontiguousarray(colors))
            self.info.pop("icc_profile", None)
            self.notes.append("is CIELab: converted to sRGB")
        elif self._kind == DUOTONE:
            self.notes.append("is a duotone: its gray was taken, without its inks")
        if alpha is None:
            return np.ascontiguousarray(colors)
        return np.dstack([_without_white(colors, alpha), alpha])

    def _read_header(self) -> None:
        content = self._content
        version, channels, self.height, self.width, self._depth, self._kind = struct.unpack_from(
            ">4xH6xHIIHH", content
        )
        if version not in (1, 2):
            raise ValueError(f"version {version}")
        if self._depth not in (1, 8, 16):
            self._refuse(DEEPEST.format(self._depth))
        shallow = self._kind in (BITMAP, PALETTE)
        usual = {BITMAP: (1,), PALETTE: (8,)}.get(self._kind, (8, 16))
        if self._kind not in COLORS or self._depth not in usual:
            self._refuse(
                f"expected gray, RGB, CMYK or Lab, got mode {self._kind} of {self._depth} bits"
            )
        if not COLORS[self._kind] <= channels <= MOST_CHANNELS:
            raise ValueError(f"{channels} channels")
        self._channels, self._is_large = channels, version == 2
        self.mode = "P" if self._kind == PALETTE else ""
        (size,) = struct.unpack_from(">I", content, 26)
        colors = content[30 : 30 + size]
        self._palette = np.zeros((256, 3), np.uint8)
        if self._kind == PALETTE and len(colors) >= 768:
            self._palette = np.frombuffer(colors[:768], np.uint8).reshape(3, 256).T.copy()
        at = 30 + size
        (size,) = struct.unpack_from(">I", content, at)
        at += 4
        has_flat = self._read_resources(content[at : at + size])
        at += size
        (size,) = struct.unpack_from(">Q" if self._is_large else ">I", content, at)
        at += 8 if self._is_large else 4
        layers = self._layers(content[at : at + min(size, 14)])
        if layers and not has_flat:
            self._refuse(NO_FLAT)
        if layers:
            self.notes.append("its layers were left out: the flat picture counts")
        self._has_alpha = layers < 0 and not shallow
        self._pixels_at = at + size

    def _layers(self, section: bytes) -> int:
        """Count the layers; a negative count: the channel behind the colors is transparency."""
        head = 8 if self._is_large else 4
        if len(section) < head + 2 or not any(section[:head]):
            return 0
        return int(struct.unpack_from(">h", section, head)[0])

    def _read_resources(self, blocks: bytes) -> bool:
        """Profile, resolution and metadata; tells whether the flat picture is one."""
        from phnet.images.iptc import resources

        self.info["resources"], has_flat = blocks, True
        for name, content in resources(blocks):
            if name == PROFILE:
                self.info["icc_profile"] = content
            elif name == XMP:
                self.info["xmp"] = content
            elif name == EXIF:
                self._exif = content
            elif name == VERSION and len(content) > 4:
                has_flat = bool(content[4])
            elif name == RESOLUTION and len(content) >= 12:
                across, down = struct.unpack_from(">I4xI", content)
                self.info["dpi"] = (across / 65536, down / 65536)
        return has_flat

    def _stored(self) -> Pixels:
        """(H, W, C), as they are stored; of one bit, 255 is white."""
        row = (self.width + 7) // 8 if self._depth == 1 else self.width * self._depth // 8
        total = row * self.height * self._channels
        (how,) = struct.unpack_from(">H", self._content, self._pixels_at)
        start = self._pixels_at + 2
        if how == RAW:
            data = self._content[start : start + total]
        elif how == PACKED:
            import imagecodecs

            start += self.height * self._channels * (4 if self._is_large else 2)
            data = bytes(imagecodecs.packbits_decode(self._content[start:], out=bytearray(total)))
        else:
            self._refuse(f"expected a flat picture, raw or packed, got compression {how}")
        if len(data) < total:
            raise ValueError("its pixels are cut short")
        if self._depth == 1:
            rows = np.frombuffer(data[: row * self.height], np.uint8).reshape(self.height, row)
            black = np.unpackbits(rows, axis=1)[:, : self.width, None]
            return np.asarray((1 - black) * np.uint8(255))
        kind = np.dtype(np.uint8) if self._depth == 8 else np.dtype(">u2")
        planes = np.frombuffer(data, kind).reshape(self._channels, self.height, self.width)
        return np.ascontiguousarray(np.moveaxis(planes, 0, -1), kind.newbyteorder("="))


def _without_white(colors: Pixels, alpha: Pixels) -> Pixels:
    """Colors (H, W, C) of a flat picture, which Photoshop blends with white where alpha is low."""
    share = to_float(alpha)[..., None]
    own = 1 - (1 - to_float(colors)) / np.maximum(share, 1e-6)
    levels = np.rint(np.clip(own, 0, 1) * np.iinfo(colors.dtype).max).astype(colors.dtype)
    return np.where(share < 1, levels, colors)
