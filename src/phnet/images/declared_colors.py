"""Colors that a file declares without a profile: PNG's gAMA, cHRM and cICP, HEIC's nclx.

They become a profile, which the network's view follows. A PNG is written with the very chunks that
came, other formats with the profile. Codes are those of ITU-T H.273.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from phnet.images.arrays import Floats

Chunk = tuple[bytes, bytes]  # name and content
CHUNKS = (b"cICP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI")
D65 = (0.3127, 0.3290)
BT709 = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
PRIMARIES = {  # red, green and blue, then white: x, y
    1: (*BT709, *D65),
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *D65),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *D65),
}
UNSPECIFIED = 2
LIKE_SRGB = (1, 6, 13, 14, 15)  # curves that viewers of stills take for sRGB's
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
PQ, HLG = 16, 18
WHITE = 203  # cd/m2 of diffuse white in HDR: ITU-R BT.2408
NARROW = "declares the narrow range of video, which was not followed"
USUAL_GAMMA = (43_000, 48_000)  # gAMA that writers mean sRGB by: 45455 is 1/2.2


@dataclass(frozen=True)
class Declared:
    """Color declarations of a file besides its profile."""

    icc: bytes | None = None  # a profile that says the same; None: sRGB
    chunks: tuple[Chunk, ...] = ()  # of a PNG, to be written again
    note: str | None = None


def by_codes(primaries: int, transfer: int, channels: int = 3) -> Declared:
    """The colors that two codes of H.273 name, for pixels of 1 or 3 channels."""
    known = primaries in PRIMARIES or primaries == UNSPECIFIED
    curve = transfer in (*LIKE_SRGB, *GAMMAS, PQ, HLG, UNSPECIFIED)
    if not (known and curve):
        return Declared(
            note=f"declares colors that are not followed (primaries {primaries}, transfer "
            f"{transfer}): they were taken as sRGB"
        )
    note = None
    if transfer in (PQ, HLG):
        name = "PQ" if transfer == PQ else "HLG"
        note = f"is an HDR picture ({name}): for the network its light was mapped to sRGB's range"
    srgb = transfer in (*LIKE_SRGB, UNSPECIFIED)
    if srgb and (channels == 1 or primaries in (1, UNSPECIFIED)):
        return Declared(note=note)
    gamut = PRIMARIES.get(primaries, PRIMARIES[1])
    return Declared(
        _profile(gamut, 0 if srgb else GAMMAS.get(transfer, -transfer), channels), (), note
    )


def by_primaries(
    primaries: int,
    points: tuple[float, ...],
    white: tuple[float, float] | None,
    gamma: float,
    channels: int,
) -> Declared:
    """Colors with an exponent, or primaries and a white of their own.

    Args:
        primaries: as for :func:`by_codes`; 0: those of ``points``.
        points: x and y of red, green and blue.
        white: x and y; None: D65.
        gamma: signal by light, in (0, 1]; 0: sRGB's curve.
        channels: 1 or 3.
    """
    usual = PRIMARIES.get(primaries, PRIMARIES[1])
    gamut = (*(points or usual[:6]), *(white or usual[6:]))
    try:
        return Declared(_profile(gamut, 1 / gamma if gamma else 0, channels))
    except (RuntimeError, ValueError):
        return Declared(note="declares primaries that no color has: taken as sRGB")


def by_png(chunks: tuple[Chunk, ...], channels: int) -> Declared:
    """The colors that the chunks of a PNG name (PNG, third edition, 4.3), for 1 or 3 channels."""
    found = dict(reversed(chunks))  # the first of a name counts
    kept = tuple((name, found[name]) for name in CHUNKS if name in found)
    if len(codes := found.get(b"cICP", b"")) == 4:
        declared = by_codes(codes[0], codes[1], channels)
        note = declared.note or (None if codes[3] else NARROW)
        return Declared(declared.icc, kept, note)
    if b"sRGB" in found:
        return Declared(None, kept)
    gamma, value, gamut = 0.0, 0, PRIMARIES[1]
    if len(content := found.get(b"gAMA", b"")) == 4:
        (value,) = struct.unpack(">I", content)
        if not 1_000 <= value <= 1_000_000:
            return Declared(None, kept, f"declares a gamma of {value} that was not followed")
        if not USUAL_GAMMA[0] <= value <= USUAL_GAMMA[1]:
            gamma = 100_000 / value
    if len(content := found.get(b"cHRM", b"")) == 32 and channels == 3:
        white_x, white_y, *rest = (value / 100_000 for value in struct.unpack(">8I", content))
        given = (*rest, white_x, white_y)
        if max(abs(one - other) for one, other in zip(given, gamut, strict=True)) > 0.002:
            gamut = given
    if not gamma and gamut == PRIMARIES[1]:
        return Declared(None, kept)
    if not gamma and value:  # beside other primaries it means what it says
        gamma = 100_000 / value
    try:
        return Declared(_profile(gamut, gamma, channels), kept)
    except (RuntimeError, ValueError):
        return Declared(None, kept, "declares primaries that no color has: taken as sRGB")


@lru_cache(maxsize=32)
def _profile(gamut: tuple[float, ...], gamma: float, channels: int) -> bytes:
    """A profile; ``gamma`` 0 is sRGB's curve, and a negative one the curve of that code."""
    import imagecodecs

    curve = {"gamma": gamma} if gamma > 0 else {"transferfunction": _curve(int(-gamma))}
    if channels == 1:
        made = imagecodecs.cms_profile("gray", **curve)
    else:
        made = imagecodecs.cms_profile(
            "rgb", primaries=list(gamut[:6]), whitepoint=list(gamut[6:]), **curve
        )
    moment = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # not now: the same file, the same bytes
    return bytes(made[:24] + moment + made[36:84] + bytes(16) + made[100:])


def _curve(code: int) -> Floats:
    """Light by signal, both in [0, 1]: that of HDR is compressed as a screen would show it."""
    signal = np.linspace(0, 1, 4096)
    if code == PQ:  # SMPTE ST 2084
        power = signal ** (1 / 78.84375)
        light = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
        light = 10_000 * light ** (1 / 0.1593017578125)
    elif code == HLG:  # ARIB STD-B67, on a screen of 1000 cd/m2
        upper = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
        light = 1_000 * np.where(signal <= 0.5, signal**2 / 3, upper) ** 1.2
    else:
        light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
        return np.asarray(light, np.float32)
    light = light / WHITE
    light = light * (1 + light / light[-1] ** 2) / (1 + light)  # Reinhard's curve, 1 at the top
    return np.asarray(light / light[-1], np.float32)
