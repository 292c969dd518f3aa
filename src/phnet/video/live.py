"""Frame after frame, for calls and for video: the matte and the look, steady over time.

The work on a frame has two halves, :meth:`Live.begin` and :meth:`Live.finish`, so that a video's
next frame can be begun in one thread while another finishes this one.
"""

import statistics
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

import cv2
import numpy as np

from phnet.errors import BadInput
from phnet.harmonization.field import Field
from phnet.harmonization.lift import fit_field
from phnet.harmonization.tiling import Trims
from phnet.images.arrays import Floats, Pixels, box_of, check_mask, check_pixels, to_float
from phnet.keywords import LiveKeywords
from phnet.matting.foreground import blur_fusion, estimate
from phnet.options import LiveOptions, TrimOptions, made_of
from phnet.video.steady_effects import SteadyEffects
from phnet.video.temporal_smoothing import Cuts, SteadyMap, SteadyMatte, between

if TYPE_CHECKING:
    from phnet.harmonization.harmonizer import Harmonizer
    from phnet.matting.matte import Matter

RECENT = 31  # frames that the latency is taken of
LOOK_SIDE = 192  # that the harmonization network sees of a frame; docs/compose.md has the figures
MATTE_SIDE = 320  # longer side at which the matte's edge is fitted to the frame
SHRINK = 2  # the means behind the edge's colors are taken this much smaller
MARGIN = 16  # pixels around the person that are looked at
LEAST_ALPHA = 1 / 255


@dataclass(frozen=True)
class MattedFrame:
    """A frame whose person has been found."""

    scene: Pixels  # uint8 (H, W, 3), what goes behind
    alpha: Floats  # (H, W); all 0 without a person
    box: tuple[slice, slice]  # rows and columns that hold the person
    colors: Floats  # the person's own in the box, (h, w, 3) in [0, 1]
    is_cut: bool


