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


def cases(width: int) -> dict[str, tuple[Work, dict[str, Work], float]]:
    """What is done: OpenCV's way, the other ways, and what 1 is in levels of 255."""
    height = width * 3 // 4
    draw = np.random.default_rng(0)
    small = draw.random((height // 8, width // 8, 3), np.float32)
    rgb = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    rgb8, plane = np.rint(rgb * 255).astype(np.uint8), np.ascontiguousarray(rgb[..., 0])
    plane8 = np.ascontiguousarray(rgb8[..., 0])
    solid = (plane > 0.5).astype(np.uint8)
    size, matrix = (width, height), draw.random((3, 3))
    table = np.arange(256, dtype=np.uint8)[::-1].copy()
    turned = np.array([[0.9, 0.05, 3], [-0.05, 0.9, 9]])
    shift = 0.5 - turned[:, :2].sum(1) / 2  # Pillow's pixels have their centers at a half
    theirs = (turned + np.array([[0, 0, 1]]) * shift[:, None]).ravel().tolist()
    square = np.ones((5, 5), np.uint8)
    image8 = Image.fromarray(rgb8)
    box, linear = Image.Resampling.BOX, Image.Resampling.BILINEAR
    edge = cv2.BORDER_REPLICATE
    return {
        "resize to 256, uint8": (
            lambda: cv2.resize(rgb8, (256, 256), interpolation=cv2.INTER_AREA),
            {"Pillow": lambda: np.asarray(image8.resize((256, 256), box))},
            1,
        ),
        "resize to 256, float": (
            lambda: cv2.resize(rgb, (256, 256), interpolation=cv2.INTER_AREA),
            {"Pillow": lambda: planes(rgb, (256, 256), box)},
            255,
        ),
        "resize from an eighth, float": (
            lambda: cv2.resize(small, size, interpolation=cv2.INTER_LINEAR),
            {
                "Pillow": lambda: planes(small, size, linear),
                "scipy": lambda: ndimage.zoom(
                    small, (8, 8, 1), order=1, grid_mode=True, mode="nearest"
                ),
            },
            255,
        ),
        "blur, boxFilter 17x17, float": (
            lambda: cv2.blur(plane, (17, 17), borderType=edge),
            {
                "numpy": lambda: cumulated(plane, 17),
                "scipy": lambda: ndimage.uniform_filter(plane, 17, mode="nearest"),
            },
            255,
        ),
        "GaussianBlur, sepFilter2D, sigma 2, float": (
            lambda: cv2.GaussianBlur(plane, (17, 17), 2, borderType=edge),
            {"scipy": lambda: ndimage.gaussian_filter(plane, 2, truncate=4, mode="nearest")},
            255,
        ),
        "erode, dilate 5x5, uint8": (
            lambda: cv2.erode(plane8, square),
            {
                "Pillow": lambda: np.asarray(
                    Image.fromarray(plane8).filter(ImageFilter.MinFilter(5))
                ),
                "scipy": lambda: ndimage.minimum_filter(plane8, 5, mode="nearest"),
            },
            1,
        ),
        "distanceTransform": (
            lambda: cv2.distanceTransform(solid, cv2.DIST_L2, 3),
            {"scipy": lambda: ndimage.distance_transform_edt(solid).astype(np.float32)},
            1,
        ),
        "connectedComponentsWithStats": (
            lambda: cv2.connectedComponentsWithStats(solid, connectivity=4)[1] > 0,
            {"scipy": lambda: ndimage.label(solid)[0] > 0},
            1,
        ),
        "transform (a matrix), float": (
            lambda: cv2.transform(rgb, matrix),
            {"numpy": lambda: rgb @ matrix.T.astype(np.float32)},
            255,
        ),
        "multiply, addWeighted, blendLinear, float": (
            lambda: cv2.addWeighted(rgb, 0.3, rgb, 0.6, 0),
            {"numpy": lambda: rgb * np.float32(0.3) + rgb * np.float32(0.6)},
            255,
        ),
        "merge, split, float": (
            lambda: cv2.merge([plane, plane, plane]),
            {"numpy": lambda: np.stack([plane, plane, plane], 2)},
            255,
        ),
        "warpAffine, uint8": (
            lambda: cv2.warpAffine(
                rgb8, turned, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            ),
            {
                "Pillow": lambda: np.asarray(
                    image8.transform(size, Image.Transform.AFFINE, theirs, linear)
                )
            },
            1,
        ),
        "LUT, uint8": (
            lambda: cv2.LUT(rgb8, table),
            {"numpy": lambda: table[rgb8]},
            1,
        ),
        "cvtColor to YCrCb, uint8": (
            lambda: cv2.cvtColor(rgb8, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]],
            {"Pillow": lambda: np.asarray(image8.convert("YCbCr"))},
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
