"""Frame after frame, for calls and for video: the matte and the look, steady over time.

What is smoothed are the parameters of the colour map, not pixels, so nothing smears; at a cut
the smoothing starts anew.
"""

import statistics
import time
from collections import deque
from typing import TYPE_CHECKING

import cv2
import numpy as np

from phnet.composer import Composer, over
from phnet.errors import BadInput
from phnet.lift import ColourMap, Field
from phnet.pixels import Pixels, check_mask, check_pixels

if TYPE_CHECKING:
    from phnet.harmonizer import Harmonizer
    from phnet.matte import Matter

STABILISE = 0.85  # share of the colour map that comes from the frames before
CUT = 0.15  # mean change of a thumbnail, of colours in [0, 1], from which it is another shot
THUMBNAIL = (32, 18)  # width, height
RECENT = 31  # frames that the latency is taken of


class Steady:
    """Smooths colour maps over time by an exponential mean of their parameters.

    Maps without parameters for places (frames no larger than the network's own side give such)
    pass as they are.

    Args:
        stabilise: share that stays of the maps before, in [0, 1]; 0 smooths nothing, 1 keeps the
            first map until the next cut.
    """

    def __init__(self, stabilise: float = STABILISE) -> None:
        if not 0 <= stabilise <= 1:
            raise BadInput(f"stabilise: expected a number between 0 and 1, got {stabilise}")
        self.stabilise = stabilise
        self.cuts = 0
        """How many cuts were seen."""
        self.current: ColourMap | None = None
        """The map of the last frame."""
        self._thumbnail: Pixels | None = None

    def is_cut(self, frame: Pixels) -> bool:
        """Whether another shot begins with this frame, uint8 (H, W, 3); if so, forget the maps."""
        small = cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        before, self._thumbnail = self._thumbnail, small
        if before is None or float(np.abs(small - before).mean()) < CUT:
            return False
        self.cuts += 1
        self.current = None
        return True

    def smooth(self, fresh: ColourMap) -> ColourMap:
        """The map to use now, given the one that was fitted to this frame."""
        before = self.current
        if (
            isinstance(before, Field)
            and isinstance(fresh, Field)
            and before.coefficients.shape == fresh.coefficients.shape
        ):
            share = np.float32(self.stabilise)
            fresh = Field(before.coefficients * share + fresh.coefficients * (1 - share))
        self.current = fresh
        return fresh


class Live:
    """The person of each frame in front of another background, in harmony with it.

    For one thread. A frame without a person comes back as the background alone.

    Args:
        background: RGB uint8 (H, W, 3), of any size: it covers the frame, centred.
        stabilise: see :class:`Steady`.
        every: the network runs once in so many frames; between, the map moves on towards its
            last answer.
        harmonizer: None for the embedded network.
        matter: None for the embedded network.
        foreground: see :class:`phnet.composer.Composer`.
        threads: CPU threads of networks that are made here.
    """

    def __init__(
        self,
        background: Pixels,
        *,
        stabilise: float = STABILISE,
        every: int = 1,
        harmonizer: "Harmonizer | None" = None,
        matter: "Matter | None" = None,
        foreground: str = "blur-fusion",
        threads: int | None = None,
    ) -> None:
        from phnet.harmonizer import Harmonizer
        from phnet.matte import Matter

        if every < 1:
            raise BadInput(f"every: expected a whole number of 1 or more, got {every}")
        harmonizer = harmonizer or Harmonizer(threads=threads)
        self.composer = Composer(harmonizer, matter or Matter(threads=threads), foreground)
        self.every = every
        self.steady = Steady(stabilise)
        self._seconds: deque[float] = deque(maxlen=RECENT)
        self._frames_since = 0
        self._fresh: ColourMap | None = None
        self.background = background

    @property
    def background(self) -> Pixels:
        """The scene behind the person; may be set between frames."""
        return self._background

    @background.setter
    def background(self, background: Pixels) -> None:
        check_pixels(background, "background")
        if background.dtype != np.uint8:
            raise BadInput(f"background: expected uint8, got {background.dtype}")
        self._background = background[..., :3]
        self._covering: Pixels | None = None

    @property
    def latency(self) -> float:
        """Seconds from a frame to its result: the median of the last 31; NaN before the first."""
        return statistics.median(self._seconds) if self._seconds else float("nan")

    def process(self, frame: Pixels, mask: Pixels | None = None) -> Pixels:
        """Return the frame with the background replaced and the person harmonized.

        Args:
            frame: RGB uint8 (H, W, 3).
            mask: (H, W), where the person is; None: the person is found.

        Returns:
            RGB uint8 (H, W, 3).
        """
        start = time.perf_counter()
        check_pixels(frame, "frame")
        if frame.dtype != np.uint8 or frame.shape[2] != 3:
            raise BadInput(f"frame: expected uint8 (H, W, 3), got {frame.dtype} {frame.shape}")
        size = (frame.shape[0], frame.shape[1])
        if self._covering is None or self._covering.shape[:2] != size:
            self._covering = cover(self._background, size)
        result = self._composed(frame, mask, self._covering)
        self._seconds.append(time.perf_counter() - start)
        return result

    def _composed(self, frame: Pixels, mask: Pixels | None, scene: Pixels) -> Pixels:
        if mask is not None:
            if not mask.any():
                return scene.copy()
            mask = check_mask(mask, scene.shape[:2])
        try:
            person = self.composer.cut_out(frame, mask)
        except BadInput:
            if mask is not None:
                raise
            return scene.copy()
        composite = over(person.colours, person.alpha, scene)
        harmonizer = self.composer.harmonizer
        is_cut = self.steady.is_cut(composite)
        self._frames_since += 1
        if is_cut or self._fresh is None or self._frames_since >= self.every:
            self._fresh = harmonizer.colour_map(composite, person.alpha)
            self._frames_since = 0
        look = self.steady.smooth(self._fresh)
        inside = (person.alpha > 0).astype(np.float32)
        colours = look.apply(person.colours, inside, threads=harmonizer.threads)
        return over(colours, person.alpha, scene)


def cover(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture resized to cover (H, W), its middle kept."""
    height, width = size
    scale = max(height / picture.shape[0], width / picture.shape[1])
    rows, columns = (
        max(least, round(side * scale)) for side, least in zip(picture.shape[:2], size, strict=True)
    )
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    large = cv2.resize(picture, (columns, rows), interpolation=how)
    top, left = (rows - height) // 2, (columns - width) // 2
    return np.ascontiguousarray(large[top : top + height, left : left + width])
