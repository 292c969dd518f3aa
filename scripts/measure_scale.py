"""How long many large photos take: decoding into a cache, writing shards, reading them again.

    python scripts/measure_scale.py WORK --photos 5000   # pip install -e ".[train,scale]"

Makes a tree of FFHQH out of synthetic photos (smooth colors with a camera's noise, JPEG at
quality 90) in WORK, which must have room, and prints one line a step: seconds, images a second,
bytes, and what 70,000 and 10 million images would take. What is there is not made again.
"""

import argparse
import os
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from phnet.datasets.shards import write_shards
from phnet.training.cache import Share, build_cache
from phnet.training.sources import pair_sources
from phnet.training.streaming import Shards

PAPER = (70_000, 10_000_000)


def make(tree: Path, size: int, number: int) -> None:
    """Write one triple: real, comp and alpha of ``number``."""
    name = f"{number:07d}"
    if (tree / "comp" / f"{name}.jpg").exists():
        return
    rng = np.random.default_rng(number)
    seeds = rng.integers(0, 256, (6, 6, 3)).astype(np.float32)
    real = cv2.resize(seeds, (size, size), interpolation=cv2.INTER_CUBIC)
    cv2.setRNGSeed(number)
    noise = cv2.randn(np.empty((size, size, 3), np.float32), (0, 0, 0), (4, 4, 4))
    real = np.clip(real + noise, 0, 255).astype(np.uint8)
    mask = np.zeros((size, size), np.uint8)
    cv2.circle(mask, (size // 2, size // 2), size // 3, 255, -1)
    comp = np.where(mask[..., None] > 127, real // 2 + 40, real)
    cv2.imwrite(str(tree / "real" / f"{name}.jpg"), real, [cv2.IMWRITE_JPEG_QUALITY, 90])
    cv2.imwrite(str(tree / "alpha" / f"{name}.png"), mask)
    cv2.imwrite(str(tree / "comp" / f"{name}.jpg"), comp, [cv2.IMWRITE_JPEG_QUALITY, 90])


def told(what: str, seconds: float, count: int, size: int) -> None:
    """Print a step's line."""
    rate = count / max(seconds, 1e-9)
    ahead = ", ".join(
        f"{n:,}: {n / rate / 3600:.1f} h, {size / count * n / 1e9:,.0f} GB" for n in PAPER
    )
    print(f"{what}: {seconds:.1f} s, {rate:.1f} images/s, {size / 1e9:.2f} GB; {ahead}", flush=True)


def bytes_of(folder: Path, pattern: str = "**/*") -> int:
    """The bytes of a folder's files."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def main() -> None:
    """Run all steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--cache-size", type=int, default=256)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    tree, count, jobs = options.work / "tree", options.photos, options.jobs
    cv2.setNumThreads(1)
    for part in ("real", "comp", "alpha"):
        (tree / part).mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with ProcessPoolExecutor(jobs) as pool:
        for _ in pool.map(partial(make, tree, options.size), range(count), chunksize=16):
            pass
    names = [f"{number:07d}.jpg" for number in range(count)]
    held = max(1, count // 50)
    (tree / "train_split.txt").write_text("\n".join(names[held:]))
    (tree / "val_split.txt").write_text("\n".join(names[:held]))
    told("made the photos", time.monotonic() - begun, count, bytes_of(tree))

    folder = options.work / "cache"
    shutil.rmtree(folder, ignore_errors=True)
    sources = pair_sources([str(tree)], "train", "")
    begun = time.monotonic()
    cache = build_cache(sources, options.cache_size, folder, Share(jobs=jobs))
    seconds = time.monotonic() - begun
    told(f"decoded at {cache.size}", seconds, len(cache), bytes_of(folder))

    shards = options.work / "shards"
    shutil.rmtree(shards, ignore_errors=True)
    begun = time.monotonic()
    counts = write_shards(tree, shards, jobs=jobs)
    told("wrote shards", time.monotonic() - begun, sum(counts.values()), bytes_of(shards))

    streamed = Shards(shards, "train", "pairs", options.cache_size)
    rows = streamed.order(np.random.default_rng(0))[:500]
    begun = time.monotonic()
    for row in rows.tolist():
        streamed.row(row)
    told("read one loader's shards", time.monotonic() - begun, len(rows), len(rows))


if __name__ == "__main__":
    main()
