"""Changing a picture under its mask, a strip of rows at a time, where neighbors count."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from phnet.images.arrays import FULL_SCALE, Floats, Indices, Pixels, on_threads, shrunk, to_float

STRIP_PIXELS = 1 << 19  # worked on at a time: bounds the memory
FAINT = 0.5 / 255  # weight below which a place tells nothing of itself


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


def times(colors: Floats, plane: Floats) -> Floats:
    """Colors (h, w, 3) times a plane (h, w)."""
    return np.asarray(cv2.multiply(colors, cv2.merge([plane, plane, plane])), np.float32)


@dataclass(frozen=True)
class Spread:
    """Colors of a part of a picture, spread smoothly over all of it at a lower resolution."""

    small: Floats  # (h, w, 3)
    size: tuple[int, int]  # (H, W) of the picture

    def at_places(self, rows: Indices, columns: Indices) -> Floats:
        """The colors at single pixels, (n, 3), interpolated bilinearly."""
        height, width = self.small.shape[:2]
        down, across = height / self.size[0], width / self.size[1]
        y = ((rows + 0.5) * down - 0.5).astype(np.float32).clip(0, height - 1)
        x = ((columns + 0.5) * across - 0.5).astype(np.float32).clip(0, width - 1)
        top, left = y.astype(np.intp), x.astype(np.intp)
        low, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
        v, u = (y - top)[:, None], (x - left)[:, None]
        upper = self.small[top, left] * (1 - u) + self.small[top, right] * u
        lower = self.small[low, left] * (1 - u) + self.small[low, right] * u
        return np.asarray(upper * (1 - v) + lower * v, np.float32)


def spread(picture: Pixels, weight: Floats, side: int = 1024) -> Spread:
    """Spread the colors where ``weight`` (H, W) is 1 over the whole picture.

    Pulled up a pyramid of weighted means and pushed down again into what is unknown (Gortler et
    al., "The lumigraph", 1996, section 3.4).

    Args:
        picture: (H, W, 3) of any type.
        weight: whether each pixel is known, 1 or 0.
        side: longest side at which it is done.
    """
    size = (weight.shape[0], weight.shape[1])
    shrink = max(1.0, max(size) / side)
    fitted = (max(1, round(size[0] / shrink)), max(1, round(size[1] / shrink)))
    known = weight.astype(bool)
    if picture.dtype.kind == "u":  # without a copy in floats
        kept = cv2.bitwise_and(picture, picture, mask=known.astype(np.uint8))
    else:
        kept = np.where(known[..., None], picture, np.float32(0)).astype(np.float32)
    colors = shrunk(np.asarray(kept), fitted)
    return Spread(_pulled_and_pushed(colors, shrunk(known.astype(np.float32), fitted)), size)


def _pulled_and_pushed(colors: Floats, share: Floats) -> Floats:
    """Fill weighted colors (h, w, 3) with weights (h, w) from coarser levels."""
    if min(share.shape) <= 1 or float(share.min()) > 1 - FAINT:
        mean = colors.sum((0, 1)) / max(float(share.sum()), 1e-6)
        own = colors / np.maximum(share, 1e-6)[..., None]
        return np.where(share[..., None] > FAINT, own, mean).astype(np.float32)
    half = ((share.shape[1] + 1) // 2, (share.shape[0] + 1) // 2)
    weight = np.asarray(cv2.resize(share, half, interpolation=cv2.INTER_AREA))
    below = np.asarray(cv2.resize(colors, half, interpolation=cv2.INTER_AREA))
    grown: Floats = np.minimum(1, 4 * weight)
    more = np.asarray(grown / np.maximum(weight, 1e-6), np.float32)
    filled = _pulled_and_pushed(times(np.asarray(below, np.float32), more), grown)
    rough = cv2.resize(filled, share.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(colors + (1 - share)[..., None] * rough, np.float32)


def blur(values: Floats, sigma: float) -> Floats:
    """Blur by a Gaussian."""
    side = 2 * int(np.ceil(3 * sigma)) + 1
    how = cv2.BORDER_REPLICATE
    return np.asarray(cv2.GaussianBlur(values, (side, side), sigma, borderType=how), np.float32)
