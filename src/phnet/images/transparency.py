"""Transparent pixels: what lies hidden under them is no part of a picture.

Colors under alpha 0 are left over from whatever a program did last. Where a picture is shown to a
network, they are filled in from what can be seen, and so say nothing.
"""

import cv2
import numpy as np

from phnet.images.arrays import FULL_SCALE, Floats, Pixels, enlarged_rows, shrunk, strips, to_float

SIDE = 256  # pixels of the longer side that filling in is computed at
SURE = 0.25  # share of a place that must be seen for its own color to stand
LEAST_AROUND = 0.05  # of the person's area that must be seen around it


def hidden(alpha: Pixels | None) -> bool:
    """Whether an alpha (H, W), uint8, uint16 or floats, leaves anything to be filled in."""
    return alpha is not None and bool(alpha.min() < FULL_SCALE.get(alpha.dtype, 1))


def seen_around(alpha: Pixels, mask: Floats, least: float = LEAST_AROUND) -> bool:
    """Whether anything can be seen around the person.

    Args:
        alpha: the picture's, (H, W), uint8, uint16 or floats.
        mask: (H, W) in [0, 1], where the person is.
        least: share of the person's area that must be seen.
    """
    inside = outside = 0.0
    for rows in strips((mask.shape[0], mask.shape[1])):
        opacity = to_float(alpha[rows])
        inside += float((opacity * mask[rows]).sum())
        # A person's own soft edge is seen as far as the mask says, and leaves nothing.
        outside += float(np.maximum(opacity - mask[rows], 0).sum())
    return outside > least * inside


def filled(
    colors: Pixels, alpha: Pixels, mask: Floats | None = None, *, whole: bool = True
) -> Pixels:
    """Colors with those that cannot be seen taken from what can be seen around them.

    The nearer, the more it counts: means over squares that grow until something is seen in them
    (push-pull, Gortler et al., "The lumigraph", 1996).

    Args:
        colors: (H, W, 3): uint8, uint16, or floats in [0, 1].
        alpha: (H, W), likewise.
        mask: (H, W) in [0, 1]: the person, whose colors do not spread; None: everything does.
        whole: half-transparent pixels are blended with what lies behind them now; else they keep
            their colors.
    """
    size = (colors.shape[0], colors.shape[1])
    scale = min(1, SIDE / max(size))
    small = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    weight = to_float(alpha)
    if mask is not None:
        weight = weight * (1 - mask)
    known = shrunk(weight, small)
    planes = [shrunk(to_float(colors[..., c]) * weight, small) for c in range(3)]
    behind = _spread(np.stack([*planes, known], -1))
    result = colors.copy()
    limit = FULL_SCALE.get(colors.dtype, 1)
    for rows in strips(size):
        opacity = to_float(alpha[rows])
        if not whole:
            opacity = np.asarray(opacity > 0, np.float32)
        share = opacity[..., None]
        mixed = to_float(colors[rows]) * share
        mixed += enlarged_rows(behind, size, rows) * (1 - share)
        if colors.dtype.kind == "u":
            mixed = np.rint(np.clip(mixed, 0, 1) * np.float32(limit))
        np.copyto(result[rows], mixed, where=share < 1, casting="unsafe")
    return result


def _spread(weighted: Floats) -> Floats:
    """Colors (h, w, 3) at all places, of (h, w, 4): colors times a weight, and that weight."""
    height, width = weighted.shape[:2]
    colors = weighted[..., :3] / np.maximum(weighted[..., 3:], 1e-6)
    if max(height, width) == 1:
        return np.asarray(colors, np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse = _spread(np.asarray(cv2.resize(weighted, half, interpolation=cv2.INTER_AREA)))
    around = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    around = around.reshape(height, width, 3)
    sure = np.clip(weighted[..., 3:] / SURE, 0, 1)
    return np.asarray(around + (colors - around) * sure, np.float32)
