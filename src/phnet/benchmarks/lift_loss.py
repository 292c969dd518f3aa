"""Loss of a lift, apart from what the network gets wrong: ideal small pairs, lifted.

A photo is recolored under its mask, and both photo and composite are made small. The small photo
stands for what a perfect network would return; lifted to full size it is compared with the photo.
Photos are never enlarged: an enlarged one has no detail to lose.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Literal, get_args

import cv2
import numpy as np

from phnet.datasets.readers import masked_photos
from phnet.datasets.synthesis import binarize, draw_parameters, recolor
from phnet.errors import BadData
from phnet.evaluation.metrics import fpsnr
from phnet.harmonization.lift import Kind, fit
from phnet.images import load, load_mask
from phnet.images.arrays import Pixels, to_float

Edit = Literal["global", "varying"]
SMALL, LARGE = 80, 320  # pixels


@dataclass(frozen=True)
class Photo:
    """A photo and its person."""

    name: str
    pixels: Pixels  # uint8 (H, W, 3), the shorter side LARGE
    mask: Pixels  # bool (H, W)


def read_photos(folder: Path) -> Iterator[Photo]:
    """Yield the photos of a folder (NAME.jpg with the mask NAME.png) that are large enough.

    Raises:
        BadData: there is none.
    """
    found = 0
    for path, mask_path in masked_photos(folder):
        pixels, mask = load(path).colors, load_mask(mask_path)
        height, width = pixels.shape[:2]
        shorter = min(height, width)
        if shorter < LARGE:
            continue
        found += 1
        size = (round(width * LARGE / shorter), round(height * LARGE / shorter))
        yield Photo(
            path.stem,
            cv2.resize(pixels, size, interpolation=cv2.INTER_AREA),
            binarize(cv2.resize(mask, size, interpolation=cv2.INTER_AREA)),
        )
    if not found:
        raise BadData(
            f"{folder}: expected photos NAME.jpg of at least {LARGE} pixels with masks NAME.png"
        )


def edit(photo: Photo, kind: Edit, seed: int) -> Pixels:
    """Recolor the person: alike everywhere, or from one recoloring to another across it.

    Only colors are drawn (section 3.2 without posterizing and sharpening, which no map of
    colors undoes).

    Returns:
        uint8 (H, W, 3).
    """
    rng = np.random.default_rng(seed)

    def recolored() -> Pixels:
        drawn: dict[str, Any] = draw_parameters(rng)
        return recolor(photo.pixels, drawn | {"posterize": False, "sharpness": False})

    changed = recolored()
    if kind == "varying":
        height, width = photo.mask.shape
        angle = rng.uniform(0, 2 * np.pi)
        across = np.linspace(-1, 1, width)[None] * np.cos(angle)
        down = np.linspace(-1, 1, height)[:, None] * np.sin(angle)
        share = np.clip((across + down + 1) / 2, 0, 1)[..., None]
        changed = np.rint(changed * share + recolored() * (1 - share)).astype(np.uint8)
    return np.where(photo.mask[..., None], changed, photo.pixels)


def lifted(photo: Photo, composite: Pixels, kind: Kind) -> Pixels:
    """Bring the ideal small pair of a photo and its composite to full size, uint8 (H, W, 3)."""

    def small(values: Pixels) -> Any:
        return cv2.resize(values, (SMALL, SMALL), interpolation=cv2.INTER_AREA)

    mask = photo.mask.astype(np.float32)
    colors = fit(
        kind,
        to_float(small(composite)),
        to_float(small(photo.pixels)),
        small(mask),
        photo.mask.shape,
    )
    return colors.apply(composite, mask)


def lift_figures(folder: Path) -> dict[str, Any]:
    """Mean fPSNR in decibels of each lift on each kind of edit, over the photos of a folder."""
    edits, kinds = get_args(Edit), get_args(Kind)
    scores: dict[str, dict[str, list[float]]] = {e: {k: [] for k in kinds} for e in edits}
    count = 0
    for seed, photo in enumerate(read_photos(folder)):
        count += 1
        for e in edits:
            composite = edit(photo, e, seed)
            for k in kinds:
                result = lifted(photo, composite, k)
                scores[e][k].append(fpsnr(result, photo.pixels, photo.mask))
    means = {e: {k: round(mean(v), 2) for k, v in of.items()} for e, of in scores.items()}
    return {"photos": count, "from": SMALL, "to": LARGE, "fpsnr_db": means}
