"""Push-pull: colors spread smoothly from where they are known over the rest of a picture.

Pulled up a pyramid of weighted means, and pushed down again into what is unknown (Gortler et al.,
"The lumigraph", 1996, section 3.4).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from phnet.images.arrays import MASKABLE, Floats, Indices, Pixels, shrunk

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
        """The colors at single pixels, (n, 3), interpolated bilinearly.

        They are three planes in memory, one after the other: so all that is done with them and with
        numbers (n, 1) is done along the pixels, and takes a fraction of the time.
        """
        height, width = self.small.shape[:2]
        down, across = height / self.size[0], width / self.size[1]
        y = ((rows + 0.5) * down - 0.5).astype(np.float32).clip(0, height - 1)
        x = ((columns + 0.5) * across - 0.5).astype(np.float32).clip(0, width - 1)
        top, left = y.astype(np.intp), x.astype(np.intp)
        low, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
        v, u = y - top.astype(np.float32), x - left.astype(np.float32)
        top *= width
        low *= width
        corners = [
            (top + left, (1 - u) * (1 - v)),
            (top + right, u * (1 - v)),
            (low + left, (1 - u) * v),
            (low + right, u * v),
        ]
        made = np.empty((3, len(rows)), np.float32)
        for plane, row in zip(cv2.split(self.small), made, strict=True):
            values = np.asarray(plane).ravel()
            row[:] = sum(values[at] * weight for at, weight in corners)
        return made.T


@dataclass(frozen=True)
class Known:
    """Colors of a part of a picture at a lower resolution, each times how much of it is known."""

    colors: Floats  # (h, w, 3)
    share: Floats  # (h, w) in [0, 1]
    size: tuple[int, int]  # (H, W) of the picture

    @classmethod
    def of(cls, picture: Pixels, where: Pixels, side: int = 1024, threads: int = 1) -> "Known":
        """The colors where ``where`` (H, W) is not 0; arguments as for :func:`spread`."""
        size = (where.shape[0], where.shape[1])
        shrink = max(1.0, max(size) / side)
        fitted = (max(1, round(size[0] / shrink)), max(1, round(size[1] / shrink)))
        known = where if where.dtype == np.bool_ else where.astype(bool)
        if picture.dtype not in MASKABLE:
            picture = picture.astype(np.float32)
        colors = shrunk(picture, fitted, known.view(np.uint8), threads)
        return cls(colors, shrunk(known, fitted, threads=threads), size)

    def spread(self) -> Spread:
        """The same spread over the whole picture."""
        return Spread(pulled_and_pushed(self.colors, self.share), self.size)


def spread(picture: Pixels, where: Pixels, side: int = 1024) -> Spread:
    """Spread the colors where ``where`` (H, W) is not 0 over the whole picture.

    Args:
        picture: (H, W, 3) of any type.
        where: whether each pixel is known: bool, or 1 or 0.
        side: longest side at which it is done.
    """
    return Known.of(picture, where, side).spread()


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
