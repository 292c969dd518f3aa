"""Resizing inside a graph as OpenCV does it: by area, bilinear and bicubic, one axis at a time.

Each is a sum of a few rows with weights, which are computed from whole numbers, so that they are
exact for every size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from phnet.web.graphs.builder import Graph, Value

CUBIC = -0.75  # OpenCV's a


@dataclass(frozen=True)
class Taps:
    """From ``source`` rows to others: for each k, the row that counts, and how much."""

    count: Value  # how many rows count
    tap: Callable[[Value], tuple[Value, Value]]  # k -> indices (m,) and float32 weights (m,)

    def between(self, start: Value, stop: Value) -> "Taps":
        """For some of the rows alone."""

        def tap(k: Value) -> tuple[Value, Value]:
            index, weight = self.tap(k)
            return index.part(start, stop), weight.part(start, stop)

        return Taps(self.count, tap)

    def apply(self, x: Value, axis: int, begin: Value) -> Value:
        """Resize one axis of (A, B, C); ``begin`` is zeros of the shape that results."""
        others = [other for other in range(3) if other != axis]

        def term(k: Value) -> Value:
            index, weight = self.tap(k)
            return x.take(index, axis).cast(np.float32) * weight.wider(*others)

        return x.graph.summed(self.count, begin, term)


def area_taps(graph: Graph, source: Value, target: Value) -> Taps:
    """The mean over the part of the source that a row covers; ``target`` <= ``source``."""
    row = graph.count(target)
    begin, end = row * source, (row + 1) * source  # in units of 1/target of a source row
    first = begin // target

    def tap(k: Value) -> tuple[Value, Value]:
        index = first + k
        overlap = (end.at_most((index + 1) * target) - begin.at_least(index * target)).at_least(0)
        share = overlap.cast(np.float32) / source.cast(np.float32)
        return index.at_most(source - 1), share

    return Taps((source + target - 1) // target + 1, tap)


def linear_taps(graph: Graph, source: Value, target: Value) -> Taps:
    """Two neighbors, the edges repeated."""
    row = graph.count(target)
    place = ((row * 2 + 1) * source - target).at_least(0)  # in units of 1/(2 target)
    place = place.at_most((source - 1) * target * 2)
    low = place // (target * 2)
    share = (place - low * target * 2).cast(np.float32) / (target * 2).cast(np.float32)

    def tap(k: Value) -> tuple[Value, Value]:
        first = k.equals(0)
        weight = graph.where(first, 1 - share, share)
        return (low + k).at_most(source - 1), weight

    return Taps(graph.whole(2), tap)


def cubic_taps(graph: Graph, source: Value, target: Value) -> Taps:
    """Four neighbors, the edges repeated."""
    row = graph.count(target)
    place = (row * 2 + 1) * source + target  # in units of 1/(2 target), from one row above
    low = place // (target * 2)
    t = (place - low * target * 2).cast(np.float32) / (target * 2).cast(np.float32)

    def outer(d: Value) -> Value:  # 1 <= d <= 2
        return ((d * CUBIC - 5 * CUBIC) * d + 8 * CUBIC) * d - 4 * CUBIC

    def inner(d: Value) -> Value:  # 0 <= d <= 1
        return (d * (CUBIC + 2) - (CUBIC + 3)) * d * d + 1

    weights = graph.join(
        [w.wider(0) for w in (outer(t + 1), inner(t), inner(1 - t), outer(2 - t))], 0
    )

    def tap(k: Value) -> tuple[Value, Value]:
        index = (low + k - 2).at_least(0).at_most(source - 1)
        return index, weights.take(k)

    return Taps(graph.whole(4), tap)


Kind = Callable[[Graph, Value, Value], Taps]  # one of the three above


def resize(x: Value, height: Value, width: Value, channels: int, make: Kind) -> Value:
    """Resize (H, W, C) to float32 (height, width, C)."""
    graph = x.graph
    rows, columns = x.side(0), x.side(1)
    lower = make(graph, rows, height).apply(x, 0, graph.zeros([height, columns, channels]))
    return make(graph, columns, width).apply(lower, 1, graph.zeros([height, width, channels]))


def area_or_linear(x: Value, height: Value, width: Value, channels: int) -> Value:
    """Resize (H, W, C): by area where both sides shrink, else bilinear."""
    graph = x.graph
    shrinks = (x.side(0) > height - 1).both(x.side(1) > width - 1)
    return graph.choose(
        shrinks,
        lambda: resize(x, height, width, channels, area_taps),
        lambda: resize(x, height, width, channels, linear_taps),
    )
