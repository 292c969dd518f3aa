"""Quality of mattes: IoU against masks, and time on one thread."""

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from phnet.datasets.readers import masked_photos
from phnet.errors import BadInput
from phnet.images import load, load_mask
from phnet.matting.matte import Matter


def matte_figures(folder: Path, matter: Matter, refine: str = "guided") -> dict[str, Any]:
    """Score a matting network on photos NAME.jpg with masks NAME.png.

    Args:
        folder: the photos.
        matter: the network, on one thread.
        refine: how its answer is brought to the photo's size.

    Returns:
        ``photos``, ``mean_iou``, ``iou_10th_percentile`` (alpha and mask both cut at 0.5; a photo
        in which no person is found counts as 0), ``no_person`` and ``median_s`` a photo, edges
        included, reading excluded.

    Raises:
        BadData: there are no photos.
    """
    ious: list[float] = []
    seconds: list[float] = []
    missed = 0
    for path, mask_path in masked_photos(folder):
        rgb, mask = load(path).rgb, load_mask(mask_path) > 0.5
        begun = time.perf_counter()
        try:
            found = matter.matte(rgb, refine) > 0.5
        except BadInput:
            found = np.zeros_like(mask)
            missed += 1
        seconds.append(time.perf_counter() - begun)
        ious.append(float((found & mask).sum() / max(1, (found | mask).sum())))
    return {
        "matte": matter.name,
        "refine": refine,
        "photos": len(ious),
        "mean_iou": round(statistics.mean(ious), 4),
        "iou_10th_percentile": round(float(np.percentile(ious, 10)), 4),
        "no_person": missed,
        "median_s": round(statistics.median(seconds), 4),
    }
