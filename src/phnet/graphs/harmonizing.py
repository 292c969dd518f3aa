"""One graph that harmonizes a picture of any size: what :class:`phnet.Harmonizer` does.

Inputs: ``composite`` uint8 (H, W, 4), RGB and an alpha that passes through; ``mask`` uint8 of that
aspect, resized if it is of another size; ``strength`` float32, a scalar in [0, 1]; ``lift`` int32,
a scalar: the place of the lift in :data:`LIFTS`. Output: ``harmonized`` uint8 (H, W, 4).
"""

import json
import os

import numpy as np
import onnx

from phnet.graphs.lifting import enlarging, field, in_strips, unblended
from phnet.graphs.nodes import Graph, Value
from phnet.graphs.resizing import area_or_linear, area_taps, cubic_taps, linear_taps, resize
from phnet.graphs.table import looked_up, table
from phnet.harmonizer import Harmonizer

LIFTS = ("guided", "lut", "none")
PICTURE: list[str | int] = ["height", "width", 4]
PLANE: list[str | int] = ["mask_height", "mask_width"]


def harmonizing_model(model: str | os.PathLike[str] | None = None) -> onnx.ModelProto:
    """The graph, with the network that ``model`` names inside; see :class:`phnet.Harmonizer`.

    Raises:
        BadModel: the file is missing or is not a harmonization network.
    """
    harmonizer = Harmonizer(model, threads=1)  # refuses what is none
    network = onnx.load(harmonizer.path, load_external_data=False)
    card = harmonizer.card
    graph = Graph()
    composite = graph.input("composite", np.uint8)
    mask = graph.input("mask", np.uint8)
    strength, lift = graph.input("strength", np.float32), graph.input("lift", np.int32)

    def smaller(side: Value) -> Value:
        return (side.at_most(card.resolution) // card.multiple * card.multiple).at_least(
            card.multiple
        )

    height, width = composite.side(0), composite.side(1)
    mask = _of_size(mask, height, width)
    low, narrow = smaller(height), smaller(width)
    # OpenCV rounds bytes to bytes, while masks are floats by then.
    picture = resize(composite, low, narrow, 4, area_taps).rounded().between(0, 255)
    picture = (picture / 255).transpose(2, 0, 1).part(0, 3)
    small_mask = resize(mask.wider(2), low, narrow, 1, area_taps)
    small_mask = (small_mask / 255).between(0, 1).transpose(2, 0, 1)
    inputs = {"image": picture.wider(0), "mask": small_mask.wider(0)}
    result = graph.embed(network, inputs, "harmonized").reshape([3, low, narrow])

    def blended(rows: Value, pixels: Value, new: Value) -> Value:
        rgb = pixels.part(0, 3) / 255
        amount = mask.take(rows).cast(np.float32).wider(0) / 255 * strength
        mixed = rgb + (new.between(0, 1) - rgb) * amount
        mixed = (mixed.between(0, 1) * 255).rounded()
        return graph.join([mixed, pixels.part(3, 4)], 0).cast(np.uint8).transpose(1, 2, 0)

    def plain() -> Value:
        predicted, _ = unblended(picture, result, small_mask)
        enlarged = enlarging(composite, predicted, 3, cubic_taps)
        return in_strips(composite, lambda rows, pixels: blended(rows, pixels, enlarged(rows)))

    def by_place() -> Value:
        coefficients = field(picture, result, small_mask)
        enlarged = enlarging(composite, coefficients, 12, linear_taps)

        def piece(rows: Value, pixels: Value) -> Value:
            planes = enlarged(rows)
            planes = planes.reshape([3, 4, planes.side(1), planes.side(2)])
            new = (planes.part(0, 3, 1) * (pixels.part(0, 3) / 255)).sum(1) + planes.take(3, 1)
            return blended(rows, pixels, new)

        return in_strips(composite, piece)

    def by_table() -> Value:
        colours = table(picture, result, small_mask)

        def piece(rows: Value, pixels: Value) -> Value:
            return blended(rows, pixels, looked_up(colours, pixels.part(0, 3) / 255))

        return in_strips(composite, piece)

    same_size = low.equals(height).both(narrow.equals(width))
    wants_places = lift.equals(LIFTS.index("guided")).both(graph.op("Not", same_size))
    output = graph.choose(
        lift.equals(LIFTS.index("lut")),
        by_table,
        lambda: graph.choose(wants_places, by_place, plain),
    )
    inputs_of = {"composite": (np.uint8, PICTURE), "mask": (np.uint8, PLANE)}
    return graph.model(
        {**inputs_of, "strength": (np.float32, []), "lift": (np.int32, [])},
        {"harmonized": (output, PICTURE)},
        {"phnet": json.dumps(card.about, sort_keys=True)},
    )


def _of_size(mask: Value, height: Value, width: Value) -> Value:
    """The mask at the composite's size, see :func:`phnet.pixels.check_mask`, rounded to bytes."""
    graph = mask.graph
    same = mask.side(0).equals(height).both(mask.side(1).equals(width))

    def resized() -> Value:
        plane = area_or_linear(mask.wider(2), height, width, 1)
        return plane.rounded().between(0, 255).cast(np.uint8).reshape([height, width])

    return graph.choose(same, lambda: mask, resized)
