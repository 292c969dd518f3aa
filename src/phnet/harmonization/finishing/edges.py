"""Clean edges: what the old background left at the person's rim is taken out again.

Along the edge a paste shows ``a (F - d) + (1 - a) B``: d is what the old background did to the
person's colors F. It is not known, but it is much the same for all pixels of one stretch of the
edge that lie equally deep. So the difference between the picture and what clean colors would show
(those of the person's solid part, spread outwards) is averaged along the edge, depth by depth, in
a grid of stretches and depths as a bilateral grid has it (Chen et al., 2007), and subtracted as far
as it stands out from the texture. Strands and texture stay as they are.

A hard mask says nothing of the mixture: it gets a soft alpha that falls off inside its own
outline, so the background is never changed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import cv2
import numpy as np

from phnet.images.arrays import (
    Bools,
    Doubles,
    Floats,
    Indices,
    Pixels,
    box_of,
    in_levels,
    on_threads,
    strips,
    to_float,
)
from phnet.images.push_pull import Known, spread

SOLID = 0.96  # mask from which a pixel shows the person alone
LEAST = 0.02  # mask below which a pixel shows next to nothing of the person
SOFT_SHARE = 0.6  # soft pixels per pixel of outline from which a mask counts as soft
REFERENCE = 1200  # pixels of the longer side for which depths are as they are written here
DEPTH = 1.0  # pixels inside the solid part that the old background reaches
STRETCH = 8  # pixels of the edge that are averaged, in units of the depth
MOST_SOFT = 10.0  # softness beyond which a mask is simply soft
RAMP = (0.3, 0.75)  # values of a blurred hard mask that become 0 and 1
SOFT_LAYERS = 4  # of the grid, for masks between 0 and 1
BAND_PIXELS = 1 << 19  # of the mask that are looked at at a time
CAUTION = 8.0  # how far a mean must stand out from chance, in variances of the mean
NATURAL = 4.0  # the same, in variances of what differs by nature


@dataclass(frozen=True)
class Band:
    """The pixels along an edge, in a box of the picture."""

    rows: Indices
    columns: Indices
    mask: Floats  # (n,)
    depth: Floats  # (n,) in pixels from the outline, inside; at least 0.5
    distance: Floats  # (h, w) in pixels from the outline, inside; exact to 2 * DEPTH * scale
    solid: Bools  # (h, w): where the person alone is seen
    is_hard: bool
    scale: float  # pixels of one unit of depth

    @property
    def deeper(self) -> Bools:
        """Pixels, (h, w), that show the person alone and have no edge near."""
        return self.distance > 2 * DEPTH * self.scale

    @property
    def layer(self) -> Floats:
        """Layer of each pixel across the edge, (n,): by its mask, then by its depth."""
        inside = SOFT_LAYERS - 0.5 + self.depth / self.scale
        return np.where(self.mask < SOLID, self.mask * SOFT_LAYERS, inside).astype(np.float32)


@dataclass(frozen=True)
class Rim:
    """Measures of an edge as a whole."""

    softness: float  # soft pixels per pixel of outline
    natural: float  # how much colors differ along it by themselves, see :func:`clean_colors`


def softness(mask: Floats) -> float:
    """Soft pixels of a mask (h, w) per pixel of its outline."""
    soft = cv2.countNonZero(cv2.inRange(mask, (0.03,), (0.97,)))
    inside = (mask >= 0.5).view(np.uint8)
    eroded = cv2.erode(inside, np.ones((3, 3), np.uint8))
    outline = cv2.countNonZero(inside) - cv2.countNonZero(eroded)
    return soft / outline if outline else float("inf")


def find_band(mask: Floats, soft: float | None = None, threads: int = 1) -> Band:
    """The pixels of a mask (h, w) along its edge, where its softness may be known already."""
    is_hard = (softness(mask) if soft is None else soft) < SOFT_SHARE
    scale = max(1.0, max(mask.shape) / REFERENCE)
    reach = DEPTH * scale
    margin = int(np.ceil(2.5 * reach)) + 2
    distance, solid = np.empty(mask.shape, np.float32), np.empty(mask.shape, bool)

    def work(rows: slice) -> tuple[Indices, Indices, Floats]:
        # The picture's frame is no edge: it is as if the person went on beyond it. Nor is the
        # strip's, beyond which as many rows are looked at as distances matter.
        first = max(0, rows.start - margin)
        full = mask[first : rows.stop + margin] >= (0.5 if is_hard else SOLID)
        far = cv2.distanceTransform(full.view(np.uint8), cv2.DIST_L2, 3)
        depth = distance[rows]
        depth[:] = far[rows.start - first : rows.stop - first]
        np.greater(depth, reach, out=solid[rows])
        down, across = np.nonzero((mask[rows] >= LEAST) & ~solid[rows])
        return down + rows.start, across, np.maximum(depth[down, across] - 0.5, 0)

    size = (mask.shape[0], mask.shape[1])
    found = on_threads(work, strips(size, max(BAND_PIXELS, 4 * margin * size[1])), threads)
    rows, columns, deep = (np.concatenate(part) for part in zip(*found, strict=True))
    return Band(rows, columns, mask[rows, columns], deep, distance, solid, is_hard, scale)


def soft_alpha(mask: Floats, scale: float) -> Floats:
    """A soft alpha for a hard mask (h, w), which falls off inside its outline."""
    low, high = RAMP
    sigma = 0.8 * scale
    blurred = cv2.GaussianBlur(mask, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.minimum(mask, np.clip((blurred - low) / (high - low), 0, 1)), np.float32)


def clean_edges(
    picture: Pixels,
    mask: Floats,
    amount: float = 1.0,
    *,
    background: Pixels | None = None,
    threads: int = 1,
) -> tuple[Pixels, Floats]:
    """Take the old background out of the edge of a paste.

    Args:
        picture: the composite, sRGB (H, W, 3): uint8, uint16, or floats in [0, 1].
        mask: (H, W) in [0, 1]; where it is 0 the picture stays bit for bit.
        amount: how far to go, in [0, 1].
        background: what is behind the person, like the picture; None: the picture's own
            background is spread inwards.
        threads: at most three parts of the work are done at once.

    Returns:
        The picture, and the mask that it is mixed by now, (H, W).
    """
    output, alpha = np.array(picture), np.array(mask)
    box = _box(mask)
    band = find_band(mask[box], threads=threads)
    if not band.rows.size or not band.solid.any():
        return output, alpha
    part, own = picture[box], mask[box]
    place = (band.rows, band.columns)
    colors = _at(part, place)
    inner = Known.of(part, band.solid, threads=threads)
    deeper = Known.of(part, band.deeper, threads=threads)
    behind = part if background is None else background[box]
    outer = Known.of(part, own <= 0, threads=threads) if background is None else None
    sources: list[Callable[[], Any]] = [
        lambda: _natural(part, band, deeper),
        lambda: inner.spread().at_places(*place),
        lambda: _at(behind, place) if outer is None else outer.spread().at_places(*place),
    ]
    natural, clean, below = on_threads(lambda find: find(), sources, threads)
    share = band.mask[:, None]
    off = colors - (below + share * (clean - below))
    made = colors - np.float32(amount) * share * _systematic(off, band, natural)
    if band.is_hard:
        soft = soft_alpha(own, band.scale)
        soft = own + np.float32(amount) * (soft - own)
        kept = (soft[place] / band.mask)[:, None]
        made = below + kept * (made - below)
        alpha[box] = soft
    _put(output[box], place, made)
    return output, alpha


def measure_rim(colors: Floats, mask: Floats) -> Rim | None:
    """Measure a person's edge; arguments as for :func:`clean_colors`; None: there is none."""
    box = _box(mask)
    soft = softness(mask[box])
    band = find_band(mask[box], soft)
    if not band.rows.size or not band.solid.any():
        return None
    return Rim(min(soft, MOST_SOFT), _natural(colors[box], band))


