"""Push-pull: colors spread smoothly from where they are known over the rest of a picture.

Pulled up a pyramid of weighted means, and pushed down again into what is unknown (Gortler et al.,
"The lumigraph", 1996, section 3.4).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from phnet.images.arrays import Floats, Indices, Pixels, shrunk

FAINT = 0.5 / 255  # weight below which a place tells nothing of itself


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
    return Spread(pulled_and_pushed(colors, shrunk(known.astype(np.float32), fitted)), size)


def pulled_and_pushed(colors: Floats, share: Floats) -> Floats:
    """Fill what is unknown of a small picture from what is known around it.

    Args:
        colors: (h, w, 3), each times its weight.
        share: the weights, (h, w) in [0, 1].

    Returns:
        Colors (h, w, 3); those of weight 1 stay.
    """
    if min(share.shape) <= 1 or float(share.min()) > 1 - FAINT:
        mean = colors.sum((0, 1)) / max(float(share.sum()), 1e-6)
        own = colors / np.maximum(share, 1e-6)[..., None]
        return np.where(share[..., None] > FAINT, own, mean).astype(np.float32)
    half = ((share.shape[1] + 1) // 2, (share.shape[0] + 1) // 2)
    weight = np.asarray(cv2.resize(share, half, interpolation=cv2.INTER_AREA))
    below = np.asarray(cv2.resize(colors, half, interpolation=cv2.INTER_AREA))
    grown: Floats = np.minimum(1, 4 * weight)
    more = np.asarray(grown / np.maximum(weight, 1e-6), np.float32)
    filled = pulled_and_pushed(times(np.asarray(below, np.float32), more), grown)
    rough = cv2.resize(filled, share.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(colors + (1 - share)[..., None] * rough, np.float32)
