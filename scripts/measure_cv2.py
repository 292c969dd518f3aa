#!/usr/bin/env python3
"""What OpenCV's functions in use cost by other ways: scripts/measure_cv2.py [--side N].

Prints a table in Markdown: seconds of one processor at 12 megapixels (N x 3N/4 pixels), OpenCV's
and those of Pillow, numpy and scipy for the same, and how far apart their results are. The medians
of three runs on one thread. Then the sizes of the packages where this Python has them.
"""

import argparse
import cProfile
import pstats
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

from phnet.harmonization.harmonizer import Harmonizer

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
RUNS = 3
Work = Callable[[], Any]
Cases = dict[str, tuple[Work, dict[str, Work], float]]
SQUARE = np.ones((5, 5), np.uint8)


def seconds(work: Work) -> tuple[float, Any]:
    """Of one processor: the median, and the result."""
    took, made = [], None
    for _ in range(RUNS):
        start = time.process_time()
        made = work()
        took.append(time.process_time() - start)
    return statistics.median(took), made


def planes(picture: Any, size: tuple[int, int], how: Image.Resampling) -> Any:
    """Pillow's resize of floats, which it has for one channel alone."""
    made = [
        np.asarray(Image.fromarray(np.ascontiguousarray(picture[..., i])).resize(size, how))
        for i in range(picture.shape[2])
    ]
    return np.stack(made, 2)


