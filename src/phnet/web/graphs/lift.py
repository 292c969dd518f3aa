"""The lift as a graph: the fit at the small size, and strips of the large.

It computes what :mod:`phnet.harmonization.lift` does.

Every function says which one of there it repeats; the constants are those of there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from phnet.harmonization.affine_fit import LEAST_WEIGHT, RIDGE, SMOOTHING
from phnet.harmonization.lift import GRID, RADIUS
from phnet.harmonization.tiling import STRIP_PIXELS
from phnet.web.graphs.builder import Graph, Value
from phnet.web.graphs.resizing import Kind, linear_taps

BLUR_REACH = 2  # rows to each side that OpenCV's Gaussian of SMOOTHING takes in


def unblended(composite: Value, result: Value, mask: Value) -> tuple[Value, Value]:
    """See :func:`phnet.harmonization.affine_fit.unblend`; pictures (3, h, w), mask (1, h, w)."""
    predicted = composite + (result - composite) / mask.at_least(0.1)
    weight = mask * mask * (mask > 0.1).cast(np.float32)
    return predicted, weight


def solved(left: Value, right: Value, size: int) -> Value:
    """Solve (n, size, size) @ x = (n, size, k) by elimination; ``left`` is positive definite."""
    graph = left.graph
    rows = graph.join([left, right], 2)
    for i in range(size):
        pivot = rows.part(i, i + 1, 1)
        pivot = pivot / pivot.part(i, i + 1, 2)
        here = graph.constant(np.arange(size).reshape(1, size, 1) == i, np.bool_)
        rows = graph.where(here, pivot, rows - rows.part(i, i + 1, 2) * pivot)
    return rows.part(size, 1 << 20, 2)


def whole_map(composite: Value, predicted: Value, weight: Value) -> Value:
    """See :func:`phnet.harmonization.affine_fit.affine_fit`: (1, 4, 3), float64."""
    graph = composite.graph
    w = weight.reshape([1, 1, -1]).cast(np.float64)
    ones = w * 0 + 1
    x = graph.join([composite.reshape([1, 3, -1]).cast(np.float64), ones], 1)  # (1, 4, n)
    y = predicted.reshape([1, 3, -1]).cast(np.float64)
    scale = w.sum(2, keep=True).at_least(1e-9)
    ridge = RIDGE * np.eye(4)
    left = (x * w) @ x.transpose(0, 2, 1) / scale + graph.constant(ridge[None], np.float64)
    right = (x * w) @ y.transpose(0, 2, 1) / scale
    return solved(left, right + graph.constant(ridge[None, :, :3], np.float64), 4)


def mirrored(graph: Graph, side: Value, reach: Value, edge_twice: bool) -> Value:
    """Rows that a window of 2 reach + 1 sees, mirrored at the edges: (2 reach + 1, side)."""
    offset = graph.count(reach * 2 + 1) - reach
    place = graph.count(side).wider(0) + offset.wider(1)
    again = 0 if edge_twice else 2
    period = (side * 2 - again).at_least(1)
    place = graph.op("Mod", place, period)  # has the sign of the period
    return place.at_most(side * 2 - (1 if edge_twice else 2) - place)


def window_matrix(
    graph: Graph, side: Value, reach: Value, weights: Value, edge_twice: bool
) -> Value:
    """A filter along one axis as a matrix (side, side); weights (2 reach + 1,)."""
    seen = mirrored(graph, side, reach, edge_twice).wider(2)
    hits = seen.equals(graph.count(side)).cast(np.float32)  # (taps, side, side)
    return (hits * weights.wider(1, 2)).sum(0)


def smoothed(pictures: list[Value], weight: Value) -> list[Value]:
    """See :func:`phnet.harmonization.affine_fit.smooth`; pictures (3, h, w), weight (1, h, w)."""
    graph = weight.graph
    place = np.arange(-BLUR_REACH, BLUR_REACH + 1)
    bell = np.exp(-(place**2) / (2 * SMOOTHING**2))
    kernel = graph.constant(bell / bell.sum(), np.float32)
    reach = graph.whole(BLUR_REACH)
    down, right = (
        window_matrix(graph, weight.side(axis), reach, kernel, edge_twice=False) for axis in (1, 2)
    )
    across = right.transpose(1, 0)
    amount = down @ weight @ across
    inside, safe = amount > LEAST_WEIGHT, amount.at_least(LEAST_WEIGHT)
    return [graph.where(inside, down @ (x * weight) @ across / safe, x) for x in pictures]


@dataclass(frozen=True)
class Windows:
    """The windows of :func:`phnet.harmonization.lift.fit_field` as matrices; outside is zero."""

    height: Value
    width: Value
    pooled: tuple[Value, Value]  # from planes (c, h, w) to the grid, summed over windows
    summed: tuple[Value, Value]  # from the grid to the grid

    def pool(self, planes: Value) -> Value:
        """Means over the windows of planes at the small size."""
        return self.pooled[0] @ planes @ self.pooled[1]

    def sum(self, planes: Value) -> Value:
        """The same of planes on the grid."""
        return self.summed[0] @ planes @ self.summed[1]


def windows(graph: Graph, height: Value, width: Value) -> Windows:
    """The grid and the windows on it for a small size."""
    shorter = height.at_most(width)
    step = graph.count((shorter // GRID).at_least(1)) + 1
    divides = (height - height // step * step + width - width // step * step).equals(0)
    step = (step * divides.cast(np.int64)).largest()
    sides = (height // step, width // step)
    reach = (shorter // step).cast(np.float64) * RADIUS
    reach = (reach - (1 - 1 / step.cast(np.float64)) / 2).rounded().cast(np.int64).at_least(1)
    pooled, summed = [], []
    for side, length in zip(sides, (height, width), strict=True):
        place = graph.count(side).wider(1)
        apart = graph.op("Abs", place.transpose(1, 0) - place)
        box = (apart < reach + 1).cast(np.float32) / (reach * 2 + 1).cast(np.float32)
        block = (graph.count(length) // step).wider(0).equals(place).cast(np.float32)
        pooled.append(box @ block / step.cast(np.float32))
        summed.append(box)
    return Windows(*sides, (pooled[0], pooled[1].transpose(1, 0)), (summed[0], summed[1]))


def field(composite: Value, result: Value, mask: Value) -> Value:
    """See :func:`phnet.harmonization.lift.fit_field`: (12, places down, places across)."""
    graph = composite.graph
    height, width = composite.side(1), composite.side(2)
    predicted, weight = unblended(composite, result, mask)
    whole = whole_map(composite, predicted, weight)
    x, y = smoothed([composite, predicted], weight)
    grid = windows(graph, height, width)
    window = grid.pool
    area = window(weight)
    trust = area.at_least(LEAST_WEIGHT)
    mean_x, mean_y = window(x * weight) / trust, window(y * weight) / trust
    left, right = [], []
    for i in range(3):
        row = x.part(i, i + 1)
        mean_row = mean_x.part(i, i + 1)
        left.append(window(row * weight * x) / trust - mean_row * mean_x)
        right.append(window(row * weight * y) / trust - mean_row * mean_y)

    def matrices(rows: list[Value]) -> Value:
        stacked = graph.join(rows, 0).reshape([3, 3, -1]).transpose(2, 0, 1)
        return stacked.cast(np.float64)  # (n, 3, 3)

    ridge = graph.constant(RIDGE * np.eye(3)[None], np.float64)
    slope_of_all = whole.part(0, 3, 1)  # (1, 3, 3)
    slope = solved(matrices(left) + ridge, matrices(right) + slope_of_all * RIDGE, 3)
    known = (area > LEAST_WEIGHT).reshape([-1, 1, 1])
    means_x = mean_x.reshape([3, 1, -1]).transpose(2, 1, 0).cast(np.float64)  # (n, 1, 3)
    means_y = mean_y.reshape([3, 1, -1]).transpose(2, 1, 0).cast(np.float64)
    offset = graph.where(known, means_y - means_x @ slope, whole.part(3, 4, 1))
    slope = graph.where(known, slope, slope_of_all)
    planes = graph.join([slope, offset], 1).cast(np.float32)  # (n, 4 inputs, 3 outputs)
    planes = planes.transpose(2, 1, 0).reshape([12, grid.height, grid.width])
    return grid.sum(planes * trust) / grid.sum(trust)


def in_strips(composite: Value, piece: Callable[[Value, Value], Value], around: int = 0) -> Value:
    """Work on a strip of rows at a time, which bounds the memory.

    Args:
        composite: uint8 (H, W, 4).
        piece: (rows (S,), pixels (4, S, W) in [0, 255]) -> (S, W, ...).
        around: so many rows more, above and below, come with the pixels and their rows; the
            picture's edges are repeated there.

    Returns:
        (H, W, ...), of the pieces' type.
    """
    graph = composite.graph
    height, step = composite.side(0), strip_rows(composite)

    def strip(number: Value) -> Value:
        rows = number * step - around + graph.count(step + 2 * around)
        rows = rows.at_most(height - 1)
        rows = rows.at_least(0) if around else rows
        return piece(rows, composite.take(rows).cast(np.float32).transpose(2, 0, 1))

    strips = graph.stacked((height + step - 1) // step, strip)
    # (strips, S, W, ...) -> (H, W, ...)
    after = graph.op("Shape", strips, dtype=np.int64, start=2)
    joined = strips.reshape(graph.join([graph.whole([-1]), after], 0))
    return joined.part(graph.whole(0), height)


def strip_rows(composite: Value) -> Value:
    """Count of a strip's rows."""
    rows = composite.graph.whole(STRIP_PIXELS) // composite.side(1)
    return rows.at_least(1).at_most(composite.side(0))


