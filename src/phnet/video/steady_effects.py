"""The effects of finishing, frame after frame: measured now and then, applied in each frame.

Blur, noise and block traces of a person are measured once in EVERY frames, those of a scene once
while it stands still. What follows from them is smoothed over time, as the look is. Grain is drawn
anew for each frame, from the frame's number. The light that wraps follows the scene and the matte
in each frame: it is a smooth function of both, so it is as steady as they are.
"""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, Generic, TypeVar, cast

import numpy as np

from phnet.harmonization.finishing.block_traces import steps_of
from phnet.harmonization.finishing.edges import MOST_SOFT, Rim, clean_colors, measure_rim
from phnet.harmonization.finishing.grain import (
    NO_TRACES,
    Regrain,
    SceneGrain,
    regrain_for,
    regrained,
)
from phnet.harmonization.finishing.light_wrap import WIDTH, light_wrap
from phnet.harmonization.finishing.sharpness import Refocus, blur_of, refocus_for, refocused
from phnet.images.arrays import Floats, Pixels
from phnet.options import EffectOptions

EVERY = 8  # frames from one measuring to the next
ALIGNED = 8  # pixels: where the blocks of a JPEG begin
WRAP_REACH = 9  # widths of the light wrap that its light comes from
WRAP_SIDE = 384  # longest side at which its light is spread
TRACED_SIDE = 1024  # pixels of the scene that block traces are looked for in
EFFECTS = ("match_sharpness", "match_grain", "light_wrap")

Measure = TypeVar("Measure")


def mixed(before: Any, after: Any, share: float) -> Any:
    """Mix measures: numbers and arrays are this share, in [0, 1], of the way; all else is new.

    What is None in one of them is the other's.
    """
    if before is None or after is None:
        return before if after is None else after
    if is_dataclass(after) and not isinstance(after, type):
        names = [field.name for field in fields(after)]
        parts = {n: mixed(getattr(before, n), getattr(after, n), share) for n in names}
        return replace(after, **parts)
    if isinstance(after, float) or (isinstance(after, np.ndarray) and after.dtype.kind == "f"):
        return before + (after - before) * share
    return after


class Measured(Generic[Measure]):
    """A measure that is taken once in EVERY frames, and steady between and over them.

    Args:
        stabilise: share that stays from frame to frame, on the way to what was measured last.
        nothing: what is taken where it cannot be told and never could.
        phase: frames by which the measuring is earlier, so that not all falls on one frame.
    """

    def __init__(self, stabilise: float, nothing: Measure, phase: int = 0) -> None:
        self._stabilise, self._nothing, self._phase = stabilise, nothing, phase
        self.current: Measure | None = None
        """The measure of the last frame."""
        self.forget()

    def forget(self) -> None:
        """Begin anew with the next frame."""
        self.current = None
        self._goal: Measure | None = None
        self._since = 0

    def at(self, measure: Callable[[], Measure | None]) -> Measure:
        """The measure to use now, given what takes it: None, where it cannot be told."""
        if self._goal is None:
            self._goal = measure()
            self._goal = self._nothing if self._goal is None else self._goal
            self._since = self._phase
        elif self._since >= EVERY:
            found = measure()
            self._goal = self._goal if found is None else found
            self._since = 0
        self._since += 1
        before = self._goal if self.current is None else self.current
        self.current = cast(Measure, mixed(before, self._goal, 1 - self._stabilise))
        return self.current


