"""A field: colors and detail for each place of a small grid, applied to a picture of any size."""

from dataclasses import dataclass

import cv2
import numpy as np

from phnet.harmonization.color_map import ColorMap
from phnet.harmonization.tiling import Changed
from phnet.images.arrays import FULL_SCALE, Floats, Pixels

LEAST_DETAIL = 1 / 512  # a coefficient below this changes no edge by a level


@dataclass(frozen=True)
class Field(ColorMap):
    """An affine map of colors for each place of a small grid, and a coefficient for detail.

    The person at a pixel becomes ``A x + b + d (x - blur(x))``, with A, b and d interpolated
    bilinearly between places, and the blur the binomial one of 3x3 pixels of the picture at hand.
    """

    coefficients: Floats  # (12, h, w): for output channel c, rows 4c..4c+2 times RGB, plus 4c+3
    detail: Floats | None = None  # (h, w); None: no detail is changed

    def changing(self, composite: Pixels) -> Changed:
        """See :class:`phnet.harmonization.color_map.ColorMap`."""
        height, width = composite.shape[:2]
        grid_height = self.coefficients.shape[1]
        position = (np.arange(height) + 0.5) * grid_height / height - 0.5
        position = np.clip(position, 0, grid_height - 1)
        above = np.floor(position).astype(np.intp)
        below = np.minimum(above + 1, grid_height - 1)
        share = (position - above).astype(np.float32)[:, None]
        detail = self.detail
        if detail is not None and np.abs(detail).max(initial=0) < LEAST_DETAIL:
            detail = None

        def changed(rgb: list[Floats], rows: slice) -> list[Floats]:
            upper, lower, lean = above[rows], below[rows], share[rows]

            def wide(small: Floats) -> Floats:
                lines = small[upper] + (small[lower] - small[upper]) * lean
                size = (width, lines.shape[0])
                return np.asarray(cv2.resize(lines, size, interpolation=cv2.INTER_LINEAR))

            finer = [] if detail is None else _detail(composite, rgb, rows)
            amount = None if detail is None else wide(detail)
            result = []
            for c in range(3):
                total = wide(self.coefficients[4 * c + 3])
                for k in range(3):
                    slope = wide(self.coefficients[4 * c + k])
                    slope *= rgb[k]
                    total += slope
                if amount is not None:
                    finer[c] *= amount
                    total += finer[c]
                result.append(total)
            return result

        return changed


def _detail(composite: Pixels, rgb: list[Floats], rows: slice) -> list[Floats]:
    """Channels of a strip less their blur; rows above and below are looked up."""
    first, last = max(0, rows.start - 1), min(composite.shape[0], rows.stop + 1)
    scale = np.float32(FULL_SCALE.get(composite.dtype, 1))
    result = []
    for c in range(3):
        plane = composite[first:last, :, c].astype(np.float32)
        blurred = np.asarray(cv2.GaussianBlur(plane, (3, 3), 0, borderType=cv2.BORDER_REPLICATE))
        blurred = blurred[rows.start - first : rows.stop - first]
        result.append(np.asarray(rgb[c] - blurred / scale, np.float32))
    return result


def from_network(planes: Floats) -> Field:
    """The field that a network's output is.

    Args:
        planes: (13, h, w): 3k to 3k + 2 are what a unit of channel k adds to red, green and blue,
            9 to 11 are added as they are, 12 is the detail's coefficient.
    """
    coefficients = np.empty((12, *planes.shape[1:]), np.float32)
    for c in range(3):
        for k in range(3):
            coefficients[4 * c + k] = planes[3 * k + c]
            if k == c:
                coefficients[4 * c + k] += 1
        coefficients[4 * c + 3] = planes[9 + c]
    return Field(coefficients, np.ascontiguousarray(planes[12], np.float32))
