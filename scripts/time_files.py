#!/usr/bin/env python3
"""Time ``phnet harmonize`` from file to file at 12 megapixels against Pillow's reading and writing.

Needs phnet (``.venv/bin/python scripts/time_files.py``), and a machine that does nothing else. Of
each command the time of the same command on a picture of 64 pixels is taken away: the start of the
process. The table's time is that of arrays against Pillow's Color3DLUT at 8 bits, one thread each.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageFilter

from phnet.harmonization.lut3d import SIZE, Lut

PORTRAIT = next((Path(__file__).resolve().parent.parent / "tests/portraits").glob("*.jpg"))
SIDES = (4000, 3000)
KINDS = {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif"}


def main() -> None:
    """Print the medians and ratios as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    said: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, suffix in KINDS.items():
            large, small = (made(folder, sides, suffix) for sides in (SIDES, (64, 48)))
            runs = [
                (
                    timed(lambda large=large: harmonized(*large)),
                    timed(lambda small=small: harmonized(*small)),
                    timed(lambda large=large: copied(large[0])),
                )
                for _ in range(repeat)
            ]
            ours, start, pillow = (statistics.median(column) for column in zip(*runs, strict=True))
            said[kind] = {
                "phnet": round(ours, 2),
                "its start": round(start, 2),
                "Pillow, decoded and encoded": round(pillow, 2),
                "ratio": round((ours - start) / pillow, 2),
            }
    said["table"] = table(repeat)
    print(json.dumps(said, indent=2))


def made(folder: Path, sides: tuple[int, int], suffix: str) -> tuple[Path, Path]:
    """Write a grainy photo of so many pixels, and its mask: a fifth of it."""
    photo = cv2.resize(np.asarray(Image.open(PORTRAIT).convert("RGB")), sides)
    noise = np.random.default_rng(1).normal(0, 3, photo.shape)
    photo = np.clip(photo + noise, 0, 255).astype(np.uint8)
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[mask.shape[0] // 3 :, sides[0] // 3 : sides[0] * 2 // 3] = 255
    files = folder / f"photo-{sides[0]}{suffix}", folder / f"mask-{sides[0]}.png"
    Image.fromarray(photo).save(files[0], **({"quality": 92} if suffix == ".jpg" else {}))
    Image.fromarray(mask).save(files[1])
    return files


def harmonized(photo: Path, mask: Path) -> None:
    """Run the command."""
    output = photo.with_stem("out")
    command = [sys.executable, "-m", "phnet", "harmonize", photo, mask, "-o", output]
    subprocess.run(command, check=True, capture_output=True)


def copied(photo: Path) -> None:
    """Decode and encode with Pillow, at its defaults; a JPEG as it was."""
    with Image.open(photo) as image:
        image.load()
        keep = {"quality": "keep"} if image.format == "JPEG" else {}
        image.save(photo.with_stem("copy"), **keep)


def table(repeat: int) -> dict[str, float]:
    """A table on 12 megapixels, all of them foreground."""
    picture = np.random.default_rng(2).integers(0, 256, (*SIDES[::-1], 3)).astype(np.uint8)
    steps = np.linspace(0, 1, SIZE, dtype=np.float32)
    made = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1) ** np.float32(0.9)
    lut, image = Lut(made), Image.fromarray(picture)
    theirs = ImageFilter.Color3DLUT(SIZE, made.transpose(2, 1, 0, 3).ravel().tolist())
    everywhere = np.ones(picture.shape[:2], np.float32)
    runs = [
        (
            timed(lambda: lut.apply(picture, everywhere)),
            timed(lambda: image.filter(theirs)),
        )
        for _ in range(repeat)
    ]
    ours, pillow = (statistics.median(column) for column in zip(*runs, strict=True))
    return {"phnet": round(ours, 2), "Pillow": round(pillow, 2), "ratio": round(ours / pillow, 2)}


def timed(work: Callable[[], object]) -> float:
    """Seconds of the wall's clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