class SteadyEffects:
    """The effects on the frames of a video.

    Args:
        stabilise: share of the measures that stays from frame to frame, in [0, 1].
        threads: strips worked on at once.
    """

    def __init__(self, stabilise: float, threads: int = 1) -> None:
        self._threads = threads
        self.rim = Measured(stabilise, Rim(MOST_SOFT, 0.0), phase=2)
        self.refocus = Measured(stabilise, Refocus())
        self.regrain = Measured(stabilise, Regrain(NO_TRACES), phase=EVERY // 2)
        self._blurred: tuple[Pixels, float | None] | None = None  # a scene and its blur
        self._grainy: tuple[Pixels, SceneGrain] | None = None  # a scene and its grain

    def forget(self) -> None:
        """Begin anew with the next frame: another shot."""
        for measured in (self.rim, self.refocus, self.regrain):
            measured.forget()

    def cleaned(
        self, colors: Floats, alpha: Floats, options: EffectOptions
    ) -> tuple[Floats, Floats]:
        """A person's own colors (h, w, 3) and alpha (h, w) with clean edges, where they are on."""
        rim = self.rim.at(lambda: measure_rim(colors, alpha))
        return clean_colors(colors, alpha, options.amount("clean_edges"), rim=rim)

    def apply(
        self,
        picture: Pixels,
        alpha: Floats,
        box: tuple[slice, slice],
        scene: Pixels,
        options: EffectOptions,
        seed: int,
    ) -> None:
        """Match sharpness and grain, and wrap light, in place; where alpha is 0 nothing changes.

        Args:
            picture: the finished frame, uint8 (H, W, 3).
            alpha: (H, W) in [0, 1].
            box: rows and columns that hold the person.
            scene: what is behind, uint8 (H, W, 3): the same array as long as it stands still.
            options: the strengths.
            seed: of the grain: the frame's number.
        """
        sharpness, grain, wrap = (options.amount(name) for name in EFFECTS)
        if not (sharpness or grain or wrap):
            return
        part, size = _wider(box, alpha.shape), alpha.shape
        made, mask, threads = picture[part], alpha[part], self._threads
        if sharpness:
            change = self.refocus.at(
                lambda: refocus_for(made, mask, self._blur_of(scene), longer=max(size))
            )
            made = refocused(made, mask, change, sharpness, threads=threads)
        if grain:
            sharp = made

            def measured() -> Regrain:
                found = regrain_for(sharp, mask, self._grain_of(scene), grain, threads=threads)
                self.regrain.current = silent_like(self.regrain.current, found)
                return found

            noise = self.regrain.at(measured)
            made = regrained(made, mask, noise, grain, seed=seed, threads=threads)
        if wrap:
            more = {"shorter": min(size), "side": WRAP_SIDE}
            made = light_wrap(made, mask, wrap, threads=threads, **more)
        picture[part] = made

    def _blur_of(self, scene: Pixels) -> float | None:
        if self._blurred is None or self._blurred[0] is not scene:
            self._blurred = scene, blur_of(scene, np.ones(scene.shape[:2], np.uint8))
        return self._blurred[1]

    def _grain_of(self, scene: Pixels) -> SceneGrain:
        if self._grainy is None or self._grainy[0] is not scene:
            everywhere = np.ones(scene.shape[:2], bool)
            corner = np.s_[:TRACED_SIDE, :TRACED_SIDE]
            found = steps_of(scene[corner], everywhere[corner])
            self._grainy = scene, SceneGrain.of(scene, everywhere, found)
        return self._grainy[1]


def silent_like(before: Regrain | None, after: Regrain) -> Regrain | None:
    """``before``, with noise of 0 where it knows none and ``after`` does: so it comes slowly."""
    if before is None or before.more is not None or after.more is None or after.taken is None:
        return before
    silent = replace(after.more, sigmas=0 * after.more.sigmas)
    return replace(before, own=after.own, taken=0 * after.taken, more=silent)


def _wider(box: tuple[slice, slice], size: tuple[int, ...]) -> tuple[slice, slice]:
    """A box with what wraps around it, that begins where a JPEG's blocks do."""
    margin = int(np.ceil(WRAP_REACH * WIDTH * min(size)))
    rows, columns = (
        slice(max(0, one.start - margin) // ALIGNED * ALIGNED, min(one.stop + margin, side))
        for one, side in zip(box, size, strict=False)
    )
    return rows, columns
