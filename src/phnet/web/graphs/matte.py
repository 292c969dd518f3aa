"""One graph that finds the person in a picture: what :func:`phnet.matting.matte.matte` does.

Input: ``photo`` uint8 (H, W, 4), whose alpha is not looked at. Outputs: ``alpha`` float32 (H, W);
``person``, a scalar: the share of the picture that is person, at the network's size.
"""

from importlib import resources

import numpy as np
import onnx

from phnet.images.guided_filter import guided_filter
from phnet.matting.matte import GUIDE_EPSILON, GUIDE_SIDE
from phnet.web.graphs.builder import Graph, Value
from phnet.web.graphs.lift import enlarging, in_strips, window_matrix
from phnet.web.graphs.resizing import area_or_linear, linear_taps


def matting_model() -> onnx.ModelProto:
    """The graph, with the embedded network inside; the edge is refined as by "guided"."""
    network = onnx.load_from_string(
        (resources.files("phnet") / "weights" / "matte.onnx").read_bytes()
    )
    side = 256
    graph = Graph()
    photo = graph.input("photo", np.uint8)
    height, width = photo.side(0), photo.side(1)
    square = area_or_linear(photo, graph.whole(side), graph.whole(side), 4) / 255
    picture = square.transpose(2, 0, 1).part(0, 3).wider(0)
    coarse = graph.embed(network, {"image": picture}, ["alpha"])[0].between(0, 1)
    person = (coarse > 0.5).cast(np.float32)
    person = graph.op("ReduceMean", person, keepdims=0)

    longest = height.at_least(width).cast(np.float64)
    scale = (GUIDE_SIDE / longest).at_most(1.0)

    def fitted(length: Value) -> Value:
        return (length.cast(np.float64) * scale).rounded().cast(np.int64).at_least(1)

    high, broad = fitted(height), fitted(width)
    guide = area_or_linear(photo, high, broad, 4) / 255
    coarse = area_or_linear(coarse.reshape([side, side, 1]), high, broad, 1)
    planes = guided_planes(guide.transpose(2, 0, 1).part(0, 3), coarse.transpose(2, 0, 1))

    enlarged = enlarging(photo, planes, 4, linear_taps)

    def sharpened(rows: Value, pixels: Value) -> Value:
        rgb, factors = pixels.part(0, 3) / 255, enlarged(rows)
        soft = ((factors.part(0, 3) * rgb).sum(0) + factors.take(3)).between(0, 1)
        person, background = soft * soft, (1 - soft) * (1 - soft)
        return person / (person + background)

    alpha = in_strips(photo, sharpened)
    return graph.model(
        {"photo": (np.uint8, ["height", "width", 4])},
        {"alpha": (alpha, ["height", "width"]), "person": (person, [])},
        {},
    )


def guided_planes(guide: Value, coarse: Value) -> Value:
    """See :func:`phnet.matting.matte.refine_guided`: slopes and offset (4, h, w), averaged.

    Args:
        guide: RGB (3, h, w) in [0, 1].
        coarse: alpha (1, h, w) in [0, 1].
    """
    graph = guide.graph
    height, width = guide.side(1), guide.side(2)
    longest = height.at_least(width).cast(np.float64)
    reach = (longest / 110).rounded().cast(np.int64).at_least(1)
    taps = (reach * 2 + 1).reshape([1])
    ones = graph.op("Expand", graph.constant([1.0], np.float32), taps)
    weights = ones / taps.cast(np.float32)
    down = window_matrix(graph, height, reach, weights, edge_twice=True)
    across = window_matrix(graph, width, reach, weights, edge_twice=True).transpose(1, 0)

    def mean(values: Value) -> Value:
        return down @ values @ across

    channels = [guide.part(i, i + 1) for i in range(3)]
    return graph.join(guided_filter(mean, channels, coarse, GUIDE_EPSILON), 0)
