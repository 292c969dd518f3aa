"""A field of color coefficients: what the portrait networks predict, and how it is applied.

The field has a place for each square of the picture that the network worked on; enlarged, it is
applied to the picture at any size, the detail at that size's pixel.
"""

import torch.nn.functional as F  # noqa: N812 (the customary name)
from torch import Tensor

from phnet.networks.statistics import blurred

COEFFICIENTS = 13  # nine slopes, three offsets, detail


def shrunk(composite: Tensor, mask: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Means over squares of ``factor`` pixels; the last ones may be cut off by the border."""

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, factor, ceil_mode=True, count_include_pad=False)

    return mean(composite), mean(mask)


def apply_field(composite: Tensor, field: Tensor) -> Tensor:
    """Apply a field to a composite of its size.

    Args:
        composite: RGB in [0, 1], (B, 3, H, W).
        field: (B, 12 or 13, H, W): planes 3k to 3k + 2 are what a unit of the composite's channel k
            adds to red, green and blue; 9 to 11 are added as they are; 12, where there is one,
            times the composite less its blur.

    Returns:
        The changed picture (B, 3, H, W), unclipped. Zeros everywhere change nothing.
    """
    changed = composite + field[:, 9:12]
    for k in range(3):
        changed = changed + field[:, 3 * k : 3 * k + 3] * composite[:, k : k + 1]
    if field.shape[1] == COEFFICIENTS:
        changed = changed + field[:, 12:] * (composite - blurred(composite))
    return changed


def enlarged(field: Tensor, height: int, width: int) -> Tensor:
    """A field at a picture's size, interpolated bilinearly between its places' centers."""
    if field.shape[2:] == (height, width):
        return field
    return F.interpolate(field, (height, width), mode="bilinear", align_corners=False)
