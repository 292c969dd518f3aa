"""Several persons under one mask: a mask for each, so that each gets a correction of its own."""

import cv2
import numpy as np

from phnet.images.arrays import Floats, Pixels, in_levels
from phnet.images.push_pull import spread

APART = 0.1  # mask from which pixels hang together
LEAST = 0.02  # share of the largest person's area that another must have
MOST = 16  # persons that are told apart


def persons(mask: Floats, ids: Pixels | None = None) -> list[Floats]:
    """A mask (H, W) for each person, largest first; together they are the mask.

    Args:
        mask: everybody's.
        ids: (H, W), which person each pixel belongs to. None: every separate region is one; small
            regions, and what is faint, belong to the nearest.
    """
    if ids is not None:
        known, counts = np.unique(ids[mask > 0], return_counts=True)
        largest_first = np.argsort(-counts, kind="stable")
        return [np.where(ids == known[k], mask, np.float32(0)) for k in largest_first]
    count, labels, about, _ = cv2.connectedComponentsWithStats((mask >= APART).astype(np.uint8))
    areas = about[1:, cv2.CC_STAT_AREA]
    if count <= 2:
        return [mask]
    order = np.argsort(-areas, kind="stable")[:MOST]
    kept = [int(k) + 1 for k in order if areas[k] >= LEAST * areas.max()]
    if len(kept) == 1:
        return [mask]
    away = [cv2.distanceTransform((labels != k).astype(np.uint8), cv2.DIST_L2, 3) for k in kept]
    nearest = np.argmin(away, 0)
    return [np.where(nearest == i, mask, np.float32(0)) for i in range(len(kept))]


def without_others(picture: Pixels, mask: Floats, others: Floats) -> Pixels:
    """A picture (H, W, 3) in which others than the person at hand are background.

    Args:
        picture: the composite.
        mask: (H, W), everybody's.
        others: (H, W), of those who shall not be seen.
    """
    made = np.array(picture)
    indices = np.nonzero(others > 0)
    behind = spread(picture, (mask <= 0).astype(np.float32), 256).at_places(*indices)
    made[indices] = in_levels(behind, picture.dtype)
    return made
