"""Grain and compression: what the scene has of noise and block traces, the person gets, too.

What is missing is added in the scene's grain size and color, at each brightness; a person with more
noise than the scene is smoothed a little, and never given more.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np

from phnet.harmonization.finishing.block_traces import (
    Steps,
    quality_for,
    scene_steps,
    through_jpeg,
)
from phnet.harmonization.finishing.noise_level import BACK, COARSE, OPPONENT, Noise, measure_noise
from phnet.harmonization.finishing.strips import Strip, changed_strips, inside
from phnet.images.arrays import Floats, Pixels, box_of, on_threads
from phnet.images.push_pull import times

NOTICED = 1.4  # times the scene's noise from which a person's is smoothed
NOISIER = 1.5  # times the scene's noise at each brightness: nothing is added, of whatever size
AS_MUCH = 0.85  # times the scene's noise: no difference that could be measured
LEAST_LEFT = 0.65  # of a person's noise, when it is smoothed: more would look like plastic
LEAST_COARSE = 0.02  # share of a coarser grain that is drawn
TILE = 32  # rows of noise that are drawn from one seed
NO_TRACES = 95.0  # quality of a JPEG from which it leaves no block traces


@dataclass(frozen=True)
class SceneGrain:
    """Grain of a scene, which a person's is matched to."""

    steps: Steps | None  # of the JPEG that it has been through
    noise: Noise | None  # None: nothing is surely noise

    @classmethod
    def of(cls, picture: Pixels, where: Pixels, steps: Steps | None = None) -> "SceneGrain":
        """Measure a scene's noise in the part ``where``, bool (H, W), of a picture (H, W, 3)."""
        noise = measure_noise(picture, where)
        return cls(steps, noise and noise.certain())  # leaves and walls are no grain


@dataclass(frozen=True)
class Regrain:
    """Change that brings a person's grain to a scene's."""

    quality: float  # of a JPEG that leaves the block traces; from NO_TRACES on none is needed
    own: Noise | None = None  # the person's noise, of which some is taken away
    taken: Floats | None = None  # (LEVELS,) in [0, 1]: how much, at each brightness
    more: Noise | None = None  # what is added then


def match_grain(
    picture: Pixels, mask: Floats, amount: float = 1.0, *, seed: int = 0, threads: int = 1
) -> Pixels:
    """Bring a person's noise, and the traces of compression, to the scene's.

    Where one of both cannot be measured, all stays as it is.

    Args:
        picture: the composite, sRGB (H, W, 3): uint8, uint16, or floats in [0, 1].
        mask: (H, W) in [0, 1]; where it is 0 the picture stays bit for bit.
        amount: how far to go, in [0, 1].
        seed: of the noise; another one for each frame of a video.
        threads: strips worked on at once.
    """
    if amount == 0:
        return np.array(picture)
    # The person is measured as it is beforehand: at the same time, on another thread.
    looks: list[Callable[[], Any]] = [
        lambda: SceneGrain.of(picture, mask <= 0),
        lambda: measure_noise(picture, mask > 0.99),
        lambda: scene_steps(picture, mask),
    ]
    scene, person, steps = on_threads(lambda look: look(), looks, threads)
    scene = replace(scene, steps=steps)
    change, picture = _decided(picture, mask, scene, person, amount, threads)
    if change.more is None:
        return np.array(picture)
    return _grained(picture, mask, change.more, amount, seed, threads)


def regrain_for(
    picture: Pixels, mask: Floats, scene: SceneGrain, amount: float = 1.0, *, threads: int = 1
) -> Regrain:
    """Find what gives a person a scene's grain; arguments as for :func:`match_grain`."""
    person = measure_noise(picture, mask > 0.99)
    return _decided(picture, mask, scene, person, amount, threads)[0]


