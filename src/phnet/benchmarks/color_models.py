"""Bounds of families of color maps: one map a foreground, fitted to the true photo."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from phnet.datasets.benchmark_sets import (
    SEED,
    load_pair,
    make_triple,
    photos_with_masks,
)
from phnet.images.arrays import Bools, Doubles, Pixels

FAMILIES = ("affine", "affine and detail", "with squares", "with squares and detail")


def features(composite: Pixels, family: str) -> list[Doubles]:
    """Terms that each output channel is a sum of: for red, green and blue, (pixels, terms)."""
    x = composite.astype(np.float64) / 255
    terms = [x.reshape(-1, 3), np.ones((x.shape[0] * x.shape[1], 1))]
    if "squares" in family:
        terms.append(x.reshape(-1, 3) ** 2)
    shared = np.concatenate(terms, 1)
    if "detail" not in family:
        return [shared] * 3
    blurred = cv2.GaussianBlur(x, (3, 3), 0, borderType=cv2.BORDER_REPLICATE)
    detail = (x - blurred).reshape(-1, 3)
    return [np.column_stack([shared, detail[:, c]]) for c in range(3)]


def least_error(composite: Pixels, mask: Bools, real: Pixels, family: str) -> float:
    """MSE on [0, 255], over all pixels, that the family's best map leaves.

    Args:
        composite: uint8 (H, W, 3).
        mask: (H, W), where the map is applied.
        real: uint8 (H, W, 3).
        family: one of FAMILIES.
    """
    inside = mask.ravel()
    target = real.reshape(-1, 3)[inside] / 255
    result = np.empty_like(target)
    for c, columns in enumerate(features(composite, family)):
        weights, *_ = np.linalg.lstsq(columns[inside], target[:, c], rcond=None)
        result[:, c] = columns[inside] @ weights
    error = np.square(np.clip(result, 0, 1) - target).sum() * 255**2
    return float(error / real.size)


def shares(triples: Sequence[tuple[Pixels, Bools, Pixels]]) -> dict[str, float]:
    """For each family the MSE that is left, as a share of the untouched composites'."""
    before = sum(float(np.square(c.astype(np.float64) - r).mean()) for c, _, r in triples)
    return {
        family: sum(least_error(c, m, r, family) for c, m, r in triples) / before
        for family in FAMILIES
    }


def color_model_figures(photos: Path) -> dict[str, Any]:
    """Shares of MSE on the paper's recipe at 256 pixels, of a folder's NAME.jpg with NAME.png."""
    triples = []
    for i, (photo_path, mask_path) in enumerate(photos_with_masks(photos)):
        pair = load_pair(photo_path, mask_path)
        composite, hard, real = make_triple("paper", *pair, None, [SEED, i])
        triples.append((composite, hard > 0, real))
    found = {family: round(share, 4) for family, share in shares(triples).items()}
    return {"composites": len(triples), "share_of_mse_left": found}
