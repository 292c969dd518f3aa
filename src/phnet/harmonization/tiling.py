"""Changing the foreground of a picture of any size: a strip of rows at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from phnet.images.arrays import FULL_SCALE, Floats, Pixels, on_threads

STRIP_PIXELS = 1 << 17  # pixels handled at a time: bounds the memory and keeps it in the cache
GAMMA = 2.2  # linear light is taken as this power of the encoded values
DAYLIGHT = 1e6 / 6500  # mireds
MIREDS = 100.0  # of one unit of warmth

# From a strip's channels in [0, 1] and its rows to new channels, which may be written over.
Changed = Callable[[list[Floats], slice], list[Floats]]


@dataclass(frozen=True)
class Trims:
    """Trims of the person after the automatic match, in linear light.

    A gain in linear light is one of the encoded values, too, where these are a power of it: so
    trims are three multiplications.
    """

    exposure: float = 0.0  # stops
    warmth: float = 0.0  # 1: 100 mireds warmer

    @property
    def gains(self) -> tuple[float, float, float]:
        """Factors of encoded red, green and blue."""
        color = _illuminant(DAYLIGHT + MIREDS * self.warmth) / _illuminant(DAYLIGHT)
        color = color / (color @ np.array([0.2126, 0.7152, 0.0722]))
        red, green, blue = (float(g) for g in (color * 2**self.exposure) ** (1 / GAMMA))
        return red, green, blue

    def __bool__(self) -> bool:
        return bool(self.exposure or self.warmth)


def _illuminant(mireds: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Linear sRGB of a black body between 40 and 600 mireds, by Planck's law at three wavelengths.

    Wavelengths 610, 550 and 465 nm stand for the primaries; only ratios are used.
    """
    wavelengths = np.array([610e-9, 550e-9, 465e-9])
    kelvin = 1e6 / mireds
    radiance = wavelengths**-5.0 / np.expm1(1.438777e-2 / (wavelengths * kelvin))
    return np.asarray(radiance / radiance[1])


def in_strips(
    composite: Pixels,
    mask: Floats,
    strength: float,
    threads: int,
    changed: Changed,
    trims: Trims | None = None,
) -> Pixels:
    """Blend ``changed`` channels over ``composite`` by the mask, a strip of rows at a time.

    ``changed`` takes the channels of a strip in [0, 1] and its rows, and returns channels that
    may be written over. A strength above 1 goes on in the direction of the change.
    """
    output = np.array(composite)
    scale = np.float32(FULL_SCALE.get(composite.dtype, 1))
    rows_with_mask = np.flatnonzero(mask.any(1))
    if not rows_with_mask.size:
        return output
    step = max(1, STRIP_PIXELS // mask.shape[1])
    starts = range(int(rows_with_mask[0]), int(rows_with_mask[-1]) + 1, step)
    stop = int(rows_with_mask[-1]) + 1
    gains = trims.gains if trims else None

    def work(start: int) -> None:
        rows = slice(start, min(start + step, stop))
        strip, alpha = composite[rows], mask[rows]
        rgb = [_plane(strip[..., c], scale) for c in range(3)]
        amount, inside = alpha * np.float32(strength), alpha > 0
        for c, mixed in enumerate(changed(rgb, rows)):
            np.clip(mixed, 0, 1, out=mixed)
            mixed -= rgb[c]
            if gains is None and strength <= 1:
                mixed *= amount
            else:
                mixed *= np.float32(strength)
                mixed += rgb[c]
                if gains is not None:
                    mixed *= np.float32(gains[c])
                np.clip(mixed, 0, 1, out=mixed)
                mixed -= rgb[c]
                mixed *= alpha
            mixed += rgb[c]
            if composite.dtype.kind == "u":
                mixed *= scale
                np.rint(mixed, out=mixed)
            np.copyto(output[rows, :, c], mixed, where=inside, casting="unsafe")

    on_threads(work, starts, threads)
    return output


def _plane(channel: Pixels, scale: np.float32) -> Floats:
    """A channel as float32 in [0, 1]."""
    plane = channel.astype(np.float32)
    if scale != 1:
        plane *= 1 / scale
    return plane
