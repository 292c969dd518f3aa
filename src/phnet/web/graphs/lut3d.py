"""The lift "lut" as a graph: what :mod:`phnet.harmonization.lut3d` does."""

import numpy as np

from phnet.harmonization.lut3d import RIDGE, SAMPLES, SIGMA, SIZE
from phnet.web.graphs.builder import Value
from phnet.web.graphs.lift import smoothed, solved, unblended, whole_map

PLANE = SIZE * SIZE  # entries of one red


def fitted_table(composite: Value, result: Value, mask: Value) -> Value:
    """See :func:`phnet.harmonization.lut3d.fit_lut`: colors (17³, 3), red changing slowest."""
    graph = composite.graph
    predicted, weight = unblended(composite, result, mask)
    whole = whole_map(composite, predicted, weight)  # (1, 4, 3)
    flat = weight.reshape([-1])
    inside = graph.op("NonZero", flat, dtype=np.int64).reshape([-1])
    last = (inside.side(0) - 1).at_least(0)
    count = inside.side(0).at_least(1).at_most(SAMPLES)
    chosen = graph.count(count) * last // (count - 1).at_least(1)
    # With no foreground at all, a pixel of weight 0 stands in.
    inside = graph.join([inside, graph.whole([0])], 0).take(chosen)

    def samples(planes: Value) -> Value:
        return planes.reshape([3, -1]).take(inside, 1)  # (3, n)

    x, y = (samples(planes) for planes in smoothed([composite, predicted], weight))
    w = flat.take(inside)
    features = graph.join([x, x.part(0, 1) * 0 + 1], 0)  # (4, n)
    products = features.wider(1) * graph.join([features, y], 0) * w  # (4, 7, n)
    ticks = np.linspace(0, 1, SIZE)
    apart = x.wider(1) - graph.constant(ticks[:, None], np.float32)
    near = graph.op("Exp", apart * apart * (-1 / (2 * SIGMA**2)))  # (3, 17, n)
    red, green, blue = (near.part(c, c + 1) for c in range(3))
    left = (red.transpose(1, 0, 2) * products.reshape([1, 28, -1])).reshape([SIZE * 28, -1])
    right = (green.transpose(1, 0, 2) * blue).reshape([PLANE, -1])
    sums = (left @ right.transpose(1, 0)).cast(np.float64).reshape([SIZE, 4, 7, PLANE])
    sums = sums.transpose(0, 3, 1, 2).reshape([-1, 4, 7])
    total = w.cast(np.float64).sum(0).at_least(1e-9)
    ridge = graph.constant(RIDGE * np.eye(4)[None], np.float64) * total
    maps = solved(sums.part(0, 4, 2) + ridge, sums.part(4, 7, 2) + ridge @ whole, 4)
    entries = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).reshape(-1, 1, 3)
    colors = graph.constant(entries, np.float64) @ maps.part(0, 3, 1) + maps.part(3, 4, 1)
    return colors.reshape([-1, 3]).between(0, 1).cast(np.float32)


def looked_up(colors: Value, rgb: Value) -> Value:
    """See :meth:`phnet.harmonization.lut3d.Lut.apply`: trilinear; ``rgb`` (3, S, W) in [0, 1]."""
    graph = rgb.graph
    steps = SIZE - 1
    place = rgb * steps
    low = place.cast(np.int64).at_most(steps - 1)
    share = place - low.cast(np.float32)
    strides = graph.constant(np.reshape([PLANE, SIZE, 1], (3, 1, 1)), np.int64)
    first = (low * strides).sum(0)  # (S, W)
    # An entry's eight corners side by side, so that each pixel is one piece of memory.
    offsets = [r * PLANE + g * SIZE + b for r in (0, 1) for g in (0, 1) for b in (0, 1)]
    corners = np.minimum(np.arange(SIZE * PLANE)[:, None] + offsets, SIZE * PLANE - 1)
    between = colors.take(graph.constant(corners, np.int64)).reshape([-1, 24]).take(first)
    for channel, half in enumerate((12, 6, 3)):
        low_end, high_end = between.part(0, half, 2), between.part(half, 2 * half, 2)
        between = low_end + (high_end - low_end) * share.take(channel).wider(2)
    return between.transpose(2, 0, 1)
