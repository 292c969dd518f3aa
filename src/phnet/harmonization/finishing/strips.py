"""Changing a picture under its mask, a strip of rows at a time, where neighbors count."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from phnet.images.arrays import FULL_SCALE, Floats, Pixels, box_of, on_threads, put, to_float

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
    box = box_of(mask)
    if box is None:
        return output
    step = max(2 * margin, STRIP_PIXELS // (box[1].stop - box[1].start), 1)
    scale = FULL_SCALE.get(picture.dtype)

    def work(start: int) -> None:
        lines = slice(start, min(start + step, box[0].stop))
        found = box_of(mask[lines])
        if found is None:
            return
        # Only the columns in which there is something, and from them on as many as neighbors.
        core = lines, found[1]
        tall, wide = (
            slice(max(0, part.start - margin), min(part.stop + margin, side))
            for part, side in zip(core, mask.shape, strict=True)
        )
        made = change(Strip(to_float(picture[tall, wide]), mask[tall, wide], tall, wide))
        if made is None:
            return
        new = made[inside(tall, core[0]), inside(wide, core[1])]
        values = np.clip(new, 0, 1) if scale is None else scaled(new, scale, picture.dtype)
        put(output[core], values, mask[core] > 0)

    on_threads(work, range(box[0].start, box[0].stop, step), threads)
    return output


def inside(whole: slice, part: slice) -> slice:
    """A part of a whole, counted from where the whole begins."""
    return slice(part.start - whole.start, part.stop - whole.start)


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