def enlarging(
    composite: Value, planes: Value, channels: int, make: Kind
) -> Callable[[Value], Value]:
    """Planes (channels, h, w) at the composite's size: for rows (S,), (channels, S, W)."""
    graph = composite.graph
    height, width = composite.side(0), composite.side(1)
    begin = graph.zeros([channels, planes.side(1), width])
    wide = make(graph, planes.side(2), width).apply(planes, 2, begin)
    lines = make(graph, planes.side(1), height)
    step = strip_rows(composite)

    def enlarged(rows: Value) -> Value:
        def term(k: Value) -> Value:
            index, weight = lines.tap(k)
            return wide.take(index.take(rows), 1) * weight.take(rows).wider(0, 2)

        return graph.summed(lines.count, graph.zeros([channels, step, width]), term)

    return enlarged


def enlarging_linearly(composite: Value, groups: list[Value]) -> Callable[[Value], list[Value]]:
    """Groups of planes (3 or 1, h, w) at the composite's size, as bilinear :func:`enlarging`.

    A strip sees few rows of the planes: its rows are a product of matrices of that many columns,
    one pass over the memory where a sum over taps takes seven.

    Returns:
        for rows (S,), which follow each other, each group as (3 or 1, S, W).
    """
    graph = composite.graph
    height, width = composite.side(0), composite.side(1)
    least = groups[0].side(1)
    wide = []
    for planes in groups:
        begin = graph.zeros([planes.side(0), least, width])
        wide.append(linear_taps(graph, planes.side(2), width).apply(planes, 2, begin))
    lines = linear_taps(graph, least, height)
    low, share = lines.tap(graph.whole(0))
    high = (low + 1).at_most(least - 1)
    seen = (strip_rows(composite) * least // height + 3).at_most(least)

    def enlarged(rows: Value) -> list[Value]:
        upper, lower, lean = low.take(rows), high.take(rows), share.take(rows).wider(1)
        first = upper.take(0).at_most(least - seen)
        place = (graph.count(seen) + first).wider(0)
        weights = upper.wider(1).equals(place).cast(np.float32) * lean
        weights = weights + lower.wider(1).equals(place).cast(np.float32) * (1 - lean)
        return [weights @ planes.part(first, first + seen, 1) for planes in wide]

    return enlarged
