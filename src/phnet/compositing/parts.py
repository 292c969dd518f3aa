"""Parts of a composition, as files: the person, the mask, and both before harmonization."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phnet.compositing.composer import Composition

PARTS = ("foreground.png", "mask.png", "composite.png")


def write_parts(folder: Path, made: "Composition") -> None:
    """Write the person's colors with alpha, the mask, and the composite before harmonization.

    Raises:
        BadOutput: the place cannot be written.
    """
    import numpy as np

    from phnet.files import write_bytes
    from phnet.images.arrays import to_uint8
    from phnet.images.encoding import compressed

    mask = to_uint8(made.mask)
    colors = to_uint8(made.foreground)
    parts = (np.dstack([colors, mask]), mask, made.composite)
    for name, pixels in zip(PARTS, parts, strict=True):
        write_bytes(folder / name, compressed(np.ascontiguousarray(pixels)))
