"""Predict with any method, and score predictions from disk, so that all are scored alike.

How pictures come to numbers is a protocol's (:mod:`phnet.evaluation.protocols`); numbers of a set
are means of per-image values. Images are read one at a time: memory does not grow with the pictures
of a set, only a row of numbers is kept for each. An image with an empty mask is left out and named.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import cv2
import numpy as np

from phnet.batch.executors import apply
from phnet.datasets.readers import SUFFIXES, Sample
from phnet.datasets.skin_tone import find_skin
from phnet.errors import BadData, BadMask, BadOutput, PHNetError
from phnet.evaluation import protocols, skin_table, temporal
from phnet.evaluation.metrics import METRICS
from phnet.evaluation.no_reference import CHECKS, LUMA, check
from phnet.evaluation.statistics import Scored
from phnet.files import write_bytes, write_text
from phnet.images.arrays import Doubles, Pixels

UNTOUCHED = "untouched"  # folder in a folder of predictions: the method on real photos
NOTE = "method.json"  # in a folder of predictions: what made them, and how fast
LARGEST_NOTE = 1 << 20  # bytes

Progress = Callable[[int, int], None]
logger = logging.getLogger(__name__)


class Method(Protocol):
    """Method of harmonization, with the Harmonizer's interface."""

    def harmonize(self, composite: Any, mask: Any) -> Any:
        """Return the harmonized picture."""
        ...


# -- predictions --------------------------------------------------------------------------