def regrained(
    picture: Pixels,
    mask: Floats,
    change: Regrain,
    amount: float = 1.0,
    *,
    seed: int = 0,
    threads: int = 1,
) -> Pixels:
    """Change a person's grain; arguments as for :func:`match_grain`."""
    if change.quality < NO_TRACES:
        picture = through_jpeg(picture, mask, round(change.quality), amount, threads=threads)
    if change.own is not None and change.taken is not None:
        picture = _smoothed(picture, mask, change.own, change.taken, amount, threads)
    if change.more is None:
        return np.array(picture)
    return _grained(picture, mask, change.more, amount, seed, threads)


def _decided(
    picture: Pixels,
    mask: Floats,
    scene: SceneGrain,
    person: Noise | None,
    amount: float,
    threads: int,
) -> tuple[Regrain, Pixels]:
    """The change, and the picture with all of it but what is added; the person's noise as it is."""
    quality = quality_for(picture, mask, scene.steps)
    if quality is not None:
        picture = through_jpeg(picture, mask, quality, amount, threads=threads)
        person = measure_noise(picture, mask > 0.99)
    if scene.noise is None or person is None:
        return Regrain(quality or NO_TRACES), picture
    taken, left = _too_much(person, scene.noise), person
    smoothed = _smoothed(picture, mask, person, taken, amount, threads)
    if smoothed is not picture:
        left, picture = measure_noise(smoothed, mask > 0.99) or person, smoothed
    return Regrain(quality or NO_TRACES, person, taken, missing(left, scene.noise)), picture


def missing(person: Noise, scene: Noise) -> Noise:
    """Noise to be added to a person's noise; nothing where the person has as much."""
    coarser = person.sigmas[0] > NOISIER * scene.sigmas[0]
    if coarser.all():
        return replace(scene, sigmas=np.zeros_like(scene.sigmas))
    have = person.like(scene)
    square = np.where(have[0] < AS_MUCH * scene.sigmas[0], scene.sigmas**2 - have**2, 0)
    return replace(scene, sigmas=np.sqrt(np.maximum(square, 0)).astype(np.float32))


def _too_much(person: Noise, scene: Noise) -> Floats:
    """Share (LEVELS,) of a person's noise that the scene does not have."""
    have, want = person.sigmas[0], np.maximum(scene.sigmas[0], 1e-4)
    left = np.clip(want / np.maximum(have, 1e-6), LEAST_LEFT, 1)
    left[(have < NOTICED * want) | (have < 1 / 255) | ~person.sure] = 1
    return np.asarray(1 - left, np.float32)


def _smoothed(
    picture: Pixels, mask: Floats, person: Noise, taken: Floats, amount: float, threads: int
) -> Pixels:
    """Take a share (LEVELS,) of a person's noise away; the picture itself where that is none."""
    share = np.float32(amount) * taken
    if not share.any():
        return picture
    removed = replace(person, sigmas=np.tile(share, (3, 1)))
    radius = 3 if person.grain[0] > 0.8 else 2

    def change(strip: Strip) -> Floats:
        luma = _luma(strip.colors)
        alpha = strip.mask * strip.mask * removed.at(luma)[..., 0]
        flat = _flattened(strip.colors, person, luma, radius)
        return strip.colors + times(np.asarray(cv2.subtract(flat, strip.colors)), alpha)

    return changed_strips(picture, mask, 4 * radius, threads, change)


def _flattened(colors: Floats, noise: Noise, luma: Floats, radius: int) -> Floats:
    """Colors without noise: each channel's guided filter with itself as guide (He et al., 2013)."""
    side = (2 * radius + 1,) * 2
    made = []
    sigma = cv2.blur(noise.at(luma)[..., 0], side)
    for c in range(3):
        plane = colors[..., c]
        mean = cv2.blur(plane, side)
        variance = np.maximum(cv2.blur(plane * plane, side) - mean * mean, 0)
        limit = 6 * sigma * sigma  # a channel has three times the brightness's variance
        slope = np.maximum(variance - 0.5 * limit, 0) / (variance + 0.5 * limit + 1e-9)
        offset = mean - slope * mean
        made.append(cv2.blur(slope, side) * plane + cv2.blur(offset, side))
    return np.asarray(cv2.merge(made), np.float32)


