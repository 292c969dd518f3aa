"""Smoothing over time: color maps and mattes, from cut to cut.

Of the color maps the parameters are smoothed, of the matte the alpha where nothing moves. The
pictures' own pixels are never mixed with those of other frames, so nothing smears.
"""

import cv2
import numpy as np

from phnet.harmonization.color_map import ColorMap
from phnet.harmonization.field import Field
from phnet.images.arrays import Floats, Pixels, to_float
from phnet.options import LiveOptions

STABILISE = LiveOptions.stabilise  # share of color map and matte that comes from the frames before
CUT = 0.15  # mean change of a thumbnail, of colors in [0, 1], from which it is another shot
THUMBNAIL = (32, 18)  # width, height
WATCHED_SIDE = 320  # motion is looked for at this longer side
AROUND = 5  # side, in watched pixels, of the mean that tells motion from noise
NEAR = 9  # side, in watched pixels, of what a motion sets free around it
STILL = 2 / 255  # change of such a mean up to which a place counts as still, without noise
MOST_NOISE = 2 / 255  # standard deviation of such a mean beyond which it is no noise
AGREED = 0.3  # change of alpha up to which it counts as flicker, not as news
QUARTER = 0.9  # deviations: the largest of three channels' noise is less in a quarter of places


def check_stabilise(stabilise: float) -> None:
    """Raises BadInput: not a number between 0 and 1."""
    LiveOptions(stabilise=stabilise)


class Cuts:
    """Finds where another shot begins."""

    def __init__(self) -> None:
        self.seen = 0
        """How many cuts there were."""
        self._thumbnails: list[Floats] = []

    def is_cut(self, *pictures: Pixels) -> bool:
        """Tell whether one of these pictures, uint8 (H, W, 3), begins another shot in its place."""
        fresh = [
            to_float(np.asarray(cv2.resize(p, THUMBNAIL, interpolation=cv2.INTER_AREA)))
            for p in pictures
        ]
        before, self._thumbnails = self._thumbnails, fresh
        cut = any(float(np.abs(a - b).mean()) >= CUT for a, b in zip(fresh, before, strict=False))
        self.seen += cut
        return cut


class SteadyMap:
    """Smooths color maps over time by an exponential mean of their parameters.

    Args:
        stabilise: share that stays of the maps before, in [0, 1]; 0 smooths nothing, 1 keeps the
            first map until the next cut.
    """

    def __init__(self, stabilise: float = STABILISE) -> None:
        check_stabilise(stabilise)
        self.stabilise = stabilise
        self.current: ColorMap | None = None
        """The map of the last frame."""

    def forget(self) -> None:
        """Begin anew with the next map."""
        self.current = None

    def smooth(self, fresh: ColorMap) -> ColorMap:
        """The map to use now, given the one that was fitted to this frame."""
        if self.current is not None:
            fresh = between(self.current, fresh, 1 - self.stabilise)
        self.current = fresh
        return fresh


def between(before: ColorMap, after: ColorMap, share: float) -> ColorMap:
    """The map that is this share, in [0, 1], of the way; ``after`` where there is no way."""
    if not (isinstance(before, Field) and isinstance(after, Field)):
        return after
    if before.coefficients.shape != after.coefficients.shape:
        return after
    step = after.coefficients - before.coefficients
    return Field(before.coefficients + step * np.float32(share))


class SteadyMatte:
    """Smooths mattes over time where the frames agree; where something moves, it follows at once.

    A frame is compared, small, with the mean of the frames before. Means over 5x5 watched pixels
    tell motion from noise, whose strength is taken from the quietest quarter of the picture.

    Args:
        stabilise: share that stays, at still places, of the mattes before, in [0, 1].
    """

    def __init__(self, stabilise: float = STABILISE) -> None:
        check_stabilise(stabilise)
        self.stabilise = stabilise
        self._mean: Floats | None = None
        self._alpha: Floats | None = None

    def forget(self) -> None:
        """Begin anew with the next frame."""
        self._mean = self._alpha = None

    def smooth(self, frame: Pixels, alpha: Floats) -> Floats:
        """The matte to use now.

        Args:
            frame: RGB uint8 (H, W, 3).
            alpha: (H, W) in [0, 1], found in this frame.
        """
        if self.stabilise == 0:
            return alpha
        scale = min(1.0, WATCHED_SIDE / max(alpha.shape))
        width, height = (max(1, round(side * scale)) for side in alpha.shape[::-1])
        small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        watched = to_float(np.asarray(small))
        if self._mean is None or self._alpha is None or self._alpha.shape != alpha.shape:
            self._mean, self._alpha = watched, alpha
            return alpha
        change = np.asarray(watched - self._mean, np.float32)
        news = cv2.resize(np.abs(alpha - self._alpha), (width, height))
        news = cv2.dilate(cv2.blur(news, (AROUND, AROUND)), np.ones((AROUND, AROUND), np.uint8))
        still = np.minimum(stillness(change), np.clip(2 - news / AGREED, 0, 1))
        kept = np.float32(self.stabilise) * still
        self._mean = np.asarray(self._mean + (1 - kept)[..., None] * change, np.float32)
        taken = 1 - cv2.resize(kept, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
        self._alpha = np.asarray(self._alpha + taken * (alpha - self._alpha), np.float32)
        return self._alpha


def stillness(change: Floats) -> Floats:
    """Stillness (h, w), 1 still, 0 moving, from a change of colors (h, w, 3)."""
    means = np.abs(cv2.blur(change, (AROUND, AROUND))).max(axis=2)
    noise = min(float(np.quantile(means[::2, ::2], 0.25)) / QUARTER, MOST_NOISE)
    moved = cv2.dilate(means, np.ones((NEAR, NEAR), np.uint8))
    return np.asarray(np.clip(2 - moved / max(STILL, 4 * noise), 0, 1), np.float32)
