"""Changing the foreground of a picture of any size: a strip of rows at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from phnet.images.arrays import FULL_SCALE, Bools, Floats, Pixels, box_of, on_threads, put

STRIP_PIXELS = 1 << 15  # pixels handled at a time: bounds the memory and keeps it in the cache
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
    changing: Callable[[Pixels, slice], Changed],
    trims: Trims | None = None,
) -> Pixels:
    """Blend changed channels over ``composite`` by the mask, a strip of rows at a time.

    Strips reach across the mask's columns alone. ``changing`` takes the composite and those
    columns; for what it returns see :class:`phnet.harmonization.color_map.ColorMap`. A strength
    above 1 goes on in the direction of the change.
    """
    output = np.array(composite)
    scale = np.float32(FULL_SCALE.get(composite.dtype, 1))
    box = box_of(mask)
    if box is None:
        return output
    filled, columns = box
    step = max(1, STRIP_PIXELS // (columns.stop - columns.start))
    gains = trims.gains if trims else None
    changed = changing(composite, columns)

    def work(start: int) -> None:
        rows = slice(start, min(start + step, filled.stop))
        alpha = mask[rows, columns]
        rgb = planes_of(composite[rows, columns])
        amount, inside = alpha * np.float32(strength), alpha > 0
        several = changed(rgb, rows)
        for c, mixed in enumerate(several):
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
        _put(several, inside, output[rows, columns])

    on_threads(work, range(filled.start, filled.stop, step), threads)
    return output


def planes_of(part: Pixels) -> list[Floats]:
    """The three channels of a part of a picture, as float32 in [0, 1]."""
    whole = part.dtype in FULL_SCALE
    channels = cv2.split(part) if whole else [part[..., c] for c in range(3)]
    planes = [np.asarray(channel).astype(np.float32) for channel in channels]
    for plane in planes if whole else []:
        plane *= 1 / np.float32(FULL_SCALE[part.dtype])
    return planes


def _put(planes: Sequence[Floats], where: Bools, target: Pixels) -> None:
    """Write channels into a part of a picture, where it says; OpenCV does whole numbers faster."""
    if target.dtype.kind == "u":
        put(target, cv2.merge([plane.astype(target.dtype) for plane in planes]), where)
        return
    for c, plane in enumerate(planes):
        np.copyto(target[..., c], plane, where=where, casting="unsafe")
