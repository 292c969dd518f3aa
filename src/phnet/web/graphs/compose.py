"""One graph that puts a person into a scene, with the person's own colors at soft edges.

It does what :mod:`phnet.matting.foreground` and :mod:`phnet.compositing.placement` do.

Inputs: ``portrait`` uint8 (h, w, 4), whose alpha is not looked at; ``alpha`` float32 (h, w);
``estimate``, a bool: whether colors at soft edges are estimated; ``scene`` uint8 (H, W, 4);
``place`` int64 (4,): x, y of the portrait's corner in the scene, its rows and columns there, some
of which the scene must show. Outputs: ``composite`` and ``foreground`` uint8 (H, W, 4), ``mask``
float32 (H, W): what :func:`phnet.web.graphs.harmonize.harmonizing_model` takes.
"""

import numpy as np
import onnx

from phnet.matting.foreground import NARROW, REFERENCE, TINY, WIDE
from phnet.web.graphs.builder import Graph, Value
from phnet.web.graphs.lift import enlarging, in_strips
from phnet.web.graphs.resizing import Kind, area_taps, cubic_taps, linear_taps, resize

LEAST = 0.5 / 255  # alpha that counts


def composing_model() -> onnx.ModelProto:
    """The graph."""
    graph = Graph()
    portrait, alpha = graph.input("portrait", np.uint8), graph.input("alpha", np.float32)
    estimate, scene = graph.input("estimate", np.bool_), graph.input("scene", np.uint8)
    place = graph.input("place", np.int64)

    def own_alpha(rows: Value) -> Value:
        return alpha.take(rows).wider(0)

    def as_it_is() -> Value:
        def piece(rows: Value, pixels: Value) -> Value:
            share = own_alpha(rows)
            return graph.join([pixels.part(0, 3) / 255 * share, share], 0).transpose(1, 2, 0)

        return in_strips(portrait, piece)

    def estimated() -> Value:
        means = enlarging(portrait, blurred_twice(portrait, alpha), 6, linear_taps)

        def piece(rows: Value, pixels: Value) -> Value:
            share, both = own_alpha(rows), means(rows)
            colors = explained(pixels.part(0, 3) / 255, share, both.part(0, 3), both.part(3, 6))
            return graph.join([colors * share, share], 0).transpose(1, 2, 0)

        return in_strips(portrait, piece)

    layer = graph.choose(estimate, estimated, as_it_is)  # (h, w, 4), colors times alpha
    layer = put(layer, scene, place)  # (H, W, 4), straight
    mask = layer.take(3, 2)

    def over(rows: Value, pixels: Value) -> Value:
        above = layer.take(rows).transpose(2, 0, 1)
        below, share = pixels / 255, above.part(3, 4)
        total = share + below.part(3, 4) * (1 - share)
        shown = share / total.at_least(1e-6)
        colors = below.part(0, 3) + (above.part(0, 3) - below.part(0, 3)) * shown
        mixed = graph.join([colors, graph.where(share > 0, total, below.part(3, 4))], 0)
        return (mixed.between(0, 1) * 255).rounded().cast(np.uint8).transpose(1, 2, 0)

    picture: list[str | int] = ["H", "W", 4]
    return graph.model(
        {
            "portrait": (np.uint8, ["h", "w", 4]),
            "alpha": (np.float32, ["h", "w"]),
            "estimate": (np.bool_, []),
            "scene": (np.uint8, picture),
            "place": (np.int64, [4]),
        },
        {
            "composite": (in_strips(scene, over), picture),
            "foreground": ((layer * 255).rounded().cast(np.uint8), picture),
            "mask": (mask, ["H", "W"]),
        },
        {},
    )


