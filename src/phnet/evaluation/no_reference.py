"""Checks of a harmonized portrait that need no true photo."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from phnet.images.arrays import Bools, Bytes, Doubles

LUMA = np.array([0.299, 0.587, 0.114])
RING = 4  # pixels, how far from the mask's edge a color step is looked for
FLAT = 1e-9  # a sum of squared gradients below this is no detail at all


@dataclass(frozen=True)
class Checks:
    """The checks of one image."""

    gradient_correlation: float  # with the composite, under the mask; 1: all detail kept
    color_step: float  # across the mask's edge, in gray levels
    color_step_before: float  # the same of the composite
    clipped: float  # share of the foreground's values that are 0 or 255 and were not before
    background_changed: int  # pixels outside the mask that are not the composite's


CHECKS = tuple(Checks.__dataclass_fields__)


def check(predicted: Bytes, composite: Bytes, mask: Bools) -> Checks:
    """All checks of one image.

    Args:
        predicted: uint8 (H, W, 3).
        composite: the same.
        mask: bool (H, W), the foreground.
    """
    return Checks(
        gradient_correlation(predicted, composite, mask),
        color_step(predicted, mask),
        color_step(composite, mask),
        clipped(predicted, composite, mask),
        background_changed(predicted, composite, mask),
    )


def gradient_correlation(predicted: Bytes, composite: Bytes, mask: Bools) -> float:
    """Pearson's correlation of the two pictures' luma gradients inside the foreground.

    In [-1, 1]. Any change of brightness or contrast gives 1; blur and invented edges give less.
    Pixels at the mask's edge, where harmonizing is meant to change the gradient, are left out.
    NaN where the foreground is too small or flat to have a gradient.
    """
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    a, b = _gradients(predicted, inside), _gradients(composite, inside)
    a, b = a - a.mean() if a.size else a, b - b.mean() if b.size else b
    scale = float((a * a).sum()) * float((b * b).sum())
    return float((a * b).sum()) / math.sqrt(scale) if scale > FLAT else math.nan


def _gradients(image: Bytes, inside: Bools) -> Doubles:
    luma = image @ LUMA
    down, across = np.zeros_like(luma), np.zeros_like(luma)
    down[1:-1] = (luma[2:] - luma[:-2]) / 2
    across[:, 1:-1] = (luma[:, 2:] - luma[:, :-2]) / 2
    return np.concatenate([down[inside], across[inside]])


def color_step(image: Bytes, mask: Bools) -> float:
    """Measure the color step at the mask's edge: the mean difference between its two sides.

    At each pixel within 2 of the edge, the mean color of the foreground within RING pixels is
    compared with that of the background; the absolute difference is averaged over channels and
    pixels. In gray levels, [0, 255]. A real photo has such a step, too: a person is not the
    wall. NaN where there is no edge.
    """
    weight = mask.astype(np.float64)
    square = np.ones((3, 3), np.uint8)
    edge = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, square)
    inside, outside = _nearby(image, weight), _nearby(image, 1 - weight)
    ring = (edge > 0) & np.isfinite(inside[..., 0]) & np.isfinite(outside[..., 0])
    if not ring.any():
        return math.nan
    return float(np.abs(inside[ring] - outside[ring]).mean())


def _nearby(image: Bytes, weight: Doubles) -> Doubles:
    """The mean color within RING pixels of what ``weight`` counts; NaN where that is nothing."""

    def summed(values: Doubles) -> Doubles:
        size = (2 * RING + 1, 2 * RING + 1)
        box = cv2.boxFilter(values, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(box, np.float64)

    total, amount = summed(image * weight[..., None]), summed(weight)[..., None]
    return np.where(amount > 0.5, total / np.maximum(amount, 0.5), np.nan)


def clipped(predicted: Bytes, composite: Bytes, mask: Bools) -> float:
    """The share of the foreground's values that are 0 or 255 now and were not before."""
    now, before = predicted[mask], composite[mask]
    lost = ((now == 0) | (now == 255)) & (before > 0) & (before < 255)
    return float(lost.mean()) if lost.size else 0.0


def background_changed(predicted: Bytes, composite: Bytes, mask: Bools) -> int:
    """Count the pixels outside the mask that differ from the composite's at all."""
    return int((predicted[~mask] != composite[~mask]).any(-1).sum())
