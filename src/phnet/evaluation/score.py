"""Predict with any method, and score predictions from disk, so that all are scored alike.

Every picture is compared as 8-bit RGB, in [0, 255], by its mask binarized at 0.5; numbers of a
set are means of per-image values. Images are read one at a time: memory does not grow with
the pictures of a set, only a row of numbers is kept for each.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from phnet.batch.executors import apply
from phnet.datasets.readers import SUFFIXES, Sample
from phnet.errors import BadData, BadOutput, PHNetError
from phnet.evaluation.metrics import METRICS, Scores, score
from phnet.evaluation.no_reference import LUMA, check
from phnet.evaluation.statistics import Scored
from phnet.files import write_bytes
from phnet.images import load

UNTOUCHED = "untouched"  # folder in a folder of predictions: the method on real photos

Bytes = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]


class Method(Protocol):
    """Whatever harmonizes as a Harmonizer does."""

    def harmonize(self, composite: Any, mask: Any) -> Any:
        """Return the harmonized picture."""
        ...


# -- predictions --------------------------------------------------------------------------


def predict(
    samples: Sequence[Sample],
    method: Method,
    output: str | os.PathLike[str],
    *,
    untouched: bool = False,
    progress: Progress | None = None,
) -> list[float]:
    """Write a method's prediction of every sample, under the composite's file name.

    The files hold PNG whatever their name ends in: a lossy prediction would not be scored as
    the method made it.

    Args:
        samples: from :func:`phnet.datasets.readers.read`.
        method: the method.
        output: the folder to write to; made if missing.
        untouched: hand in real photos instead of composites and write to ``output/untouched``;
            a good method leaves them nearly as they are.
        progress: called with (done, total).

    Returns:
        Seconds that the method took for each image, without reading and writing.

    Raises:
        BadData: two composites have the same file name.
        BadOutput: the folder lies in the data set, or cannot be written.
    """
    folder = Path(output) / UNTOUCHED if untouched else Path(output)
    names: set[str] = set()
    for sample in samples:
        if sample.composite_path.name in names:
            raise BadData(f"{sample.composite_path}: another composite has the same file name")
        names.add(sample.composite_path.name)
    if any(folder.resolve() == s.composite_path.parent.resolve() for s in samples):
        raise BadOutput(f"{folder}: expected a folder other than that of the composites")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutput(f"{folder}: cannot be made ({error.strerror})") from error
    seconds = []
    for done, sample in enumerate(samples):
        pixels = to_bytes(sample.real if untouched else sample.composite)
        mask = sample.mask
        start = time.perf_counter()
        try:
            result = method.harmonize(pixels, mask)
        except PHNetError as error:
            raise type(error)(f"{sample.mask_path}: {error}") from error
        seconds.append(time.perf_counter() - start)
        _, encoded = cv2.imencode(".png", np.asarray(result)[..., ::-1])
        write_bytes(folder / sample.composite_path.name, encoded.tobytes())
        if progress is not None:
            progress(done + 1, len(samples))
    return seconds


def to_bytes(image: npt.NDArray[np.float32]) -> Bytes:
    """Floats in [0, 1] to uint8."""
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


# -- scores -------------------------------------------------------------------------------


def evaluate(
    samples: Sequence[Sample],
    folders: Sequence[str | os.PathLike[str]],
    *,
    convention: str = "default",
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[Scored]:
    """Score predictions that lie on disk, one folder a method.

    Args:
        samples: from :func:`phnet.datasets.readers.read`.
        folders: of predictions, found by the composite's name, else by it without extension.
        convention: a name in :data:`phnet.evaluation.metrics.CONVENTIONS`.
        jobs: worker processes.
        progress: called with (done, total) samples.

    Raises:
        BadData: a prediction is missing or of another size.
        BadMask: a mask is empty at 0.5.
    """
    places = [Path(folder) for folder in folders]
    found = [_predictions(samples, place) for place in places]
    spare = [
        _predictions(samples, place / UNTOUCHED) if (place / UNTOUCHED).is_dir() else None
        for place in places
    ]
    measure = partial(_measure, found, spare, convention)
    rows = []
    for done, row in enumerate(apply(measure, samples, jobs)):
        rows.append(row)
        if progress is not None:
            progress(done + 1, len(samples))
    table = np.array(rows)  # (n, methods, 13)
    first = 2 + len(METRICS)  # of the checks
    return [
        Scored(
            name,
            [sample.id for sample in samples],
            [sample.subset for sample in samples],
            table[:, i, 0],
            table[:, i, 1],
            table[:, i, 2:first],
            table[:, i, first:-1],
            table[:, i, -1],
            [found[i][sample.composite_path.name] for sample in samples],
        )
        for i, name in enumerate(names_of(places))
    ]


def names_of(folders: Sequence[Path]) -> list[str]:
    """Names of methods: the folders' own, with the one above where that is not enough."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = ["/".join(folder.resolve().parts[-2:]) for folder in folders]
    if len(set(names)) < len(names):
        raise BadData(f"expected folders of predictions with names of their own, got {names}")
    return names


def _predictions(samples: Sequence[Sample], folder: Path) -> dict[str, Path]:
    """The prediction for each composite's file name."""
    if not folder.is_dir():
        raise BadData(f"{folder}: expected a folder of predictions, but there is none")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    by_name = {path.name: path for path in files}
    by_stem = {path.stem: path for path in files}
    result, missing = {}, []
    for sample in samples:
        name = sample.composite_path.name
        path = by_name.get(name) or by_stem.get(sample.composite_path.stem)
        if path is None:
            missing.append(name)
        else:
            result[name] = path
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise BadData(f"{folder}: expected a prediction for {missing[0]}{more}, found none")
    return result


def _measure(
    found: list[dict[str, Path]],
    spare: list[dict[str, Path] | None],
    convention: str,
    sample: Sample,
) -> npt.NDArray[np.float64]:
    """A row for each method: share and luma of the foreground, scores, checks, untouched."""
    composite, real, mask = to_bytes(sample.composite), to_bytes(sample.real), sample.mask
    name, hard = sample.composite_path.name, mask > 0.5
    share = float(hard.mean())
    luma = float((composite[hard] @ LUMA).mean()) if share else np.nan
    rows = []
    for predictions, others in zip(found, spare, strict=True):
        predicted = read_prediction(predictions[name], real)
        try:
            scores: Scores = score(predicted, real, mask, convention)
        except PHNetError as error:
            raise type(error)(f"{sample.mask_path}: {error}") from error
        idle = np.nan
        if others is not None:
            kept = read_prediction(others[name], real).astype(np.float64)
            idle = float(np.mean((kept - real) ** 2))
        checks = check(predicted, composite, hard)
        rows.append([share, luma, *astuple(scores), *astuple(checks), idle])
    return np.array(rows, np.float64)


def read_prediction(path: Path, real: Bytes) -> Bytes:
    """A prediction as uint8 (H, W, 3).

    Raises:
        BadData: its size is not the real photo's.
    """
    predicted = to_bytes(load(path).rgb)
    if predicted.shape != real.shape:
        (height, width), (rows, columns) = real.shape[:2], predicted.shape[:2]
        raise BadData(
            f"{path}: expected the real photo's size {width}x{height}, got {columns}x{rows} "
            "(--size N of predict and evaluate must agree)"
        )
    return predicted
