"""Ways to show a picture that is not square to the network, and the scores of each.

- ``stretch``: resized to the square, whatever its aspect. What :class:`phnet.Harmonizer` does.
- ``letterbox``: its longer side is the square's; the rest is filled with its own mirror image,
  outside the mask.
- ``rectangle``: its longer side is the square's, and the network sees a rectangle.

Photos are recolored as in section 3.2 with fixed seeds, harmonized with the guided lift, and
compared with the photo at the photo's own size.
"""

from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any, Literal, get_args

import cv2
import numpy as np

from phnet.datasets.readers import masked_photos
from phnet.datasets.synthesis import make_composite
from phnet.errors import BadData
from phnet.evaluation.metrics import fmse, fpsnr, mse, psnr
from phnet.harmonization.harmonizer import Harmonizer
from phnet.harmonization.lift import fit
from phnet.images import load, load_mask
from phnet.images.arrays import Floats, Pixels, to_float, to_uint8

Shape = Literal["stretch", "letterbox", "rectangle"]
SQUARE = 1.1  # pictures whose sides differ by less count as square


def small_pair(
    harmonizer: Harmonizer, composite: Pixels, mask: Floats, shape: Shape, side: int
) -> tuple[Floats, Floats, Floats]:
    """Harmonize small, in one of the ways.

    Args:
        harmonizer: the network.
        composite: uint8 (H, W, 3).
        mask: float32 (H, W) in [0, 1].
        shape: the way.
        side: of the square.

    Returns:
        composite (h, w, 3), result (h, w, 3) and mask (h, w), without what was filled in.
    """
    height, width = mask.shape
    if shape == "stretch":
        rows = columns = side
    else:
        rows, columns = (round(side * length / max(height, width)) for length in (height, width))
    if shape == "rectangle":
        multiple = harmonizer.card.multiple
        rows, columns = (max(1, length // multiple) * multiple for length in (rows, columns))
    size = (columns, rows)
    small = to_float(cv2.resize(composite, size, interpolation=cv2.INTER_AREA))
    alpha = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.float32)
    if shape != "letterbox":
        return small, harmonizer.run(small, alpha), alpha
    top, left = (side - rows) // 2, (side - columns) // 2
    edges = (top, side - rows - top, left, side - columns - left)
    framed = np.asarray(cv2.copyMakeBorder(small, *edges, cv2.BORDER_REFLECT), np.float32)
    framed_alpha = np.asarray(cv2.copyMakeBorder(alpha, *edges, cv2.BORDER_CONSTANT), np.float32)
    result = harmonizer.run(framed, framed_alpha)
    return small, np.ascontiguousarray(result[top : top + rows, left : left + columns]), alpha


def shape_figures(folder: Path, harmonizer: Harmonizer, side: int = 256) -> dict[str, Any]:
    """Mean scores of each way over photos NAME.jpg with masks NAME.png, by aspect.

    Raises:
        BadData: there are none.
    """
    scores: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(
        lambda: {shape: defaultdict(list) for shape in get_args(Shape)}
    )
    for seed, (path, mask_path) in enumerate(masked_photos(folder)):
        photo, mask = load(path).colors, load_mask(mask_path)
        made = make_composite(photo, to_uint8(mask), seed)
        if not made.mask.any():
            continue
        height, width = mask.shape
        kind = "square" if max(height, width) < SQUARE * min(height, width) else "not_square"
        alpha = made.mask.astype(np.float32)
        for shape in get_args(Shape):
            small = small_pair(harmonizer, made.image, alpha, shape, side)
            result = fit("guided", *small, (height, width)).apply(made.image, alpha)
            for name, value in _scores(result, photo, made.mask).items():
                scores[kind][shape][name].append(value)
    if not scores:
        raise BadData(f"{folder}: expected masks that show a person, found none")
    return {
        kind: {
            "photos": len(of["stretch"]["mse"]),
            **{
                shape: {name: round(mean(values), 2) for name, values in named.items()}
                for shape, named in of.items()
            },
        }
        for kind, of in sorted(scores.items())
    }


def _scores(result: Pixels, photo: Pixels, mask: Pixels) -> dict[str, float]:
    return {
        "mse": mse(result, photo),
        "fmse": fmse(result, photo, mask),
        "psnr_db": psnr(result, photo),
        "fpsnr_db": fpsnr(result, photo, mask),
    }