def blurred_twice(portrait: Value, alpha: Value) -> Value:
    """The means of :func:`phnet.matting.foreground.blur_fusion`: both (6, h, w), small."""
    graph = portrait.graph
    height, width = portrait.side(0), portrait.side(1)
    longest = height.at_least(width)
    shrink = (longest // REFERENCE).at_least(1)
    scale = (longest.cast(np.float64) / REFERENCE).at_least(1.0) / shrink.cast(np.float64)
    wide, narrow = ((scale * side).rounded().cast(np.int64).at_least(1) for side in (WIDE, NARROW))
    low, slim = (height // shrink).at_least(1), (width // shrink).at_least(1)
    small = (resize(portrait, low, slim, 4, area_taps) / 255).transpose(2, 0, 1).part(0, 3)
    share = resize(alpha.wider(2), low, slim, 1, area_taps).transpose(2, 0, 1)
    mean_f, mean_b = means(small, small, share, wide)
    first = explained(small, share, mean_f, mean_b)
    return graph.join([*means(first, mean_b, share, narrow)], 0)


def means(foreground: Value, background: Value, alpha: Value, side: Value) -> tuple[Value, Value]:
    """See :func:`phnet.matting.foreground._means`; pictures (3, h, w), alpha (1, h, w)."""
    graph = alpha.graph

    def blur(planes: Value, count: int) -> Value:
        channels = (planes.part(c, c + 1) for c in range(count))
        return graph.join([blurred(blurred(c, side, 1), side, 2) for c in channels], 0)

    share = blur(alpha, 1)
    mean_f = blur(foreground * alpha, 3) / (share + TINY)
    mean_b = blur(background * (1 - alpha), 3) / (1 - share + TINY)
    return mean_f, mean_b


def explained(photo: Value, alpha: Value, mean_f: Value, mean_b: Value) -> Value:
    """See :func:`phnet.matting.foreground._explained`."""
    rest = photo - mean_b - alpha * (mean_f - mean_b)
    return (mean_f + alpha * rest).between(0, 1)


def blurred(plane: Value, side: Value, axis: int) -> Value:
    """OpenCV's box blur of ``side`` along one axis, mirrored at the edges, by running sums."""
    graph = plane.graph
    length = plane.side(axis)
    period = (length * 2 - 2).at_least(1)
    place = graph.op("Mod", graph.count(length + side - 1) - side // 2, period)
    place = place.at_most(length * 2 - 2 - place)
    seen = plane.take(place, axis).cast(np.float64)
    sums = graph.op("CumSum", seen, graph.whole(axis))
    # The sum before the first is 0; the one before another is that of its left neighbor.
    before = sums.part(0, length, axis) - seen.part(0, length, axis)
    upto = sums.part(side - 1, length + side - 1, axis)
    return ((upto - before) / side.cast(np.float64)).cast(np.float32)


def put(layer: Value, scene: Value, place: Value) -> Value:
    """See :func:`phnet.compositing.placement.put`: (H, W, 4), at the scene's size."""
    graph = layer.graph
    sides = (scene.side(0), scene.side(1))
    corner, size = (place.take(1), place.take(0)), (place.take(2), place.take(3))
    first = [at.at_least(0) for at in corner]
    last = [(at + n).at_most(side) for at, n, side in zip(corner, size, sides, strict=True)]
    starts = [a - at for a, at in zip(first, corner, strict=True)]
    stops = [b - at for b, at in zip(last, corner, strict=True)]

    def resized(make: Kind) -> Value:
        rows = make(graph, layer.side(0), size[0]).between(starts[0], stops[0])
        columns = make(graph, layer.side(1), size[1]).between(starts[1], stops[1])
        lengths = [stops[i] - starts[i] for i in (0, 1)]
        lower = rows.apply(layer, 0, graph.zeros([lengths[0], layer.side(1), 4]))
        return columns.apply(lower, 1, graph.zeros([*lengths, 4]))

    shrinks = (size[0] < layer.side(0) + 1).both(size[1] < layer.side(1) + 1)
    seen = graph.choose(shrinks, lambda: resized(area_taps), lambda: resized(cubic_taps))
    seen = seen.between(0, 1)
    alpha = seen.part(3, 4, 2)
    alpha = graph.where(alpha < LEAST, alpha * 0, alpha)
    straight = (seen.part(0, 3, 2) / alpha.at_least(LEAST)).between(0, 1)
    placed = graph.join([straight, alpha], 2)
    pads = [first[0], first[1], 0, sides[0] - last[0], sides[1] - last[1], 0]
    return graph.op("Pad", placed, graph.shape(pads))
