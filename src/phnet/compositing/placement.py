"""Placement of a person in a scene: corner and scale."""

from dataclasses import dataclass

import cv2
import numpy as np

from phnet.errors import BadInput
from phnet.images.arrays import Floats

MOST_ENLARGED = 2.0  # of a portrait whose place is not given
SEEN = 0.5  # alpha from which a pixel counts as part of the person
LARGEST_LAYER = 1 << 24  # pixels that a scaled portrait may have besides four times the scene's


@dataclass(frozen=True)
class Cutout:
    """A person without a background, at the portrait's own size."""

    colors: Floats  # (h, w, 3) in [0, 1]
    alpha: Floats  # (h, w) in [0, 1]


@dataclass(frozen=True)
class Place:
    """Corner and scale of a portrait in a scene."""

    x: float  # of the portrait's left edge, in the scene's pixels; may be negative
    y: float  # of its upper edge
    scale: float  # the scene's pixels per pixel of the portrait

    def __str__(self) -> str:
        return f"{self.x:.0f},{self.y:.0f},{self.scale:.4g}"


def choose_place(
    place: tuple[float, float, float] | None,
    fit: str | None,
    portrait: tuple[int, ...],
    scene: tuple[int, ...],
) -> Place | None:
    """Choose the placement that ``place`` and ``fit`` ask for; None where both leave it open.

    Args:
        place: x, y, scale.
        fit: "cover" or None.
        portrait: (h, w).
        scene: (H, W).

    Raises:
        BadInput: both are given, or one is not usable.
    """
    if fit not in (None, "cover"):
        raise BadInput(f"fit: expected cover, got {fit!r}")
    if place is not None and fit is not None:
        raise BadInput("place and fit: expected one of them, got both")
    if fit:
        scale = max(scene[0] / portrait[0], scene[1] / portrait[1])
        return Place(
            (scene[1] - portrait[1] * scale) / 2, (scene[0] - portrait[0] * scale) / 2, scale
        )
    if place is None:
        return None
    if not (len(place) == 3 and np.isfinite(place).all() and place[2] > 0):
        raise BadInput(f"place: expected x, y and a scale above 0, got {place}")
    return Place(*place)


def default_place(alpha: Floats, scene: tuple[int, int]) -> Place:
    """At the bottom, centered, as large as the scene's height allows, enlarged at most twice.

    The portrait's height is the measure, so the room above the head stays; what is centered and
    stands on the bottom is the person. A person wider than the scene is made narrower.

    Args:
        alpha: the portrait's (h, w) in [0, 1].
        scene: (H, W).
    """
    _, bottom, left, right = extent(alpha)
    scale = min(scene[0] / alpha.shape[0], scene[1] / (right - left), MOST_ENLARGED)
    return Place(scene[1] / 2 - scale * (left + right) / 2, scene[0] - scale * bottom, scale)


def extent(alpha: Floats) -> tuple[int, int, int, int]:
    """First row, last row + 1, first column, last column + 1 of the person in (h, w)."""
    person = alpha >= min(SEEN, float(alpha.max()))
    rows, columns = np.flatnonzero(person.any(1)), np.flatnonzero(person.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def cut_sides(alpha: Floats) -> list[str]:
    """At which of left, right and top the portrait's own frame cuts the person off."""
    least = max(1, round(0.02 * max(alpha.shape)))
    edges = {"left": alpha[:, 0], "right": alpha[:, -1], "top": alpha[0]}
    return [name for name, edge in edges.items() if (edge >= SEEN).sum() >= least]


def put(cutout: Cutout, scene: tuple[int, int], place: Place) -> tuple[Floats, Floats]:
    """Bring a cutout to its place: colors (H, W, 3) and mask (H, W) at the scene's size.

    Colors are weighted by alpha while they are resized, so none from outside the person flow in.

    Raises:
        BadInput: the portrait would become far larger than the scene.
    """
    height, width = scene
    rows, columns = (max(1, round(side * place.scale)) for side in cutout.alpha.shape)
    if rows * columns > LARGEST_LAYER + 4 * height * width:
        raise BadInput(f"place {place}: the portrait would be enlarged to {columns}x{rows} pixels")
    shrinks = place.scale < 1
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    x, y = round(place.x), round(place.y)
    colors, mask = np.zeros((height, width, 3), np.float32), np.zeros(scene, np.float32)
    top, bottom = max(0, y), min(height, y + rows)
    left, right = max(0, x), min(width, x + columns)
    if top < bottom and left < right:

        def seen(layer: Floats) -> Floats:
            resized = cv2.resize(layer, (columns, rows), interpolation=how)
            return np.clip(resized[top - y : bottom - y, left - x : right - x], 0, 1)

        alpha = seen(cutout.alpha)
        alpha[alpha < 0.5 / 255] = 0
        mask[top:bottom, left:right] = alpha
        safe = np.maximum(alpha, 0.5 / 255)
        for c in range(3):  # one after the other, which bounds the memory
            straight = seen(cutout.colors[..., c] * cutout.alpha) / safe
            colors[top:bottom, left:right, c] = np.clip(straight, 0, 1)
    return colors, mask
