"""Temporal consistency of videos: how far a result differs from the one before, moved along.

For two frames after each other, with O the optical flow from the later true frame to the earlier
one, w a picture moved by O, M the earlier frame's mask, and W = w(M) exp(-|w(true) - true'|), mean
over channels, values in [0, 1]::

    255^2 sum((W w(result) - W result')^2) / sum(W)

summed over pixels and channels. Source: CO2Net's ``scripts/evaluate_flow.py`` (Lu et al., "Deep
video harmonization with color mapping consistency", 2022), at 256x256, with two deviations: flow is
OpenCV's DIS, not FlowNet2, whose weights are not at hand, and the frames are the set's own
consecutive ones. Figures therefore compare methods with each other, not with that paper's. The true
video has one, too: what moves in it is no fault of a method.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from phnet.datasets.readers import Sample, resize
from phnet.evaluation.metrics import FULL_SCALE
from phnet.images import load
from phnet.images.arrays import Floats, to_uint8

SIDE = 256


@dataclass(frozen=True)
class Pair:
    """Two frames of one video, one after the other."""

    before: Sample
    after: Sample


def pairs(samples: Sequence[Sample]) -> list[Pair]:
    """All consecutive frames of the same video, by their ids."""
    videos: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.video is not None:
            videos.setdefault(sample.video, []).append(sample)
    ordered = [sorted(frames, key=lambda sample: sample.id) for frames in videos.values()]
    return [Pair(a, b) for frames in ordered for a, b in pairwise(frames)]


def flow(later: Floats, earlier: Floats) -> Floats:
    """Optical flow: the place of each pixel of ``later`` in ``earlier``, (h, w, 2) in pixels.

    Args:
        later: RGB (h, w, 3) in [0, 1].
        earlier: the same.
    """
    grays = [cv2.cvtColor(to_uint8(each), cv2.COLOR_RGB2GRAY) for each in (later, earlier)]
    finder: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(finder.calc(grays[0], grays[1], None), np.float32)


def moved(picture: Floats, by: Floats) -> Floats:
    """A picture (h, w) or (h, w, 3) sampled where a flow says, bilinearly; 0 beyond its edge."""
    rows, columns = np.mgrid[: by.shape[0], : by.shape[1]].astype(np.float32)
    found = cv2.remap(picture, columns + by[..., 0], rows + by[..., 1], cv2.INTER_LINEAR)
    return np.asarray(found, np.float32)


def warp_error(results: tuple[Floats, Floats], true: tuple[Floats, Floats], mask: Floats) -> float:
    """The error of two frames; see the module.

    Args:
        results: earlier and later, RGB (h, w, 3) in [0, 1].
        true: the same of the true video.
        mask: of the earlier frame, (h, w) in [0, 1].

    Returns:
        Squared gray levels, summed over channels; NaN where nothing of the mask stays in the frame.
    """
    by = flow(true[1], true[0])
    likeness = np.exp(-np.abs(moved(true[0], by) - true[1])).mean(-1)
    weight = (moved(mask, by) * likeness).astype(np.float64)
    difference = weight[..., None] * (moved(results[0], by).astype(np.float64) - results[1])
    total = float(weight.sum())
    return FULL_SCALE**2 * float((difference**2).sum()) / total if total > 0 else float("nan")


def of_pair(found: Sequence[dict[str, Path]], pair: Pair) -> list[float]:
    """Each method's error of a pair, then that of the true video."""
    true = (_small(pair.before.real_path), _small(pair.after.real_path))
    mask = resize(pair.before.mask, SIDE)
    errors = [
        warp_error((_small(paths[pair.before.id]), _small(paths[pair.after.id])), true, mask)
        for paths in found
    ]
    return [*errors, warp_error(true, true, mask)]


def _small(path: Path) -> Floats:
    return resize(load(path).rgb, SIDE)
