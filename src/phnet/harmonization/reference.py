"""The light of another picture: the person is shown to the network before it."""

import cv2
import numpy as np

from phnet.errors import BadImage
from phnet.images.arrays import Floats, Pixels, in_levels, to_float
from phnet.images.picture import Picture
from phnet.images.transparency import filled, hidden


def shown(reference: Picture) -> Pixels:
    """A reference's colors (h, w, 3), nothing of them transparent.

    Raises:
        BadImage: nothing of it can be seen.
    """
    alpha = reference.alpha
    if alpha is None or not hidden(alpha):
        return reference.colors
    if not alpha.any():
        raise BadImage("reference: expected one that can be seen, but it is transparent")
    return filled(reference.colors, alpha)


def in_light_of(composite: Pixels, mask: Floats, reference: Pixels | None) -> Pixels:
    """Put the person before a reference picture, for the network; without one, the composite.

    Args:
        composite: sRGB (H, W, 3): uint8, uint16, or floats in [0, 1].
        mask: (H, W) in [0, 1].
        reference: sRGB (h, w, 3) of any type and size; it is stretched to the composite's
            shape. None: the composite as it is.

    Returns:
        (H, W, 3) in the composite's type.
    """
    if reference is None:
        return composite
    size = (mask.shape[1], mask.shape[0])
    how = cv2.INTER_AREA if reference.shape[0] > mask.shape[0] else cv2.INTER_LINEAR
    made = np.empty(composite.shape, composite.dtype)
    behind = cv2.resize(reference[..., :3], size, interpolation=how)
    for start in range(0, mask.shape[0], 256):
        rows = slice(start, start + 256)
        below = np.clip(to_float(behind[rows]), 0, 1)
        below += mask[rows][..., None] * (to_float(composite[rows]) - below)
        made[rows] = in_levels(below, composite.dtype)
    return made
