"""Colors of video: a frame as RGB, HDR and wide gamuts mapped to SDR, and what the output is.

HDR becomes SDR, since the networks and the new background are SDR. PQ (HDR10) and HLG are made
linear with the reference white at 203 cd/m² (ITU-R BT.2408), compressed from a peak of
1,000 cd/m² by the curve of BT.2390 on each channel, so that what is bright and colored pales as
on film, brought to the primaries of BT.709 and encoded as sRGB.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from phnet.images.arrays import Floats, Pixels, to_uint8

# FFmpeg's numbers, which are those of ITU-T H.273.
BT709, UNSPECIFIED, BT2020 = 1, 2, 9
LIMITED = 1  # FFmpeg's number of the color range that is 16 to 235 in 8 bits
PQ, HLG = 16, 18
KEPT_MATRICES = (BT709, UNSPECIFIED, 5, 6, 7)  # that FFmpeg can write
TO_BT709 = {
    BT2020: ((1.6605, -0.5876, -0.0729), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    12: ((1.2249, -0.2249, 0.0), (-0.0421, 1.0421, 0.0), (-0.0196, -0.0786, 1.0983)),  # Display P3
}
NAMES = {BT2020: "BT.2020", 12: "Display P3"}
WHITE = 203.0  # cd/m²
PEAK = 1000.0  # cd/m²
LUMA_BT2020 = np.array([[0.2627, 0.6780, 0.0593]], np.float32)
STEPS = 1 << 12  # of the tables of curves


@dataclass(frozen=True)
class Colors:
    """Colors of a video stream, in the numbers of ITU-T H.273."""

    matrix: int
    range: int
    primaries: int
    transfer: int
    is_rgb: bool = False

    @classmethod
    def of(cls, stream: Any) -> "Colors":
        """Those that a stream declares."""
        given = stream.codec_context
        return cls(
            int(given.colorspace),
            int(given.color_range),
            int(given.color_primaries),
            int(given.color_trc),
            given.format is not None and bool(given.format.is_rgb),
        )

    @property
    def is_hdr(self) -> bool:
        """Tell whether it is HDR10 or HLG."""
        return self.transfer in (PQ, HLG)

    @property
    def is_mapped(self) -> bool:
        """Tell whether colors change on the way to SDR in BT.709."""
        return self.is_hdr or self.primaries in TO_BT709

    @property
    def written(self) -> "Colors":
        """Those of the output: the same where it can be, else BT.709."""
        if self.is_mapped:
            return Colors(BT709, LIMITED, BT709, BT709)
        if self.is_rgb or self.matrix not in KEPT_MATRICES:
            return Colors(BT709, LIMITED, known(self.primaries), known(self.transfer))
        return self

    @property
    def note(self) -> str:
        """Note on what happens to the colors; empty: nothing."""
        if self.is_hdr:
            return f"HDR ({'HLG' if self.transfer == HLG else 'PQ'}) is tone-mapped to SDR (BT.709)"
        if self.is_mapped:
            return f"the colors of {NAMES[self.primaries]} become BT.709"
        if self.is_rgb:
            return "RGB becomes YUV 4:2:0 (BT.709)"
        return ""


def known(number: int) -> int:
    """A number of H.273, that of BT.709 where there is none."""
    return BT709 if number in (0, UNSPECIFIED) else number


def matrix_for(matrix: int, height: int) -> int:
    """A matrix of colors; where a file names none, that of its size (BT.709 is HD's)."""
    if matrix != UNSPECIFIED:
        return {10: BT2020}.get(matrix, matrix)
    return BT709 if height >= 720 else 5


def pixels_of(frame: Any, colors: Colors | None = None) -> tuple[Pixels, Floats | None]:
    """A frame upright: RGB uint8 (H, W, 3) in SDR, and its alpha (H, W), where it has one.

    Args:
        frame: as decoded.
        colors: those of its stream; None: SDR that is not mapped.
    """
    mapped = colors is not None and colors.is_mapped
    has_alpha = any(part.is_alpha for part in frame.format.components)
    form = ("rgba" if has_alpha else "rgb24", "rgba64le" if has_alpha else "rgb48le")[mapped]
    more = {}
    if not frame.format.is_rgb:
        matrix = matrix_for(int(frame.colorspace), frame.height)
        more = {"src_colorspace": matrix, "src_color_range": frame.color_range}
    rgb = frame.reformat(format=form, **more).to_ndarray()
    rgb = np.rot90(rgb, round(frame.rotation / 90) % 4)
    alpha = None
    if has_alpha:
        alpha = rgb[..., 3].astype(np.float32) / np.iinfo(rgb.dtype).max
    rgb = np.ascontiguousarray(rgb[..., :3])
    return (rgb if colors is None or not mapped else to_sdr(rgb, colors)), alpha


def to_sdr(rgb: Pixels, colors: Colors) -> Pixels:
    """HDR, or SDR of a wide gamut, uint16 (H, W, 3), as sRGB uint8."""
    linear = linear_of(colors.transfer)[rgb]
    if colors.transfer == HLG:  # the picture on a display of 1,000 cd/m² (BT.2100)
        scene = cv2.transform(linear, LUMA_BT2020)
        linear *= (np.maximum(scene, 1e-6) ** 0.2)[..., None] * np.float32(PEAK / WHITE)
    if colors.is_hdr:
        position = np.sqrt(np.clip(linear * np.float32(WHITE / PEAK), 0, 1)) * (STEPS - 1)
        linear = compression()[np.rint(position).astype(np.intp)]
    if colors.primaries in TO_BT709:
        matrix = np.array(TO_BT709[colors.primaries], np.float32)
        linear = np.asarray(cv2.transform(linear, matrix), np.float32)
    position = np.sqrt(np.clip(linear, 0, 1)) * (STEPS - 1)
    return np.asarray(encoding()[np.rint(position).astype(np.intp)])


@cache
def linear_of(transfer: int) -> Floats:
    """Light for each value of 16 bits: of PQ and SDR 1 is the reference white, of HLG the most."""
    value = np.linspace(0, 1, 1 << 16)
    if transfer == PQ:
        light = from_pq(value) / WHITE
    elif transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    else:
        light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.asarray(light, np.float32)


@cache
def compression() -> Floats:
    """SDR light for light from 0 to PEAK in steps of its root (BT.2390, 5.4.1); 1 is white."""
    nits, peak = np.linspace(0, 1, STEPS) ** 2 * PEAK, to_pq(np.array(PEAK))
    value, most = to_pq(nits) / peak, to_pq(np.array(WHITE)) / peak
    knee = 1.5 * most - 0.5
    t = np.clip((value - knee) / (1 - knee), 0, 1)
    bent = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * most
    )
    made = from_pq(np.where(value > knee, bent, value) * peak) / WHITE
    return np.asarray(made, np.float32)


@cache
def encoding() -> Pixels:
    """SRGB values of 8 bits for light from 0 to 1 in steps of its root."""
    light = np.linspace(0, 1, STEPS) ** 2
    value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return to_uint8(value)


def from_pq(value: Any) -> Any:
    """Light in cd/m² of PQ values in [0, 1] (SMPTE ST 2084)."""
    root = value ** (1 / 78.84375)
    return 10000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (
        1 / 0.1593017578125
    )


def to_pq(nits: Any) -> Any:
    """PQ values in [0, 1] of light in cd/m²."""
    power = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
