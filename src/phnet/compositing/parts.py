"""Parts of a composition, as files: the person, the mask, and both before harmonization."""

from pathlib import Path

import numpy as np

from phnet.files import write_bytes
from phnet.images.arrays import Floats, Pixels, to_uint8
from phnet.images.encoding import compressed

PARTS = ("foreground.png", "mask.png", "composite.png")


def write_parts(folder: Path, foreground: Floats, mask: Floats, composite: Pixels) -> None:
    """Write the person's colors with alpha, the mask, and the composite before harmonization.

    Args:
        folder: is there.
        foreground: RGB in [0, 1], (H, W, 3).
        mask: in [0, 1], (H, W).
        composite: as it is written, (H, W, 3).

    Raises:
        BadOutput: the place cannot be written.
    """
    alpha = to_uint8(mask)
    parts = (np.dstack([to_uint8(foreground), alpha]), alpha, composite)
    for name, pixels in zip(PARTS, parts, strict=True):
        write_bytes(folder / name, compressed(np.ascontiguousarray(pixels)))