class Live:
    """The person of each frame in front of another background, in harmony with it.

    For one thread, or one that begins and one that finishes. A frame without a person comes back
    as the background alone.

    Args:
        background: RGB uint8 (H, W, 3), of any size: it covers the frame, centered.
        harmonizer: None for the embedded network.
        matter: None for the embedded network.
        foreground: see :class:`phnet.compositing.composer.Composer`.
        threads: CPU threads of networks that are made here.
        look_side: side of the square that the harmonization network sees; a smaller one is
            faster.
        options: fields of :class:`phnet.options.LiveOptions`, such as ``strength=0.5``: trims,
            effects, how much of look and matte stays from frame to frame (``stabilise``, see
            :mod:`phnet.video.temporal_smoothing`), and in how many frames the network runs once
            (``every``; between, the map is interpolated towards its last answer).

    Raises:
        BadOption: a name or value cannot be.
    """

    def __init__(
        self,
        background: Pixels,
        *,
        harmonizer: "Harmonizer | None" = None,
        matter: "Matter | None" = None,
        foreground: str = "blur-fusion",
        threads: int | None = None,
        look_side: int = LOOK_SIDE,
        **options: Unpack[LiveKeywords],
    ) -> None:
        from phnet.harmonization.harmonizer import Harmonizer
        from phnet.matting.matte import Matter

        self.options = made_of(LiveOptions, options)
        """What it was made with; trims and effects may be replaced between frames."""
        stabilise = self.options.stabilise
        self.pixel_aspect = 1.0
        """Width of a frame's pixel over its height: how the background is squeezed."""
        self.harmonizer = harmonizer or Harmonizer(threads=threads)
        self.matter = matter or Matter(threads=threads)
        self.foreground = foreground
        self.look_side = look_side
        self.maps = SteadyMap(stabilise)
        self.mattes = SteadyMatte(stabilise)
        self.effects = SteadyEffects(stabilise, self.harmonizer.threads)
        self.cuts = Cuts()
        self.alpha: Floats | None = None
        """The last frame's matte, (H, W)."""
        self._seconds: deque[float] = deque(maxlen=RECENT)
        self._since = 0  # frames since the network ran
        self._finished = 0  # frames; the number of the next
        self._goals: tuple[Field, Field] | None = None  # its answer now, and what was before
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
        self._covered: tuple[float, ...] = ()  # the size and pixel aspect that it was made for

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
        result = self.finish(self.begin(frame, mask))
        self._seconds.append(time.perf_counter() - start)
        return result

    def begin(
        self, frame: Pixels, mask: Pixels | None = None, *, is_cutout: bool = False
    ) -> MattedFrame:
        """The first half of :meth:`process`: find the person and the person's own colors.

        Args:
            frame: RGB uint8 (H, W, 3).
            mask: see :meth:`process`.
            is_cutout: the frame's colors are the person's own wherever the mask is not 0, so
                nothing of a background is in them.
        """
        check_pixels(frame, "frame")
        if frame.dtype != np.uint8 or frame.shape[2] != 3:
            raise BadInput(f"frame: expected uint8 (H, W, 3), got {frame.dtype} {frame.shape}")
        size = (frame.shape[0], frame.shape[1])
        wanted = (*size, self.pixel_aspect)
        if self._covering is None or self._covered != wanted:
            self._covering = cover(self._background, size, self.pixel_aspect)
            self._covered = wanted
        is_cut = self.cuts.is_cut(frame, self._covering)
        if is_cut:
            self.mattes.forget()
        rgb = to_float(frame)
        self.alpha = self._alpha(frame, rgb, mask)
        box = box_around(self.alpha)
        colors = rgb[box] if is_cutout else self._own_colors(rgb[box], self.alpha[box])
        return MattedFrame(self._covering, self.alpha, box, colors, is_cut)

    def finish(self, begun: MattedFrame) -> Pixels:
        """The second half of :meth:`process`: harmonize and blend."""
        if begun.is_cut:
            self.maps.forget()
            self.effects.forget()
            self._goals = None
        number, options = self._finished, self.options
        self._finished += 1
        result = begun.scene.copy()
        if not begun.alpha[begun.box].size:
            return result
        if options.amount("clean_edges"):
            begun = self._cleaned(begun, options)
        alpha = begun.alpha[begun.box]
        look = self.maps.smooth(self._look(begun))
        assert isinstance(look, Field)
        colors = map_colors(look, begun.colors, begun.box, begun.alpha.shape)
        colors = trimmed(colors, begun.colors, options)
        result[begun.box] = blended(colors, alpha, begun.scene[begun.box])
        self.effects.apply(result, begun.alpha, begun.box, begun.scene, options, number)
        return result

    def _cleaned(self, begun: MattedFrame, options: LiveOptions) -> MattedFrame:
        """The same with clean edges."""
        alpha = begun.alpha.copy()
        colors, alpha[begun.box] = self.effects.cleaned(begun.colors, alpha[begun.box], options)
        return replace(begun, colors=colors, alpha=alpha)

    def _alpha(self, frame: Pixels, rgb: Floats, mask: Pixels | None) -> Floats:
        """The matte, (H, W): the given one as it is, or the found one, steady."""
        if mask is None:
            try:
                found = self.matter.matte(rgb, guide_side=MATTE_SIDE)
            except BadInput:
                self.mattes.forget()
                return np.zeros(rgb.shape[:2], np.float32)
            alpha = self.mattes.smooth(frame, found)
        elif mask.any():
            alpha = check_mask(mask, (rgb.shape[0], rgb.shape[1]))
        else:
            return np.zeros(rgb.shape[:2], np.float32)
        return np.where(alpha < LEAST_ALPHA, np.float32(0), alpha)

    def _own_colors(self, rgb: Floats, alpha: Floats) -> Floats:
        if not alpha.size:
            return rgb
        if self.foreground == "blur-fusion":
            return blur_fusion(rgb, alpha, SHRINK)
        return estimate(rgb, alpha, self.foreground)

    def _look(self, begun: MattedFrame) -> Field:
        """The network's color map for this frame; between its answers, one on the way."""
        self._since += 1
        if self._goals is None or self._since >= self.options.every:
            composite = begun.scene.copy()
            alpha = begun.alpha[begun.box]
            composite[begun.box] = blended(begun.colors, alpha, begun.scene[begun.box])
            answer = self._answer(composite, begun.alpha)
            self._goals = (answer, self._goals[0] if self._goals else answer)
            self._since = 0
        after, before = self._goals
        way = between(before, after, (self._since + 1) / self.options.every)
        assert isinstance(way, Field)
        return way

    def _answer(self, composite: Pixels, alpha: Floats) -> Field:
        """The colors that the network decides for a composite; detail stays as filmed."""
        if self.harmonizer.has_field:
            field = self.harmonizer.field(composite, alpha, self.look_side, self.options.light)
            return Field(field.coefficients)
        small, mask = self.harmonizer.small(composite, alpha, self.look_side)
        return fit_field(small, self.harmonizer.run(small, mask, self.options.light), mask)


