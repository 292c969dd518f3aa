"""Figures of ``phnet video`` and of the live path on a made-up clip: speed, latency, flicker.

The clip shows people of a folder of portraits, one after another, moving before a blur of their
own photo, with noise, 640x360, H.264.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from phnet.benchmarks.speed import picture, spread
from phnet.compositing.composer import Composer
from phnet.compositing.placement import Place
from phnet.datasets.readers import masked_photos
from phnet.harmonization.harmonizer import Harmonizer
from phnet.images import load, load_mask
from phnet.images.arrays import Floats, Pixels, check_mask, to_uint8
from phnet.matting.foreground import FAINT, estimate
from phnet.matting.matte import Matter
from phnet.video import Live
from phnet.video.container import pyav
from phnet.video.convert import convert
from phnet.video.live import cover
from phnet.video.temporal_smoothing import STABILISE

SIZE = (360, 640)  # H, W
PEOPLE = 3
NOISE = 4.0  # standard deviation, in levels of 255
EVERY = (1, 4)
FLICKER_FRAMES = 20
SETTLING = 4  # frames at the start of a clip that do not count


def people(folder: Path, count: int = PEOPLE) -> list[tuple[Floats, Floats]]:
    """Photos (h, w, 3) and masks (h, w) in [0, 1]: ``count`` from all over the folder's names.

    Raises:
        BadData: there are none.
    """
    found = masked_photos(folder)
    chosen = found[:: max(1, len(found) // count)][:count]
    photos = [(load(photo).rgb, load_mask(mask)) for photo, mask in chosen]
    return [(rgb, check_mask(mask, (rgb.shape[0], rgb.shape[1]))) for rgb, mask in photos]


def moving(photo: Floats, mask: Floats, frames: int, noise: float = NOISE) -> Iterator[Pixels]:
    """Frames uint8 (H, W, 3) of SIZE in which the person sways before a blur of the photo."""
    rng = np.random.default_rng(0)
    height, width = SIZE
    whole = cover(to_uint8(photo), SIZE)
    behind = cv2.GaussianBlur(whole, (0, 0), 12).astype(np.float32) / 255
    scale = height / photo.shape[0]
    layer = np.dstack([estimate(photo, mask) * mask[..., None], mask])
    for i in range(frames):
        x = (width - photo.shape[1] * scale) / 2 + 60 * np.sin(i / 10)
        placed = cv2.warpAffine(layer, np.array([[scale, 0, x], [0, scale, 0]]), (width, height))
        frame = placed[..., :3] + behind * (1 - placed[..., 3:])
        yield _bytes(frame * 255 + rng.normal(0, noise, frame.shape))


def write_clip(path: Path, folder: Path, frames: int) -> None:
    """Write the clip, with ``frames`` frames of each person."""
    av = pyav()
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for photo, mask in people(folder):
            for frame in moving(photo, mask, frames):
                target.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        target.mux(stream.encode(None))


def video_figures(
    folder: Path, threads: int, repeat: int, model: str | None = None, frames: int = 20
) -> dict[str, Any]:
    """Seconds a frame from file to file, of the live path, and how much flicker is left.

    Args:
        folder: portraits NAME.jpg with masks NAME.png.
        threads: of the networks and of OpenCV; FFmpeg chooses its own.
        repeat: how many times the clip is converted.
        model: see :class:`phnet.harmonization.harmonizer.Harmonizer`.
        frames: of each person.
    """
    cv2.setNumThreads(threads)
    harmonizer, matter = Harmonizer(model, threads), Matter(threads=threads)
    scene = picture(*SIZE)[0]
    figures: dict[str, Any] = {
        "size": f"{SIZE[1]}x{SIZE[0]}",
        "threads": threads,
        "frames": frames * PEOPLE,
    }

    def live(scene: Pixels, every: int = 1, stabilise: float = STABILISE) -> Live:
        return Live(scene, every=every, stabilise=stabilise, harmonizer=harmonizer, matter=matter)

    with tempfile.TemporaryDirectory() as name:
        source, background = Path(name) / "clip.mp4", Path(name) / "scene.png"
        write_clip(source, folder, frames)
        cv2.imwrite(str(background), scene[..., ::-1])
        seconds: dict[int, list[float]] = {every: [] for every in EVERY}
        for _ in range(repeat):  # in turn: what else the machine does falls on all alike
            for every, taken in seconds.items():
                start = time.perf_counter()
                report = convert(
                    source, Path(name) / "out.mp4", background, partial(live, every=every)
                )
                taken.append((time.perf_counter() - start) / report.frames)
    for every, taken in seconds.items():
        figures[f"every_{every}"] = {
            "frames_per_second": round(1 / statistics.median(taken), 1),
            "a_frame": spread(taken),
        }
    person, *others = people(folder)
    firsts = [next(moving(photo, mask, 1)) for photo, mask in people(folder, 8)]
    figures["off_compose_levels"] = off_compose(firsts, scene, harmonizer, matter)
    figures["latency"] = {
        f"every_{every}": spread(_latencies(live(scene, every), moving(*person, 3 * frames)))
        for every in EVERY
    }
    stills = [photo for photo, _ in (person, *others)]
    figures["flicker"] = flicker(stills, lambda stabilise: live(scene, stabilise=stabilise))
    return figures


def _latencies(live: Live, frames: Iterator[Pixels]) -> list[float]:
    """Seconds from each frame to its result, after a few."""
    seconds = []
    for frame in frames:
        start = time.perf_counter()
        live.process(frame)
        seconds.append(time.perf_counter() - start)
    return seconds[SETTLING:]


def off_compose(
    frames: list[Pixels], scene: Pixels, harmonizer: Harmonizer, matter: Matter
) -> float:
    """Mean difference between the live path and compose over the person, in levels.

    Frames in which no person is found do not count.
    """
    off, composer = [], Composer(harmonizer, matter)
    for frame in frames:
        live = Live(scene, harmonizer=harmonizer, matter=matter)
        fast = live.process(frame)
        if live.alpha is not None and live.alpha.any():
            alpha = matter.matte(frame)  # as Live does, however sure that is
            person = composer.cut_out(frame, alpha)
            whole = composer.compose(person, scene, Place(0, 0, 1))
            seen = whole.mask > FAINT
            off.append(np.abs(fast[seen].astype(np.float32) - whole.result[seen]).mean())
    return round(float(np.mean(off)), 2)


def flicker(stills: list[Floats], live: Callable[[float], Live]) -> dict[str, float]:
    """Mean frame-to-frame change of the foreground's mean color in levels, and the ratio.

    Stills are repeated with noise. The foreground is what each frame's own matte says, in the
    finished frames: the matte's flicker and the noise itself count.
    """
    changes = []
    for stabilise in (0.0, STABILISE):
        steps = []
        for still in stills:
            session, rng, means = live(stabilise), np.random.default_rng(0), []
            for _ in range(FLICKER_FRAMES):
                result = session.process(_bytes(still * 255 + rng.normal(0, NOISE, still.shape)))
                assert session.alpha is not None
                share = session.alpha[..., None]
                means.append((result * share).sum((0, 1)) / share.sum())
            steps.append(np.abs(np.diff(np.array(means[SETTLING:]), axis=0)))
        changes.append(float(np.mean(steps)))
    return {
        "unsmoothed": round(changes[0], 3),
        "smoothed": round(changes[1], 3),
        "ratio": round(changes[1] / changes[0], 3),
    }


def _bytes(levels: npt.NDArray[np.floating[Any]]) -> Pixels:
    return np.asarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))
