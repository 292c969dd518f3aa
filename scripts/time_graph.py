#!/usr/bin/env python3
"""Time the one-file graph against the Python way: scripts/time_graph.py [--size WxH] [--profile].

Prints, for each lift, the seconds of the processor on one thread: the medians of three runs after
a first one, with the session's basic optimizations, as onnxruntime-web has them. With --profile
also the operators that took most, by ONNX Runtime's own profile of the lift auto (of the clock).
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
from PIL import Image

from phnet.harmonization.harmonizer import Harmonizer
from phnet.web.graphs.harmonize import LIFTS, harmonizing_model

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
RUNS = 3
MOST = 8  # operators shown


def seconds(work: Callable[[], Any]) -> float:
    """Of the processor, in the median."""
    work()
    took = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    return statistics.median(took)


def pictures(width: int, height: int) -> tuple[Any, Any]:
    """The example, of some size."""
    image = Image.open(EXAMPLES / "composite.jpg").convert("RGB").resize((width, height))
    mask = Image.open(EXAMPLES / "mask.png").convert("L").resize((width, height))
    return np.asarray(image), np.asarray(mask)


def opened(model: bytes, profile: Path | None = None) -> Any:
    """A session on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def fed(composite: Any, mask: Any, lift: int, light: float) -> dict[str, Any]:
    """The graph's inputs."""
    none = np.zeros((0, 0, 4), np.uint8)
    opaque = np.full(mask.shape, 255, np.uint8)
    return {
        "composite": np.dstack([composite, opaque]),
        "mask": mask / np.float32(255),
        "foreground": none,
        "background": none,
        "strength": np.array(1, np.float32),
        "lift": np.array(lift, np.int32),
        "light": np.array(light, np.float32),
        "gains": np.ones(3, np.float32),
    }


def show_operators(model: bytes, feed: dict[str, Any]) -> None:
    """Print what one run spent its time on."""
    with tempfile.TemporaryDirectory() as place:
        session = opened(model, Path(place) / "profile")
        session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
    spent: Counter[str] = Counter()
    for event in events:
        kind = event.get("args", {}).get("op_name")
        if kind and kind not in ("If", "Loop", "Scan"):  # their bodies count themselves
            spent[kind] += event["dur"]
    whole = sum(spent.values())
    for kind, took in spent.most_common(MOST):
        print(f"  {kind}: {took / 1e3:.0f} ms, {took / whole:.0%}")


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="2000x1500", metavar="WxH")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    cv2.setNumThreads(1)
    composite, mask = pictures(width, height)
    model = harmonizing_model().SerializeToString()
    session, harmonizer = opened(model), Harmonizer(threads=1)
    for number, lift in enumerate(LIFTS):
        feed = fed(composite, mask, number, harmonizer.card.light)
        graph = seconds(lambda feed=feed: session.run(None, feed))
        python = seconds(lambda lift=lift: harmonizer.harmonize(composite, mask, lift=lift))
        print(f"{lift}: graph {graph:.2f} s, Python {python:.2f} s, {graph / python:.1f} times")
    if arguments.profile:
        show_operators(model, fed(composite, mask, 0, harmonizer.card.light))


if __name__ == "__main__":
    main()
