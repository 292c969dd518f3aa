"""One graph that harmonizes a picture of any size: what :class:`phnet.Harmonizer` does.

Inputs: ``composite`` uint8 (H, W, 4), RGB and an alpha that passes through; ``mask`` float32 in [0,
1], resized if it is of another size of that aspect; ``strength`` float32, a scalar in [0, 2];
``lift`` int32, a scalar: the place of the lift in :data:`LIFTS`; ``light`` float32, a scalar in [0,
1], which only counts where the network takes one; ``gains`` float32 (3,), what the trims multiply
red, green and blue by (:class:`phnet.harmonization.tiling.Trims`). For a person in a scene
(:mod:`phnet.web.graphs.compose`) also ``foreground`` and ``background``, uint8 (H, W, 4): the
person's own colors, which are mapped and blended over the scene; empty ones (0, 0, 4) stand for
the composite. Output: ``harmonized`` uint8 (H, W, 4).
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import onnx

from phnet.harmonization.harmonizer import Harmonizer
from phnet.options import Lift
from phnet.web.graphs.builder import Graph, Value
from phnet.web.graphs.lift import enlarging, enlarging_linearly, field, in_strips, unblended
from phnet.web.graphs.lut3d import fitted_table, looked_up
from phnet.web.graphs.resizing import area_or_linear, area_taps, cubic_taps, linear_taps, resize

LIFTS = get_args(Lift)
PICTURE: list[str | int] = ["height", "width", 4]
PLANE: list[str | int] = ["mask_height", "mask_width"]


def harmonizing_model(model: str | os.PathLike[str] | None = None) -> onnx.ModelProto:
    """The graph, with the network that ``model`` names inside; see :class:`phnet.Harmonizer`.

    Raises:
        BadModel: the file is missing or is not a harmonization network.
    """
    harmonizer = Harmonizer(model, threads=1)  # refuses what is none
    card = harmonizer.card
    graph = Graph()
    composite = graph.input("composite", np.uint8)
    mask = graph.input("mask", np.float32)
    foreground, background = (graph.input(name, np.uint8) for name in ("foreground", "background"))
    strength, lift = graph.input("strength", np.float32), graph.input("lift", np.int32)
    light, gains = graph.input("light", np.float32), graph.input("gains", np.float32)
    gains = gains.reshape([3, 1, 1])
    mask = _of_size(mask, composite.side(0), composite.side(1))
    seen = _seen(harmonizer, composite, mask, light)
    blended = _Blended(composite, mask, foreground, background, strength, gains)

    wants_places = (lift < LIFTS.index("lut")).both(graph.op("Not", seen.whole))

    def fitted() -> Value:
        return graph.choose(
            lift.equals(LIFTS.index("lut")),
            lambda: _by_table(blended, seen),
            lambda: graph.choose(
                wants_places, lambda: _by_place(blended, seen), lambda: _plain(blended, seen)
            ),
        )

    if seen.field is None:
        output = fitted()
    else:
        output = graph.choose(lift.equals(0), lambda: _by_field(blended, seen), fitted)
    inputs: dict[str, tuple[Any, list[str | int]]] = {
        "composite": (np.uint8, PICTURE),
        "mask": (np.float32, PLANE),
        "foreground": (np.uint8, ["own_height", "own_width", 4]),
        "background": (np.uint8, ["scene_height", "scene_width", 4]),
        "strength": (np.float32, []),
        "lift": (np.int32, []),
        "light": (np.float32, []),
        "gains": (np.float32, [3]),
    }
    about = card.about | {"light": card.light if harmonizer.takes_light else None}
    metadata = {"phnet": json.dumps(about, sort_keys=True)}
    return graph.model(inputs, {"harmonized": (output, PICTURE)}, metadata)


@dataclass(frozen=True)
class _Seen:
    """Input of the network, (3, h, w) and (1, h, w) in [0, 1], and its answers."""

    picture: Value
    mask: Value
    result: Value  # (3, h, w)
    field: Value | None  # (13, rows, columns), of a network that has one
    whole: Value  # a bool: it sees the composite at its own size


def _seen(harmonizer: Harmonizer, composite: Value, mask: Value, light: Value) -> _Seen:
    """Show the network the composite (H, W, 4) and its mask (H, W), as small as it wants them."""
    graph, card = composite.graph, harmonizer.card
    network = onnx.load(harmonizer.path, load_external_data=False)

    def smaller(side: Value) -> Value:
        return (side.at_most(card.resolution) // card.multiple * card.multiple).at_least(
            card.multiple
        )

    height, width = composite.side(0), composite.side(1)
    low, narrow = smaller(height), smaller(width)
    # OpenCV rounds bytes to bytes, while masks are floats by then.
    picture = resize(composite, low, narrow, 4, area_taps).rounded().between(0, 255)
    small_mask = resize(mask.wider(2), low, narrow, 1, area_taps)
    if harmonizer.has_field:  # a field's network sees squares, also of smaller pictures
        low = narrow = graph.whole(card.resolution // card.multiple * card.multiple)
        picture = resize(picture, low, narrow, 4, linear_taps).rounded().between(0, 255)
        small_mask = resize(small_mask, low, narrow, 1, linear_taps)
    picture = (picture / 255).transpose(2, 0, 1).part(0, 3)
    small_mask = small_mask.between(0, 1).transpose(2, 0, 1)
    small = {"image": picture.wider(0), "mask": small_mask.wider(0)}
    if harmonizer.takes_light:
        small["light"] = light.reshape([1])
    outputs = ["harmonized", "field"] if harmonizer.has_field else ["harmonized"]
    result, *fields = graph.embed(network, small, outputs)
    result = result.reshape([3, low, narrow])
    same_size = low.equals(height).both(narrow.equals(width))
    return _Seen(picture, small_mask, result, fields[0] if fields else None, same_size)


@dataclass(frozen=True)
class _Blended:
    """The composite with changed colors under the mask; see the graph's inputs."""

    composite: Value
    mask: Value  # (H, W)
    foreground: Value
    background: Value
    strength: Value
    gains: Value  # (3, 1, 1)

    def by(self, change: Callable[[Value, Value], Value], around: int = 0) -> Value:
        """Blend ``change``, from rows and colors (3, S, W) to colors, over the background.

        With rows ``around``, the change gets colors (3, S + 2 around, W).
        """

        def piece(rows: Value, pixels: Value) -> Value:
            own = self._given(self.foreground, rows, pixels)
            below = self._given(self.background, rows, pixels)
            more = own
            if around:
                end = rows.side(0) - around
                rows, own = rows.part(around, end), own.part(around, end, 1)
                below, pixels = below.part(around, end, 1), pixels.part(around, end, 1)
            new = own + (change(rows, more).between(0, 1) - own) * self.strength
            new = (new * self.gains).between(0, 1)
            mixed = below + (new - below) * self.mask.take(rows).wider(0)
            mixed = (mixed * 255).rounded()  # within the bytes, as its two parts and the mask are
            both = self.composite.graph.join([mixed, pixels.part(3, 4)], 0)
            return both.cast(np.uint8).transpose(1, 2, 0)

        return in_strips(self.composite, piece, around)

    @staticmethod
    def _given(picture: Value, rows: Value, pixels: Value) -> Value:
        """Rows (3, S, W) in [0, 1] of another picture; an empty one: of the composite."""
        colors = picture.graph.choose(
            picture.side(0).equals(0),
            lambda: pixels,
            lambda: picture.take(rows).cast(np.float32).transpose(2, 0, 1),
        )
        return colors.part(0, 3) / 255


