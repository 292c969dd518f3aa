"""From a small picture to any size: colors are decided small and applied large.

The network decides colors at a low resolution. What it did there is described as a map from colors
to colors, and that map is applied to the full-size composite: no detail is lost, and the background
is not touched at all. All kinds are a :class:`phnet.harmonization.color_map.ColorMap`:

- :class:`phnet.harmonization.field.Field` (``field``): what the network itself puts out, where it
  puts out a field: an affine map of colors for each place, and a coefficient for detail.
- the same, fitted (``guided``): for networks that put out pictures. An affine map for each place,
  fitted under the mask in a window around it, as a guided filter does (He et al., "Guided image
  filtering", 2013).
- :class:`phnet.harmonization.lut3d.Lut` (``lut``): one 17³ table for the whole
  foreground, which ``.cube`` files can hold.
- :class:`Plain` (``none``): the small picture enlarged, as the paper's authors do.
"""

from dataclasses import dataclass
from typing import get_args

import cv2
import numpy as np

from phnet.errors import BadOption
from phnet.harmonization.affine_fit import LEAST_WEIGHT, RIDGE, affine_fit, smooth, unblend
from phnet.harmonization.color_map import ColorMap
from phnet.harmonization.field import Field
from phnet.harmonization.lut3d import fit_lut
from phnet.harmonization.tiling import Changed
from phnet.images.arrays import Floats, Pixels
from phnet.images.guided_filter import PLACES, solve
from phnet.options import Lift

Kind = Lift

GRID = 64  # places a side, at least, of the grid that maps are fitted on
RADIUS = 6 / 80  # half the window, as a share of the small picture's shorter side


def fit_field(composite: Floats, result: Floats, mask: Floats) -> Field:
    """Fit a :class:`Field` to a small composite and its harmonized version.

    Windows overlap by far more than a pixel: their sums are taken on a grid of at least GRID
    places a side, where that divides the picture.

    Args:
        composite: RGB (h, w, 3) in [0, 1].
        result: the same, harmonized and blended.
        mask: (h, w) in [0, 1].
    """
    predicted, weight = unblend(composite, result, mask)
    whole = affine_fit(composite, predicted, weight).astype(np.float32)
    x, y = smooth([composite, predicted], weight)
    step = _step(mask.shape)
    shape = (mask.shape[0] // step, mask.shape[1] // step)
    size = 2 * max(1, round(RADIUS * min(shape) - (1 - 1 / step) / 2)) + 1  # places, odd

    def summed(values: Floats) -> Floats:  # over the windows, on the grid
        return np.asarray(
            cv2.boxFilter(values, -1, (size, size), borderType=cv2.BORDER_CONSTANT), np.float32
        )

    def window(values: Floats) -> Floats:
        if step > 1:
            values = np.asarray(cv2.resize(values, shape[::-1], interpolation=cv2.INTER_AREA))
        return summed(values)

    area = window(weight)
    known = area > LEAST_WEIGHT
    trust: Floats = np.maximum(area, LEAST_WEIGHT)
    weighted = [weight * channel for channel in x]
    mean_x = [window(values) / trust for values in weighted]
    mean_y = [window(weight * channel) / trust for channel in y]
    ridge = np.float32(RIDGE)
    moments: dict[tuple[int, int], Floats] = {}
    for i, j in PLACES:
        moment = window(weighted[i] * x[j]) / trust - mean_x[i] * mean_x[j]
        moments[i, j] = moment + ridge if i == j else moment
    mixed = [
        [
            window(weighted[i] * y[c]) / trust - mean_x[i] * mean_y[c] + ridge * whole[i, c]
            for i in range(3)
        ]
        for c in range(3)
    ]
    planes = []  # for output channel c, its slopes and its offset
    for c, slopes in enumerate(solve(moments, *mixed)):
        offset = mean_y[c] - sum((mean_x[i] * slopes[i] for i in range(3)), np.float32(0))
        planes += [np.where(known, plane, whole[k, c]) for k, plane in enumerate([*slopes, offset])]
    # Average the maps of all windows that hold a place, as the guided filter does.
    total = summed(trust)
    return Field(np.stack([summed(plane * trust) / total for plane in planes]))


def _step(shape: tuple[int, ...]) -> int:
    """Pixels a grid place: as many as leave GRID places a side and divide both sides."""
    steps = range(1, min(shape) // GRID + 1)
    return max((k for k in steps if shape[0] % k == shape[1] % k == 0), default=1)


@dataclass(frozen=True)
class Plain(ColorMap):
    """The small result itself, enlarged: detail is lost under the mask."""

    result: Floats  # (h, w, 3)

    def changing(self, composite: Pixels, columns: slice) -> Changed:
        """See :class:`phnet.harmonization.color_map.ColorMap`."""
        height, width = composite.shape[:2]
        large = cv2.resize(self.result, (width, height), interpolation=cv2.INTER_CUBIC)

        def changed(_: list[Floats], rows: slice) -> list[Floats]:
            return [np.array(large[rows, columns, c]) for c in range(3)]

        return changed


def fit(
    kind: Kind, composite: Floats, result: Floats, mask: Floats, size: tuple[int, int]
) -> ColorMap:
    """Fit the kind of map that the option ``lift`` names, for a composite of ``size`` (H, W).

    Where the network saw the composite at its own size, "guided" takes the network's pixels as
    they are: there is nothing to lift, and they hold more than colors (undone sharpening).
    Other arguments as in :func:`fit_field`.
    """
    if kind == "none" or (kind in ("guided", "auto") and size == mask.shape):
        return Plain(unblend(composite, result, mask)[0])
    if kind in ("guided", "auto"):
        return fit_field(composite, result, mask)
    if kind == "lut":
        return fit_lut(composite, result, mask)
    raise BadOption(f"lift: expected one of {', '.join(get_args(Lift))}, got {kind!r}")
