"""Times of the effects of finishing: at 12 megapixels, and for a frame of a video."""

import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from phnet.harmonization.finishing.grain import noise_rows
from phnet.images.arrays import Floats, Pixels, to_float, to_uint8
from phnet.options import EffectOptions, options_of

PIXELS = 12_000_000
SHARE = 0.47  # of the picture that is person: the photo nearest to it is taken
GRAIN = 5.0  # levels of 255, of the scene
THREADS = (1, 2)
FRAME = (720, 1280)
SENSOR = 2.0  # sigma of a frame's noise, in levels
EFFECTS = {one.name: one.about.finish for one in options_of(EffectOptions)}
FRAME_COSTS: dict[str, Any] = {
    "none": {},
    **{name: {name: amount} for name, amount in EFFECTS.items() if amount is not None},
    "finish": {"finish": True},
}


Photo = tuple[Pixels, Floats]
Tell = Callable[[str], object]  # is told how far it is


def noisy(colors: Floats, level: float, size: float, curve: str, seed: int = 1) -> Pixels:
    """A picture with noise of a sigma of ``level`` levels of 255 at mid gray, uint8."""
    rows, width = slice(0, colors.shape[0]), colors.shape[1]
    drawn = [noise_rows(rows, width, size, seed, channel) for channel in range(4)]
    noise = np.dstack([0.7 * drawn[3] + 0.7 * one for one in drawn[:3]])
    light = colors.mean(-1, keepdims=True)
    shape = {"flat": np.ones_like(light), "shot": np.sqrt(0.25 + 1.5 * light)}
    shape["dark"] = np.sqrt(1.6 - 1.2 * light)
    made = np.clip(colors + level / 255 * shape[curve] * noise, 0, 1)
    return to_uint8(made)


def twelve_megapixel_figures(
    photos: list[Photo], repeat: int = 3, tell: Tell = lambda _: None
) -> dict[str, Any]:
    """Seconds that effects take beyond harmonize's own, on one thread and on two; medians.

    They run in turns, and a round's own time is taken from each in it: so what else runs on the
    machine counts as little as it can. The wall's clock, and the processor's time of all threads.
    """
    from phnet.harmonization.harmonizer import Harmonizer

    photo = min(photos, key=lambda one: abs(float((one[1] > 0.5).mean()) - SHARE))
    picture, mask = twelve_megapixels(photo)
    cases = {name: how for name, how in FRAME_COSTS.items() if name != "shadow"}
    figures: dict[str, Any] = {
        "size": f"{mask.shape[1]}x{mask.shape[0]}",
        "person": round(float((mask > 0.5).mean()), 2),
    }
    before = cv2.getNumThreads()
    for threads in THREADS:
        cv2.setNumThreads(threads)
        harmonizer = Harmonizer(threads=threads)
        rounds: list[dict[str, tuple[float, float]]] = []
        for number in range(repeat + 1):  # the first is not counted
            tell(f"times: {threads} threads, round {number} of {repeat}")
            rounds.append(
                {name: _seconds(harmonizer, picture, mask, how) for name, how in cases.items()}
            )
        figures[f"threads_{threads}"] = {
            ("harmonize_itself" if name == "none" else name): _medians(rounds[1:], name)
            for name in cases
        }
    cv2.setNumThreads(before)
    figures["shadow"] = _shadow_seconds(picture, mask)
    return figures


def enlarged(photo: Photo, times: float) -> tuple[Floats, Floats]:
    """A photo so many times as large, in floats, and its mask."""
    pixels, alpha = photo
    size = (round(times * alpha.shape[1]), round(times * alpha.shape[0]))
    large = cv2.resize(to_float(pixels), size, interpolation=cv2.INTER_CUBIC)
    mask = np.clip(cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR), 0, 1)
    mask[mask < 0.01] = 0
    return np.asarray(np.clip(large, 0, 1), np.float32), np.asarray(mask, np.float32)


def twelve_megapixels(photo: Photo) -> tuple[Pixels, Floats]:
    """A photo of 12 megapixels, its scene with grain, and its mask."""
    clean, mask = enlarged(photo, float(np.sqrt(PIXELS / photo[1].size)))
    grainy = noisy(clean, GRAIN, 0.6, "shot")
    return np.where((mask > 0)[..., None], to_uint8(clean), grainy), mask


def _seconds(
    harmonizer: Any, picture: Pixels, mask: Floats, how: dict[str, Any]
) -> tuple[float, float]:
    """The wall's and the processor's seconds of a call."""
    wall, processor = time.perf_counter(), time.process_time()
    harmonizer.harmonize(picture, mask, **how)
    return time.perf_counter() - wall, time.process_time() - processor


def _medians(rounds: list[dict[str, tuple[float, float]]], name: str) -> dict[str, float]:
    """Medians over rounds, beyond the call without effects but for itself."""
    rows = [np.subtract(one[name], 0 if name == "none" else one["none"]) for one in rounds]
    wall, processor = np.median(rows, 0)
    return {"wall_s": round(float(wall), 2), "processor_s": round(float(processor), 2)}


def _shadow_seconds(picture: Pixels, mask: Floats) -> dict[str, float]:
    """The processor's seconds of a shadow, which only compose has."""
    from phnet.compositing.shadow import ShadowLight, cast_shadow

    start = time.process_time()
    cast_shadow(picture, mask, 1, ShadowLight(30, 0.6, 0.5, 1))
    return {"processor_s": round(time.process_time() - start, 2)}


def frame_cost_figures(photo: Pixels, behind: Pixels) -> dict[str, float]:
    """Seconds of processor time a frame of a video takes with each effect, and with none.

    The person of a photo (H, W, 3), found in each frame, fills the frame's height before another.
    """
    from phnet.harmonization.harmonizer import Harmonizer
    from phnet.matting.matte import Matter
    from phnet.video.live import Live, cover
    from phnet.video.steady_effects import EVERY

    rng = np.random.default_rng(0)
    still, scene = cover(photo, FRAME), cover(behind, FRAME)
    grainy = scene + rng.normal(0, 2 * SENSOR, scene.shape)
    scene = to_uint8(np.asarray(grainy / 255))
    frames = [to_uint8((still + rng.normal(0, SENSOR, still.shape)) / 255) for _ in range(4)]
    shared: Any = {"harmonizer": Harmonizer(threads=1), "matter": Matter(threads=1)}
    figures = {}
    for name, options in FRAME_COSTS.items():
        live = Live(scene, **shared, **options)
        live.process(frames[-1])
        start = time.process_time()
        for number in range(EVERY):
            live.process(frames[number % len(frames)])
        figures[name] = round((time.process_time() - start) / EVERY, 3)
    return figures
