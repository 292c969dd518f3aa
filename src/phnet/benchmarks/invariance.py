"""Invariance of answers to what should not matter: the picture's sharpness, and its size."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from phnet.datasets.benchmark_sets import SEED, load_pair, photos_with_masks
from phnet.datasets.foreign_light import paste
from phnet.harmonization.harmonizer import Harmonizer
from phnet.images.arrays import Doubles, Floats, Pixels

BLUR = 1.5  # pixels, sigma of the blurred version and of the unsharp mask
UNSHARP = 2.0  # 200%
SIDES = (200, 256, 257, 384, 512)


@dataclass(frozen=True)
class Invariance:
    """Changes of a foreground's mean color, in levels of [0, 255], one entry a composite."""

    sharpness: Doubles  # (N, 3): how large for the blurred, the same, the sharpened
    sizes: Doubles  # (N, sides, 3): red, green and blue at each of SIDES

    @property
    def sharp_to_soft(self) -> float:
        """Median ratio of the change of the sharpened to that of the blurred."""
        return float(np.median(self.sharpness[:, 2] / np.maximum(self.sharpness[:, 0], 1e-3)))

    @property
    def spread(self) -> float:
        """Median over composites of the largest distance from 512's change, as a share of it."""
        last = self.sizes[:, -1:]
        away = np.linalg.norm(self.sizes - last, axis=2).max(1)
        return float(np.median(away / np.maximum(np.linalg.norm(last[:, 0], axis=1), 1e-3)))


def measure(
    harmonizer: Harmonizer,
    composites: Sequence[tuple[Pixels, Floats]],
    light: float | None = None,
) -> Invariance:
    """Harmonize every composite blurred, as it is and sharpened, and at five sizes.

    Args:
        harmonizer: the network.
        composites: RGB uint8 (H, W, 3) with masks float32 (H, W) in [0, 1].
        light: see :meth:`phnet.harmonization.harmonizer.Harmonizer.harmonize`.
    """

    def change(picture: Pixels, mask: Floats) -> Doubles:
        result = harmonizer.color_map(picture, mask, light=light).apply(picture, mask)
        return np.asarray((result.astype(np.float64) - picture)[mask > 0.5].mean(0))

    sharpness, sizes = [], []
    for picture, mask in composites:
        soft, hard = soft_and_hard(picture)
        versions = (soft, picture, hard)
        sharpness.append([float(np.linalg.norm(change(p, mask))) for p in versions])
        at_sizes = []
        for side in SIDES:
            small, alpha = (resized(p, side) for p in (picture, mask))
            at_sizes.append(change(small, np.clip(alpha, 0, 1)))
        sizes.append(at_sizes)
    return Invariance(np.array(sharpness), np.array(sizes))


def soft_and_hard(picture: Pixels) -> tuple[Pixels, Pixels]:
    """A picture (uint8) blurred, and sharpened."""
    soft = cv2.GaussianBlur(picture, (0, 0), BLUR)
    hard = cv2.addWeighted(picture, 1 + UNSHARP, soft, -UNSHARP, 0)
    return np.asarray(soft, np.uint8), np.asarray(hard, np.uint8)


def resized(picture: Pixels, side: int) -> Pixels:
    """A square version of ``side`` pixels."""
    method = cv2.INTER_AREA if min(picture.shape[:2]) >= side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method))


def invariance_figures(photos: Path, harmonizer: Harmonizer, count: int = 20) -> dict[str, Any]:
    """Both measures on pastes under foreign light made of a folder's first photos.

    Args:
        photos: NAME.jpg with masks NAME.png.
        harmonizer: the network; where it takes a light it is asked for 0 and for its default.
        count: of composites.
    """
    composites = []
    for i, (photo_path, mask_path) in enumerate(photos_with_masks(photos)[:count]):
        made = paste(*load_pair(photo_path, mask_path), None, [SEED, i])
        composites.append((made.composite, made.mask.astype(np.float32)))
    lights = [0.0, harmonizer.card.light] if harmonizer.takes_light else [None]
    figures: dict[str, Any] = {"composites": len(composites)}
    for light in lights:
        found = measure(harmonizer, composites, light)
        figures[f"light {light:g}" if light is not None else "as it is"] = {
            "mean_change_blurred": round(float(found.sharpness[:, 0].mean()), 2),
            "mean_change": round(float(found.sharpness[:, 1].mean()), 2),
            "mean_change_sharpened": round(float(found.sharpness[:, 2].mean()), 2),
            "sharpened_to_blurred_median": round(found.sharp_to_soft, 3),
            "sizes_200_to_512_median": round(found.spread, 3),
        }
    return figures