def cumulated(plane: Any, side: int) -> Any:
    """The mean of side x side pixels, the edge repeated, in numpy."""
    made = plane
    for axis in (0, 1):
        around = [(side // 2 + 1, side // 2) if a == axis else (0, 0) for a in (0, 1)]
        sums = np.moveaxis(np.cumsum(np.pad(made, around, "edge"), axis, dtype=np.float64), axis, 0)
        made = np.moveaxis((sums[side:] - sums[:-side]) / side, 0, axis)
    return made.astype(np.float32)


class Pictures:
    """What the functions work on."""

    def __init__(self, width: int) -> None:
        height = width * 3 // 4
        draw = np.random.default_rng(0)
        self.small = draw.random((height // 8, width // 8, 3), np.float32)
        self.rgb = cv2.resize(self.small, (width, height), interpolation=cv2.INTER_LINEAR)
        self.rgb8 = np.rint(self.rgb * 255).astype(np.uint8)
        self.plane = np.ascontiguousarray(self.rgb[..., 0])
        self.plane8 = np.ascontiguousarray(self.rgb8[..., 0])
        self.solid = (self.plane > 0.5).astype(np.uint8)
        self.size, self.matrix = (width, height), draw.random((3, 3))
        self.table = np.arange(256, dtype=np.uint8)[::-1].copy()
        self.turned = np.array([[0.9, 0.05, 3], [-0.05, 0.9, 9]])
        shift = 0.5 - self.turned[:, :2].sum(1) / 2  # Pillow's pixels have their centers at a half
        self.theirs = (self.turned + np.array([[0, 0, 1]]) * shift[:, None]).ravel().tolist()
        self.image8 = Image.fromarray(self.rgb8)


def cases(width: int) -> Cases:
    """What is done: OpenCV's way, the other ways, and what 1 is in levels of 255."""
    pictures = Pictures(width)
    return resized(pictures) | filtered(pictures) | colored(pictures)


def resized(p: Pictures) -> Cases:
    """Pictures of another size."""
    return {
        "resize to 256, uint8": (
            lambda: cv2.resize(p.rgb8, (256, 256), interpolation=cv2.INTER_AREA),
            {"Pillow": lambda: np.asarray(p.image8.resize((256, 256), Image.Resampling.BOX))},
            1,
        ),
        "resize to 256, float": (
            lambda: cv2.resize(p.rgb, (256, 256), interpolation=cv2.INTER_AREA),
            {"Pillow": lambda: planes(p.rgb, (256, 256), Image.Resampling.BOX)},
            255,
        ),
        "resize from an eighth, float": (
            lambda: cv2.resize(p.small, p.size, interpolation=cv2.INTER_LINEAR),
            {
                "Pillow": lambda: planes(p.small, p.size, Image.Resampling.BILINEAR),
                "scipy": lambda: ndimage.zoom(
                    p.small, (8, 8, 1), order=1, grid_mode=True, mode="nearest"
                ),
            },
            255,
        ),
    }


def filtered(p: Pictures) -> Cases:
    """Blurs, and what goes by neighbors."""
    return {
        "blur, boxFilter 17x17, float": (
            lambda: cv2.blur(p.plane, (17, 17), borderType=cv2.BORDER_REPLICATE),
            {
                "numpy": lambda: cumulated(p.plane, 17),
                "scipy": lambda: ndimage.uniform_filter(p.plane, 17, mode="nearest"),
            },
            255,
        ),
        "GaussianBlur, sepFilter2D, sigma 2, float": (
            lambda: cv2.GaussianBlur(p.plane, (17, 17), 2, borderType=cv2.BORDER_REPLICATE),
            {"scipy": lambda: ndimage.gaussian_filter(p.plane, 2, truncate=4, mode="nearest")},
            255,
        ),
        "erode, dilate 5x5, uint8": (
            lambda: cv2.erode(p.plane8, SQUARE),
            {
                "Pillow": lambda: np.asarray(
                    Image.fromarray(p.plane8).filter(ImageFilter.MinFilter(5))
                ),
                "scipy": lambda: ndimage.minimum_filter(p.plane8, 5, mode="nearest"),
            },
            1,
        ),
        "distanceTransform": (
            lambda: cv2.distanceTransform(p.solid, cv2.DIST_L2, 3),
            {"scipy": lambda: ndimage.distance_transform_edt(p.solid).astype(np.float32)},
            1,
        ),
        "connectedComponentsWithStats": (
            lambda: cv2.connectedComponentsWithStats(p.solid, connectivity=4)[1] > 0,
            {"scipy": lambda: ndimage.label(p.solid)[0] > 0},
            1,
        ),
    }


def colored(p: Pictures) -> Cases:
    """Colors, channels and a turn."""
    return {
        "transform (a matrix), float": (
            lambda: cv2.transform(p.rgb, p.matrix),
            {"numpy": lambda: p.rgb @ p.matrix.T.astype(np.float32)},
            255,
        ),
        "multiply, addWeighted, blendLinear, float": (
            lambda: cv2.addWeighted(p.rgb, 0.3, p.rgb, 0.6, 0),
            {"numpy": lambda: p.rgb * np.float32(0.3) + p.rgb * np.float32(0.6)},
            255,
        ),
        "merge, split, float": (
            lambda: cv2.merge([p.plane, p.plane, p.plane]),
            {"numpy": lambda: np.stack([p.plane, p.plane, p.plane], 2)},
            255,
        ),
        "warpAffine, uint8": (
            lambda: cv2.warpAffine(
                p.rgb8, p.turned, p.size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            ),
            {
                "Pillow": lambda: np.asarray(
                    p.image8.transform(
                        p.size, Image.Transform.AFFINE, p.theirs, Image.Resampling.BILINEAR
                    )
                )
            },
            1,
        ),
        "LUT, uint8": (
            lambda: cv2.LUT(p.rgb8, p.table),
            {"numpy": lambda: p.table[p.rgb8]},
            1,
        ),
        "cvtColor to YCrCb, uint8": (
            lambda: cv2.cvtColor(p.rgb8, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]],
            {"Pillow": lambda: np.asarray(p.image8.convert("YCbCr"))},
            1,
        ),
    }


def share_of_a_harmonization(width: int) -> tuple[float, float]:
    """Seconds of the processor for one picture, and OpenCV's part of them."""
    size = (width, width * 3 // 4)
    composite = np.asarray(Image.open(EXAMPLES / "composite.jpg").convert("RGB").resize(size))
    mask = np.asarray(Image.open(EXAMPLES / "mask.png").convert("L").resize(size))
    harmonizer = Harmonizer(threads=1)
    harmonizer.harmonize(composite, mask)
    profile = cProfile.Profile(time.process_time)
    profile.runcall(harmonizer.harmonize, composite, mask)
    whole = ours = 0.0
    for (_, _, name), (_, _, took, *_) in pstats.Stats(profile).stats.items():
        whole += took
        ours += took if hasattr(cv2, name.strip("<>")) and name.startswith("<") else 0
    return whole, ours


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4000, help="the width in pixels")
    width = parser.parse_args().side
    cv2.setNumThreads(1)
    print("| what | OpenCV | by another way | farthest apart, levels |\n|---|---|---|---|")
    for name, (ours, others, scale) in cases(width).items():
        took, made = seconds(ours)
        for way, work in others.items():
            other, same = seconds(work)
            apart = np.abs(np.asarray(made, np.float64) - same).max() * scale
            times = f"{other:.2f} s {way} ({other / took:.1f} times)"
            print(f"| {name} | {took:.2f} s | {times} | {apart:.1f} |", flush=True)
    whole, ours = share_of_a_harmonization(width)
    print(f"\nOne harmonization: {whole:.2f} s, of which OpenCV {ours:.2f} s")
    print("\n| package | MB installed |\n|---|---|")
    for name in (
        "opencv-python-headless",
        "scipy",
        "numpy",
        "pillow",
        "onnxruntime",
        "imagecodecs",
    ):
        files = metadata.files(name) or []
        size = sum(path.stat().st_size for f in files if (path := f.locate()).is_file())
        print(f"| {name} {metadata.version(name)} | {size / 1e6:.0f} |")


if __name__ == "__main__":
    main()
