"""From scores of images to the figures of a method: means, intervals, comparisons, tables."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from phnet.evaluation.metrics import ERRORS, METRICS
from phnet.evaluation.no_reference import CHECKS
from phnet.images.arrays import Doubles

BANDS = {"0-5": (0.0, 0.05), "5-15": (0.05, 0.15), "15-100": (0.15, 1.01)}  # of the foreground
RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Scored:
    """One method's scores of every image, in the order of the samples."""

    name: str
    ids: list[str]
    subsets: list[str]
    shares: Doubles  # (n,), of the foreground
    lumas: Doubles  # (n,), mean luma of the composite's foreground, in [0, 255]
    scores: Doubles  # (n, 6), in the order of METRICS
    checks: Doubles  # (n, 5), in the order of CHECKS
    untouched: Doubles  # (n,), MSE on real photos; NaN where there are no such predictions
    paths: list[Path]  # the predictions
    failed: list[tuple[str, str]] = field(default_factory=list)  # ids without scores, and why
    digest: str = ""  # SHA-256 over those of the set's own files, in order
    note: dict[str, Any] = field(default_factory=dict)  # name, parameters, milliseconds
    skin: Doubles | None = None  # (n, 4), of phnet.evaluation.skin_table
    warps: Doubles | None = None  # (pairs, 2): of phnet.evaluation.temporal, and the true video's


def summary(methods: Sequence[Scored]) -> dict[str, Any]:
    """All figures, ready for JSON; infinite and missing values are None."""
    return {
        "set_sha256": methods[0].digest if methods else "",
        "failed": [{"id": name, "reason": why} for name, why in methods[0].failed]
        if methods
        else [],
        "methods": [_summary(method) for method in methods],
        "paired": [
            compare(first, second) for i, first in enumerate(methods) for second in methods[i + 1 :]
        ],
    }


def _summary(method: Scored) -> dict[str, Any]:
    names = ["ALL", *dict.fromkeys(method.subsets)]
    chosen = {n: np.array([n in ("ALL", s) for s in method.subsets]) for n in names}
    bands = {}
    for band, (low, high) in BANDS.items():
        inside = (method.shares >= low) & (method.shares < high)
        means = method.scores[inside].mean(0) if inside.any() else np.full(len(METRICS), np.nan)
        bands[band] = {"n": int(inside.sum()), "mse": _plain(means[0]), "fmse": _plain(means[2])}
    checks = {
        name: _plain(_mean(method.checks[:, i]))
        for i, name in enumerate(CHECKS)
        if name != "background_changed"
    }
    changed = method.checks[:, CHECKS.index("background_changed")]
    checks["images_with_background_changed"] = int((changed > 0).sum())
    checks["untouched_mse"] = _plain(_mean(method.untouched))
    return {
        "name": method.name,
        "n": len(method.ids),
        "made_by": method.note.get("name"),
        "parameters": method.note.get("parameters"),
        "milliseconds": method.note.get("milliseconds"),
        "subsets": {n: _by_metric(method.scores[rows].mean(0)) for n, rows in chosen.items()},
        "ratio_bands": bands,
        "subset_n": {n: int(rows.sum()) for n, rows in chosen.items()},
        "intervals": {n: _by_metric(intervals(method.scores[r]).T) for n, r in chosen.items()},
        "checks": checks,
        "temporal": _temporal(method.warps),
    }


def _temporal(warps: Doubles | None) -> dict[str, Any] | None:
    """Of a set of videos, the mean warp error over pairs of frames, beside the true video's."""
    known = None if warps is None else warps[~np.isnan(warps).any(1)]
    if known is None or not len(known):
        return None
    ends = intervals(known)[:, 0]
    return {
        "pairs": len(known),
        "warp_error": float(known[:, 0].mean()),
        "interval": [float(end) for end in ends],
        "true_video": float(known[:, 1].mean()),
    }


def intervals(values: Doubles, resamples: int = RESAMPLES, seed: int = 0) -> Doubles:
    """95% intervals of means over images, by percentile bootstrap with a fixed seed.

    Args:
        values: (n, k).
        resamples: how often n images are drawn with replacement.
        seed: of the draws.

    Returns:
        (2, k): lower and upper ends. Source: Efron, "Bootstrap methods", 1979.
    """
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    for row in means:
        row[:] = values[rng.integers(0, len(values), len(values))].mean(0)
    ends = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    # an observed value, since there is none between a number and infinity
    return np.asarray(np.quantile(means, ends, axis=0, method="nearest"))


def compare(first: Scored, second: Scored) -> dict[str, Any]:
    """The paired comparison of two methods: differences on the same images.

    Returns:
        For each metric: mean of first minus second, its 95% interval, the share of images on which
        first is better (less error, more decibels), and the p of Wilcoxon's signed-rank test
        (two-sided; None without the extra ``evaluate``).
    """
    equal = first.scores == second.scores  # both infinite, too
    with np.errstate(invalid="ignore"):
        differences = np.where(equal, 0, first.scores - second.scores)
    result: dict[str, Any] = {"first": first.name, "second": second.name, "n": len(first.ids)}
    ends = intervals(differences)
    for i, metric in enumerate(METRICS):
        better = differences[:, i] < 0 if metric in ERRORS else differences[:, i] > 0
        result[metric] = {
            "difference": _plain(differences[:, i].mean()),
            "interval": [_plain(end) for end in ends[:, i]],
            "better": float(better.mean()),
            "p": signed_rank(differences[:, i]),
        }
    return result


