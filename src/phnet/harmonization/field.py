"""A field: colors and detail for each place of a small grid, applied to a picture of any size."""

from dataclasses import dataclass

import cv2
import numpy as np

from phnet.harmonization.color_map import ColorMap
from phnet.harmonization.tiling import Changed, planes_of
from phnet.images.arrays import Floats, Pixels

LEAST_DETAIL = 1 / 512  # a coefficient below this changes no edge by a level


@dataclass(frozen=True)
class Field(ColorMap):
    """An affine map of colors for each place of a small grid, and a coefficient for detail.

    The person at a pixel becomes ``A x + b + d (x - blur(x))``, with A, b and d interpolated
    bilinearly between places, and the blur the binomial one of 3x3 pixels of the picture at hand.
    """

    coefficients: Floats  # (12, h, w): for output channel c, rows 4c..4c+2 times RGB, plus 4c+3
    detail: Floats | None = None  # (h, w); None: no detail is changed

    def changing(self, composite: Pixels, columns: slice) -> Changed:
        """See :class:`phnet.harmonization.color_map.ColorMap`."""
        height, width = composite.shape[:2]
        grid_height = self.coefficients.shape[1]
        position = (np.arange(height) + 0.5) * grid_height / height - 0.5
        position = np.clip(position, 0, grid_height - 1)
        above = np.floor(position).astype(np.intp)
        share = (position - above).astype(np.float32)[:, None, None]
        planes = list(self.coefficients)
        has_detail = self.detail is not None and np.abs(self.detail).max(initial=0) >= LEAST_DETAIL
        if has_detail:
            planes.append(self.detail)
        size = (width, grid_height)
        lines = np.empty((grid_height, len(planes), columns.stop - columns.start), np.float32)
        for i, plane in enumerate(planes):  # one at the whole width at a time
            lines[:, i] = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)[:, columns]
        steps = np.diff(lines, axis=0, append=lines[-1:])

        def changed(rgb: list[Floats], rows: slice) -> list[Floats]:
            made = steps[above[rows]]
            made *= share[rows]
            made += lines[above[rows]]
            result = []
            for c in range(3):
                total = made[:, 4 * c + 3]
                for k in range(3):
                    slope = made[:, 4 * c + k]
                    slope *= rgb[k]
                    total += slope
                result.append(total)
            if has_detail:
                for total, finer in zip(
                    result, _detail(composite, rgb, rows, columns), strict=True
                ):
                    finer *= made[:, 12]
                    total += finer
            return result

        return changed


def _detail(composite: Pixels, rgb: list[Floats], rows: slice, columns: slice) -> list[Floats]:
    """Channels of a part less their blur; pixels around it are looked up."""
    height, width = composite.shape[:2]
    top, left = max(0, rows.start - 1), max(0, columns.start - 1)
    around = composite[top : min(height, rows.stop + 1), left : min(width, columns.stop + 1)]
    part = (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
    result = []
    for plane, own in zip(planes_of(around), rgb, strict=True):
        blurred = np.asarray(cv2.GaussianBlur(plane, (3, 3), 0, borderType=cv2.BORDER_REPLICATE))
        result.append(np.asarray(own - blurred[part], np.float32))
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