def predict(
    samples: Sequence[Sample],
    method: Method,
    output: str | os.PathLike[str],
    *,
    protocol: str = "paper",
    untouched: bool = False,
    about: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> list[float]:
    """Write a method's prediction of every sample, under the composite's file name.

    The files hold PNG whatever their name ends in: a lossy prediction would not be scored as
    the method made it. Floats are written with 16 bits. A sample whose mask is empty is left out,
    with a warning.

    Args:
        samples: from :func:`phnet.datasets.readers.read`.
        method: the method.
        output: the folder to write to; made if missing.
        protocol: after which composites and masks are made that the method is handed.
        untouched: hand in real photos instead of composites and write to ``output/untouched``;
            a good method leaves them nearly as they are.
        about: of the method, written beside the predictions with its time: name, parameters.
        progress: called with (done, total).

    Returns:
        Seconds that the method took for each image, without reading and writing.

    Raises:
        BadData: two composites have the same name.
        BadMask: every mask is empty.
        BadOutput: the folder lies in the data set, or cannot be written.
    """
    folder = Path(output) / UNTOUCHED if untouched else Path(output)
    _check_output(samples, folder)
    rule = protocols.find(protocol, samples[0].size if samples else None)
    seconds: list[float] = []
    reason = None
    for done, sample in enumerate(samples):
        pixels = rule.real(sample) if untouched else rule.composite(sample)
        try:
            result, taken = _timed(method, sample, pixels, rule.foreground(sample))
        except BadMask as error:
            reason = str(error)
            logger.warning("%s; left out", reason)
        else:
            seconds.append(taken)
            _store(folder / sample.file_name, result)
        if progress is not None:
            progress(done + 1, len(samples))
    if not seconds:
        raise BadMask(reason or "expected samples, got none")
    if not untouched:
        note = {**(about or {}), "milliseconds": 1000 * median(seconds), "images": len(seconds)}
        write_text(folder / NOTE, json.dumps(note, indent=1) + "\n")
    return seconds


def _timed(method: Method, sample: Sample, pixels: Doubles, mask: Doubles) -> tuple[Pixels, float]:
    """A method's result, and the seconds that it took; errors name the sample's mask."""
    composite, foreground = pixels.astype(np.uint8), mask.astype(np.float32)
    start = time.perf_counter()
    try:
        if not foreground.any():
            raise BadMask("mask: expected a foreground, but the mask is empty")
        result = np.asarray(method.harmonize(composite, foreground))
    except PHNetError as error:
        raise type(error)(f"{sample.mask_path}: {error}") from error
    return result, time.perf_counter() - start


def _store(path: Path, result: Pixels) -> None:
    """Write a prediction as PNG; floats with 16 bits."""
    if result.dtype.kind == "f":
        result = np.rint(np.clip(result, 0, 1) * 65535).astype(np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    _, encoded = cv2.imencode(".png", result[..., ::-1])
    write_bytes(path, encoded.tobytes())


def _check_output(samples: Sequence[Sample], folder: Path) -> None:
    """Make the folder of predictions, and refuse what would overwrite anything."""
    names: set[str] = set()
    for sample in samples:
        if sample.file_name in names:
            raise BadData(f"{sample.composite_path}: another composite has the same file name")
        names.add(sample.file_name)
    if any(folder.resolve() == s.composite_path.parent.resolve() for s in samples):
        raise BadOutput(f"{folder}: expected a folder other than that of the composites")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutput(f"{folder}: cannot be made ({error.strerror})") from error


# -- scores -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """Figures of one sample."""

    values: Doubles  # (methods, 2 + metrics + checks + 1 + skin's)
    digest: bytes  # of its three files
    failure: str | None = None  # why it has no values


def evaluate(
    samples: Sequence[Sample],
    folders: Sequence[str | os.PathLike[str]],
    *,
    protocol: str = "paper",
    suffix: str = "",
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[Scored]:
    """Score predictions that lie on disk, one folder a method.

    Args:
        samples: from :func:`phnet.datasets.readers.read`; their size is that of the comparison.
        folders: of predictions, found by the composite's name, else by it without extension.
        protocol: a name in :data:`phnet.evaluation.protocols.PROTOCOLS`.
        suffix: what predictions have behind the composite's name, such as ``_harmonized``.
        jobs: worker processes.
        progress: called with (done, total) samples.

    Returns:
        Scores of the samples that have a foreground; the others are in ``Scored.failed``.

    Raises:
        BadData: a prediction is missing or of another size.
        BadMask: every mask is empty.
    """
    if not samples:
        raise BadData("expected samples to score, got none")
    roots = [Path(folder) for folder in folders]
    found = [_predictions(samples, root, suffix) for root in roots]
    spare = [
        _predictions(samples, root / UNTOUCHED, suffix) if (root / UNTOUCHED).is_dir() else None
        for root in roots
    ]
    rule = protocols.find(protocol, samples[0].size)
    rows: list[_Row] = []
    for done, row in enumerate(apply(partial(_measure, found, spare, rule), samples, jobs)):
        rows.append(row)
        if progress is not None:
            progress(done + 1, len(samples))
    failed = [(s.id, r.failure) for s, r in zip(samples, rows, strict=True) if r.failure]
    kept = [(s, r) for s, r in zip(samples, rows, strict=True) if not r.failure]
    if not kept:
        raise BadMask(failed[0][1])
    two = temporal.pairs([sample for sample, _ in kept])
    warps = np.array(list(apply(partial(temporal.of_pair, found), two, jobs))) if two else None
    whole = hashlib.sha256(b"".join(row.digest for row in rows)).hexdigest()
    table = np.array([row.values for _, row in kept])
    return [
        replace(
            _scored(name, [sample for sample, _ in kept], table[:, i], found[i]),
            failed=failed,
            digest=whole,
            note=read_note(roots[i]),
            warps=None if warps is None else warps[:, [i, -1]],
        )
        for i, name in enumerate(names_of(roots))
    ]


def _scored(name: str, samples: Sequence[Sample], rows: Doubles, paths: dict[str, Path]) -> Scored:
    """One method's rows of :func:`_measure` by their columns."""
    ends = np.cumsum([2, len(METRICS), len(CHECKS)])
    return Scored(
        name,
        [sample.id for sample in samples],
        [sample.subset for sample in samples],
        rows[:, 0],
        rows[:, 1],
        rows[:, ends[0] : ends[1]],
        rows[:, ends[1] : ends[2]],
        rows[:, ends[2]],
        [paths[sample.id] for sample in samples],
        skin=rows[:, ends[2] + 1 :],
    )


def read_note(folder: Path) -> dict[str, Any]:
    """Read :func:`predict`'s note: name, parameters, milliseconds, as far as known."""
    path = folder / NOTE
    try:
        if path.stat().st_size > LARGEST_NOTE:
            return {}
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(note, dict):
        return {}
    kinds: dict[str, tuple[type, ...]] = {
        "name": (str,),
        "parameters": (int, float),
        "milliseconds": (int, float),
    }
    return {key: note[key] for key, kind in kinds.items() if isinstance(note.get(key), kind)}


def names_of(folders: Sequence[Path]) -> list[str]:
    """Names of methods: the folders' own, with the one above where that is not enough."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = ["/".join(folder.resolve().parts[-2:]) for folder in folders]
    if len(set(names)) < len(names):
        raise BadData(f"expected folders of predictions with names of their own, got {names}")
    return names


def _predictions(samples: Sequence[Sample], folder: Path, suffix: str) -> dict[str, Path]:
    """The prediction of each sample that has one; only one with an empty mask may have none."""
    if not folder.is_dir():
        raise BadData(f"{folder}: expected a folder of predictions, but there is none")
    paths: dict[str, Path] = {}
    stems: dict[str, Path] = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if Path(parent, name) != folder / UNTOUCHED)
        for path in (Path(parent, each) for each in sorted(names)):
            if path.suffix.lower() in SUFFIXES:
                name = path.relative_to(folder).as_posix()
                paths[name] = path
                stems[name.removesuffix(path.suffix)] = path
    result: dict[str, Path] = {}
    missing: list[str] = []
    for sample in samples:
        flat = sample.id.replace("/", "_")  # for those who write all into one folder
        names = [name + suffix for name in (sample.id, flat, sample.composite_path.stem)]
        exact = [paths.get(name + sample.composite_path.suffix) for name in names]
        found = [path for path in (*exact, *map(stems.get, names)) if path is not None]
        if found:
            result[sample.id] = found[0]
        elif sample.mask.any():
            missing.append(sample.file_name)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        behind = f" with {suffix} behind its name" if suffix else ""
        raise BadData(f"{folder}: expected a prediction for {missing[0]}{more}{behind}, found none")
    return result


def _measure(
    found: list[dict[str, Path]],
    spare: list[dict[str, Path] | None],
    rule: protocols.Protocol,
    sample: Sample,
) -> _Row:
    """A row for each method: share and luma of the foreground, scores, checks, untouched."""
    files = (sample.composite_path, sample.mask_path, sample.real_path)
    digest = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)
    mask = rule.foreground(sample)
    hard = mask > 0.5
    if not mask.any():
        why = "mask: expected a foreground, but the mask is empty"
        return _Row(np.zeros((0, 0)), digest, f"{sample.mask_path}: {why}")
    composite, real = rule.composite(sample), rule.real(sample)
    share = float(hard.mean())
    luma = float((composite[hard] @ LUMA).mean()) if share else np.nan
    skin = find_skin(real.astype(np.uint8), mask)
    rows = []
    for predictions, others in zip(found, spare, strict=True):
        predicted = rule.prediction(predictions[sample.id], real)
        try:
            scores = rule.scores(predicted, real, mask)
        except PHNetError as error:
            raise type(error)(f"{sample.mask_path}: {error}") from error
        idle = np.nan
        if others is not None:
            kept = rule.prediction(others[sample.id], real)
            idle = float(np.mean((kept - real) ** 2))
        seen = np.rint(predicted).astype(np.uint8)
        checks = check(seen, composite.astype(np.uint8), hard)
        tone = skin_table.measure(predicted, composite, real, skin)
        rows.append([share, luma, *astuple(scores), *astuple(checks), idle, *tone])
    return _Row(np.array(rows, np.float64), digest)