def signed_rank(differences: Doubles) -> float | None:
    """The p of Wilcoxon's signed-rank test that differences lie evenly about 0, two-sided.

    Args:
        differences: (n,); those that are not finite are left out, infinite ones are the largest.

    Returns:
        In [0, 1]; 1 where all are 0; None where there are none, or without scipy (the extra
        ``evaluate``). Source: Wilcoxon, "Individual comparisons by ranking methods", 1945.
    """
    try:
        from scipy.stats import wilcoxon
    except ModuleNotFoundError:
        return None
    known = differences[~np.isnan(differences)]
    if not known.size:
        return None
    finite = known[np.isfinite(known)]
    largest = 2 * float(np.abs(finite).max()) + 1 if finite.size else 1.0
    known = np.clip(known, -largest, largest)
    return float(wilcoxon(known).pvalue) if known.any() else 1.0


def _mean(values: Doubles) -> float:
    """The mean of what is there; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan


def _by_metric(values: Doubles) -> dict[str, Any]:
    return {name: _plain(value) for name, value in zip(METRICS, values, strict=True)}


def _plain(value: Any) -> Any:
    """A number, or a list of them, with None for what JSON has no number for."""
    if np.ndim(value):
        return [_plain(one) for one in value]
    return float(value) if np.isfinite(value) else None


def as_csv(methods: Sequence[Scored]) -> str:
    """One line a method and image."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "id", "subset", "share", *METRICS, *CHECKS, "untouched_mse"])
    for method in methods:
        for i, name in enumerate(method.ids):
            numbers = [method.shares[i], *method.scores[i], *method.checks[i], method.untouched[i]]
            plain = [f"{float(value):.6g}" for value in numbers]
            writer.writerow([method.name, name, method.subsets[i], *plain])
    return text.getvalue()


def as_table(figures: dict[str, Any]) -> str:
    """:func:`summary` as plain text: means with 95% intervals, differences with tests, failures."""
    methods = figures["methods"]
    facts = {
        "ms": [_or_dash(method["milliseconds"], ".1f") for method in methods],
        "parameters": [_or_dash(method["parameters"], ",.0f") for method in methods],
        "made by": [method["made_by"] or "-" for method in methods],
    }
    facts = {head: cells for head, cells in facts.items() if set(cells) != {"-"}}
    lines = [["method", "subset", "n", *METRICS, *facts]]
    for i, method in enumerate(methods):
        alone = len(method["subsets"]) == 2  # ALL and the only subset are the same
        for subset, means in method["subsets"].items():
            if alone and subset != "ALL":
                continue
            ends = method["intervals"][subset]
            cells = [with_interval(metric, means[metric], ends[metric]) for metric in METRICS]
            more = [cells[i] if subset == "ALL" else "" for cells in facts.values()]
            lines.append([method["name"], subset, str(method["subset_n"][subset]), *cells, *more])
    parts = [aligned(lines)]
    if figures["paired"]:
        heads = ["first - second", "metric", "difference", "first is better", "p (Wilcoxon)"]
        lines = [heads]
        for pair in figures["paired"]:
            for metric in METRICS:
                found = pair[metric]
                lines.append(
                    [
                        f"{pair['first']} - {pair['second']}",
                        metric,
                        with_interval(metric, found["difference"], found["interval"]),
                        f"{found['better']:.0%}",
                        _or_dash(found["p"], ".2g"),
                    ]
                )
        parts.append(aligned(lines))
    parts += _temporal_lines(methods)
    parts += [f"left out: {failure['id']}: {failure['reason']}" for failure in figures["failed"]]
    return "\n\n".join(parts)


def _temporal_lines(methods: Sequence[dict[str, Any]]) -> list[str]:
    known = [(method["name"], method["temporal"]) for method in methods if method["temporal"]]
    if not known:
        return []
    lines = [["method", "pairs of frames", "warp error"]]
    for name, found in known:
        error = with_interval("mse", found["warp_error"], found["interval"])
        lines.append([name, str(found["pairs"]), error])
    lines.append(["the true video", str(known[0][1]["pairs"]), f"{known[0][1]['true_video']:.2f}"])
    return [aligned(lines)]


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as text with columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _or_dash(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)


def with_interval(metric: str, mean: float | None, ends: Sequence[float | None]) -> str:
    """A mean with its interval: ``17.36 [15.20, 19.64]``; a dash where a metric is not known."""
    digits = 4 if metric == "ssim" else 2
    if metric not in ("psnr", "fpsnr") and mean is None:
        return "-"

    def written(value: float | None) -> str:
        return "inf" if value is None else f"{value:.{digits}f}"

    return f"{written(mean)} [{written(ends[0])}, {written(ends[1])}]"
