"""Transparent pixels: what lies hidden under them is no part of a picture.

Colors under alpha 0 are left over from whatever a program did last. Where a picture is shown to a
network, they are filled in from what can be seen, and so say nothing.
"""

import numpy as np

from phnet.images.arrays import FULL_SCALE, Floats, Pixels, enlarged_rows, shrunk, strips, to_float
from phnet.images.push_pull import pulled_and_pushed

SIDE = 256  # pixels of the longer side that filling in is computed at
SURE = 0.25  # share of a place that must be seen for its own color to stand
LEAST_AROUND = 0.05  # of the person's area that must be seen around it


def hidden(alpha: Pixels | None) -> bool:
    """Tell whether an alpha (H, W), uint8, uint16 or floats, leaves anything to be filled in."""
    return alpha is not None and bool(alpha.min() < FULL_SCALE.get(alpha.dtype, 1))


def seen_around(alpha: Pixels, mask: Floats, least: float = LEAST_AROUND) -> bool:
    """Tell whether anything can be seen around the person.

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

    The nearer, the more it counts, see :mod:`phnet.images.push_pull`.

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
    # What is seen well enough stands for itself.
    sure = np.minimum(1, known / np.float32(SURE))
    seen = np.stack(planes, -1) * (sure / np.maximum(known, np.float32(1e-6)))[..., None]
    behind = pulled_and_pushed(seen, sure)
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