def _plain(blended: _Blended, seen: _Seen) -> Value:
    """The network's own result, enlarged."""
    predicted, _ = unblended(seen.picture, seen.result, seen.mask)
    enlarged = enlarging(blended.composite, predicted, 3, cubic_taps)
    return blended.by(lambda rows, _: enlarged(rows))


def _by_place(blended: _Blended, seen: _Seen) -> Value:
    """A map of colors, fitted at each place of the small pictures."""
    coefficients = field(seen.picture, seen.result, seen.mask)
    enlarged = enlarging(blended.composite, coefficients, 12, linear_taps)

    def change(rows: Value, colors: Value) -> Value:
        planes = enlarged(rows)
        planes = planes.reshape([3, 4, planes.side(1), planes.side(2)])
        return (planes.part(0, 3, 1) * colors).sum(1) + planes.take(3, 1)

    return blended.by(change)


def _by_field(blended: _Blended, seen: _Seen) -> Value:
    """The network's own map at each place, see :meth:`phnet.harmonization.field.Field.apply`."""
    graph = blended.composite.graph
    assert seen.field is not None
    planes = seen.field.reshape([13, seen.field.side(2), seen.field.side(3)])
    groups = [planes.part(k, k + 3) for k in (0, 3, 6, 9)]
    enlarged = enlarging_linearly(blended.composite, [*groups, planes.part(12, 13)])

    def change(rows: Value, more: Value) -> Value:
        end = rows.side(0) + 1
        *slopes, offset, detail = enlarged(rows)
        colors = more.part(1, end, 1)
        edges = [more.part(0, 1, 2), more, more.part(-1, 1 << 20, 2)]
        blurred = graph.join(edges, 2).wider(0)
        for _ in range(2):  # twice the mean of two by two is the binomial blur
            blurred = graph.op("AveragePool", blurred, kernel_shape=[2, 2])
        new = colors + offset + detail * (colors - blurred.take(0))
        for k, slope in enumerate(slopes):
            new = new + slope * colors.part(k, k + 1)
        return new

    return blended.by(change, around=1)


def _by_table(blended: _Blended, seen: _Seen) -> Value:
    """One table of colors for all places."""
    table = fitted_table(seen.picture, seen.result, seen.mask)
    return blended.by(lambda _, colors: looked_up(table, colors))


def _of_size(mask: Value, height: Value, width: Value) -> Value:
    """The mask at the composite's size, see :func:`phnet.images.arrays.check_mask`."""
    graph = mask.graph
    same = mask.side(0).equals(height).both(mask.side(1).equals(width))

    def resized() -> Value:
        plane = area_or_linear(mask.wider(2), height, width, 1)
        return plane.between(0, 1).reshape([height, width])

    return graph.choose(same, lambda: mask, resized)
