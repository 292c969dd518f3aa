"""From a small harmonized picture to any size: a colour map is fitted small and applied large.

The network decides colours at a low resolution. What it did there is described as a map from
colours to colours, and that map is applied to the full-size composite: no detail is lost, and
the background is not touched at all. There are three kinds of map, all with the same ``apply``:

- :class:`Field` (``guided``): an affine map for each place, fitted under the mask in a window
  around it, as a guided filter does (He et al., "Guided image filtering", 2013).
- :class:`Lut` (``lut``): one 17³ table for the whole foreground, which ``.cube`` files can hold.
- :class:`Plain` (``none``): the small picture enlarged, as the paper's authors do.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from phnet.files import write_text
from phnet.pixels import FULL_SCALE, Floats, Pixels

Kind = Literal["guided", "lut", "none"]

GRID = 64  # places a side, at least, of the grid that maps are fitted on
RADIUS = 6 / 80  # half the window, as a share of the small picture's shorter side
SMOOTHING = 0.5  # sigma, in small pixels, of the blur of both sides before the fit
RIDGE = 1e-3  # pulls a window without contrast towards the map of the whole foreground
LEAST_WEIGHT = 1e-4  # a window that holds less foreground than this takes that map, too
LUT_SIZE = 17
LUT_SIGMA = 0.12  # how far around a table entry colours count, in [0, 1]
LUT_SAMPLES = 4096
LUT_RIDGE = 0.002  # pulls an entry that few colours are near towards the map of the whole
STRIP_PIXELS = 1 << 17  # pixels handled at a time: bounds the memory and keeps it in the cache


class ColourMap(Protocol):
    """A map of colours that can be applied to a composite of any size."""

    def apply(
        self, composite: Pixels, mask: Floats, strength: float = 1.0, threads: int = 1
    ) -> Pixels:
        """Return the composite with its foreground mapped.

        Args:
            composite: RGB (H, W, 3): uint8, uint16, or floats in [0, 1].
            mask: float32 (H, W) in [0, 1]; where it is 0, pixels come back bit for bit.
            strength: how much of the change to take, in [0, 1].
            threads: how many strips are worked on at once.
        """
        ...


# -- fitting ------------------------------------------------------------------------------


def unblend(composite: Floats, result: Floats, mask: Floats) -> tuple[Floats, Floats]:
    """Undo eq. 1 at soft edges: the network's own picture, and how far to trust it.

    Returns:
        predicted (h, w, 3) and weight (h, w): the mask squared, since a mixed pixel shows the
        foreground only in part.
    """
    safe = np.maximum(mask, 0.1)[..., None]
    predicted = composite + (result - composite) / safe
    weight = np.where(mask > 0.1, mask * mask, 0).astype(np.float32)
    return predicted.astype(np.float32), weight


def affine_fit(composite: Floats, predicted: Floats, weight: Floats) -> npt.NDArray[np.float64]:
    """The affine map (4, 3) of the whole foreground: least squares, pulled to the identity."""
    inside = weight > 0
    w = weight[inside][:, None]
    x, y = composite[inside], predicted[inside]
    x = np.column_stack([x, np.ones_like(w)])
    products = ((x * w).T @ np.column_stack([x, y])).astype(np.float64)  # (4, 7)
    scale = max(float(w.sum()), 1e-9)
    ridge = RIDGE * np.eye(4)
    left = products[:, :4] / scale + ridge
    right = products[:, 4:] / scale + ridge @ np.eye(4, 3)
    return np.asarray(np.linalg.solve(left, right))


@dataclass(frozen=True)
class Field:
    """An affine map for each place of a small grid."""

    coefficients: Floats  # (12, h, w): for output channel c, rows 4c..4c+2 times RGB, plus 4c+3

    def apply(
        self, composite: Pixels, mask: Floats, strength: float = 1.0, threads: int = 1
    ) -> Pixels:
        """See :class:`ColourMap`; the coefficients are interpolated bilinearly."""
        height, width = mask.shape
        grid_height = self.coefficients.shape[1]
        place = (np.arange(height) + 0.5) * grid_height / height - 0.5
        place = np.clip(place, 0, grid_height - 1)
        above = np.floor(place).astype(np.intp)
        below = np.minimum(above + 1, grid_height - 1)
        share = (place - above).astype(np.float32)[:, None]

        def changed(rgb: list[Floats], rows: slice) -> list[Floats]:
            upper, lower, lean = above[rows], below[rows], share[rows]

            def wide(plane: int) -> Floats:
                small = self.coefficients[plane]
                lines = small[upper] + (small[lower] - small[upper]) * lean
                size = (width, lines.shape[0])
                return np.asarray(cv2.resize(lines, size, interpolation=cv2.INTER_LINEAR))

            result = []
            for c in range(3):
                total = wide(4 * c + 3)
                for k in range(3):
                    slope = wide(4 * c + k)
                    slope *= rgb[k]
                    total += slope
                result.append(total)
            return result

        return _in_strips(composite, mask, strength, threads, changed)


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
    x, y = _smooth([composite, predicted], weight)
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
    for i, j in combinations_with_replacement(range(3), 2):
        moment = window(weighted[i] * x[j]) / trust - mean_x[i] * mean_x[j]
        moments[i, j] = moment + ridge if i == j else moment
    inverse = _inverse(moments)
    planes = []  # for output channel c, its slopes and its offset
    for c in range(3):
        mixed = [
            window(weighted[i] * y[c]) / trust - mean_x[i] * mean_y[c] + ridge * whole[i, c]
            for i in range(3)
        ]
        slopes = [
            sum((inverse[min(i, k), max(i, k)] * mixed[k] for k in range(3)), np.float32(0))
            for i in range(3)
        ]
        offset = mean_y[c] - sum((mean_x[i] * slopes[i] for i in range(3)), np.float32(0))
        planes += [np.where(known, plane, whole[k, c]) for k, plane in enumerate([*slopes, offset])]
    # Average the maps of all windows that hold a place, as the guided filter does.
    total = summed(trust)
    return Field(np.stack([summed(plane * trust) / total for plane in planes]))


def _step(shape: tuple[int, ...]) -> int:
    """Pixels a grid place: as many as leave GRID places a side and divide both sides."""
    steps = range(1, min(shape) // GRID + 1)
    return max((k for k in steps if shape[0] % k == shape[1] % k == 0), default=1)


def _inverse(symmetric: dict[tuple[int, int], Floats]) -> dict[tuple[int, int], Floats]:
    """The inverses of symmetric 3x3 matrices, planes (i, j) with i <= j, by their cofactors."""
    a, b, c, d, e, f = (symmetric[k] for k in combinations_with_replacement(range(3), 2))
    cofactors = {
        (0, 0): d * f - e * e,
        (0, 1): c * e - b * f,
        (0, 2): b * e - c * d,
        (1, 1): a * f - c * c,
        (1, 2): b * c - a * e,
        (2, 2): a * d - b * b,
    }
    determinant = a * cofactors[0, 0] + b * cofactors[0, 1] + c * cofactors[0, 2]
    return {place: plane / determinant for place, plane in cofactors.items()}


def _smooth(pictures: list[Floats], weight: Floats) -> list[list[Floats]]:
    """Blur pictures (h, w, 3) under the mask, so that nothing from outside it flows in.

    Returns:
        the channels of each, (h, w).
    """
    amount = np.asarray(cv2.GaussianBlur(weight, (0, 0), SMOOTHING))
    inside = amount > LEAST_WEIGHT
    share = 1 / np.maximum(amount, LEAST_WEIGHT)

    def smooth(channel: Floats) -> Floats:
        blurred = cv2.GaussianBlur(channel * weight, (0, 0), SMOOTHING)
        return np.where(inside, blurred * share, channel)

    return [[smooth(picture[..., c]) for c in range(3)] for picture in pictures]


@dataclass(frozen=True)
class Lut:
    """One table of colours for the whole foreground."""

    table: Floats  # (17, 17, 17, 3), indexed by red, green, blue; values are colours in [0, 1]

    def apply(
        self, composite: Pixels, mask: Floats, strength: float = 1.0, threads: int = 1
    ) -> Pixels:
        """See :class:`ColourMap`; the table is interpolated trilinearly."""
        steps = self.table.shape[0] - 1
        flat = self.table.reshape(-1, 3)

        def changed(rgb: list[Floats], _: slice) -> list[Floats]:
            place = [np.clip(channel, 0, 1) * steps for channel in rgb]
            low = [np.minimum(p.astype(np.int32), steps - 1) for p in place]
            part = [p - i for p, i in zip(place, low, strict=True)]
            total = np.zeros((*rgb[0].shape, 3), np.float32)
            first = (low[0] * (steps + 1) + low[1]) * (steps + 1) + low[2]
            for corner in range(8):
                bits = [corner >> 2 & 1, corner >> 1 & 1, corner & 1]
                share = np.ones_like(rgb[0])
                for f, bit in zip(part, bits, strict=True):
                    share = share * (f if bit else 1 - f)
                entry = first + (bits[0] * (steps + 1) + bits[1]) * (steps + 1) + bits[2]
                total += share[..., None] * flat[entry]
            return [total[..., c] for c in range(3)]

        return _in_strips(composite, mask, strength, threads, changed)

    def write_cube(self, path: str | os.PathLike[str], title: str = "phnet") -> None:
        """Write an Adobe ``.cube`` file (Photoshop, Resolve, OBS read it); red changes fastest."""
        size = self.table.shape[0]
        values = np.clip(self.table, 0, 1).transpose(2, 1, 0, 3).reshape(-1, 3)
        lines = [f'TITLE "{title}"', f"LUT_3D_SIZE {size}", "DOMAIN_MIN 0 0 0", "DOMAIN_MAX 1 1 1"]
        lines += [f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in values]
        write_text(path, "\n".join(lines) + "\n")


def fit_lut(composite: Floats, result: Floats, mask: Floats, size: int = LUT_SIZE) -> Lut:
    """Fit a :class:`Lut`: at each entry an affine map of the colours around it.

    Colours near the entry weigh more (a Gaussian); where there are none, the map of the whole
    foreground takes over smoothly.
    """
    predicted, weight = unblend(composite, result, mask)
    whole = affine_fit(composite, predicted, weight)
    inside = np.flatnonzero(weight.ravel() > 0)
    if inside.size > LUT_SAMPLES:  # evenly spaced, so that the same input gives the same table
        inside = inside[np.linspace(0, inside.size - 1, LUT_SAMPLES).astype(np.intp)]
    x, y = (
        np.column_stack([channel.ravel()[inside] for channel in channels]).astype(np.float64)
        for channels in _smooth([composite, predicted], weight)
    )
    w = weight.ravel()[inside].astype(np.float64)
    ticks = np.linspace(0, 1, size)
    nodes = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).reshape(-1, 3)
    ones = np.ones((len(x), 1))
    features = np.concatenate([x, ones], 1)  # (n, 4)
    products = features[:, :, None] * np.concatenate([features, y], 1)[:, None]  # (n, 4, 7)
    distance = ((nodes[:, None] - x[None]) ** 2).sum(2)  # (nodes, n)
    near = np.exp(-distance / (2 * LUT_SIGMA**2)) * w
    sums = (near @ products.reshape(len(x), 28)).reshape(-1, 4, 7)
    ridge = LUT_RIDGE * max(w.sum(), 1e-9) * np.diag([1.0, 1.0, 1.0, 1.0])
    maps = np.linalg.solve(sums[..., :4] + ridge, sums[..., 4:] + ridge @ whole)  # (nodes, 4, 3)
    table = np.einsum("ni,nic->nc", np.concatenate([nodes, np.ones((len(nodes), 1))], 1), maps)
    return Lut(np.clip(table, 0, 1).astype(np.float32).reshape(size, size, size, 3))


@dataclass(frozen=True)
class Plain:
    """The small result itself, enlarged: detail is lost under the mask."""

    result: Floats  # (h, w, 3)

    def apply(
        self, composite: Pixels, mask: Floats, strength: float = 1.0, threads: int = 1
    ) -> Pixels:
        """See :class:`ColourMap`."""
        height, width = mask.shape
        large = cv2.resize(self.result, (width, height), interpolation=cv2.INTER_CUBIC)

        def changed(_: list[Floats], rows: slice) -> list[Floats]:
            return [np.array(large[rows, :, c]) for c in range(3)]

        return _in_strips(composite, mask, strength, threads, changed)


def fit(
    kind: Kind, composite: Floats, result: Floats, mask: Floats, size: tuple[int, int]
) -> ColourMap:
    """Fit the kind of map that ``--lift`` names, for a composite of ``size`` (H, W).

    Where the network saw the composite at its own size, "guided" takes the network's pixels as
    they are: there is nothing to lift, and they hold more than colours (undone sharpening).
    Other arguments as in :func:`fit_field`.
    """
    if kind == "none" or (kind == "guided" and size == mask.shape):
        return Plain(unblend(composite, result, mask)[0])
    if kind == "guided":
        return fit_field(composite, result, mask)
    if kind == "lut":
        return fit_lut(composite, result, mask)
    raise ValueError(f"lift: expected guided, lut or none, got {kind!r}")


# -- applying -----------------------------------------------------------------------------


def _in_strips(
    composite: Pixels,
    mask: Floats,
    strength: float,
    threads: int,
    changed: Callable[[list[Floats], slice], list[Floats]],
) -> Pixels:
    """Blend ``changed`` channels over ``composite`` by the mask, a strip of rows at a time.

    ``changed`` takes the channels of a strip in [0, 1] and its rows, and returns channels that
    may be written over.
    """
    output = np.array(composite)
    scale = np.float32(FULL_SCALE.get(composite.dtype, 1))
    rows_with_mask = np.flatnonzero(mask.any(1))
    if not rows_with_mask.size:
        return output
    step = max(1, STRIP_PIXELS // mask.shape[1])
    starts = range(int(rows_with_mask[0]), int(rows_with_mask[-1]) + 1, step)
    stop = int(rows_with_mask[-1]) + 1

    def work(start: int) -> None:
        rows = slice(start, min(start + step, stop))
        strip, alpha = composite[rows], mask[rows]
        rgb = [_plane(strip[..., c], scale) for c in range(3)]
        amount, inside = alpha * np.float32(strength), alpha > 0
        for c, mixed in enumerate(changed(rgb, rows)):
            np.clip(mixed, 0, 1, out=mixed)
            mixed -= rgb[c]
            mixed *= amount
            mixed += rgb[c]
            if composite.dtype.kind == "u":
                mixed *= scale
                np.rint(mixed, out=mixed)
            np.copyto(output[rows, :, c], mixed, where=inside, casting="unsafe")

    if threads == 1 or len(starts) == 1:
        for start in starts:
            work(start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, starts))
    return output


def _plane(channel: Pixels, scale: np.float32) -> Floats:
    """A channel as float32 in [0, 1]."""
    plane = channel.astype(np.float32)
    if scale != 1:
        plane *= 1 / scale
    return plane
