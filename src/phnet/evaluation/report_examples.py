"""Examples for the report: worst, median and best, and the failures that appendix B names."""

import base64
import html
from collections.abc import Sequence

import cv2
import numpy as np

from phnet.datasets.readers import Sample
from phnet.evaluation.metrics import METRICS
from phnet.evaluation.no_reference import CHECKS
from phnet.evaluation.statistics import Scored
from phnet.images import load
from phnet.images.arrays import Bytes, Doubles, Indices, to_uint8

PICTURE = 200  # height in the page, in pixels
EXAMPLES = 2  # of each kind


def chosen(method: Scored, count: int = EXAMPLES) -> dict[str, list[int]]:
    """Rows of the samples to show under each heading, worst first."""
    mse = method.scores[:, METRICS.index("mse")]
    fmse = method.scores[:, METRICS.index("fmse")]
    order = np.argsort(mse, kind="stable")
    middle = max(0, len(order) // 2 - count // 2)
    few = max(count, len(order) // 10)  # the extreme tenth
    smallest = np.argsort(method.shares, kind="stable")[:few]
    darkest = np.argsort(method.lumas, kind="stable")[:few]
    return {
        "Worst by MSE": order[::-1][:count].tolist(),
        "Median": order[middle : middle + count].tolist(),
        "Best": order[:count].tolist(),
        "Failures: among the smallest foregrounds": _worst(smallest, fmse, count),
        "Failures: among the darkest foregrounds": _worst(darkest, fmse, count),
    }


def _worst(rows: Indices, error: Doubles, count: int) -> list[int]:
    return [int(i) for i in rows[np.argsort(-error[rows], kind="stable")][:count]]


def examples(samples: Sequence[Sample], method: Scored, unfolded: bool) -> str:
    """Before and after pictures of one method, as HTML that can be folded."""
    groups = ""
    for title, rows in chosen(method).items():
        shown = "".join(_example(samples[i], method, i) for i in rows)
        groups += f"<h3>{html.escape(title)}</h3>{shown}"
    state = " open" if unfolded else ""
    return f"<details{state}><summary>composite, result, true photo</summary>{groups}</details>"


def _example(sample: Sample, method: Scored, row: int) -> str:
    pictures = {
        "composite": to_uint8(sample.composite),
        "result": to_uint8(load(method.paths[row]).rgb),
        "true photo": to_uint8(sample.real),
    }
    images = "".join(
        f'<img alt="{what} {html.escape(sample.id)}" src="{data_uri(pixels)}">'
        for what, pixels in pictures.items()
    )
    values = ", ".join(
        f"{name} {value:.2f}" for name, value in zip(METRICS, method.scores[row], strict=True)
    )
    step = method.checks[row, CHECKS.index("color_step")]
    about = f"foreground {method.shares[row]:.0%}, its luma {method.lumas[row]:.0f}"
    caption = f"{sample.id}: {values}; color step {step:.1f}; {about}"
    return f"<figure>{images}<figcaption>{html.escape(caption)}</figcaption></figure>"


def data_uri(pixels: Bytes, height: int = PICTURE) -> str:
    """A picture as a JPEG inside the page, at most ``height`` pixels high."""
    rows, columns = pixels.shape[:2]
    if rows > height:
        width = max(1, min(3 * height, round(columns * height / rows)))
        pixels = np.asarray(
            cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )
    _, encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