def box_around(alpha: Floats) -> tuple[slice, slice]:
    """Rows and columns of alpha (H, W) that are not 0, and a margin; nothing where all is 0."""
    return box_of(alpha, MARGIN) or (slice(0, 0), slice(0, 0))


def map_colors(
    look: Field, colors: Floats, box: tuple[slice, slice], size: tuple[int, ...]
) -> Floats:
    """Apply a map of a frame of ``size`` (H, W) to the colors (h, w, 3) in a box of it.

    The same as :meth:`phnet.harmonization.field.Field.apply` there, to a level of 255.
    """
    rows, columns = box
    height, width = colors.shape[:2]
    grid = look.coefficients.shape[1:]
    down, across = grid[0] / size[0], grid[1] / size[1]
    place = np.array(
        [
            [across, 0, (columns.start + 0.5) * across - 0.5],
            [0, down, (rows.start + 0.5) * down - 0.5],
        ]
    )
    inputs = cv2.merge([*cv2.split(colors), np.ones((height, width), np.float32)])
    sums = np.ones((1, 4), np.float32)
    channels = []
    for c in range(3):
        rows_of_map = np.ascontiguousarray(look.coefficients[4 * c : 4 * c + 4].transpose(1, 2, 0))
        wide = cv2.warpAffine(
            rows_of_map,
            place,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        channels.append(cv2.transform(cv2.multiply(wide, inputs), sums))
    return np.asarray(np.clip(cv2.merge(channels), 0, 1), np.float32)


def trimmed(colors: Floats, own: Floats, options: TrimOptions) -> Floats:
    """New colors (h, w, 3) in [0, 1] at a strength and with trims, as pictures get them.

    Args:
        colors: of the match.
        own: the person's, before it.
        options: what of them is wanted.
    """
    trims = Trims(options.exposure, options.warmth)
    if options.strength == 1 and not trims:
        return colors
    made = own + np.float32(options.strength) * (colors - own)
    return np.asarray(np.clip(made * np.array(trims.gains, np.float32), 0, 1), np.float32)


def blended(colors: Floats, alpha: Floats, scene: Pixels) -> Pixels:
    """Blend (eq. 1) colors in [0, 1] over a scene in uint8, (h, w, 3) both."""
    share = cv2.merge([alpha, alpha, alpha])
    below = scene.astype(np.float32)
    step = cv2.multiply(cv2.scaleAdd(colors, 255, -below), share)
    return np.asarray(cv2.add(below, step, dtype=cv2.CV_8U))


def cover(picture: Pixels, size: tuple[int, int], pixel_aspect: float = 1.0) -> Pixels:
    """A picture resized to cover (H, W), its middle kept.

    With a ``pixel_aspect`` (width over height) it is right where such pixels are shown.
    """
    height, width = size
    sides = picture.shape[0], picture.shape[1] / pixel_aspect
    scale = max(height / sides[0], width / sides[1])
    rows, columns = (
        max(least, round(side * scale)) for side, least in zip(sides, size, strict=True)
    )
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    large = cv2.resize(picture, (columns, rows), interpolation=how)
    top, left = (rows - height) // 2, (columns - width) // 2
    return np.ascontiguousarray(large[top : top + height, left : left + width])
