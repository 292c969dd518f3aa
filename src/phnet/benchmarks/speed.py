"""Times and memory of the product on this machine.

Every figure is the median of repeated runs in seconds, with the fastest and the slowest beside
it. Nothing else should run meanwhile; a wide spread says that something did.
"""

import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from phnet.harmonization.harmonizer import Harmonizer
from phnet.images.arrays import Pixels, to_float
from phnet.options import cores

SIZES = {"3840x2160": (2160, 3840), "12_megapixels": (3000, 4000)}  # (H, W)
PACKAGES = ("phnet", "numpy", "onnxruntime", "opencv-python-headless", "torch")

_LARGE = """
import json, sys, time
from phnet.benchmarks.speed import peak_memory, picture
from phnet.harmonization.harmonizer import Harmonizer
height, width, threads, repeat = map(int, sys.argv[1:5])
composite, mask = picture(height, width)
harmonizer = Harmonizer(sys.argv[5] or None, threads=threads)
harmonizer.harmonize(*picture(300, 300))
seconds = []
for _ in range(repeat):
    start = time.perf_counter()
    harmonizer.harmonize(composite, mask)
    seconds.append(time.perf_counter() - start)
print(json.dumps({"seconds": seconds, "peak": peak_memory()}))
"""
_START = """
import json, sys, time
start = time.perf_counter()
import phnet
imported = time.perf_counter() - start
phnet.harmonize(*sys.argv[1:])
print(json.dumps({"import": imported}))
"""


def picture(height: int, width: int) -> tuple[Pixels, Pixels]:
    """A made-up composite uint8 (H, W, 3) and a soft mask uint8 (H, W) over 40% of it."""
    rng = np.random.default_rng(0)
    seeds = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    composite = cv2.resize(seeds, (width, height), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((height, width), np.uint8)
    axes = (width // 4, height // 2)
    cv2.ellipse(mask, (width // 2, height // 2), axes, 0, 0, 360, 255, -1)
    return composite, cv2.GaussianBlur(mask, (0, 0), 3)


def peak_memory() -> int | None:
    """The most memory that this process has held, in bytes; None where that is not told."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux: getrusage would tell the parent's peak, too
        text = status.read_text(encoding="utf-8")
        return int(text.split("VmHWM:")[1].split()[0]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def spread(seconds: list[float]) -> dict[str, float]:
    """Median, fastest and slowest of repeated runs, seconds."""
    return {
        "median_s": round(median(seconds), 4),
        "min_s": round(min(seconds), 4),
        "max_s": round(max(seconds), 4),
    }


def timed(action: Callable[[], object], repeat: int) -> list[float]:
    """Seconds of each of ``repeat`` runs, after one that does not count."""
    action()
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return seconds


def machine() -> dict[str, Any]:
    """The processor, its cores, the system, and versions."""
    versions: dict[str, str] = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def small_figures(harmonizer: Harmonizer, repeat: int, side: int = 256) -> dict[str, Any]:
    """A network on a square that has its size already, and a lift from half of it.

    "end_to_end" is all of harmonize at the network's own size; "with_lift" has a picture of
    twice the side, so that the lift takes part; "network" is ONNX Runtime alone.
    """
    composite, mask = picture(side, side)
    large, large_mask = picture(2 * side, 2 * side)
    floats, alpha = to_float(composite), to_float(mask)

    def own() -> object:
        return harmonizer.harmonize(composite, mask, resolution=side)

    def twice() -> object:
        return harmonizer.harmonize(large, large_mask, resolution=side)

    return {
        "model": harmonizer.card.name,
        "threads": harmonizer.threads,
        "side": side,
        "network": spread(timed(lambda: harmonizer.run(floats, alpha), repeat)),
        "end_to_end": spread(timed(own, repeat)),
        "with_lift": spread(timed(twice, repeat)),
    }


def large_figures(threads: int, repeat: int, model: str | None = None) -> dict[str, Any]:
    """Large pictures end to end from decoded arrays, each size in a process of its own.

    "bytes_a_pixel" is the growth of the peak from the first size to the last, inputs and result
    included.
    """
    figures: dict[str, Any] = {"threads": threads}
    peaks: list[tuple[int, int]] = []  # pixels, bytes
    for name, (height, width) in SIZES.items():
        told = _in_process(_LARGE, height, width, threads, repeat, model or "")
        figures[name] = spread(told["seconds"])
        if told["peak"] is not None:
            figures[name]["peak_mb"] = round(told["peak"] / 1e6)
            peaks.append((height * width, told["peak"]))
    if len(peaks) > 1:
        (few, low), (many, high) = peaks[0], peaks[-1]
        figures["bytes_a_pixel"] = round((high - low) / (many - few), 1)
    return figures


def start_figures(repeat: int, example: Path) -> dict[str, Any]:
    """A new process that imports phnet and harmonizes a picture from files.

    The picture is composite.jpg with mask.png in the folder ``example``; where there is none, one
    of 512 pixels is made up. "picture" says which.
    """
    walls, imports = [], []
    with tempfile.TemporaryDirectory() as folder:
        names = [str(example / name) for name in ("composite.jpg", "mask.png")]
        about = names[0]
        if not all(Path(name).is_file() for name in names):
            about = "made up, 512x512"
            names = [str(Path(folder) / name) for name in ("composite.png", "mask.png")]
            for name, values in zip(names, picture(512, 512), strict=True):
                cv2.imwrite(name, values)
        for _ in range(repeat):
            start = time.perf_counter()
            imports.append(_in_process(_START, *names)["import"])
            walls.append(time.perf_counter() - start)
    return {"picture": about, "wall": spread(walls), "import": spread(imports)}


def _in_process(script: str, *arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return told