def clean_colors(
    colors: Floats, mask: Floats, amount: float = 1.0, *, rim: Rim | None = None
) -> tuple[Floats, Floats]:
    """Clean the rim of a person's own colors, before they are laid over a scene.

    Args:
        colors: (H, W, 3) in [0, 1], not multiplied by the mask.
        mask: (H, W) in [0, 1].
        amount: how far to go, in [0, 1].
        rim: what is known of the edge; None: it is measured.

    Returns:
        The colors, and the mask to blend them by.
    """
    output, alpha = np.array(colors), np.array(mask)
    box = _box(mask)
    band = find_band(mask[box], rim.softness if rim else None)
    if not band.rows.size or not band.solid.any():
        return output, alpha
    place = (band.rows, band.columns)
    found = _at(colors[box], place)
    clean = spread(colors[box], band.solid).at_places(*place)
    off = band.mask[:, None] * (found - clean)
    natural = rim.natural if rim else _natural(colors[box], band)
    made = found - np.float32(amount) * _systematic(off, band, natural)
    _put(output[box], place, made)
    if band.is_hard:
        soft = soft_alpha(mask[box], band.scale)
        alpha[box] += np.float32(amount) * (soft - alpha[box])
    return output, alpha


def _box(mask: Floats) -> tuple[slice, slice]:
    """Rows and columns that hold the person, and some background."""
    return box_of(mask, 16 + max(mask.shape) // 50) or (slice(0, 0), slice(0, 0))


def _put(target: Pixels, place: tuple[Indices, Indices], colors: Floats) -> None:
    target[place] = in_levels(np.clip(colors, 0, 1), target.dtype)


def _at(picture: Pixels, place: tuple[Indices, Indices]) -> Floats:
    """The colors (n, 3) of a picture at single pixels, three planes in memory."""
    return to_float(np.ascontiguousarray(picture[place].T)).T


def _natural(picture: Pixels, band: Band, known: Known | None = None) -> float:
    """Measure how much colors differ by themselves from those spread from as far inside.

    It is measured a little deeper, where no old background reaches.

    Args:
        picture: (h, w, 3).
        band: its edge.
        known: its colors where the band is ``deeper``; None: they are looked up.

    Returns:
        the mean square of what is alike along the edge, over the channels' sum.
    """
    reach = DEPTH * band.scale
    deeper = known or Known.of(picture, band.deeper)
    rows, columns = np.nonzero(band.solid & ~band.deeper)
    if not (rows.size and deeper.share.any()):
        return 0.0
    deep = band.distance[rows, columns] - np.float32(reach)
    ones = np.ones_like(deep)
    inner = Band(rows, columns, ones, deep, band.distance, band.deeper, band.is_hard, band.scale)
    off = _at(picture, (rows, columns)) - deeper.spread().at_places(rows, columns)
    alike = _systematic(off, inner, 0)
    outer = deep <= 0.75 * reach
    return float((alike[outer] ** 2).sum(1).mean()) if outer.any() else 0.0


def _systematic(off: Floats, band: Band, natural: float) -> Floats:
    """Estimate what is off alike along the edge, (n, 3), per unit of mask.

    Args:
        off: (n, 3), how far the picture is from clean colors under the mask.
        band: where.
        natural: the mean square of what is to be expected without an old background.
    """
    cell = np.float32(max(4.0, STRETCH * band.scale))
    layers = int(np.ceil(SOFT_LAYERS + DEPTH)) + 2
    shape = (layers, *(int(side / cell) + 2 for side in band.solid.shape))
    at = [band.layer, *(place.astype(np.float32) / cell for place in (band.rows, band.columns))]
    corner = [values.astype(np.intp) for values in at]
    lean = [v - c.astype(np.float32) for v, c in zip(at, corner, strict=True)]
    least = (corner[0] * shape[1] + corner[1]) * shape[2] + corner[2]
    flat: list[tuple[Indices, Floats]] = []
    for up, down, right in product((0, 1), repeat=3):
        weight = np.ones_like(band.mask)
        for part, step in zip(lean, (up, down, right), strict=True):
            weight *= part if step else 1 - part
        flat.append((least + ((up * shape[1] + down) * shape[2] + right), weight))

    def gathered(values: Floats) -> Doubles:
        grid = np.zeros(int(np.prod(shape)))
        for index, weight in flat:
            grid += np.bincount(index, weight * values, grid.size)
        planes = grid.reshape(shape)
        return np.stack([cv2.GaussianBlur(plane, (3, 3), 0.7) for plane in planes])

    def sliced(planes: list[Doubles]) -> Floats:
        made = np.zeros_like(off)
        for c, plane in enumerate(planes):
            values = plane.ravel().astype(np.float32)
            for index, weight in flat:
                made[:, c] += weight * values[index]
        return made

    total = gathered(band.mask**2)
    safe = np.maximum(total, 1e-6)
    means = [gathered(band.mask * off[:, c]) / safe for c in range(3)]
    power = np.asarray(sum(mean**2 for mean in means))
    rest = ((off - band.mask[:, None] * sliced(means)) ** 2).sum(1)
    chance = NATURAL * natural + CAUTION * gathered(rest) / safe / np.maximum(total, 1e-3)
    trust = np.clip(1 - chance / np.maximum(power, 1e-9), 0, 1)
    return sliced([mean * trust for mean in means])