def _grained(
    picture: Pixels, mask: Floats, more: Noise, amount: float, seed: int, threads: int
) -> Pixels:
    """Add what is missing."""
    # Less than this drowns in rounding.
    if float(more.sigmas.max()) * amount < 0.2 / 255:
        return np.array(picture)

    box = box_of(mask)
    left, right = (max(0, box[1].start - 1), box[1].stop + 1) if box else (0, 0)
    width = min(right, mask.shape[1]) - left

    def change(strip: Strip) -> Floats:
        part = inside(slice(left, left + width), strip.columns)
        drawn = [_of_two_grains(strip.rows, width, more, seed, c)[:, part] for c in range(3)]
        noise = cv2.multiply(cv2.merge(drawn), more.at(_luma(strip.colors)))
        noise = cv2.transform(noise, BACK * np.float32(amount))
        weight = cv2.merge([strip.mask] * 3)
        return np.asarray(cv2.add(strip.colors, cv2.multiply(noise, weight, dst=noise), dst=noise))

    return changed_strips(picture, mask, 1, threads, change)


def _of_two_grains(rows: slice, width: int, like: Noise, seed: int, channel: int) -> Floats:
    """Noise of variance 1 as coarse as another's; arguments as for :func:`noise_rows`."""
    fine = noise_rows(rows, width, float(like.grain[channel]), seed, channel)
    share = float(like.coarse[channel])
    if share < LEAST_COARSE:
        return fine
    coarse = noise_rows(rows, width, COARSE, seed, channel + 3)
    return np.asarray(cv2.addWeighted(fine, np.sqrt(1 - share), coarse, np.sqrt(share), 0))


def noise_rows(rows: slice, width: int, size: float, seed: int, channel: int) -> Floats:
    """Noise of variance 1 for some rows of a picture: the same for each row, however it is cut.

    Args:
        rows: which.
        width: of the picture's part, in pixels.
        size: sigma of the grain in pixels; 0: white noise.
        seed: of all.
        channel: others are drawn for each.
    """
    margin = int(np.ceil(3 * size)) + 1 if size else 0
    first, last = rows.start - margin, rows.stop + margin
    parts = []
    for tile in range(first // TILE, (last - 1) // TILE + 1):
        drawn = _white((TILE, width + 2 * margin), [seed, channel, tile + 1])
        parts.append(drawn[max(0, first - tile * TILE) : last - tile * TILE])
    noise = np.concatenate(parts)
    if not size:
        return noise
    kernel = np.asarray(cv2.getGaussianKernel(2 * margin + 1, size, cv2.CV_32F), np.float32)
    kernel = np.asarray(kernel / np.sqrt((kernel**2).sum()), np.float32)
    made = np.asarray(cv2.sepFilter2D(noise, cv2.CV_32F, kernel, kernel), np.float32)
    return np.asarray(made[margin : made.shape[0] - margin, margin : margin + width])


def _white(size: tuple[int, int], seed: list[int]) -> Floats:
    """White noise (h, w) of variance 1, in a quarter of the time of numpy's own.

    Each value is the sum of two quantiles: nothing that can be seen or measured tells it from
    normal noise (its fourth moment is 2.96 instead of 3, its largest value 4.1).
    """
    count = size[0] * size[1]
    raw = np.random.PCG64(seed).random_raw(count // 4 + 1).view(np.uint8)
    one, other = (raw[k * count : (k + 1) * count].reshape(size) for k in (0, 1))
    table = _quantiles()
    return np.asarray(cv2.add(cv2.LUT(one, table), cv2.LUT(other, table)), np.float32)


@cache
def _quantiles() -> Floats:
    """Quantiles (256,) of a normal distribution, of variance 1/2."""
    middles = (np.arange(256) + 0.5) / 256
    made = np.array([NormalDist().inv_cdf(one) for one in middles.tolist()])
    return np.asarray(made / np.sqrt(2 * (made**2).mean()), np.float32)


def _luma(colors: Floats) -> Floats:
    return np.asarray(cv2.transform(colors, OPPONENT[:1]), np.float32)
