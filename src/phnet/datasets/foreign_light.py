"""The benchmark of people pasted into another light: ten named lights, each in seeded variations.

Written apart from the training's synthesis (:mod:`phnet.datasets.scene_light`), with lights, a
camera curve and arithmetic of its own, so that a network cannot do well on it by having learned the
other's ways. The real photo is person and background under the light; the composite is the same
with the person as the photo was.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from phnet.datasets.synthesis import binarize
from phnet.images.arrays import Bools, Bytes, Doubles, Pixels, to_uint8

# Of each light: color in linear light (R, G, B), range of exposure in stops, share of a veil in its
# own color, and range of saturation.
Triple = tuple[float, float, float]
Pair = tuple[float, float]
LIGHTS: dict[str, tuple[Triple, Pair, float, Pair]] = {
    "tungsten": ((1.45, 0.95, 0.45), (-1.4, 0.0), 0.0, (0.85, 1.1)),
    "candle": ((1.8, 0.85, 0.28), (-2.4, -1.0), 0.0, (0.8, 1.0)),
    "sunset": ((1.5, 0.92, 0.55), (-1.2, 0.3), 0.06, (0.95, 1.25)),
    "golden field": ((1.25, 1.0, 0.65), (-0.4, 0.6), 0.03, (0.95, 1.2)),
    "dusk": ((1.05, 0.9, 1.2), (-2.2, -0.9), 0.04, (0.7, 1.0)),
    "blue hour": ((0.6, 0.95, 1.75), (-2.2, -0.8), 0.02, (0.7, 1.0)),
    "night": ((0.55, 0.95, 1.6), (-3.2, -1.8), 0.0, (0.4, 0.8)),
    "forest": ((0.85, 1.12, 0.7), (-1.8, -0.3), 0.0, (0.8, 1.1)),
    "snow shade": ((0.85, 1.0, 1.3), (-0.2, 0.7), 0.04, (0.75, 1.0)),
    "fog": ((0.96, 1.0, 1.06), (-0.6, 0.3), 0.3, (0.6, 0.9)),
    "neon": ((1.35, 0.6, 1.5), (-1.6, -0.4), 0.0, (0.9, 1.3)),
}


@dataclass(frozen=True)
class Pasted:
    """A paste under foreign light."""

    composite: Bytes  # uint8 (H, W, 3)
    mask: Bools  # (H, W)
    real: Bytes  # uint8 (H, W, 3); equals the composite outside the mask
    light: str  # a name of LIGHTS


def expose(photo: Bytes, name: str, rng: np.random.Generator, mask: Bools | None = None) -> Doubles:
    """A photo under the named light, encoded, in [0, 1]; half the veil lies before the person."""
    color, stops, veil, saturations = LIGHTS[name]
    gains = np.array(color) * np.exp(rng.normal(0, 0.08, 3))
    gains /= gains @ [0.2126, 0.7152, 0.0722]
    exposure = 2.0 ** rng.uniform(*stops)
    linear = (photo / 255.0) ** 2.2  # the power that stands for the sRGB curve on many screens
    amount = np.full((*photo.shape[:2], 1), veil * rng.uniform(0.5, 1.5))
    if mask is not None:
        amount = np.where(mask[..., None], amount / 2, amount)
    linear = linear * gains * exposure * (1 - amount) + amount * gains * min(exposure, 0.8)
    # A shoulder in place of hard clipping: 1 - exp(-x), bent to keep the slope of the middle.
    knee = rng.uniform(0.0, 0.5)
    linear = (1 - knee) * np.minimum(linear, 1) + knee * (1 - np.exp(-1.8 * linear))
    encoded = np.clip(linear, 0, 1) ** (1 / 2.2 * np.exp(rng.normal(0, 0.06)))
    gray = encoded @ np.array([0.299, 0.587, 0.114])
    saturation = rng.uniform(*saturations)
    return np.asarray(np.clip(gray[..., None] + saturation * (encoded - gray[..., None]), 0, 1))


def paste(
    photo: Bytes, mask: Pixels, scene: Bytes | None, seed: list[int], light: str | None = None
) -> Pasted:
    """Make one composite of the benchmark.

    Args:
        photo: uint8 (H, W, 3).
        mask: (H, W), as :func:`phnet.datasets.synthesis.binarize` takes it.
        scene: uint8, of any size, cut to the photo's aspect: the background instead of the
            photo's own; None for that one.
        seed: decides light and variation.
        light: a name of LIGHTS, instead of the one that is drawn.
    """
    rng = np.random.default_rng(seed)
    hard = binarize(mask)
    drawn = list(LIGHTS)[int(rng.integers(len(LIGHTS)))]
    name = light or drawn
    whole = photo
    if scene is not None:
        whole = np.where(hard[..., None], photo, covering(scene, hard.shape[0], hard.shape[1]))
    real = to_uint8(expose(whole, name, rng, hard))
    return Pasted(np.where(hard[..., None], photo, real), hard, real, name)


def covering(scene: Bytes, height: int, width: int) -> Bytes:
    """The scene's middle, of this aspect and size."""
    scale = max(height / scene.shape[0], width / scene.shape[1])
    h, w = min(round(height / scale), scene.shape[0]), min(round(width / scale), scene.shape[1])
    top, left = (scene.shape[0] - h) // 2, (scene.shape[1] - w) // 2
    part = scene[top : top + h, left : left + w]
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(part, (width, height), interpolation=method), np.uint8)
