"""Changing a picture under its mask, a strip of rows at a time, where neighbors count."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from phnet.images.arrays import FULL_SCALE, Floats, Pixels, on_threads, to_float

STRIP_PIXELS = 1 << 19  # worked on at a time: bounds the memory


@dataclass(frozen=True)
class Strip:
    """A part of a picture, with neighbors around what is changed."""

    colors: Floats  # (h, w, 3) in [0, 1]
    mask: Floats  # (h, w)
    rows: slice  # where it lies in the picture
    columns: slice


def changed_strips(
    picture: Pixels,
    mask: Floats,
    margin: int,
    threads: int,
    change: Callable[[Strip], Floats | None],
) -> Pixels:
    """Return a picture with its foreground changed; where the mask is 0 it stays bit for bit.

    Args:
        picture: sRGB (H, W, 3): uint8, uint16, or floats in [0, 1].
        mask: (H, W) in [0, 1].
        margin: neighbors, in pixels, that a strip gets on each side.
        threads: strips worked on at once.
        change: a strip's new colors, of its shape; None for none. What it makes of the margin
            is left out.
    """
    output = np.array(picture)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return output
    height, width = mask.shape
    left, right = int(columns[0]), int(columns[-1]) + 1
    wide = slice(max(0, left - margin), min(width, right + margin))
    step = max(2 * margin, STRIP_PIXELS // (wide.stop - wide.start), 1)
    stop = int(rows[-1]) + 1
    scale = FULL_SCALE.get(picture.dtype)

    def work(start: int) -> None:
        end = min(start + step, stop)
        tall = slice(max(0, start - margin), min(height, end + margin))
        strip = Strip(to_float(picture[tall, wide]), mask[tall, wide], tall, wide)
        made = change(strip)
        if made is None:
            return
        core = np.s_[start - tall.start : end - tall.start, left - wide.start : right - wide.start]
        new = made[core]
        values = np.clip(new, 0, 1) if scale is None else scaled(new, scale, picture.dtype)
        inside = (mask[start:end, left:right] > 0)[..., None]
        np.copyto(output[start:end, left:right], values, where=inside, casting="unsafe")

    on_threads(work, range(int(rows[0]), stop, step), threads)
    return output


def scaled(values: Floats, scale: float, dtype: "np.dtype[Any]") -> Pixels:
    """Values of any shape times a scale, rounded and clipped to uint8 or uint16."""
    kind = cv2.CV_8U if dtype == np.uint8 else cv2.CV_16U
    times = np.full(4, scale, np.float64)
    return np.asarray(cv2.multiply(values, times, dtype=kind))


def blur(values: Floats, sigma: float) -> Floats:
    """Blur by a Gaussian."""
    side = 2 * int(np.ceil(3 * sigma)) + 1
    how = cv2.BORDER_REPLICATE
    return np.asarray(cv2.GaussianBlur(values, (side, side), sigma, borderType=how), np.float32)
